import io
import pickle

import pytest

from asva_lightning.errors import ConfigurationError, MediaError
from asva_lightning.media import ClipFormat, read_clip, read_frames, read_sound

FORMAT = ClipFormat(frames=6, fps=6.0, height=32, width=32)


@pytest.mark.parametrize("start", [0.0, 0.35, 1.9])
def test_a_clip_is_the_frames_and_the_sound_of_the_same_stretch(factory, start):
    data = factory.make("mp4", factory.grey(30), sound=factory.tone(3.0))
    clip = read_clip(io.BytesIO(data), FORMAT, start)
    assert (tuple(clip.pixels.shape), tuple(clip.waveform.shape)) == ((3, 6, 32, 32), (16_000,))
    assert clip.pixels.equal(read_frames(io.BytesIO(data), [start + f / 6 for f in range(6)], 32, 32))
    assert clip.waveform.equal(read_sound(io.BytesIO(data), 16_000, start, 1.0))


def test_an_odd_length_has_exactly_the_samples_of_the_format(factory):
    data = factory.make("mp4", factory.grey(30), sound=factory.tone(3.0, 44_100), sound_rate=44_100)
    odd = ClipFormat(frames=7, fps=29.97, height=8, width=8, sample_rate=22_050)
    assert len(read_clip(io.BytesIO(data), odd, 0.123).waveform) == odd.samples


def test_sound_that_ends_early_is_filled_with_silence(factory):
    data = factory.make("mp4", factory.grey(30), sound=factory.tone(1.8))
    clip = read_clip(io.BytesIO(data), FORMAT, 1.0)
    assert clip.waveform[:12_000].abs().max() > 0.4
    assert clip.waveform[13_200:].abs().max() < 0.01


def test_too_little_sound_is_an_error(factory):
    data = factory.make("mp4", factory.grey(30), sound=factory.tone(1.3))
    with pytest.raises(MediaError, match=r"the sound covers only 0.30 s of the 1.00 s from 1.00 s on"):
        read_clip(io.BytesIO(data), FORMAT, 1.0)
    with pytest.raises(MediaError, match=r"the sound covers only 0.00 s"):
        read_clip(io.BytesIO(data), FORMAT, 1.9)


def test_missing_tracks_and_short_pictures_are_errors(factory):
    with pytest.raises(MediaError, match="has no sound that can be decoded. Give a file with an audio track"):
        read_clip(io.BytesIO(factory.make("mp4", factory.grey(30))), FORMAT)
    with pytest.raises(MediaError, match="has no picture that can be decoded. Give a file with a video track"):
        read_clip(io.BytesIO(factory.make("mp4", sound=factory.tone(3.0))), FORMAT)
    short = factory.make("mp4", factory.grey(5), sound=factory.tone(3.0))
    with pytest.raises(MediaError, match=r"the frame at 0.833 s was asked for, but the picture is 0.500 s") as caught:
        read_clip(io.BytesIO(short), FORMAT)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)  # loader workers send it to their parent


@pytest.mark.parametrize("start", [-0.1, float("inf")])
def test_a_clip_starts_within_the_file(start):
    with pytest.raises(ConfigurationError, match="start must be a time in seconds >= 0"):
        read_clip("unread.mp4", FORMAT, start)
