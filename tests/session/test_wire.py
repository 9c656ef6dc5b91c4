"""Messages go over the wire and come back, in both forms; what is no message is refused in a sentence; masks are what they were."""

import json
import subprocess
import sys
import types
import typing
import zlib

import annotated_types as limits
import msgpack
import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from ildm.core.errors import ConfigError, ProtocolError, ShapeError
from ildm.session import commands, events, wire
from ildm.session.commands import Command
from ildm.session.events import AnyEvent
from ildm.session.settings import Settings
from ildm.session.wire import Mask, checked, from_json, from_msgpack, to_json, to_msgpack

TORCH_FREE = ("wire", "settings", "commands", "events", "editing", "timeline")


def kinds(union):
    return typing.get_args(typing.get_args(union)[0])


COMMANDS, EVENTS = kinds(Command), kinds(AnyEvent)

# --- any value of any form, from the form itself --------------------------------------------------------------------------------

masks = st.builds(
    Mask.from_array,
    arrays.arrays(np.uint8, arrays.array_shapes(min_dims=2, max_dims=2, max_side=9), elements=st.integers(0, 255)),
)


def values(annotation, metadata=()):
    """A strategy for a type under pydantic's limits."""
    origin, parts = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        inner = [two for one in parts[1:] for two in (one.metadata if isinstance(one, FieldInfo) else [one])]
        return values(parts[0], (*inner, *metadata))
    if origin is typing.Literal:
        return st.sampled_from(parts)
    if origin in (typing.Union, types.UnionType):
        return st.one_of([values(part, metadata) for part in parts])
    if origin is tuple and parts[-1] is Ellipsis:
        return st.lists(values(parts[0]), min_size=least(metadata), max_size=2).map(tuple)
    if origin is tuple:
        return st.tuples(*[values(part) for part in parts])
    return PLAIN[annotation](metadata) if annotation in PLAIN else forms(annotation)


def forms(form):
    if form is Mask:
        return masks
    fields = {name: values(field.annotation, tuple(field.metadata)) for name, field in form.model_fields.items()}
    return st.fixed_dictionaries(fields).map(form.model_validate)


def bounds(metadata):
    low = next((one for one in metadata if isinstance(one, limits.Ge | limits.Gt)), None)
    high = next((one.le for one in metadata if isinstance(one, limits.Le)), None)
    return getattr(low, "ge", getattr(low, "gt", None)), isinstance(low, limits.Gt), high


def least(metadata):
    return next((one.min_length for one in metadata if isinstance(one, limits.MinLen)), 0)


def integers(metadata):
    low, _, high = bounds(metadata)
    return st.integers(low, high)


def floats(metadata):
    low, open_below, high = bounds(metadata)
    return st.floats(low, high, exclude_min=open_below, allow_nan=False, allow_infinity=False)


def texts(metadata):
    if any(getattr(one, "pattern", None) for one in metadata):
        return st.binary(min_size=32, max_size=32).map(bytes.hex)
    return st.text(min_size=least(metadata), max_size=12)


PLAIN = {
    int: integers,
    float: floats,
    str: texts,
    bool: lambda _: st.booleans(),
    bytes: lambda metadata: st.binary(min_size=least(metadata), max_size=12),
    type(None): lambda _: st.none(),
}

# --- there and back -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("union", "kind"),
    [(Command, kind) for kind in COMMANDS] + [(AnyEvent, kind) for kind in EVENTS],
    ids=lambda one: getattr(one, "__name__", ""),
)
@given(data=st.data())
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_every_message_comes_back_as_it_was(union, kind, data):
    message = data.draw(forms(kind))
    for there, back in ((to_json, from_json), (to_msgpack, from_msgpack)):
        again = back(union, there(message))
        assert type(again) is kind
        assert again == message
        assert there(again) == there(message)


@given(forms(Settings))
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_settings_come_back_and_name_all_they_need(value):
    assert from_msgpack(Settings, to_msgpack(value)) == value
    fields = json.loads(to_json(value))
    named = {fields["initial_noise"], fields["shown"], fields["hole"], (fields["start"] or {}).get("source")}
    named |= {hold[key] for hold in fields["holds"] for key in ("source", "change", "noise")}
    named |= {one[key] for one in fields["feedback"] for key in ("source", "area")} | {one["mask"] for one in fields["regions"]}
    assert value.blobs == named - {None}


def test_a_browser_may_write_bytes_in_either_alphabet():
    data = zlib.compress(bytes(range(256)))
    for name, mask in ((text, wire.Mask(width=16, height=16, data=data)) for text in ("+/", "-_")):
        text = to_json(mask).replace("-", name[0]).replace("_", name[1])
        assert from_json(Mask, text) == mask


# --- what is none ---------------------------------------------------------------------------------------------------------------

scraps = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text(max_size=8) | st.binary(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8) | st.just("kind"), inner, max_size=4),
    max_leaves=12,
)


def refused(read, form, data):
    with pytest.raises(ProtocolError) as caught:
        read(form, data)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 2000
    return str(caught.value)


@given(scraps)
@settings(deadline=None)
def test_anything_else_is_refused(scrap):
    refused(from_msgpack, Command, msgpack.packb(scrap))
    refused(from_msgpack, AnyEvent, msgpack.packb(scrap))


@given(st.binary(max_size=64))
@example(b"\x91" * 4000)  # nested beyond any need
@example(b"\xdf\xff\xff\xff\xff")  # a map of four thousand million entries, they say
@example(b"\xdb\xff\xff\xff\xffa")
@example(b"\xd7\xff" + b"\xff" * 8)  # a time that cannot be
@example(b"\x82\xa4kind\xa5pause\xa4kind\xa5pause")
@settings(deadline=None)
def test_bytes_that_are_no_message_are_refused(data):
    try:
        from_msgpack(Command, data)
    except ProtocolError as error:
        assert "\n" not in str(error)


@given(st.text(max_size=40) | st.binary(max_size=40))
@example("[" * 100_000)
@example('{"kind": "pause", "version": 1e999}')
@example('{"kind": "set-prompt", "text": "\\ud800"}')
@settings(deadline=None)
def test_text_that_is_no_message_is_refused(text):
    refused(from_json, Command, text)


@given(kind=st.sampled_from(COMMANDS), data=st.data())
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_damaged_message_is_refused_or_another_one(kind, data):
    packed = bytearray(to_msgpack(data.draw(forms(kind))))
    place = data.draw(st.integers(0, len(packed) - 1))
    packed[place] ^= data.draw(st.integers(1, 255))
    for damaged in (bytes(packed), bytes(packed[:place])):
        try:
            message = from_msgpack(Command, damaged)
        except ProtocolError as error:
            assert "\n" not in str(error)
        else:
            assert from_msgpack(Command, to_msgpack(message)) == message


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"kind": "set-prompt"}, "set-prompt.text: Field required"),
        ({"kind": "set-prompt", "text": "a" * 8193}, "at most 8192 characters"),
        ({"kind": "set-prompt", "text": "a", "texts": "b"}, "texts: there is no field of that name"),
        ({"kind": "set-prompt", "text": "a", "version": 2}, "version: Input should be 1"),
        ({"kind": "paint"}, "'paint'"),
        ({"kind": "x" * 10**6}, "xxx"),
        ({"text": "a"}, "kind"),
        ({"kind": "set-guidance", "scale": float("nan")}, "scale: Input should be a finite number"),
        ({"kind": "like-area", "strength": float("nan")}, "strength"),
        ({"kind": "rewind", "step": -1}, "step: Input should be greater than or equal to 0"),
        ({"kind": "open-node", "node": 2**60}, "node: Input should be less than or equal to"),
        ({"kind": "set-num-steps", "num_steps": 10**6}, "num_steps: Input should be less than or equal to 1000"),
        ({"kind": "compare", "choices": []}, "choices"),
        ({"kind": "compare", "choices": [{"kind": "choice"}] * 65}, "choices"),
        ({"kind": "set-prompt", "text": 3, "version": 3}, "and 1 more"),
        ({"kind": "lock-area", "area": {"width": 5000, "height": 1, "data": b""}}, "area.width"),
    ],
)
def test_the_first_thing_that_is_wrong_is_said(fields, said):
    assert said in refused(from_msgpack, Command, msgpack.packb(fields))


def test_every_number_of_a_message_that_is_let_in_can_go_out_again():
    # numbers of any length can be written in JSON, but not in msgpack, nor in a store
    refused(from_json, Command, '{"kind": "open-node", "node": ' + "9" * 30 + "}")
    refused(from_json, AnyEvent, '{"kind": "state-saved", "seq": 0, "node": ' + "9" * 30 + "}")
    refused(from_json, AnyEvent, '{"kind": "command-rejected", "seq": 0, "op": ' + "9" * 30 + ', "code": "failed", "text": ""}')


def test_a_message_has_a_largest_size(monkeypatch):
    monkeypatch.setattr(wire, "MAX_MESSAGE_BYTES", 100)
    assert "at most 100 bytes" in refused(from_msgpack, Command, bytes(101))


def test_a_value_given_by_a_person_is_refused_in_a_short_sentence():
    with pytest.raises(ConfigError, match="text cannot be 'aaa") as caught:
        checked(commands.SetPrompt, {"text": "a" * 10_000})
    assert len(str(caught.value)) < 300


def test_messages_never_change():
    with pytest.raises(ValueError, match="frozen"):
        commands.SetPrompt(text="a").text = "b"


# --- masks ----------------------------------------------------------------------------------------------------------------------


@given(arrays.arrays(np.uint8, arrays.array_shapes(min_dims=2, max_dims=2, max_side=40)))
@settings(deadline=None)
def test_a_mask_holds_every_byte(pixels):
    mask = from_json(Mask, to_json(Mask.from_array(pixels)))
    assert (mask.height, mask.width) == pixels.shape
    assert np.array_equal(np.rint(mask.to_array() * 255), pixels)
    assert Mask.from_array(mask.to_array()) == mask


@given(arrays.arrays(np.float64, (3, 4), elements=st.floats(-2, 3)))
@settings(deadline=None)
def test_numbers_become_the_nearest_byte(numbers):
    inside = np.clip(numbers, 0.0, 1.0)
    assert np.abs(Mask.from_array(numbers).to_array() - inside).max() <= 0.5 / 255 + 1e-6


def test_booleans_are_all_or_nothing():
    assert Mask.from_array(np.array([[True, False]])).to_array().tolist() == [[1.0, 0.0]]


def test_a_mask_reads_arrays_in_any_layout():
    turned = np.arange(12, dtype=np.uint8).reshape(3, 4).T
    assert np.array_equal(np.rint(Mask.from_array(turned[::-1]).to_array() * 255), turned[::-1])


edges = st.floats(0.0, 1.0)


@given(st.integers(1, 64), st.integers(1, 64), st.tuples(edges, edges), st.tuples(edges, edges))
@settings(deadline=None)
def test_a_rectangle_covers_its_share(width, height, across, down):
    (left, right), (top, bottom) = sorted(across), sorted(down)
    values = Mask.rectangle(width, height, (left, top, right, bottom)).to_array()
    assert values.shape == (height, width)
    assert set(np.unique(values)) <= {0.0, 1.0}
    rows, columns = values.any(axis=1), values.any(axis=0)
    assert values.sum() == rows.sum() * columns.sum()
    assert values.any()  # however thin it is
    assert abs(columns.sum() - (right - left) * width) <= 1.0
    assert abs(rows.sum() - (bottom - top) * height) <= 1.0
    assert columns.argmax() == min(round(left * width), width - 1)
    assert rows.argmax() == min(round(top * height), height - 1)


@pytest.mark.parametrize(
    "values",
    [
        np.zeros((2, 2, 2)),
        np.zeros((0, 4)),
        np.zeros((1, 4097)),
        np.zeros(3),
        np.array([["a"]]),
        np.array([[None]]),
        np.array([[1j]]),
        np.array([[np.nan]]),
    ],
    ids=str,
)
def test_what_is_no_mask_is_refused(values, shapes_unchecked):
    with pytest.raises(ShapeError, match="A mask has"):
        Mask.from_array(values)


def mask_of(data, width=64, height=64):
    return msgpack.packb({"kind": "lock-area", "area": {"width": width, "height": height, "data": data}})


WHOLE = zlib.compress(bytes(64 * 64))


@pytest.mark.parametrize(
    "data",
    [b"", b"no zlib", WHOLE[:-1], WHOLE[:8], bytes([WHOLE[0], WHOLE[1]]), WHOLE + b"more", zlib.compress(bytes(64 * 64 - 1))],
    ids=["empty", "other bytes", "no checksum", "cut", "header", "more behind it", "too few"],
)
def test_masks_that_are_not_whole_are_refused(data):
    assert "mask" in refused(from_msgpack, Command, mask_of(data))


def test_a_mask_with_wrong_contents_is_refused():
    damaged = bytearray(zlib.compress(bytes(range(256)) * 16, 0))
    damaged[30] ^= 1
    assert "incorrect data check" in refused(from_msgpack, Command, mask_of(bytes(damaged)))


def test_a_bomb_is_not_unpacked():
    bomb = zlib.compress(bytes(32 * 2**20))  # 32 MB in 32 kB
    code = (
        "import resource, sys, zlib\n"
        "from ildm.session.wire import from_msgpack\n"
        "from ildm.session.commands import Command\n"
        "from ildm.core.errors import ProtocolError\n"
        "data = sys.stdin.buffer.read()\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try:\n    from_msgpack(Command, data)\nexcept ProtocolError:\n"
        "    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    result = subprocess.run([sys.executable, "-c", code], input=mask_of(bomb), capture_output=True, check=True)
    assert int(result.stdout) < 8 * 1024  # kilobytes


# --- what a front end is told ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("union", "module", "root"), [(Command, commands, wire.Message), (AnyEvent, events, events.Event)])
def test_the_schema_is_complete(union, module, root):
    """Every message of a module is in its union, every one of the union in the schema, with all its fields."""
    written = {
        one
        for one in vars(module).values()
        if isinstance(one, type) and issubclass(one, root) and "kind" in one.model_fields and one is not commands.Choice
    }
    assert written == set(kinds(union))
    schema = wire.adapter(union).json_schema()
    named = schema["discriminator"]["mapping"]
    assert schema["discriminator"]["propertyName"] == "kind"
    assert {kind: place.rsplit("/", 1)[1] for kind, place in named.items()} == {
        one.model_fields["kind"].default: one.__name__ for one in written
    }
    for one in written:
        described = schema["$defs"][one.__name__]
        assert set(described["properties"]) == set(one.model_fields)
        assert described["additionalProperties"] is False
        assert described["description"]


@pytest.mark.parametrize("kind", [*COMMANDS, *EVENTS], ids=lambda kind: kind.__name__)
def test_kinds_are_named_after_their_classes(kind):
    words = "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in kind.__name__)[1:]
    assert kind.model_fields["kind"].default == words


def leaves(annotation, metadata=(), where=""):
    """Every plain type that a value of a form is made of, with its limits and where it is."""
    origin, parts = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        inner = [two for one in parts[1:] for two in (one.metadata if isinstance(one, FieldInfo) else [one])]
        yield from leaves(parts[0], (*inner, *metadata), where)
    elif origin is tuple:
        yield tuple, metadata, where
        for part in parts:
            yield from leaves(part, (), where)
    elif origin in (typing.Union, types.UnionType):
        for part in parts:
            yield from leaves(part, metadata, where)
    elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
        for name, field in annotation.model_fields.items():
            yield from leaves(field.annotation, tuple(field.metadata), f"{annotation.__name__}.{name}")
    elif annotation in (str, bytes, int, float):
        yield annotation, metadata, where


def test_everything_that_comes_from_outside_has_a_limit():
    unbounded = []
    for kind, metadata, where in leaves(Command):
        lengths = any(isinstance(one, limits.MaxLen) or getattr(one, "pattern", None) for one in metadata)
        if not (lengths if kind in (str, bytes, tuple) else bounds(metadata)[2] is not None):
            unbounded.append(where)
    assert set(unbounded) <= {"Region.window"}  # a pair


def test_no_tensors_are_needed():
    imports = ", ".join(f"ildm.session.{name}" for name in TORCH_FREE)
    code = f"import {imports}, sys; print(*sorted({{'torch', 'jaxtyping', 'transformers', 'PIL'}} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.split() == []


def test_forms_are_strict():
    for form in {*COMMANDS, *EVENTS, Settings, Mask}:
        assert issubclass(form, BaseModel)
        assert form.model_config["extra"] == "forbid"
        assert form.model_config["frozen"]
