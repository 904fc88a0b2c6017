"""The synthetic data set as a whole: what it holds, that it repeats, and what it says about itself."""

import hashlib
import json
import subprocess
import sys

import numpy as np
import pytest
import torch

from asva_lightning.data.synthsync import SynthSync
from asva_lightning.errors import ConfigurationError
from asva_lightning.media.format import ClipFormat

SMALL = SynthSync(height=32, width=32, train=24, validation=8, test=8)
KINDS = ["ball", "drum", "hammer", "lamp", "mouth", "bow", "firework", "frog"]


def fingerprint(clip):
    return hashlib.sha256(clip.pixels.numpy().tobytes() + clip.waveform.numpy().tobytes()).hexdigest()


@pytest.fixture(scope="module")
def clips():
    return [SMALL.render(split, index) for split, count in SMALL.splits.items() for index in range(count)]


def test_a_clip_has_the_promised_form(clips):
    for clip in clips:
        frames = clip.pixels.shape[1]
        assert clip.pixels.shape == (3, frames, 32, 32)
        assert clip.pixels.dtype == torch.uint8
        assert clip.waveform.dtype == torch.float32
        assert clip.waveform.shape == (round(frames / 30 * ClipFormat.sample_rate),)
        assert 6.5 <= clip.seconds <= 8
        assert clip.fps == 30


def test_every_kind_takes_its_turn(clips):
    assert [clip.kind for clip in clips[:16]] == KINDS * 2
    assert SMALL.texts.keys() == set(KINDS)
    assert all(clip.text == SMALL.texts[clip.kind] for clip in clips)
    assert len(set(SMALL.texts.values())) == len(KINDS)


def test_keys_name_the_kind_and_are_unique_over_all_splits(clips):
    keys = [clip.key for clip in clips]
    assert len(set(keys)) == len(keys)
    assert keys[1] == SMALL.key("train", 1) == "drum_000001"
    assert keys[24] == SMALL.key("validation", 0) == "ball_000024"


def test_no_two_clips_are_equal_in_any_split(clips):
    assert len({fingerprint(clip) for clip in clips}) == len(clips)
    assert len({clip.track for clip in clips}) == len(clips)


def test_another_seed_gives_other_clips():
    other = SynthSync(height=32, width=32, seed=1)
    assert fingerprint(other.render("train", 0)) != fingerprint(SMALL.render("train", 0))


def test_a_clip_does_not_depend_on_the_number_of_clips_or_on_earlier_ones(clips):
    larger = SynthSync(height=32, width=32, train=500, validation=500, test=500)
    assert fingerprint(larger.render("test", 5)) == fingerprint(clips[24 + 8 + 5])


def test_events_do_not_depend_on_the_size_of_the_picture(clips):
    large = SynthSync(height=48, width=96).render("train", 3)
    assert large.pixels.shape[2:] == (48, 96)
    assert large.track == clips[3].track
    assert torch.equal(large.waveform, clips[3].waveform)


def test_another_process_makes_the_same_bytes(clips):
    program = (
        "import hashlib; from asva_lightning.data.synthsync import SynthSync\n"
        "for index in range(8):\n"
        "    clip = SynthSync(height=32, width=32).render('train', index)\n"
        "    print(hashlib.sha256(clip.pixels.numpy().tobytes() + clip.waveform.numpy().tobytes()).hexdigest())"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [fingerprint(clip) for clip in clips[:8]]


def test_the_description_survives_json(clips):
    for clip in clips[:8]:
        read = json.loads(json.dumps(clip.description()))
        assert read["onsets"] == list(clip.track.onsets)
        assert read["control"] == list(clip.track.control)
        assert read["lead"] == clip.lead
        assert read["objects"] == clip.objects
        assert (read["frames"], read["key"], read["text"]) == (clip.pixels.shape[1], clip.key, clip.text)


def test_the_share_of_clips_with_two_objects_is_as_asked():
    for share in (0.0, 0.3, 1.0):
        data = SynthSync(height=24, width=24, two_objects=share, train=100)
        counts = [len(data.render("train", index).objects) for index in range(0, 100, 2)]
        assert counts.count(2) / len(counts) == pytest.approx(share, abs=0.2 if 0 < share < 1 else 0)


def test_two_objects_are_of_different_kinds_side_by_side():
    data = SynthSync(height=40, width=64, two_objects=1.0)
    sides = set()
    for index in range(24):
        clip = data.render("train", index)
        left, right = clip.objects
        assert left["kind"] != right["kind"]
        assert [left["sounds"], right["sounds"]].count(True) == 1
        assert clip.kind == (left if left["sounds"] else right)["kind"]
        assert left["box"][2] <= 32 <= right["box"][0]
        sides.add(left["sounds"])
    assert sides == {True, False}


def test_one_kind_alone_is_never_joined_by_another():
    data = SynthSync(kinds=["lamp"], height=24, width=24, two_objects=1.0)
    assert all(len(data.render("train", index).objects) == 1 for index in range(4))


def test_looks_and_tempo_vary(clips):
    for kind in KINDS:
        mine = [clip for clip in clips if clip.kind == kind]
        corners = {tuple(clip.pixels[:, 0, 0, 0].tolist()) for clip in mine}
        assert len(corners) > 0.7 * len(mine)
        assert len({tuple(thing["box"]) for clip in mine for thing in clip.objects}) > 2
    tempo = [len(clip.track.onsets) / clip.seconds for clip in clips if clip.track.onsets]
    assert max(tempo) > 1.25 * min(tempo)


def test_objects_stand_out_from_the_background():
    data = SynthSync(two_objects=0.0, height=48, width=48)
    for index in range(32):
        clip = data.render("train", index)
        grey = clip.pixels.numpy().astype(np.float32).transpose(1, 2, 3, 0) @ [0.299, 0.587, 0.114]
        edge = np.concatenate([grey[0, 0], grey[0, -1]])
        left, top, right, bottom = clip.objects[0]["box"]
        differs = np.abs(grey[:, top:bottom, left:right] - np.median(edge)) > 40
        assert differs.mean(axis=(1, 2)).max() > 0.08, clip.key


def test_other_frame_rates_keep_the_event_times():
    fast = SynthSync(kinds=["drum"], height=24, width=24, fps=60.0).render("train", 0)
    assert fast.pixels.shape[1] == round(fast.seconds * 60)
    assert len(fast.waveform) == round(fast.seconds * ClipFormat.sample_rate)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kinds": ["ball", "trumpet"]}, r"does not know 'trumpet'.*some of: ball, drum, hammer, lamp, mouth, bow"),
        ({"kinds": []}, "needs at least one kind"),
        ({"kinds": ["ball", "ball"]}, "Name each once in kinds"),
        ({"train": -1}, "train >= 0, not -1"),
        ({"seed": -1}, "seed >= 0, not -1"),
        ({"fps": 1.0}, "fps >= 6, not 1.0"),
        ({"height": 8}, "8 x 64 pixels. Set height and width to 24 or more"),
        ({"two_objects": 1.5}, r"share of clips in \[0, 1\], not 1.5"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings, message):
    with pytest.raises(ConfigurationError, match=message):
        SynthSync(**settings)


def test_a_clip_that_does_not_exist_is_refused():
    with pytest.raises(ConfigurationError, match="no split 'tests'. Ask for one of: train, validation, test"):
        SMALL.render("tests", 0)
    with pytest.raises(ConfigurationError, match="no clip 24 in split 'train', which has 24. Set train higher"):
        SMALL.render("train", 24)
