"""The network of FID against another program's on the same weights, and what is said where its file is not there or not the right one."""

from __future__ import annotations

import pickle

import pytest
import torch
from bare import import_bare

from ildm.core.errors import CheckpointError, ConfigError
from ildm.evaluation import inception_weights
from ildm.evaluation.images import Images
from ildm.evaluation.inception import prepare
from ildm.evaluation.inception_features import InceptionFeatures
from ildm.evaluation.inception_weights import NAMES, find_inception, load_inception


@pytest.fixture(scope="module")
def inception(inception_file):
    return load_inception(inception_file)


@pytest.fixture(scope="module")
def pixels():
    """Blobs in three sizes and noise, (3, 3, 299, 299), so that no map is the same everywhere."""
    draws = torch.Generator().manual_seed(1)
    coarse = [torch.rand(1, 3, side, side, generator=draws) for side in (4, 16, 299)]
    large = [torch.nn.functional.interpolate(part, size=(299, 299), mode="bilinear", align_corners=False) for part in coarse]
    return (torch.cat(large) * 255).round().to(torch.uint8)


def relative(ours, theirs):
    return ((ours.double() - theirs.double()).norm() / theirs.double().norm()).item()


def test_features_and_logits_match_torch_fidelity(inception, inception_file, pixels):
    peer = import_bare("torch_fidelity.feature_extractor_inceptionv3", distribution="torch-fidelity")
    wanted = ["2048", "logits_unbiased"]
    theirs = peer.FeatureExtractorInceptionV3("peer", wanted, feature_extractor_weights_path=str(inception_file))(pixels)
    features = inception.features((pixels.float() - 128) / 128)
    assert features.shape == (3, 2048) and features.std(dim=0).mean() > 0.01
    for ours, other in zip((features, inception.logits(features)), theirs, strict=True):
        assert relative(ours, other) < 1e-4
        # and one image is not taken for another
        assert relative(ours, other.roll(1, dims=0)) > 0.01


def test_every_published_tensor_is_used_but_the_classifiers_bias(published_inception):
    assert len(inception_weights.PUBLISHED) == len(set(inception_weights.PUBLISHED)) == 94
    # as many as the published file holds
    assert len(published_inception) == 566


def test_it_is_frozen_and_its_batches_do_not_matter(inception, pixels):
    assert not any(parameter.requires_grad for parameter in inception.parameters())
    images = pixels.float() / 127.5 - 1
    torch.testing.assert_close(inception.features(images)[:1], inception.features(images[:1]), rtol=1e-4, atol=1e-5)


def test_resizing_takes_four_pixels_around_the_centre():
    draws = torch.Generator().manual_seed(2)
    image = torch.rand(1, 3, 512, 400, generator=draws) * 2 - 1
    down, across = (100 + 0.5) * 512 / 299 - 0.5, (250 + 0.5) * 400 / 299 - 0.5
    top, left = int(down), int(across)
    (a, b), (c, d) = image[0, 1, top : top + 2, left : left + 2]
    above, below = (a + (b - a) * (across - left)), (c + (d - c) * (across - left))
    torch.testing.assert_close(prepare(image)[0, 1, 100, 250], above + (below - above) * (down - top), rtol=1e-4, atol=1e-5)


def test_other_programs_resize_otherwise(pixels):
    """That is why numbers of two resizers cannot be compared."""
    peer = import_bare("torch_fidelity.interpolate_compat_tensorflow", distribution="torch-fidelity")
    small = pixels[2:, :, :64, :64].float() / 127.5 - 1
    theirs = peer.interpolate_bilinear_2d_like_tensorflow1x(small, size=(299, 299), align_corners=False)
    assert (prepare(small) - theirs).abs().mean() > 0.1
    whole = pixels.float() / 127.5 - 1
    torch.testing.assert_close(prepare(whole), whole)


def test_a_set_is_looked_at_once(inception, pixels, network):
    told, looks = [], []
    images = Images(lambda: looks.append(1) or pixels, network)
    features = InceptionFeatures(inception, progress=lambda *news: told.append(news))
    first, logits, again = features.of(images), features.logits(images), features.of(images)
    assert first is again and len(looks) == 1 and told == [("looking with Inception-v3", 3, 3)]
    torch.testing.assert_close(logits, inception.logits(first))


@pytest.mark.parametrize("name", NAMES)
def test_it_is_found_in_the_cache_of_torch_under_both_names(monkeypatch, tmp_path, name):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    assert find_inception() is None
    path = tmp_path / "hub" / "checkpoints" / name
    path.parent.mkdir(parents=True)
    path.touch()
    assert find_inception() == path


def test_a_file_named_goes_before_the_cache_and_must_be_there(tmp_path, inception_file):
    assert find_inception(inception_file) == inception_file
    for wrong in (tmp_path, tmp_path / "nothing.pth"):
        with pytest.raises(ConfigError, match=rf"no file {wrong}, which should hold .*: give the path of {NAMES[0]}"):
            find_inception(wrong)


class Trap:
    """What would run if a file were unpickled."""

    def __reduce__(self):
        return (pytest.fail, ("the file was unpickled",))


@pytest.mark.parametrize("what", ["truncated", "a bit flipped", "another network's", "a pickle", "empty"])
def test_a_damaged_or_another_file_is_refused_before_it_is_opened(tmp_path, inception_file, what):
    good = inception_file.read_bytes()
    flipped = bytearray(good)
    flipped[len(good) // 2] ^= 1
    path = tmp_path / "weights.pth"
    if what == "another network's":
        torch.save({"fc.weight": torch.zeros(1000, 2048)}, path)
    else:
        bad = {"truncated": good[:-1000], "a bit flipped": flipped, "a pickle": pickle.dumps(Trap()), "empty": b""}
        path.write_bytes(bad[what])
    with pytest.raises(CheckpointError, match="damaged or another network's") as refused:
        load_inception(path)
    said = str(refused.value)
    assert str(path) in said and NAMES[0] in said and len(said.splitlines()) == 1


def test_a_file_that_may_not_be_read_says_so(monkeypatch, tmp_path):
    def refuse(_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(inception_weights, "sha256", refuse)
    with pytest.raises(CheckpointError, match=r"cannot be read \(Permission denied\)"):
        load_inception(tmp_path / "weights.pth")
