import pytest
import torch
from following import FORMAT, clicking_clip, deaf, follower, still

from asva_lightning.errors import ConfigurationError
from asva_lightning.evaluation.follow_report import swap_table
from asva_lightning.evaluation.generators import one_by_one
from asva_lightning.evaluation.likeness import LIKENESSES
from asva_lightning.evaluation.swap import (
    SwapGroup,
    check_frames,
    judge_swap,
    margin,
    recognised,
    swap_groups,
    swap_results,
    swap_test,
    wilson_interval,
)
from asva_lightning.media import ClipFormat

GROUPS = list(swap_groups({name: [clicking_clip(10 * at + n, name) for n in range(5)] for at, name in
                           enumerate(("bell", "drum", "frog"))}, 5))  # fmt: skip


def test_a_sound_is_recognised_if_no_other_fits_better():
    likeness = torch.tensor([[0.9, 0.1, 0.2], [0.8, 0.3, 0.1], [0.5, 0.5, 0.5]])
    assert recognised(likeness).tolist() == pytest.approx([1, 0, 1 / 3])  # a tie is shared
    assert margin(likeness).tolist() == pytest.approx([0.9 - 0.15, 0.3 - 0.45, 0])


def test_wilsons_interval_is_that_of_scipy():
    from scipy.stats import binomtest

    for right, count in ((0, 15), (9, 12), (15, 15)):
        theirs = binomtest(right, count).proportion_ci(method="wilson")
        assert vars(wilson_interval(right / count, count)) == pytest.approx(
            {"low": theirs.low, "high": theirs.high}, abs=1e-6
        )


def test_every_picture_meets_every_sound_with_its_own_noise():
    first, second = SwapGroup("a", GROUPS[0].clips[:2], first=7).clips
    requests = SwapGroup("a", [first, second], first=7).requests(FORMAT)
    assert [(one.key, one.seed) for one in requests] == [
        (f"{shown.name}--{heard.name}", seed) for shown, seed in ((first, 7), (second, 8)) for heard in (first, second)
    ]
    assert torch.equal(requests[1].picture, first.picture)
    assert torch.equal(requests[1].waveform, second.heard(FORMAT))
    assert len(requests[1].waveform) == FORMAT.samples


def test_the_sounds_of_a_perfect_follower_are_recognised():
    results = swap_test(GROUPS, one_by_one(follower), FORMAT)
    for measure in LIKENESSES:
        score = results.overall(f"top-1 by {measure}")
        assert score.mean > 0.9
        assert wilson_interval(score.mean, score.count).low > 0.5  # far above the chance of 0.2
        assert results.overall(f"margin by {measure}").low > 0.2


def test_the_accuracy_of_the_truth_says_what_a_measure_can_tell():
    def blind(videos, candidates, format):
        return torch.zeros(len(videos), len(candidates))

    results = swap_test(GROUPS, one_by_one(deaf), FORMAT, {**LIKENESSES, "nothing": blind})
    assert results.overall("top-1 of the truth by onsets").mean > 0.9
    assert results.overall("top-1 of the truth by true motion").mean > 0.9
    assert results.overall("top-1 of the truth by nothing").mean == pytest.approx(0.2)
    header, _, row = swap_table(results).splitlines()[2:5]
    assert header.count("of the truth") == 3
    assert "| all" in row
    assert "0.20" in row


@pytest.mark.parametrize("generator", [deaf, still])
def test_one_that_does_not_listen_is_exactly_at_chance(generator):
    results = swap_test(GROUPS, one_by_one(generator), FORMAT)
    assert results.facts["chance"] == pytest.approx(0.2)
    for measure in LIKENESSES:
        score = results.overall(f"top-1 by {measure}")
        assert score.mean == pytest.approx(0.2)
        interval = wilson_interval(score.mean, score.count)
        assert interval.low < 0.2 < interval.high < 0.5
        assert results.overall(f"margin by {measure}").mean == pytest.approx(0, abs=1e-6)


def test_rows_are_the_sounds_that_made_a_video_and_columns_those_it_is_compared_with():
    group, heard = GROUPS[0], GROUPS[0].clips[2].heard(FORMAT)

    def hears_the_third(picture, waveform, text, seed):
        """Follows the third sound, whichever is given."""
        return follower(picture, heard, text, seed)

    judged = judge_swap(group, one_by_one(hears_the_third)(group.requests(FORMAT)), FORMAT)
    matrix = judged.matrix("onsets")
    assert matrix.argmax(dim=1).tolist() == [2] * 5
    assert matrix.argmax(dim=0).tolist() != [2] * 5
    values = swap_results([judged]).values["top-1 by onsets"]
    assert [values[clip.name] for clip in group.clips] == [0, 0, 1, 0, 0]


def test_groups_are_of_one_class_and_one_size():
    clips = {"bell": [clicking_clip(n) for n in range(5)], "drum": [clicking_clip(9)]}
    groups = list(swap_groups(clips, 2))
    assert [(group.name, group.first) for group in groups] == [("bell 1", 0), ("bell 2", 2)]
    assert {clip.name for group in groups for clip in group.clips} == {f"click-{n}" for n in range(4)}
    with pytest.raises(ConfigurationError, match="two clips of drum or more"):
        SwapGroup("drum", clips["drum"])
    with pytest.raises(ConfigurationError, match=r"groups of one size, but these have \[2, 5\] clips"):
        swap_results(
            [judge_swap(one, one_by_one(still)(one.requests(FORMAT)), FORMAT) for one in (groups[0], GROUPS[0])]
        )


def test_clips_too_short_to_be_compared_by_motion_are_refused():
    check_frames(ClipFormat(frames=3))
    with pytest.raises(ConfigurationError, match="3 frames or more, not 2"):
        check_frames(ClipFormat(frames=2))


def test_a_generator_must_return_what_is_asked_for():
    with pytest.raises(ConfigurationError, match=r"returned torch.uint8 \(3, 23, 16, 16\) for 'bell-0--bell-0'"):
        swap_test(GROUPS, one_by_one(lambda *words: follower(*words)[:, 1:]), FORMAT)
    with pytest.raises(ConfigurationError, match="returned 0 videos for 25 requests"):
        swap_test(GROUPS, lambda requests: [], FORMAT)
