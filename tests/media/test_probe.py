import io
from fractions import Fraction

import pytest

from asva_lightning.media import probe


@pytest.mark.parametrize("form", ["mp4", "matroska", "mpegts"])
def test_lengths_rate_and_kinds(factory, form):
    data = factory.make(form, factory.grey(45, 36, 48), fps=15, sound=factory.tone(2.0, 44_100), sound_rate=44_100)
    info = probe(io.BytesIO(data))
    assert (info.has_picture, info.has_sound, info.width, info.height) == (True, True, 48, 36)
    assert (info.picture_codec, info.sound_codec, info.sample_rate, info.channels) == ("h264", "aac", 44_100, 1)
    assert info.fps == pytest.approx(15, rel=0.01)
    assert info.picture_start == 0
    assert info.picture_seconds == pytest.approx(3.0, abs=0.01)
    assert info.sound_seconds == pytest.approx(2.0, abs=0.05)
    assert info.seconds == pytest.approx(2.0, abs=0.05)


def test_a_file_without_durations_is_measured_by_its_packets(factory):
    shown = [0.0, 0.1, 0.15, 0.9, 1.6, 2.0]
    data = factory.make(
        "webm", factory.grey(6), shown, codec="libvpx", container_options={"live": "1"}, options={"lag-in-frames": "0"}
    )
    info = probe(io.BytesIO(data))
    assert 2.0 < info.picture_seconds <= 2.5
    assert info.fps == pytest.approx(6 / info.picture_seconds)


def test_a_file_that_is_cut_off_is_as_long_as_what_is_left(factory):
    data = factory.make("matroska", factory.grey(60, step=3), options={"g": "10"}, sound=factory.tone(6.0))
    cut = probe(io.BytesIO(data[: len(data) // 2]))
    assert 1.0 < cut.seconds < 5.0
    assert cut.picture_seconds < 5.0


@pytest.mark.parametrize("aspect", [Fraction(4, 3), Fraction(1, 2)])
def test_size_is_that_on_the_screen(factory, aspect):
    quarter = 1 << 16
    matrix = [0, quarter, 0, -quarter, 0, 0, 0, 0, 1 << 30]
    data = factory.make("mp4", factory.grey(3, 36, 48), matrix=matrix, pixel_aspect=aspect)
    info = probe(io.BytesIO(data))
    assert (info.width, info.height) == (36, round(48 * aspect))


def test_one_missing_track_leaves_no_common_span(factory):
    silent, blind = (
        probe(io.BytesIO(factory.make("mp4", factory.grey(10)))),
        probe(io.BytesIO(factory.make("mp4", sound=factory.tone(1.0)))),
    )
    assert (silent.has_sound, silent.sample_rate, silent.sound_codec, silent.seconds) == (False, 0, "", 0.0)
    assert (blind.has_picture, blind.width, blind.fps, blind.seconds) == (False, 0, 0.0, 0.0)
    assert blind.sound_seconds == pytest.approx(1.0, abs=0.03)
