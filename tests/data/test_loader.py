"""Batches come in an order that a seed decides and that a stop does not change."""

import random
import subprocess
import sys
from collections import Counter
from itertools import islice

import numpy as np
import pytest
import torch

from ildm.core.errors import ConfigError, DataError, ShapeError
from ildm.data.emoji_scenes import EmojiScenes, EmojiScenesConfig
from ildm.data.loader import batches, to_float
from ildm.data.order import epoch_order
from ildm.data.prefetch import prefetch
from ildm.data.sample import Sample, SceneObject
from ildm.data.transforms import RandomCrop

SEED = 5


@pytest.fixture(scope="module")
def scenes():
    return EmojiScenes(EmojiScenesConfig(size=64, sprites="sample", length=30))


def take(dataset, count, **options):
    return list(islice(batches(dataset, 8, seed=SEED, **options), count))


def assert_same(first, second):
    assert torch.equal(first.images, second.images)
    assert (first.captions, first.indices, first.objects) == (second.captions, second.indices, second.objects)
    assert (first.position, first.next_position) == (second.position, second.next_position)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_run_goes_on_where_it_stopped(scenes, workers):
    # 30 scenes in batches of 8: the fourth batch spans two epochs
    unbroken = take(scenes, 6, transform=RandomCrop(32))
    resumed = take(scenes, 3, transform=RandomCrop(32), start=unbroken[2].next_position, workers=workers)
    for first, second in zip(unbroken[3:], resumed, strict=True):
        assert_same(first, second)


def test_it_may_stop_in_the_middle_of_a_batch(scenes):
    [whole] = take(scenes, 1, start=16)
    [later] = take(scenes, 1, start=20)
    assert torch.equal(whole.images[4:], later.images[:4])
    assert whole.captions[4:] == later.captions[:4]


@pytest.mark.parametrize("workers", [0, 1])
def test_reading_draws_nothing_from_the_runs_own_random_numbers(scenes, workers):
    before = torch.random.get_rng_state(), np.random.get_state()[1].tolist()  # noqa: NPY002
    take(scenes, 2, workers=workers)
    assert torch.equal(torch.random.get_rng_state(), before[0])
    assert np.random.get_state()[1].tolist() == before[1]  # noqa: NPY002


def test_an_epoch_shows_every_sample_once_and_in_an_order_of_its_own(scenes):
    indices = [index for batch in take(scenes, 15) for index in batch.indices]
    epochs = [indices[first : first + 30] for first in range(0, 120, 30)]
    assert all(sorted(epoch) == list(range(30)) for epoch in epochs)
    assert len(set(map(tuple, epochs))) == 4
    assert not np.array_equal(epoch_order(30, SEED, 0), epoch_order(30, SEED + 1, 0))


def test_images_are_the_samples_between_minus_one_and_one(scenes):
    [batch] = take(scenes, 1)
    assert batch.images.dtype == torch.float32
    for image, index in zip(batch.images, batch.indices, strict=True):
        assert torch.equal(((image + 1) * 127.5).round().to(torch.uint8), scenes[index].image)
    assert to_float(torch.tensor([0, 255], dtype=torch.uint8)).tolist() == [-1.0, 1.0]


def test_every_wording_is_drawn(scenes):
    drawn = Counter()
    for batch in take(scenes, 25):
        for caption, index in zip(batch.captions, batch.indices, strict=True):
            drawn[scenes[index].captions.index(caption)] += 1
    assert set(drawn) == {0, 1, 2, 3, 4}
    assert max(drawn.values()) < 4 * min(drawn.values())


def test_a_crop_moves_boxes_and_maps_along():
    instances = torch.zeros(64, 64, dtype=torch.uint8)
    instances[10:30, 20:40] = 1
    here = SceneObject(concept="bread", style="flat", box=(20 / 64, 10 / 64, 40 / 64, 30 / 64), instance=1)
    corner = SceneObject(concept="key", style="flat", box=(0.0, 0.98, 0.02, 1.0), instance=2)
    sample = Sample(image=instances.expand(3, 64, 64), captions=("bread",), objects=(here, corner), instance_map=instances)
    for seed in range(20):
        cropped = RandomCrop(48)(sample, random.Random(seed))
        assert cropped.image.shape == (3, 48, 48)
        assert torch.equal(cropped.image[0], cropped.instance_map)
        rows, columns = torch.nonzero(cropped.instance_map, as_tuple=True)
        bounds = torch.stack([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]) / 48
        assert torch.allclose(torch.tensor(cropped.objects[0].box), bounds)
    with pytest.raises(ShapeError, match=r"80 pixels.*64x64"):
        RandomCrop(80)(sample, random.Random(0))


@pytest.mark.parametrize("wrong", [{"batch_size": 0}, {"start": -1}, {"workers": -1}])
def test_wrong_numbers_are_told_plainly(scenes, wrong):
    with pytest.raises(ConfigError, match=str(next(iter(wrong.values())))):
        batches(scenes, **{"batch_size": 8, "seed": SEED, **wrong})


def fail(index):
    raise DataError(f"Image {index} went bad: import it again.")


@pytest.mark.parametrize("workers", [0, 1])
def test_an_error_in_a_worker_is_one_sentence_here(workers):
    found = prefetch(fail, iter([[3], [4]]), list, workers=workers)
    with pytest.raises(DataError, match=r"^Image 3 went bad: import it again\.$"):
        next(found)


def test_a_program_that_fails_with_workers_at_work_ends():
    script = """
from itertools import repeat
from ildm.data.prefetch import prefetch
def read(key): return key
found = prefetch(read, repeat([1, 2]), list, workers=1)
print(next(found), flush=True)
raise RuntimeError("as any program may")
"""
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1 and ended.stdout == "[1, 2]\n" and "as any program may" in ended.stderr
