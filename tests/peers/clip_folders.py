"""Tokenizer folders in CLIP's published form, with a vocabulary of a few words."""

import json
import shutil
import warnings

from ildm.conditioning.clip_vocabulary import END, START

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from transformers import CLIPTokenizer

WORDS = (
    "a",
    "an",
    "the",
    "cat",
    "catalogue",
    "dog",
    "photo",
    "photograph",
    "of",
    "red",
    "reader",
    "don",
    "été",
    "猫",
    "...",
    ",",
)


def small_vocabulary():
    """Numbers and merges in CLIP's form: bytes, bytes that end a word, a few merges, the two marks."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    alphabet = [chr(byte) for byte in printable] + [chr(256 + place) for place in range(256 - len(printable))]
    shown = dict(zip(printable, alphabet[: len(printable)], strict=True))
    shown |= dict(zip(sorted(set(range(256)) - set(printable)), alphabet[len(printable) :], strict=True))
    merges = []
    for word in WORDS:
        symbols = [shown[byte] for byte in word.encode()]
        symbols[-1] += "</w>"
        while len(symbols) > 1:
            pair = (symbols[0], symbols[1])
            symbols[:2] = ["".join(pair)]
            if pair not in merges:
                merges.append(pair)
    tokens = [*alphabet, *(symbol + "</w>" for symbol in alphabet), *("".join(pair) for pair in merges), START, END]
    return {token: number for number, token in enumerate(tokens)}, merges


def mark(content, *, normalized):
    return {"content": content, "lstrip": False, "normalized": normalized, "rstrip": False, "single_word": False}


def write_folder(folder, *, padding=END, form="old", vocabulary=None):
    """A published tokenizer folder: `form` is how it declares its marks ("bare", "old", "new"), or one "tokenizer.json"."""
    numbers, merges = vocabulary or small_vocabulary()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps(numbers))
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *map(" ".join, merges)]) + "\n")
    if form == "bare":
        return folder
    marks = {"bos_token": mark(START, normalized=True)}
    marks |= dict.fromkeys(("eos_token", "unk_token"), mark(END, normalized=True)) | {"pad_token": padding}
    settings = {"model_max_length": 77, "tokenizer_class": "CLIPTokenizer", **marks}
    if form == "new":
        declared = {numbers[text]: mark(text, normalized=True) | {"special": True} for text in (START, END)}
        if padding != END:
            declared[numbers[padding]] = mark(padding, normalized=False) | {"special": True}
        settings |= {"added_tokens_decoder": declared, "bos_token": START, "eos_token": END, "unk_token": END}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    (folder / "special_tokens_map.json").write_text(json.dumps(marks))
    if form == "added":
        (folder / "added_tokens.json").write_text(json.dumps({"<cat-toy>": len(numbers)}))
    if form == "tokenizer.json":
        theirs(folder).save_pretrained(folder / "new")
        for file in folder.glob("*.*"):
            file.unlink()
        shutil.move(folder / "new" / "tokenizer.json", folder)
        shutil.move(folder / "new" / "tokenizer_config.json", folder)
    return folder


def theirs(folder):
    """transformers' tokenizer of a folder."""
    return CLIPTokenizer.from_pretrained(str(folder))
