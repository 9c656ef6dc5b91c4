"""The presets of regions that come with ildm: as their script writes them, and drawn by the shipped model."""

import base64
import json
import re

import numpy as np
import pytest
import torch

from ildm.checkpoint.load import load
from ildm.session.region_library import find_preset, shipped_names
from ildm.session.session import Session


@pytest.fixture(scope="module")
def shipped():
    return {name: find_preset(name) for name in shipped_names()}


def test_the_files_are_what_their_script_writes(repository, load_script, shipped):
    """`python tools/region_presets.py` writes them anew; packed otherwise by another zlib, they are the same."""
    script = load_script(repository / "tools" / "region_presets.py")
    assert {preset.name: preset for preset in (make() for make in script.PRESETS)} == shipped
    for name in shipped:
        path = script.FOLDER / f"{name}.json"
        assert path.stat().st_size < 4096
        fields = json.loads(path.read_text(encoding="utf-8"))
        for region in fields["regions"]:
            assert (
                base64.b64decode(region["mask"].partition(",")[2]).startswith(b"\x89PNG") if "mask" in region else region["box"]
            )


def test_they_show_all_that_regions_can_do(shipped):
    assert len(shipped) == 6 and all(one.prompt and one.description for one in shipped.values())
    regions = [region for one in shipped.values() for region in one.regions]
    assert any(region.base_ratio for region in regions) and any(region.window for region in regions)
    assert {one.mode for one in shipped.values()} == {"attention", "latent"}
    assert "z-order" in {one.overlap for one in shipped.values()}
    softly = [region for region in regions if region.mask is not None and len(np.unique(region.mask.to_array())) > 2]
    assert len(softly) > 2 and any(region.box is not None for region in regions)


@pytest.fixture(scope="module")
def shipped_model():
    return load("emoji-scenes", dtype="float32")


def test_their_words_are_those_of_the_shipped_model(shipped, shipped_model):
    prompts = [region.prompt for one in shipped.values() for region in one.regions]
    for prompt in prompts:
        found = re.fullmatch(r"an? (.+) on a plain (\w+) background", prompt)
        assert found is not None and found[1] in shipped_model.manifest.concepts, prompt
    assert len(set(prompts)) > 12


@pytest.mark.parametrize("name", shipped_names())
def test_each_draws_with_the_shipped_model(name, shipped, shipped_model):
    session = Session(shipped_model, shipped[name].prompt, seed=1, num_steps=2)
    plain = session.branch().run()
    session.regions.use(name)
    session.run()
    assert session.done and session.image().size == (128, 128) and bool(torch.isfinite(session.latent).all())
    assert not torch.equal(session.latent, plain.latent)
