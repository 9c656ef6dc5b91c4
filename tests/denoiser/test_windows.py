"""Large pictures through windows: the same where places do not matter, seamless where they do, linear in time, bounded in memory."""

from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F

from ildm.core.regions import Regions
from ildm.core.types import Conditioning
from ildm.denoiser.windows import AT_ONCE, Windowed, starts


class Watched:
    """Counts, and does something to each window."""

    def __init__(self, change):
        self.change, self.shapes = change, []

    def __call__(self, noised, t, conditioning):
        self.shapes.append(tuple(noised.shape))
        return self.change(noised, t, conditioning)


@pytest.mark.parametrize(("length", "side", "overlap"), [(16, 16, 4), (17, 16, 4), (128, 16, 4), (37, 16, 0), (100, 16, 15)])
def test_windows_cover_everything_and_overlap_as_asked(length, side, overlap):
    found = starts(length, side, overlap)
    assert found[0] == 0
    assert found[-1] == max(0, length - side)
    assert all(later - earlier <= side - overlap for earlier, later in pairwise(found))


def test_what_does_not_depend_on_places_is_as_if_there_were_no_windows():
    torch.manual_seed(0)
    noised, concat = torch.randn(2, 3, 40, 24), torch.randn(2, 1, 40, 24)
    denoiser = Watched(lambda x, t, told: x * t.reshape(-1, 1, 1, 1).float() + told.concat + told.pooled[:, :1, None, None])
    t, told = torch.tensor([0.3, 0.7]).double(), Conditioning(concat=concat, pooled=torch.tensor([[1.0], [2.0]]))
    found = Windowed(denoiser, 16, 4)(noised, t, told)
    assert torch.allclose(found, denoiser.change(noised, t, told), atol=1e-6)
    assert all(rows <= AT_ONCE and (height, width) == (16, 16) for rows, _, height, width in denoiser.shapes)


def test_local_surroundings_leave_no_seam():
    torch.manual_seed(0)
    smooth = F.interpolate(torch.randn(1, 1, 8, 8), size=(64, 64), mode="bicubic")
    kernel = torch.full((1, 1, 3, 3), 1 / 9)
    denoiser = Watched(lambda x, *_: F.conv2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), kernel))
    t, whole = torch.tensor([0.5]).double(), denoiser.change(smooth)
    seams = {overlap: (Windowed(denoiser, 16, overlap)(smooth, t, Conditioning()) - whole).abs().max() for overlap in (0, 4)}
    # what each window makes of its own border is blended away
    assert seams[4] < 0.3 * seams[0]


def test_the_number_of_windows_grows_with_the_area():
    counts = {}
    for side in (64, 128):
        denoiser = Watched(lambda x, *_: x)
        Windowed(denoiser, 16, 4)(torch.zeros(1, 1, side, side), torch.tensor([0.5]).double(), Conditioning())
        counts[side] = sum(rows for rows, *_ in denoiser.shapes)
    assert counts[128] <= 4 * 1.25 * counts[64]


@pytest.mark.parametrize("size", [(16, 16), (8, 16)])
def test_what_fits_is_seen_whole(size):
    denoiser = Watched(lambda x, *_: x)
    Windowed(denoiser, 16, 4)(torch.zeros(1, 1, *size), torch.tensor([0.5]).double(), Conditioning())
    assert denoiser.shapes == [(1, 1, *size)]


def test_regions_are_seen_whole():
    denoiser = Watched(lambda x, *_: x)
    told = Conditioning(regions=Regions.everywhere(torch.zeros(1, 2, 4), None))
    Windowed(denoiser, 16, 4)(torch.zeros(1, 1, 32, 32), torch.tensor([0.5]).double(), told)
    assert denoiser.shapes == [(1, 1, 32, 32)]
