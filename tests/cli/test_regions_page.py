"""docs/regions.md: every command on it is run, its Python runs, and no key of a preset's file is missing from it."""

import json
import re
import shlex

import numpy as np
import pytest

from ildm.conditioning.regional_prompter import write_colours
from ildm.session.region_library import shipped_names
from ildm.session.region_presets import PresetRegion, RegionPreset
from ildm.session.session import Session
from ildm.session.wire import Mask

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def page(repository):
    return (repository / "docs" / "regions.md").read_text(encoding="utf-8")


def blocks(page, language):
    return [body for name, body in FENCE.findall(page) if name == language]


def test_every_command_does_what_it_should(page, run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ILDM_HOME", str(tmp_path / "home"))
    left = np.zeros((8, 8))
    left[:, :4] = 1
    write_colours([left, 1 - left]).save("mask.png")
    theirs = [{"name": "thirds", "mode": "Columns", "ratios": "1,1,1"}, {"name": "painted", "mode": "Mask"}]
    (tmp_path / "regional_prompter_presets.json").write_text(json.dumps(theirs))
    lines = [line for block in blocks(page, "sh") for line in block.splitlines()]
    assert len(lines) > 8
    for line in lines:
        program, command, *rest = shlex.split(line)
        quickly = ("--num-steps", 1) if command == "generate" else ()
        ended = run(command, *rest, *quickly)
        assert program == "ildm" and ended.code == 0, f"{line}: {ended.err}"
    assert run("replay", "ring.png").code == 0
    assert run("generate", "--regions", "ring.png", "--num-steps", 1).code == 0


def test_its_python_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    whole = Session.run
    monkeypatch.setattr(Session, "run", lambda self: whole(self.set_num_steps(self.step_index + 1)))
    for body in blocks(page, "python"):
        exec(body.replace("range(8)", "range(1)"), {})
    assert Session.load(tmp_path / "owl.png").regions["owl"].prompt == "a penguin on a plain blue background"


def test_its_file_can_be_read(page, tmp_path):
    from ildm.session.mask_pictures import png_of_mask
    from ildm.session.region_files import read_preset

    (tmp_path / "moon.png").write_bytes(png_of_mask(Mask.from_array(np.eye(4))))
    (tmp_path / "it.json").write_text(blocks(page, "json")[0])
    assert read_preset(tmp_path / "it.json").regions[1].window == (0, 15)


def test_every_key_and_preset_is_on_it(page):
    told = set(re.findall(r"`([a-z_-]+)`", page))
    assert {*RegionPreset.model_fields, *PresetRegion.model_fields, "colours", *shipped_names()} <= told
