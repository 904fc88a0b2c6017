import math

import pytest
import torch
from following import FORMAT, clicking_clip, deaf, follower, still

from asva_lightning.errors import ConfigurationError
from asva_lightning.evaluation.delay import (
    DELAYS,
    DelayJudgement,
    check_delays,
    delay_requests,
    delay_results,
    delay_test,
)
from asva_lightning.evaluation.generators import one_by_one
from asva_lightning.media import ClipFormat

CLIPS = [clicking_clip(number) for number in range(24)]


def test_each_delay_is_the_sources_own_sound_with_one_noise():
    clip = CLIPS[0]
    on_time, early, late = delay_requests(clip, (-0.2, 0.4), FORMAT, seed=3)
    assert [one.key for one in (on_time, early, late)] == [
        "click-0--on-time", "click-0--early-200ms", "click-0--late-400ms",
    ]  # fmt: skip
    assert {one.seed for one in (on_time, early, late)} == {3}
    shift = round(0.4 * FORMAT.sample_rate)
    assert torch.equal(late.waveform[shift:], on_time.waveform[:-shift])
    assert late.waveform[:shift].abs().max() > 0 or clip.sound[: shift * 2].abs().max() > 0
    with pytest.raises(
        ConfigurationError, match=r"The sound around click-0 lasts 3.20 s and cannot be delayed by 0.7 s"
    ):
        delay_requests(clip, (0.7,), FORMAT)


def test_the_motion_of_a_perfect_follower_moves_with_its_sound():
    score = delay_test(CLIPS, one_by_one(follower), FORMAT, DELAYS).overall("slope")
    assert score.mean == pytest.approx(1, abs=0.05)
    assert 0.9 < score.low < score.high < 1.1
    assert score.count + score.left_out == len(CLIPS)
    assert score.left_out < 3


def test_the_motion_of_one_that_does_not_listen_stays():
    score = delay_test(CLIPS, one_by_one(deaf), FORMAT, DELAYS).overall("slope")
    assert (score.mean, score.low, score.high) == pytest.approx((0, 0, 0), abs=1e-6)


def test_the_motion_of_one_that_takes_other_noise_each_time_has_no_slope():
    def restless(picture, waveform, text, seed):
        return deaf(picture, waveform, text, int(waveform.abs().sum() * 1000) % 10_000 + int(waveform[:9000].sum()))

    score = delay_test(CLIPS, one_by_one(restless), FORMAT, DELAYS).overall("slope")
    assert score.low < 0 < score.high
    assert score.high < 0.6


def test_clips_that_do_not_move_are_left_out_and_counted():
    results = delay_test(CLIPS[:3], one_by_one(still), FORMAT, DELAYS)
    assert results.overall("slope").left_out == 3
    judged = [
        DelayJudgement(CLIPS[0], [0.2, 0.4], [0.9, 0.7]),
        DelayJudgement(CLIPS[1], [0.2, math.nan], [1, math.nan]),
    ]
    results = delay_results(judged, (0.2, 0.4))
    assert (results.overall("slope").mean, results.overall("slope").left_out) == (pytest.approx(1), 1)
    assert results.overall("correlation").mean == pytest.approx(0.8)


@pytest.mark.parametrize("delays", [[], [0.2, 0.0], [0.2, 0.2003], [math.nan], [0.2, -math.inf]])
def test_delays_that_say_nothing_are_refused(delays):
    with pytest.raises(ConfigurationError, match="needs different delays in seconds other than 0"):
        check_delays(delays)


def test_delays_that_are_too_long_for_a_clip_are_refused():
    check_delays(DELAYS, ClipFormat(frames=12, fps=6))
    with pytest.raises(ConfigurationError, match="A lag of 8 frames leaves 3 of 11 steps of motion"):
        check_delays([1.0], ClipFormat(frames=12, fps=6))
