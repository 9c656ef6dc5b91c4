"""Cached latents are those of the data and the autoencoder they claim, whole or not used."""

from contextlib import suppress
from dataclasses import replace
from itertools import islice

import pytest
import torch
from torch.nn.functional import avg_pool2d

from ildm.core.errors import DataError, StorageError
from ildm.data import encoding
from ildm.data.cells import fill_cells
from ildm.data.emoji_scenes import EmojiScenes, EmojiScenesConfig
from ildm.data.encoding import encode_dataset
from ildm.data.latents import LatentCache
from ildm.data.loader import batches

MAKER = "0123456789abcdef"


class Encoder:
    """Averages 8x8 pixels, and counts or breaks off."""

    def __init__(self, breaks_after=None):
        self.images = 0
        self.breaks_after = breaks_after

    def __call__(self, images):
        self.images += len(images)
        if self.breaks_after is not None and self.images > self.breaks_after:
            raise KeyboardInterrupt
        return avg_pool2d(images, 8)


@pytest.fixture(autouse=True)
def short_shards(monkeypatch):
    monkeypatch.setattr(encoding, "_SHARD", 16)


@pytest.fixture(scope="module")
def scenes():
    return EmojiScenes(EmojiScenesConfig(size=64, sprites="sample", length=40))


@pytest.fixture
def folder(scenes, tmp_path):
    return encode_dataset(scenes, Encoder(), MAKER, tmp_path / "latents", batch_size=6)


def test_latents_and_wordings_come_back(scenes, folder):
    cache = LatentCache(folder, MAKER)
    assert (len(cache), cache.shape) == (40, (3, 8, 8))
    for index in (0, 15, 16, 39):
        expected = avg_pool2d(scenes[index].image.float() / 127.5 - 1, 8)
        assert torch.allclose(cache.latent(index), expected, atol=1e-3)
        assert cache.captions(index) == scenes[index].captions
        assert cache.classes[cache.map(index)].tolist() == fill_cells(scenes[index].semantic_map, (8, 8)).tolist()
    assert cache.classes[0] == 0
    with pytest.raises(IndexError):
        cache.latent(40)


def test_batches_have_the_loaders_order_and_captions(scenes, folder):
    cache = LatentCache(folder)
    encoded = list(islice(cache.batches(7, seed=3), 12))
    for ours, theirs in zip(encoded, batches(scenes, 7, seed=3), strict=False):
        assert (ours.indices, ours.captions, ours.position) == (theirs.indices, theirs.captions, theirs.position)
    resumed = next(cache.batches(7, seed=3, start=encoded[8].next_position))
    assert torch.equal(resumed.latents, encoded[9].latents)
    assert resumed.captions == encoded[9].captions
    assert resumed.latents.dtype == torch.float32
    assert torch.equal(resumed.maps[0], cache.map(resumed.indices[0]))


def test_data_without_maps_has_none(scenes, tmp_path):
    class Bare:
        fingerprint = "bare"

        def __len__(self):
            return 20

        def __getitem__(self, index):
            return replace(scenes[index], semantic_map=None)

        def describe(self):
            return {}

    cache = LatentCache(encode_dataset(Bare(), Encoder(), MAKER, tmp_path / "bare", batch_size=6))
    assert len(cache.classes) == 0
    assert next(cache.batches(4, seed=0)).maps is None


def test_encoding_goes_on_where_it_stopped(scenes, folder, tmp_path):
    broken = tmp_path / "broken"
    with pytest.raises(KeyboardInterrupt):
        encode_dataset(scenes, Encoder(breaks_after=30), MAKER, broken, batch_size=6)
    with pytest.raises(DataError, match="Only 16 of 40 samples"):
        LatentCache(broken)
    rest = Encoder()
    done = []
    encode_dataset(scenes, rest, MAKER, broken, batch_size=6, progress=lambda now, total: done.append((now, total)))
    assert rest.images == 24
    assert done[-1] == (40, 40)
    assert [record["files"] for record in LatentCache(broken).manifest["shards"]] == [
        record["files"] for record in LatentCache(folder).manifest["shards"]
    ]
    again = Encoder()
    encode_dataset(scenes, again, MAKER, broken)
    assert again.images == 0


def test_whoever_stops_it_within_a_shard_loses_nothing(scenes, folder, tmp_path):
    """However short the sittings are, it comes to its end."""

    class StoppedError(Exception):
        pass

    class Sitting:
        def __init__(self):
            self.left = 2

        def __call__(self, _done, _total):
            self.left -= 1
            if self.left == 0:
                raise StoppedError

    made, sittings = [], 0
    while sum(made) < 40:
        encoder, sittings = Encoder(), sittings + 1
        with suppress(StoppedError):
            encode_dataset(scenes, encoder, MAKER, tmp_path / "parts", batch_size=6, progress=Sitting())
        made.append(encoder.images)
    assert sum(made) == 40 and sittings == 4
    cache, whole = LatentCache(tmp_path / "parts"), LatentCache(folder)
    for index in range(40):
        assert torch.equal(cache.latent(index), whole.latent(index)) and cache.captions(index) == whole.captions(index)
        assert torch.equal(cache.map(index), whole.map(index))


def test_only_a_part_may_be_encoded(scenes, tmp_path):
    assert len(LatentCache(encode_dataset(scenes, Encoder(), MAKER, tmp_path / "part", limit=20, workers=1))) == 20


def test_another_encoder_is_refused(folder):
    with pytest.raises(DataError, match=r"made by the encoder 0123456789ab, but this model's is ffff"):
        LatentCache(folder, "ffffffffffff")


def test_a_folder_of_other_latents_is_left_alone(scenes, folder):
    other = EmojiScenes(EmojiScenesConfig(size=64, sprites="sample", length=40, seed=1))
    with pytest.raises(DataError, match="another data set"):
        encode_dataset(other, Encoder(), MAKER, folder)
    with pytest.raises(DataError, match="another encoder"):
        encode_dataset(scenes, Encoder(), "another", folder)
    assert len(LatentCache(folder, MAKER)) == 40


@pytest.mark.parametrize("kind", ["latents", "text", "ends", "wordings"])
def test_damaged_shards_are_found(folder, kind):
    path = folder / f"00001.{kind}.npy"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match=rf"00001\.{kind}\.npy is damaged"):
        LatentCache(folder)
    path.unlink()
    with pytest.raises(DataError, match="is missing"):
        LatentCache(folder)


def test_what_is_no_cache_is_told_plainly(folder, tmp_path):
    with pytest.raises(DataError, match="holds no encoded data"):
        LatentCache(tmp_path)
    (folder / "manifest.json").write_text('{"format": "other"}')
    with pytest.raises(DataError, match="'other'"):
        LatentCache(folder)
    (folder / "manifest.json").write_text('{"format"')
    with pytest.raises(DataError, match="damaged"):
        LatentCache(folder)


@pytest.mark.parametrize("value", [float("nan"), 1e6])
def test_latents_that_float16_cannot_hold_are_refused(scenes, tmp_path, value):
    with pytest.raises(DataError, match="not finite in float16"):
        encode_dataset(scenes, lambda images: avg_pool2d(images, 8) * 0 + value, MAKER, tmp_path / "latents")


def test_a_full_disk_keeps_finished_shards(scenes, small_disk):
    folder = small_disk(1) / "latents"
    big = Encoder()
    with pytest.raises(StorageError, match="No room left"):
        # 16 samples of 6 x 64 x 64 halves are 786 KB: the second shard finds no room
        encode_dataset(scenes, lambda images: big(images).repeat(1, 2, 8, 8), MAKER, folder, batch_size=8)
    assert sorted(path.name for path in folder.glob("*.latents.npy")) == ["00000.latents.npy"]
