"""The test protocol of a sync classifier."""

import numpy as np
import pytest
import torch
import torch.multiprocessing as processes
from torch import distributed

from asva_lightning.errors import ConfigurationError
from asva_lightning.metrics.sync_accuracy import SyncAccuracy, best_matches, sync_accuracy, sync_of_videos


def peaks(videos, sounds, clips=31):
    """Scores whose best video for the middle sound, and best sound for the middle video, stand at these offsets."""
    scores = torch.zeros(len(videos), clips, clips)
    middle = clips // 2
    for number, (video, sound) in enumerate(zip(videos, sounds)):
        scores[number, middle, middle + video] = 2.0
        scores[number, middle + sound, middle] = 2.0 if sound != 0 or video == 0 else 0.0
        if video != 0 and sound == 0:
            scores[number, middle, middle] = 1.0  # best of its column, not of its row
    return scores


def random_scores(videos, clips=31, seed=0):
    return torch.randn(videos, clips, clips, generator=torch.Generator().manual_seed(seed))


def test_directions_are_told_apart():
    found = best_matches(peaks([0, 3, -15, -4], [0, 0, 7, 15]))
    assert (found.argmax(dim=-1) - 15).tolist() == [[0, 0], [3, 0], [-15, 7], [-4, 15]]
    assert found.amax(dim=-1).unique().tolist() == [1], "none of them is shared"


def test_right_is_within_five_places():
    values = sync_accuracy(peaks([5, -5, 6, -6], [1, 6, 7, -8]))
    assert float(values.audio_to_video) == 0.5
    assert float(values.video_to_audio) == 0.25
    assert float(values.chance) == pytest.approx(11 / 31)
    assert float(values.offset) == pytest.approx(0.04 * (5 + 5 + 6 + 6 + 1 + 6 + 7 + 8) / 8)


def test_it_is_the_protocol_in_numpy():
    scores = random_scores(40)
    rows = np.abs(scores[:, 15].numpy().argmax(axis=1) - 15)
    columns = np.abs(scores[:, :, 15].numpy().argmax(axis=1) - 15)
    values = sync_accuracy(scores, shift=0.1, within=3)
    assert float(values.audio_to_video) == pytest.approx((rows <= 3).mean())
    assert float(values.video_to_audio) == pytest.approx((columns <= 3).mean())
    assert float(values.offset) == pytest.approx(0.1 * np.concatenate([rows, columns]).mean())
    for tolerance, (seconds, forth, back, chance) in enumerate(values.curve.tolist()):
        assert seconds == pytest.approx(0.1 * tolerance)
        assert forth == pytest.approx((rows <= tolerance).mean())
        assert back == pytest.approx((columns <= tolerance).mean())
        assert chance == pytest.approx((2 * tolerance + 1) / 31)
    assert len(values.curve) == 16


def test_a_classifier_that_guesses_is_at_chance():
    values = sync_accuracy(random_scores(4000, clips=11), within=2)
    assert float(values.chance) == pytest.approx(5 / 11)
    assert float(values.audio_to_video) == pytest.approx(5 / 11, abs=0.03)
    assert float(values.offset) == pytest.approx(float(values.chance_offset), abs=0.005)


def test_the_values_of_videos_have_the_mean_of_all():
    scores = random_scores(40).round()  # many are equal
    of_all = sync_accuracy(scores, shift=0.1, within=3)
    for values, mean in zip(
        sync_of_videos(scores, 0.1, 3), (of_all.audio_to_video, of_all.video_to_audio, of_all.offset)
    ):
        assert values.shape == (40,)
        assert float(values.std()) > 0
        assert float(values.mean()) == pytest.approx(float(mean), rel=1e-12)


@pytest.mark.parametrize("constant", [0.0, -3.5])
def test_scores_that_are_all_the_same_are_at_chance(constant):
    scores = torch.full((10, 31, 31), constant)
    values = sync_accuracy(scores)
    assert float(values.audio_to_video) == pytest.approx(float(values.chance), rel=1e-12)
    assert float(values.video_to_audio) == pytest.approx(float(values.chance), rel=1e-12)
    assert float(values.offset) == pytest.approx(float(values.chance_offset), rel=1e-12)
    assert torch.allclose(values.curve[:, 1], values.curve[:, 3])
    assert sync_of_videos(scores).audio_to_video.tolist() == pytest.approx([11 / 31] * 10)


def test_equal_scores_share_an_answer_as_by_drawing_one_of_them():
    scores = random_scores(30, clips=11).round()
    draws = np.random.default_rng(0)
    rows = scores[:, 5].numpy()
    best = [np.flatnonzero(row == row.max()) for row in rows]
    drawn = np.array([[abs(draws.choice(places) - 5) <= 2 for places in best] for _ in range(4000)])
    assert max(map(len, best)) > 1
    found = sync_of_videos(scores, within=2).audio_to_video.numpy()
    assert np.abs(found - drawn.mean(axis=0)).max() < 0.04


@pytest.mark.parametrize("bad", [torch.nan, torch.inf, -torch.inf])
def test_scores_of_a_broken_network_have_no_accuracy(bad):
    scores = random_scores(4)
    scores[1, 15, 3] = bad  # of a sound that asks for its video; the video's own scores are numbers
    for values in (sync_accuracy(scores), sync_accuracy(torch.full_like(scores, bad))):
        assert values.audio_to_video.isnan()
        assert values.offset.isnan()
        assert values.curve[:, 1].isnan().all()
        assert float(values.chance) == pytest.approx(11 / 31)
    assert float(sync_accuracy(scores).video_to_audio) == float(sync_accuracy(random_scores(4)).video_to_audio)
    assert sync_of_videos(scores).audio_to_video.isnan().tolist() == [False, True, False, False]
    metric = SyncAccuracy()
    metric.update(scores)
    metric.update(random_scores(4, seed=1))
    assert metric.compute().audio_to_video.isnan(), "a later batch does not hide it"
    assert metric.unjudged.tolist() == [1, 0]
    metric.reset()
    metric.update(random_scores(4))
    assert not metric.compute().audio_to_video.isnan()


def test_scores_that_nobody_asks_about_do_not_count():
    scores = random_scores(4)
    scores[:, 2, 3] = torch.nan
    assert not sync_accuracy(scores).curve.isnan().any()


def test_counts_are_whole_numbers_whatever_the_type_of_the_network():
    metric = SyncAccuracy().to(torch.bfloat16)
    scores = random_scores(600).round()
    for part in scores.split(100):
        metric.update(part)
    assert torch.equal(metric.compute().curve, sync_accuracy(scores).curve)


def test_the_metric_is_the_function_over_all_batches():
    metric, scores = SyncAccuracy(), random_scores(10)
    for part in scores.split(4):
        metric.update(part)
    for ours, theirs in zip(metric.compute(), sync_accuracy(scores)):
        assert torch.equal(ours, theirs)
    metric.reset()
    metric.update(scores[:1])
    assert torch.equal(metric.compute().curve, sync_accuracy(scores[:1]).curve)
    assert metric.higher_is_better


def test_nothing_judged_is_nan_beside_a_known_chance():
    values = SyncAccuracy().compute()
    assert values.audio_to_video.isnan()
    assert float(values.chance) == pytest.approx(11 / 31)


def rank_main(rank, folder):
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    metric = SyncAccuracy()
    metric.update(random_scores(9).round()[[slice(0, 6), slice(6, 9)][rank]])
    torch.save(list(metric.compute()), f"{folder}/{rank}.pt")
    distributed.destroy_process_group()


@pytest.mark.slow
def test_two_ranks_with_uneven_shares_are_one(tmp_path):
    processes.spawn(rank_main, args=(str(tmp_path),), nprocs=2)
    for rank in range(2):
        for ours, theirs in zip(torch.load(tmp_path / f"{rank}.pt"), sync_accuracy(random_scores(9).round())):
            assert torch.equal(ours, theirs)


@pytest.mark.parametrize("shape", [(2, 30, 30), (31, 31), (2, 31, 29)])
def test_scores_without_a_middle_are_refused(shape):
    with pytest.raises(ConfigurationError, match="odd number k of shifted clips"):
        best_matches(torch.zeros(shape))


@pytest.mark.parametrize(("clips", "within"), [(30, 5), (11, 5), (11, -1)])
def test_a_protocol_that_cannot_be_wrong_is_refused(clips, within):
    with pytest.raises(ConfigurationError, match="0 <= within < clips // 2"):
        SyncAccuracy(clips, within=within)
    for judge in (sync_accuracy, sync_of_videos):
        with pytest.raises(ConfigurationError):
            judge(torch.zeros(1, clips, clips), within=within)


def test_scores_of_another_number_of_clips_are_refused():
    with pytest.raises(ConfigurationError, match="scores of 5 clips, but 31 are expected"):
        SyncAccuracy().update(torch.zeros(1, 5, 5))
