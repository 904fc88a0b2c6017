"""All metrics alike: the mean over clips and per class, on one rank and on two with uneven shares."""

import math
from functools import cache

import pytest
import torch
import torch.multiprocessing as processes
from judged_clips import FORMAT, clips, small_classifier
from sync_clips import RATE, clicks, jumping_square
from torch import distributed

from asva_lightning.encoders.imagebind import ImageBind
from asva_lightning.errors import ConfigurationError
from asva_lightning.metrics.alignsync import AlignSync
from asva_lightning.metrics.av_align import AVAlign, av_align
from asva_lightning.metrics.fid import FID
from asva_lightning.metrics.image_audio import ImageAudioSimilarity
from asva_lightning.metrics.image_text import ImageTextSimilarity
from asva_lightning.metrics.motion_correlation import MotionCorrelation, motion_correlation
from asva_lightning.metrics.motion_energy_ratio import MotionEnergyRatio, motion_energy_ratio
from asva_lightning.metrics.onset_f1 import OnsetF1, onset_f1
from asva_lightning.metrics.onset_motion_correlation import OnsetMotionCorrelation, onset_motion_correlation
from asva_lightning.metrics.relsync import RelSync

FPS = 10.0
METRICS = {
    "onset_f1": (OnsetF1, onset_f1),
    "onset_motion_correlation": (OnsetMotionCorrelation, onset_motion_correlation),
    "av_align": (AVAlign, av_align),
    "motion_correlation": (MotionCorrelation, motion_correlation),
}
JUDGED = ("image_audio", "image_text", "rel_sync", "align_sync", "motion_energy_ratio")
"""Those that have a network, or compare with a truth of any kind: see :func:`judged`."""

# Clips 0..4; the first rank has three of them in two batches, the second two in one.
SHARES = [[slice(0, 2), slice(2, 3)], [slice(3, 5)]]
CLASSES = torch.tensor([3, 1, 3, 1, 8])
"""Of the clips; one is on both ranks, the others on one each."""


def batch(name, clips):
    """Arguments of the metric for these of five clips; the truth of the last does not move."""
    moved = [[0.32, 1.0], [0.5], [0.3, 0.9, 1.4], [], [0.7]]
    heard = [[0.32, 1.0], [1.2], [0.3, 0.9], [0.6], [0.4, 0.75]]
    pixels = torch.stack([jumping_square(times, 20, FPS) for times in moved])[clips]
    if name == "motion_correlation":
        heard[4] = []
        return pixels, torch.stack([jumping_square(times, 20, FPS) for times in heard])[clips]
    return torch.stack([clicks(times, 2.0) for times in heard])[clips], pixels, FPS, RATE


def judged(imagebind, tokenizer):
    """Each of JUDGED with a small random network, its function, and its arguments for all five clips."""
    network = ImageBind.from_original(torch.load(imagebind), {"audio": 4, "vision": 4, "text": 4})
    samples, truth = clips(5, seed=0), clips(5, seed=1)
    still = truth.clone()
    still[4] = still[4, :, :1]
    noise = torch.randn(5, FORMAT.samples, generator=torch.Generator().manual_seed(0))
    sound = torch.linspace(0.02, 0.5, 5)[:, None] * noise
    ia, it = ImageAudioSimilarity(network), ImageTextSimilarity(network, tokenizer)
    relative, aligned = RelSync(small_classifier()), AlignSync(small_classifier(), network)
    texts = ["dog barking", "hammering", "a lamp", "a bow", "a frog"]
    return {
        "image_audio": (ia, ia.values, (samples, sound, RATE)),
        "image_text": (it, it.values, (samples, texts)),
        "rel_sync": (relative, relative.values, (samples, truth, sound, RATE)),
        "align_sync": (aligned, aligned.values, (samples, truth, sound, RATE)),
        "motion_energy_ratio": (MotionEnergyRatio(), motion_energy_ratio, (samples, still)),
    }


def judged_outcomes(networks, batches):
    found = {}
    for name, (metric, _, arguments) in judged(*networks).items():
        of_batches = [[one if isinstance(one, int) else one[clips] for one in arguments] for clips in batches]
        found[name] = taken(metric, of_batches, batches)
    return found


def outcome(name, batches):
    return taken(METRICS[name][0](), [batch(name, clips) for clips in batches], batches)


def taken(metric, of_batches, batches):
    """Mean, clips, clips left out, and the mean of each class, over all ranks."""
    for arguments, share in zip(of_batches, batches):
        metric.update(*arguments, classes=CLASSES[share])
    mean, per_class = float(metric.compute()), metric.compute_per_class()
    with metric.sync_context(should_sync=distributed.is_initialized()):
        return mean, metric.count, metric.left_out, per_class


def per_class_of(values):
    return {number: values[number == CLASSES].nanmean().item() for number in (1, 3, 8)}


def rank_main(rank, folder, networks):
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    torch.save(all_outcomes(networks, SHARES[rank]), f"{folder}/{rank}.pt")
    distributed.destroy_process_group()


def all_outcomes(networks, batches):
    return {name: outcome(name, batches) for name in METRICS} | judged_outcomes(networks, batches)


@pytest.fixture(scope="module")
def networks(reference, stable_diffusion, tmp_path_factory):
    """Weights of a small ImageBind and a tokenizer, as paths that other processes can open."""
    weights = tmp_path_factory.mktemp("networks") / "imagebind.pt"
    torch.save(reference("imagebind_small", "imagebind").weights, weights)
    return str(weights), str(stable_diffusion)


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory, networks):
    """Per number of ranks, what each rank computes for each metric."""

    @cache
    def of(ranks):
        if ranks == 1:
            return [all_outcomes(networks, SHARES[0] + SHARES[1])]
        folder = tmp_path_factory.mktemp("ranks")
        processes.spawn(rank_main, args=(str(folder), networks), nprocs=ranks)
        return [torch.load(folder / f"{rank}.pt") for rank in range(ranks)]

    return of


@pytest.mark.parametrize("ranks", [1, pytest.param(2, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", METRICS)
def test_mean_over_the_clips_of_all_ranks(name, ranks, outcomes):
    values = METRICS[name][1](*batch(name, slice(0, 5)))
    expected = (values.nanmean().item(), int((~values.isnan()).sum()), int(values.isnan().sum()))
    of_classes = per_class_of(values)
    assert values.shape == (5,)
    assert values.nan_to_num().unique().numel() > 2, "the clips must differ, or the mean proves nothing"
    for of_rank in outcomes(ranks):
        *overall, per_class = of_rank[name]
        assert overall == pytest.approx(expected, abs=1e-6)
        assert list(per_class) == [1, 3, 8]
        assert per_class == pytest.approx(of_classes, abs=1e-6, nan_ok=True)


@pytest.mark.parametrize("ranks", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_mean_of_those_with_networks_over_the_clips_of_all_ranks(ranks, outcomes, networks):
    assert set(judged(*networks)) == set(JUDGED)
    for name, (_, function, arguments) in judged(*networks).items():
        values = function(*arguments)
        left_out = int(values.isnan().sum())
        assert left_out == (name == "motion_energy_ratio"), name
        spread = float(values[~values.isnan()].std())
        assert spread > 1e-3, f"{name}: the clips must differ, or the mean proves nothing"
        for of_rank in outcomes(ranks):
            mean, *counts, per_class = of_rank[name]
            assert mean == pytest.approx(values.nanmean().item(), abs=spread / 100), name
            assert counts == [5 - left_out, left_out]
            assert per_class == pytest.approx(per_class_of(values), abs=spread / 100, nan_ok=True), name


@pytest.mark.parametrize("name", METRICS)
def test_metrics_say_which_way_is_better(name):
    assert METRICS[name][0].higher_is_better is True


def test_no_clip_has_no_mean():
    metric = OnsetF1()
    metric.add(torch.tensor([torch.nan]))
    assert metric.compute().isnan()
    assert int(metric.left_out) == 1


def test_a_metric_starts_anew_after_reset():
    metric = OnsetF1()
    metric.add(torch.tensor([1.0]), [4])
    metric.reset()
    metric.add(torch.tensor([0.0, 0.5]))
    assert float(metric.compute()) == 0.25
    assert metric.compute_per_class() == {0: 0.25}


def test_a_class_whose_clips_are_all_left_out_has_no_mean():
    metric = OnsetF1()
    assert metric.compute_per_class() == {}
    metric.add(torch.tensor([torch.nan, 0.5, 1.0]), [7, 2, 2])
    metric.add(torch.tensor([0.0]), torch.tensor([2]))
    per_class = metric.compute_per_class()
    assert per_class[2] == 0.5
    assert math.isnan(per_class[7])
    assert (metric.count, metric.left_out) == (3, 1)


def test_every_clip_has_one_class():
    with pytest.raises(
        ConfigurationError, match=r"A batch of 2 clips has classes of shape \(3,\)\. Give one number for"
    ):
        OnsetF1().add(torch.zeros(2), [1, 2, 3])
    with pytest.raises(ConfigurationError, match=r"batch of 5 clips has classes of shape \(1,\)"):
        FID(torch.nn.Identity()).update(clips(5, seed=0), FORMAT, real=True, classes=[1])
