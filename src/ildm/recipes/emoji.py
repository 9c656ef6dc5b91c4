"""The shipped model: EmojiScenes at 128 px, small enough to be trained on two CPU cores."""

from __future__ import annotations

from dataclasses import replace

from ildm.data.emoji_scenes import EmojiScenesConfig
from ildm.recipes import small
from ildm.training.recipe import Recipe, Sampling

ANIMALS_AND_NATURE = (
    "monkey face", "fox", "cat face", "lion", "tiger face", "zebra", "pig face", "giraffe", "elephant", "rabbit face",
    "koala", "panda", "penguin", "owl", "flamingo", "frog", "turtle", "spouting whale", "dolphin", "octopus",
    "crab", "snail", "butterfly", "lady beetle", "rose", "sunflower", "tulip", "palm tree", "cactus", "four leaf clover",
)  # fmt: skip
FOOD_AND_DRINK = (
    "grapes", "watermelon", "lemon", "banana", "pineapple", "red apple", "cherries", "strawberry", "kiwi fruit", "avocado",
    "eggplant", "carrot", "ear of corn", "broccoli", "croissant", "pretzel", "cheese wedge", "hamburger", "french fries", "pizza",
    "hot dog", "taco", "popcorn", "sushi", "ice cream", "doughnut", "cupcake", "lollipop", "wine glass", "beer mug",
)  # fmt: skip
TRAVEL_AND_PLACES = (
    "globe showing Americas", "volcano", "house", "castle", "Statue of Liberty", "tent", "ferris wheel", "locomotive", "bus",
    "ambulance", "taxi", "tractor", "racing car", "bicycle", "stop sign", "vertical traffic light", "anchor", "sailboat",
    "airplane", "helicopter", "rocket", "flying saucer", "alarm clock", "crescent moon", "sun", "ringed planet", "star",
    "rainbow", "umbrella", "snowman",
)  # fmt: skip
ACTIVITIES = (
    "jack-o-lantern", "Christmas tree", "balloon", "party popper", "ribbon", "wrapped gift", "trophy", "sports medal",
    "soccer ball", "baseball", "basketball", "volleyball", "american football", "tennis", "bowling", "boxing glove",
    "ice skate", "bullseye", "yo-yo", "kite", "crystal ball", "magic wand", "video game", "game die", "puzzle piece",
    "teddy bear", "nesting dolls", "heart suit", "artist palette", "yarn",
)  # fmt: skip
OBJECTS = (
    "glasses", "necktie", "t-shirt", "jeans", "backpack", "crown", "top hat", "gem stone", "bell", "headphone",
    "guitar", "trumpet", "violin", "drum", "telephone", "laptop", "camera", "television", "light bulb", "books",
    "envelope", "pencil", "paperclip", "scissors", "key", "hammer", "magnet", "toilet", "broom", "fire extinguisher",
)  # fmt: skip
CONCEPTS = ANIMALS_AND_NATURE + FOOD_AND_DRINK + TRAVEL_AND_PLACES + ACTIVITIES + OBJECTS

PROMPTS = (
    "a red apple on a plain blue background", "a castle on a plain white background", "a fox on a plain green background",
    "a rocket on a plain black background", "a doughnut on a plain yellow background", "a guitar on a plain teal background",
    "a penguin, 3d style", "a cactus in flat style",
    "a banana to the left of a pineapple on a plain white background", "a bus above a bicycle on a plain grey background",
    "an owl and a key on a plain purple background", "a crown below a star on a plain blue background",
    "a heart suit on a red and white checkered background", "a snowman on a blue to white gradient background",
    "a turtle on a green and yellow striped background", "a camera, a laptop and a light bulb",
)  # fmt: skip


def recipe() -> Recipe:
    """128 px, f = 8, 16x16 latents; 150 concepts in three styles.

    See docs/decisions: naming-what-lies-where, looking-where-things-lie, words-know-where, words-act-in-their-places.
    """
    return Recipe(
        name="emoji",
        summary="Small illustrations of 150 everyday things, alone or in scenes, drawn from text.",
        data=EmojiScenesConfig(
            size=128, length=400_000, concepts=CONCEPTS, styles=("flat", "3d", "noto"), single_object_share=0.5
        ),
        autoencoder=small.AUTOENCODER,
        stage_one=small.stage_one(steps=4_500),
        denoiser=small.DENOISER,
        text=small.TEXT,
        stage_two=replace(
            small.stage_two(steps=20_000), alignment=0.1, grounding=0.3, placing=0.5, in_places=0.4, helped=(0.25, 0.5)
        ),
        sampling=Sampling(num_steps=25, guidance_scale=3.0),
        num_latents=60_000,
        prompts=PROMPTS,
        licence="Apache-2.0 (weights); the drawings it was trained on: MIT and Apache-2.0",
        attribution="Trained on drawings of Fluent Emoji (Microsoft, MIT) and Noto Emoji (Google, Apache-2.0).",
    )
