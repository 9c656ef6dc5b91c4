"""The table of concepts is whole, and every phrase in it reads well."""

import re

import pytest

from ildm.core.errors import ConfigError
from ildm.data.concepts import GROUPS, all_concepts, bare, concepts_by_label, determiner, find_concepts, phrases_among

# written with a vowel but spoken with a consonant, and the other way round
SPOKEN_LIKE_A_CONSONANT = ("unicorn", "ewe", "uniform", "UFO", "euro", "one-")
SPOKEN_LIKE_A_VOWEL = ("hourglass", "X-ray", "x-ray", "SUV", "8 ")


def test_there_are_861_concepts_in_five_groups():
    concepts = all_concepts()
    assert len(concepts) == len(concepts_by_label()) == len({one.code for one in concepts}) == 861
    assert {one.group for one in concepts} == set(GROUPS)
    assert [one.index for one in concepts] == list(range(861))
    assert all(sum(one.group == group for one in concepts) >= 80 for group in GROUPS)


@pytest.mark.parametrize(
    ("label", "phrase"),
    [
        ("hourglass done", "an hourglass"),
        ("unicorn", "a unicorn"),
        ("ewe", "a ewe"),
        ("bread", "some bread"),
        ("bubbles", "some bubbles"),
        ("scissors", "a pair of scissors"),
        ("x-ray", "an X-ray"),
        ("Statue of Liberty", "the Statue of Liberty"),
        ("mount fuji", "Mount Fuji"),
        ("woman\u2019s hat", "a woman's hat"),
        ("twelve o\u2019clock", "a clock showing twelve o'clock"),
    ],
)
def test_noun_phrases_are_right(label, phrase):
    assert concepts_by_label()[label].phrase == phrase


def test_a_and_an_follow_the_sound():
    for concept in all_concepts():
        for phrase in (*concept.phrases, *concept.alone):
            article, word = determiner(phrase), bare(phrase)
            if article not in ("a", "an"):
                continue
            vowel = word[0].lower() in "aeiou" and not word.startswith(SPOKEN_LIKE_A_CONSONANT)
            vowel = vowel or word.startswith(SPOKEN_LIKE_A_VOWEL)
            assert article == ("an" if vowel else "a"), phrase


def test_plurals_have_no_a():
    plural = re.compile(
        r"^an? (?!pair of|bunch of)(?:\w+ )*(?:bubbles|grapes|shoes|socks|glasses|tickets|bags|notes|gloves|maracas)$"
    )
    assert not [phrase for one in all_concepts() for phrase in one.phrases if plural.match(phrase)]


def test_no_synonym_is_another_concept():
    owner = {concept.phrase: concept.label for concept in all_concepts()}
    for concept in all_concepts():
        assert [owner.get(phrase, concept.label) for phrase in concept.phrases] == [concept.label] * len(concept.phrases)


def test_plain_words_belong_to_the_only_concept_they_can_mean():
    with_cat = phrases_among(find_concepts(("cat", "cat face")))
    without_cat = phrases_among(find_concepts(("dog", "cat face")))
    face = concepts_by_label()["cat face"]
    assert "a cat" not in with_cat[face]
    assert "a cat" in without_cat[face]


def test_an_unknown_concept_is_named_with_its_nearest_match():
    with pytest.raises(ConfigError, match=r"'red appel'.*'red apple'"):
        find_concepts(("red appel",))
