"""The conditioning study as a value: one recipe, trained by each route from several seeds, and how all are judged."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ildm.conditioning.hint import Route
from ildm.conditioning.semantic_map import SemanticMapConfig
from ildm.core.errors import ConfigError
from ildm.data.emoji_scenes import EmojiScenesConfig
from ildm.recipes import tasks
from ildm.training.recipe import Recipe

ROUTES: tuple[Route, ...] = ("concat", "cross-attention")


@dataclass(frozen=True, kw_only=True)
class ConditioningConfig:
    """Everything that decides what the study finds.

    Args:
        recipe: what every arm trains but for its route and seed: scenes, shown as a semantic map to a denoiser on a ready first stage.
        seeds: trainings by each route, 2 to 10; a difference is judged over them.
        num_images: unseen scenes that are drawn and judged.
        shares: of a training, rising to 1, at which its samples are judged.
    """

    recipe: Recipe
    seeds: int = 3
    num_images: int = 256
    shares: tuple[float, ...] = (0.25, 0.5, 1.0)

    def __post_init__(self) -> None:
        if not isinstance(self.recipe.condition.hint, SemanticMapConfig) or not isinstance(self.recipe.data, EmojiScenesConfig):
            raise ConfigError(
                "The study compares routes for semantic maps of EmojiScenes: recipe.condition.hint and recipe.data stay of those kinds."
            )
        if not self.recipe.first_stage:
            raise ConfigError("All arms share a first stage: name a model in recipe.first_stage.")
        if not 2 <= self.seeds <= 10 or self.num_images < 10:
            raise ConfigError(
                f"The study takes 2 to 10 seeds and at least 10 images, but {self.seeds} and {self.num_images} were given."
            )
        if not self.shares or list(self.shares) != sorted(set(self.shares)) or self.shares[0] <= 0 or self.shares[-1] != 1:
            raise ConfigError(f"shares rise from above 0 to 1, but {self.shares} were given: take 0.25, 0.5, 1.")
        if len(set(self.steps)) < len(self.shares) or self.steps[-1] < 1:
            raise ConfigError(
                f"recipe.stage_two.loop.steps is too small to be judged at {len(self.shares)} moments: give more steps or fewer shares."
            )

    @property
    def steps(self) -> tuple[int, ...]:
        """At which every arm is judged, rising."""
        return tuple(max(1, round(share * self.recipe.stage_two.loop.steps)) for share in self.shares)

    @property
    def data(self) -> EmojiScenesConfig:
        """What all arms train on."""
        assert isinstance(self.recipe.data, EmojiScenesConfig)
        return self.recipe.data


@dataclass(frozen=True)
class Arm:
    """One training.

    Args:
        seed: of its first weights, its noise and the order of its data.
    """

    route: Route
    seed: int

    @property
    def name(self) -> str:
        """Of its folder: `concat-0`."""
        return f"{self.route}-{self.seed}"

    def recipe(self, config: ConditioningConfig) -> Recipe:
        """What is trained; the graph is the same but for what the route needs."""
        recipe, hint = config.recipe, config.recipe.condition.hint
        assert isinstance(hint, SemanticMapConfig)
        return replace(
            recipe,
            name=self.name,
            condition=replace(recipe.condition, hint=replace(hint, route=self.route)),
            stage_two=replace(recipe.stage_two, seed=self.seed),
        )


def arms(config: ConditioningConfig) -> tuple[Arm, ...]:
    """Every training, both routes of a seed side by side."""
    return tuple(Arm(route, seed) for seed in range(config.seeds) for route in ROUTES)


def default() -> ConditioningConfig:
    """An hour or two on two CPU cores: the recipe `semantic-map`, shorter."""
    recipe = tasks.semantic_map()
    two = recipe.stage_two
    # a constant rate, so that every point of a training is as good as an end
    two = replace(two, loop=replace(two.loop, steps=1_200, sample_every=0), optimizer=replace(two.optimizer, decay="none"))
    return ConditioningConfig(recipe=replace(recipe, stage_two=two, num_latents=20_000))


def tiny() -> ConditioningConfig:
    """Every part at work within seconds, on the sprites inside the package; its figures say nothing."""
    whole = default()
    recipe = whole.recipe
    assert isinstance(recipe.data, EmojiScenesConfig)
    two = recipe.stage_two
    return replace(
        whole,
        recipe=replace(
            recipe,
            data=replace(
                recipe.data,
                size=64,
                length=16,
                sprites="sample",
                concepts=("red apple", "rocket", "cactus"),
                styles=("flat", "noto"),
            ),
            denoiser=replace(recipe.denoiser, channels=(32, 32), res_blocks=(1, 1), depths=(0, 1)),
            stage_two=replace(
                two,
                loop=replace(two.loop, steps=2, log_every=1),
                optimizer=replace(two.optimizer, warmup_steps=1),
                batch_size=4,
                precision="float32",
                ema_decay=0.5,
            ),
            sampling=replace(recipe.sampling, num_steps=1, guidance_scale=1.0),
            num_latents=16,
            workers=0,
        ),
        seeds=2,
        num_images=10,
        shares=(1.0,),
    )
