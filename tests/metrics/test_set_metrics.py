"""FID, KID, FVD and KVD: what their networks see, and the sets they keep."""

import numpy as np
import pytest
import torch
from judged_clips import FORMAT, SmallPictureNetwork, SmallVideoNetwork, clips
from PIL import Image
from torch import nn

from asva_lightning.errors import ConfigurationError, WeightsError
from asva_lightning.metrics.fid import FID, picture_features
from asva_lightning.metrics.fvd import FVD, video_features
from asva_lightning.metrics.kid import KID
from asva_lightning.metrics.kvd import KVD
from asva_lightning.metrics.resize import squash
from asva_lightning.metrics.set_measure import require_clips_of_both

METRICS = {
    "fid": (FID, SmallPictureNetwork),
    "kid": (KID, SmallPictureNetwork),
    "fvd": (FVD, SmallVideoNetwork),
    "kvd": (KVD, SmallVideoNetwork),
}


@pytest.mark.parametrize(("height", "width", "side"), [(30, 60, 24), (12, 20, 40)], ids=["smaller", "larger"])
def test_frames_are_squashed_as_pillow_does(height, width, side):
    pixels = torch.randint(0, 256, (2, 3, 2, height, width), generator=torch.Generator().manual_seed(0)).byte()
    ours = squash(pixels, side)
    assert ours.shape == (2, 3, 2, side, side)
    for clip, resized in zip(pixels, ours):
        for colour, theirs in zip(clip[:, 1], resized[:, 1]):
            picture = Image.fromarray(colour.numpy().astype(np.float32)).resize((side, side), Image.Resampling.BICUBIC)
            assert np.abs(np.asarray(picture) / 127.5 - 1 - theirs.numpy()).max() < 1e-4


def test_frames_of_the_right_size_are_not_filtered():
    pixels = clips(1, seed=0)[..., :12]
    assert torch.allclose(squash(pixels, 12) * 127.5 + 127.5, pixels.float(), atol=1e-3)


@pytest.mark.parametrize("metric", [FID, KID])
def test_inception_sees_the_frames_from_the_second_on_at_299(metric):
    network, pixels = SmallPictureNetwork(), clips(1, seed=1)
    features = metric(network).features(pixels[0], FORMAT)
    [shown] = network.shown
    assert shown.shape == (3, 3, 299, 299)
    assert torch.equal(shown, squash(pixels[:, :, 1:], 299)[0].transpose(0, 1))
    assert features.shape == (3, 5)


@pytest.mark.parametrize("metric", [FVD, KVD])
def test_i3d_sees_all_frames_at_224(metric):
    network, pixels = SmallVideoNetwork(), clips(1, seed=1)
    features = metric(network).features(pixels[0], FORMAT)
    [shown] = network.shown
    assert torch.equal(shown, squash(pixels, 224))
    assert shown.shape == (1, 3, 4, 224, 224)
    assert features.shape == (1, 5)


def test_features_of_a_batch_are_those_of_its_clips():
    pixels = clips(3, seed=2)
    for network, of in ((SmallPictureNetwork(), picture_features), (SmallVideoNetwork(), video_features)):
        together = of(network, pixels)
        assert not together.requires_grad
        for number in range(3):
            assert torch.allclose(together[number], of(network, pixels[number][None])[0], atol=1e-6)


@pytest.mark.parametrize("name", METRICS)
def test_overall_and_per_class_are_distances_of_the_stored_features(name):
    make, network = METRICS[name]
    metric, generated, reference = make(network()), clips(5, seed=3), clips(4, seed=4)
    metric.update(generated[:2], FORMAT, real=False, classes=[7, 2])
    metric.update(reference, FORMAT, real=True, classes=torch.tensor([2, 7, 2, 7]))
    metric.update(generated[2:], FORMAT, real=False, classes=[2, 7, 7])
    rows, true_rows = ([metric.features(clip, FORMAT) for clip in pixels] for pixels in (generated, reference))
    assert float(metric.compute()) == pytest.approx(metric.distance(torch.cat(rows), torch.cat(true_rows)), rel=1e-5)
    expected = {
        2: metric.distance(torch.cat([rows[1], rows[2]]), torch.cat([true_rows[0], true_rows[2]])),
        7: metric.distance(torch.cat([rows[0], *rows[3:]]), torch.cat([true_rows[1], true_rows[3]])),
    }
    assert metric.compute_per_class() == pytest.approx(expected, rel=1e-6)
    assert expected[2] != pytest.approx(expected[7], rel=0.01)
    assert metric.higher_is_better is False


@pytest.mark.parametrize("name", METRICS)
def test_one_clip_is_no_set_however_many_frames_it_has(name):
    make, network = METRICS[name]
    metric = make(network())
    metric.update(clips(1, seed=0), FORMAT, real=False, classes=[1])
    with pytest.raises(ConfigurationError, match="all clips are 1 generated and 0 true. Give more clips"):
        metric.compute()
    metric.update(clips(3, seed=1), FORMAT, real=False, classes=[2, 2, 2])
    metric.update(clips(4, seed=2), FORMAT, real=True, classes=[1, 1, 2, 2])
    with pytest.raises(ConfigurationError, match="the clips of class 1 are 1 generated and 2 true"):
        metric.compute_per_class()


def test_features_that_are_nan_name_the_clip():
    network = SmallPictureNetwork()
    with torch.no_grad():
        network.weight[0, 0] = torch.inf
    metric = FID(network)
    with pytest.raises(WeightsError, match="3 of 15 features of clip 'dog/b' are NaN or infinite"):
        metric.update(clips(1, seed=0), FORMAT, real=True, keys=["dog/b"])
    with pytest.raises(WeightsError, match="features of clip 0 of this batch"):
        metric.update(clips(1, seed=0), FORMAT, real=True)


def test_clips_of_other_lengths_and_other_pixels_are_refused():
    metric = FID(SmallPictureNetwork())
    metric.update(clips(2, seed=0), FORMAT, real=True)
    with pytest.raises(ConfigurationError, match=r"features \(2, 5\), but those before had \(3, 5\)"):
        metric.update(clips(2, seed=0)[:, :, :3], FORMAT, real=False)
    with pytest.raises(ConfigurationError, match="The first frame is given to the model"):
        metric.features(clips(1, seed=0)[0, :, :1], FORMAT)
    with pytest.raises(ConfigurationError, match=r"clips \(b, 3, f, h, w\) of uint8, not .* of torch.float32"):
        metric.features(clips(1, seed=0)[0].float(), FORMAT)


def test_a_metric_starts_anew_after_reset_and_its_network_is_no_part_of_it():
    metric = FVD(SmallVideoNetwork())
    metric.update(clips(3, seed=0), FORMAT, real=False)
    metric.reset()
    metric.update(clips(3, seed=1), FORMAT, real=False)
    metric.update(clips(3, seed=1), FORMAT, real=True)
    assert float(metric.compute()) == pytest.approx(0, abs=1e-6)
    assert isinstance(metric, nn.Module)
    assert not list(metric.parameters()), "a strategy would shard and save it"


def test_counts_of_clips_are_checked_for_whoever_keeps_the_features_himself():
    require_clips_of_both(2, 2)
    with pytest.raises(ConfigurationError, match="but the class 'dog' are 3 generated and 1 true"):
        require_clips_of_both(3, 1, "the class 'dog'")
