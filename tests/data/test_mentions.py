"""Things are found where captions name them."""

from dataclasses import replace

from ildm.conditioning.text import TextConditioner, TextEncoderConfig
from ildm.conditioning.tokenizer import Tokenizer
from ildm.data.emoji_scenes import EmojiScenes
from ildm.data.mentions import Mentions, mentions_of
from ildm.recipes.emoji_tiny import recipe

THINGS = Mentions({1: ("a cat", "a house cat"), 2: ("a house",), 3: ("an owl",)})


def named(caption, numbers=(1, 2, 3)):
    return [(caption[one.start : one.end], one.number) for one in THINGS.find(caption, numbers)]


def test_the_longer_phrase_is_meant():
    assert named("a flat house cat left of a house") == [("house cat", 1), ("house", 2)]


def test_only_whole_words_and_only_what_is_shown():
    assert named("an Owl on cattle, owls and a cat") == [("Owl", 3), ("cat", 1)]
    assert named("an owl and a cat", [1]) == [("cat", 1)]
    assert named("two cat pictures of a cat", [1]) == [("cat", 1), ("cat", 1)]
    assert named("nothing of the kind") == []


def test_every_wording_of_every_scene_names_all_that_it_shows():
    data = EmojiScenes(replace(recipe().data, length=150, single_object_share=0.2))
    classes = [0, *(1 + concept.index for concept in data.concepts)]
    mentions = mentions_of(data, classes)
    for index in range(150):
        sample = data[index]
        shown = {data.concepts[classes.index(number) - 1].label for number in sample.semantic_map.unique().tolist() if number}
        for caption in sample.captions:
            found = {data.concepts[one.number - 1].label for one in mentions.find(caption, range(1, len(classes)))}
            assert shown <= found, caption


def test_tokens_carry_the_number_of_what_they_name():
    captions = ["a house cat left of an owl", "an owl"]
    tokenizer = Tokenizer.train(captions, vocabulary_size=280, max_tokens=16)
    reader = TextConditioner(TextEncoderConfig(width=8, depth=1, num_heads=1, max_tokens=16), tokenizer)
    tokens = reader.named(captions, [THINGS.find(caption, (1, 2, 3)) for caption in captions])
    assert tokens.shape == reader(captions).context.shape[:2]
    for row, caption in zip(tokens.tolist(), captions, strict=True):
        pieces = tokenizer.pieces(caption)
        spoken = {
            number: "".join(piece for piece, one in zip(pieces, row[1:], strict=False) if one == number) for number in (1, 3)
        }
        assert spoken[3].strip() == "owl"
        assert spoken[1].strip() == ("house cat" if "cat" in caption else "")
        assert row[0] == row[len(pieces) + 1] == 0
        assert set(row[len(pieces) + 2 :]) <= {-1}


def test_a_thing_far_behind_in_a_caption_has_its_tokens():
    caption = "a house cat, " * 4 + "an owl"
    tokenizer = Tokenizer.train([caption], vocabulary_size=280, max_tokens=12)
    reader = TextConditioner(TextEncoderConfig(width=8, depth=1, num_heads=1, max_tokens=12), tokenizer)
    tokens = reader.named([caption, ""], [THINGS.find(caption, (1, 3)), []])
    assert tokens.shape == reader([caption, ""]).context.shape[:2]
    assert int((tokens[0] == 3).nonzero().min()) > 12
    assert set(tokens[1].tolist()) == {0, -1}
