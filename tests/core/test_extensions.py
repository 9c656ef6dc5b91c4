"""A third-party package adds a sampler without a patch; a broken one is named and skipped."""

import sys
import textwrap

import pytest

from ildm.core import extensions
from ildm.core.errors import ConfigError


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Lay out a package as an installer would: code, and the metadata that names its entry points."""

    def lay_out(name, code, entry_points):
        (tmp_path / f"{name}.py").write_text(textwrap.dedent(code))
        metadata = tmp_path / f"{name}-1.0.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (metadata / "entry_points.txt").write_text(entry_points)

    monkeypatch.syspath_prepend(str(tmp_path))
    extensions._found.cache_clear()
    yield lay_out
    extensions._found.cache_clear()
    for name in ("midpoint_sampler", "broken_sampler"):
        sys.modules.pop(name, None)


MIDPOINT = """
    from ildm.sampler.base import Sampler, denoise_at

    class Midpoint(Sampler):
        evaluations_per_step = 1

        def advance(self, state, move, denoise):
            data = denoise_at(denoise, state.latent, move.t)
            return move.first_order(data, move.noise_estimate(state.latent, data)), data, ()
"""


def test_a_package_adds_a_sampler(install):
    install("midpoint_sampler", MIDPOINT, "[ildm.samplers]\nmidpoint = midpoint_sampler:Midpoint\n")
    assert "midpoint" in extensions.names("ildm.samplers") and "euler" in extensions.names("ildm.samplers")
    assert extensions.load("ildm.samplers", "midpoint").__name__ == "Midpoint"


def test_a_broken_package_is_named_and_skipped(install):
    install("broken_sampler", "raise RuntimeError('no luck')", "[ildm.samplers]\nbroken = broken_sampler:Broken\n")
    with pytest.warns(extensions.BrokenExtensionWarning, match=r"'broken' comes from 'broken_sampler:Broken'.*no luck"):
        loaded = extensions.load_all("ildm.samplers")
    assert "broken" not in loaded and "euler" in loaded
    with pytest.raises(ConfigError, match="cannot be imported"):
        extensions.load("ildm.samplers", "broken")


def test_an_unknown_name_is_told_with_the_nearest():
    with pytest.raises(ConfigError, match="Unknown sampler 'eulr': did you mean 'euler'"):
        extensions.load("ildm.samplers", "eulr")
