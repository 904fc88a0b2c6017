import io

import av
import numpy as np
import pytest
import torch

import asva_lightning.media.container as container_module
import asva_lightning.media.sound as sound_module
from asva_lightning.errors import ConfigurationError, MediaError
from asva_lightning.media import probe, read_sound


def click_at(seconds, length=3.0, rate=48_000):
    sound = np.zeros((1, round(length * rate)), np.float32)
    sound[0, round(seconds * rate)] = 0.9
    return sound


@pytest.mark.parametrize("form", ["mp4", "matroska", "mpegts"])
@pytest.mark.parametrize(("picture_start", "sound_start"), [(0.0, 0.0), (0.0, 0.5), (0.5, 0.0)])
def test_sound_is_placed_by_its_own_times_after_the_first_frame(factory, form, picture_start, sound_start):
    data = factory.make(
        form,
        factory.grey(30),
        times=[picture_start + k / 10 for k in range(30)],
        sound=click_at(1.0),
        sound_times=[sound_start],
    )
    expected = 1.0 + sound_start - picture_start
    assert int(read_sound(io.BytesIO(data)).abs().argmax()) / 16_000 == pytest.approx(expected, abs=0.002)
    window = read_sound(io.BytesIO(data), start=expected - 0.1, seconds=0.2)
    assert int(window.abs().argmax()) / 16_000 == pytest.approx(0.1, abs=0.002)
    info = probe(io.BytesIO(data))
    assert info.sound_start == pytest.approx(sound_start - picture_start, abs=0.025)
    assert info.start == pytest.approx(max(0.0, sound_start - picture_start), abs=0.025)


def test_sound_before_the_picture_can_be_asked_for(factory):
    data = factory.make("matroska", factory.grey(20), [0.5 + k / 10 for k in range(20)], sound=click_at(0.25))
    early = read_sound(io.BytesIO(data), start=-0.5, seconds=0.5)
    assert int(early.abs().argmax()) / 16_000 == pytest.approx(0.25, abs=0.002)


def test_a_gap_is_silence_of_its_own_length(factory):
    parts = (factory.tone(1.0) * 2**15).astype(np.int16)
    data = factory.make("matroska", sound=parts, sound_times=[0.0, 1.25], sound_codec="pcm_s16le", sound_format="s16")
    sound = read_sound(io.BytesIO(data), 48_000)
    loud = torch.nn.functional.max_pool1d(sound.abs()[None], 480, 480)[0] > 0.1
    assert loud.tolist() == [True] * 50 + [False] * 75 + [True] * 50


def test_times_that_go_to_and_fro_make_no_holes(factory):
    tone = (factory.tone(1.0) * 2**15).astype(np.int16)
    times = [0.0, 0.21, 0.405, 0.611, 0.806]
    data = factory.make("matroska", sound=tone, sound_times=times, sound_codec="pcm_s16le", sound_format="s16")
    assert torch.equal(read_sound(io.BytesIO(data), 48_000), torch.from_numpy(tone[0].astype(np.float32) / 2**15))


def test_small_gaps_add_up_to_a_real_one(factory):
    sound = np.full((1, 48_000), 2**14, np.int16)
    times = [0.0, 0.208, 0.416, 0.624, 0.832]
    data = factory.make("matroska", sound=sound, sound_times=times, sound_codec="pcm_s16le", sound_format="s16")
    last = read_sound(io.BytesIO(data), 48_000).nonzero().max() / 48_000
    assert last == pytest.approx(1.032, abs=0.012)


def test_what_the_sound_does_not_cover_is_silence_and_no_sound_at_all_is_an_error(factory):
    data = factory.make(
        "wav", sound=(factory.tone(1.0) * 2**15).astype(np.int16), sound_codec="pcm_s16le", sound_format="s16"
    )
    late = read_sound(io.BytesIO(data), start=0.5, seconds=1.0)
    assert len(late) == 16_000
    assert late[7000:7800].abs().max() > 0.4
    assert late[8200:].abs().max() < 1e-6
    with pytest.raises(MediaError, match=r"has no sound between 1.500 s and 2.000 s"):
        read_sound(io.BytesIO(data), start=1.5, seconds=0.5)


@pytest.mark.parametrize(
    ("form", "codec", "sample_format", "rate"),
    [
        ("mp4", "aac", "fltp", 44_100),
        ("matroska", "aac", "fltp", 44_100),
        ("matroska", "libopus", "flt", 48_000),
        ("mp3", "libmp3lame", "fltp", 32_000),
        ("flac", "flac", "s16", 22_050),
    ],
)
def test_a_window_is_the_same_piece_of_the_whole(factory, form, codec, sample_format, rate):
    # No noise: AAC and Opus replace it by other noise, which differs from one decoding to the next.
    sound = 0.3 * np.sin(1000 * np.arange(3 * rate) / rate + 300 * (np.arange(3 * rate) / rate) ** 2)[None]
    sound = sound.astype(np.float32)
    if sample_format == "s16":
        sound = (sound * 2**14).astype(np.int16)
    data = factory.make(form, sound=sound, sound_rate=rate, sound_codec=codec, sound_format=sample_format)
    whole = read_sound(io.BytesIO(data))
    for start in (0.0, 0.7, 1.5, 2.5):
        window = read_sound(io.BytesIO(data), start=start, seconds=0.4)
        piece = whole[round(start * 16_000) :][:6400]
        shift = 16 if form == "matroska" else 1  # Matroska rounds times to 1 ms
        best = min(
            (window[shift:-shift] - piece[shift + k : len(piece) - shift + k or None]).abs().max()
            for k in range(-shift, shift + 1)
        )
        assert best < (0.02 if form != "flac" else 1e-4)


def test_resampling_keeps_the_tone(factory):
    tone = factory.tone(2.0, 44_100, 1000)
    data = factory.make("wav", sound=tone, sound_rate=44_100, sound_codec="pcm_f32le", sound_format="flt")
    sound = read_sound(io.BytesIO(data), start=0.5, seconds=1.0)
    expected = 0.5 * torch.sin(2 * torch.pi * 1000 * (torch.arange(16_000, dtype=torch.float64) / 16_000 + 0.5))
    assert (sound - expected).abs().max() < 1e-4


@pytest.mark.parametrize(
    ("layout", "channel", "share"),
    [
        ("mono", 0, 1.0),
        ("stereo", 0, 0.5),
        ("stereo", 1, 0.5),
        ("2.1", 2, 0.0),
        ("5.1", 0, 1 / (2 + 2 * 2**0.5)),
        ("5.1", 2, 2**0.5 / (2 + 2 * 2**0.5)),
        ("5.1", 3, 0.0),
        ("5.1", 4, 0.5**0.5 / (2 + 2 * 2**0.5)),
        ("octagonal", 5, 0.5**0.5 / (2 + 2**0.5 + 5 * 0.5**0.5)),
        ("downmix", 1, 0.5),
        ("cube", 4, 1 / 8),
    ],
)
def test_channels_are_mixed_by_where_they_stand(factory, layout, channel, share):
    channels = av.AudioLayout(layout).nb_channels
    sound = np.zeros((channels, 4800), np.float32)
    sound[channel] = factory.tone(0.1)[0]
    data = factory.make("caf", sound=sound, sound_codec="pcm_f32le", sound_format="flt", layout=layout)
    mixed = read_sound(io.BytesIO(data), 48_000)
    assert float((mixed - share * torch.from_numpy(sound[channel])).abs().max()) < 1e-6
    same = factory.make("caf", sound=np.repeat(sound[channel][None], channels, 0), sound_codec="pcm_f32le",
                        sound_format="flt", layout=layout)  # fmt: skip
    assert float((read_sound(io.BytesIO(same), 48_000) - torch.from_numpy(sound[channel])).abs().max()) < 1e-6


@pytest.mark.parametrize(
    ("codec", "sample_format", "convert"),
    [
        ("pcm_u8", "u8", lambda x: (x * 128 + 128).round().astype(np.uint8)),
        ("pcm_s16le", "s16", lambda x: (x * 2**15).round().astype(np.int16)),
        ("pcm_s32le", "s32", lambda x: (x.astype(np.float64) * 2**31).round().astype(np.int32)),
        ("pcm_f32le", "flt", lambda x: x),
        ("pcm_f64le", "dbl", lambda x: x.astype(np.float64)),
    ],
)
def test_every_sample_format_is_scaled_to_one(factory, codec, sample_format, convert):
    tone = factory.tone(0.2)
    data = factory.make("wav", sound=convert(tone), sound_codec=codec, sound_format=sample_format)
    read = read_sound(io.BytesIO(data), 48_000)
    assert (read - torch.from_numpy(tone[0])).abs().max() < (0.005 if sample_format == "u8" else 2e-5)


def test_values_beyond_one_are_limited_and_values_that_are_no_numbers_are_an_error(factory):
    tone = factory.tone(0.2, loudness=1.5)
    loud = factory.make("wav", sound=tone, sound_codec="pcm_f32le", sound_format="flt")
    assert read_sound(io.BytesIO(loud), 48_000).abs().max() == 1
    tone[0, 100] = np.nan
    bad = factory.make("wav", sound=tone, sound_codec="pcm_f32le", sound_format="flt")
    with pytest.raises(MediaError, match="not finite numbers"):
        read_sound(io.BytesIO(bad))


def test_the_filling_of_the_last_packet_is_no_sound(factory):
    data = factory.make("mp4", sound=factory.tone(1.0))
    assert len(read_sound(io.BytesIO(data), 48_000)) == 48_000


@pytest.mark.parametrize(("rate", "seconds"), [(0, 1.0), (16_000, 0.0), (16_000, float("inf"))])
def test_rate_and_length_must_be_positive(rate, seconds):
    with pytest.raises(ConfigurationError, match="sample_rate >= 1 and seconds > 0"):
        read_sound("unread.wav", rate, 0.0, seconds)


def test_start_must_be_a_number():
    with pytest.raises(ConfigurationError, match="start must be a time in seconds, not nan"):
        read_sound("unread.wav", start=float("nan"))


@pytest.mark.parametrize(("start", "seconds"), [(2.3, 0.5), (2.3, None), (2.99, 0.5)])
def test_a_file_that_cannot_be_entered_in_its_middle_costs_the_memory_of_the_window(
    factory, monkeypatch, start, seconds
):
    tone = (factory.tone(3.0) * 2**15).astype(np.int16)
    data = factory.make("wav", sound=tone, sound_codec="pcm_s16le", sound_format="s16")
    entered = read_sound(io.BytesIO(data), 48_000, start, seconds)
    kept, resampled = [], sound_module._Track.resampled

    def counting(track):
        kept.append(sum(len(samples) for _, samples in track.pieces))
        return resampled(track)

    monkeypatch.setattr(container_module, "_STEPS_BACK", ())  # no seek succeeds: the file is read from its beginning
    monkeypatch.setattr(sound_module._Track, "resampled", counting)
    assert torch.equal(read_sound(io.BytesIO(data), 48_000, start, seconds), entered)
    assert kept[0] < 48_000
    exact = torch.from_numpy(tone[0].astype(np.float32) / 2**15)[round(start * 48_000) :][: len(entered)]
    assert torch.equal(entered[: len(exact)], exact)
