"""All metrics alike: the mean over clips, on one rank and on two with uneven shares."""

from functools import cache

import pytest
import torch
import torch.multiprocessing as processes
from sync_clips import RATE, clicks, jumping_square
from torch import distributed

from asva_lightning.metrics.av_align import AVAlign, av_align
from asva_lightning.metrics.motion_correlation import MotionCorrelation, motion_correlation
from asva_lightning.metrics.onset_f1 import OnsetF1, onset_f1
from asva_lightning.metrics.onset_motion_correlation import OnsetMotionCorrelation, onset_motion_correlation

FPS = 10.0
METRICS = {
    "onset_f1": (OnsetF1, onset_f1),
    "onset_motion_correlation": (OnsetMotionCorrelation, onset_motion_correlation),
    "av_align": (AVAlign, av_align),
    "motion_correlation": (MotionCorrelation, motion_correlation),
}
# Clips 0..4; the first rank has three of them in two batches, the second two in one.
SHARES = [[slice(0, 2), slice(2, 3)], [slice(3, 5)]]


def batch(name, clips):
    """Arguments of the metric for these of five clips; the truth of the last does not move."""
    moved = [[0.32, 1.0], [0.5], [0.3, 0.9, 1.4], [], [0.7]]
    heard = [[0.32, 1.0], [1.2], [0.3, 0.9], [0.6], [0.4, 0.75]]
    pixels = torch.stack([jumping_square(times, 20, FPS) for times in moved])[clips]
    if name == "motion_correlation":
        heard[4] = []
        return pixels, torch.stack([jumping_square(times, 20, FPS) for times in heard])[clips]
    return torch.stack([clicks(times, 2.0) for times in heard])[clips], pixels, FPS, RATE


def outcome(name, batches):
    metric = METRICS[name][0]()
    for clips in batches:
        metric.update(*batch(name, clips))
    mean = float(metric.compute())
    with metric.sync_context(should_sync=distributed.is_initialized()):
        return mean, int(metric.count), int(metric.left_out)


def rank_main(rank, folder):
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    torch.save({name: outcome(name, SHARES[rank]) for name in METRICS}, f"{folder}/{rank}.pt")
    distributed.destroy_process_group()


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """Per number of ranks, what each rank computes for each metric."""

    @cache
    def of(ranks):
        if ranks == 1:
            return [{name: outcome(name, SHARES[0] + SHARES[1]) for name in METRICS}]
        folder = tmp_path_factory.mktemp("ranks")
        processes.spawn(rank_main, args=(str(folder),), nprocs=ranks)
        return [torch.load(folder / f"{rank}.pt") for rank in range(ranks)]

    return of


@pytest.mark.parametrize("ranks", [1, pytest.param(2, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", METRICS)
def test_mean_over_the_clips_of_all_ranks(name, ranks, outcomes):
    values = METRICS[name][1](*batch(name, slice(0, 5)))
    expected = (values.nanmean().item(), int((~values.isnan()).sum()), int(values.isnan().sum()))
    assert values.shape == (5,)
    assert values.nan_to_num().unique().numel() > 2, "the clips must differ, or the mean proves nothing"
    for of_rank in outcomes(ranks):
        assert of_rank[name] == pytest.approx(expected, abs=1e-6)


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
    metric.add(torch.tensor([1.0]))
    metric.reset()
    metric.add(torch.tensor([0.0, 0.5]))
    assert float(metric.compute()) == 0.25
