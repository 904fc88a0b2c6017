import io
from fractions import Fraction

import av
import numpy as np
import pytest
import torch

from asva_lightning.errors import ConfigurationError, MediaError
from asva_lightning.media import probe, read_frames

UNIT = 1 << 16
# (a, b, c, d) of the display matrix: the point (x right, y down) of the stored frame is seen at (a x + c y, b x + d y).
TURNS = {"none": (1, 0, 0, 1), "clockwise": (0, 1, -1, 0), "half": (-1, 0, 0, -1), "counter-clockwise": (0, -1, 1, 0)}


def nearest_by_hand(data, times):
    """Decodes everything and compares all distances: slow, but plain."""
    with av.open(io.BytesIO(data)) as container:
        frames = [(frame.time, frame.to_ndarray(format="gray").mean()) for frame in container.decode(video=0)]
    zero = frames[0][0]
    chosen = [min(frames, key=lambda frame: round(abs(frame[0] - zero - time), 6))[1] for time in times]
    return [round((value - 16) / 4) for value in chosen]


@pytest.mark.parametrize("form", ["mp4", "matroska", "mpegts", "mov"])
@pytest.mark.parametrize("first", [0.0, 0.73, 2.95, 4.6])
@pytest.mark.parametrize("gop", [10, 250])
def test_frames_are_those_nearest_in_time_with_b_frames_from_anywhere(factory, form, first, gop):
    data = factory.make(form, factory.grey(50), options={"g": str(gop), "bf": "3", "crf": "5", "qmin": "1"})
    times = [first + step for step in (0.0, 0.04, 0.12, 0.12, 0.3)]
    got = factory.number(read_frames(io.BytesIO(data), times, 32, 32))
    assert got == nearest_by_hand(data, times)
    assert got[-1] == min(49, round(times[-1] * 10))  # and the file does tell frames apart


def test_irregular_frames_are_chosen_by_their_times(factory):
    shown = [0.0, 0.05, 0.4, 0.41, 1.0, 2.5, 2.52, 3.0]
    data = factory.make("matroska", factory.grey(8, step=20), times=shown)
    times = [0.0, 0.2, 0.3, 0.404, 1.7, 1.8, 2.51, 2.9]
    assert factory.number(read_frames(io.BytesIO(data), times, 32, 32), step=20) == [0, 1, 2, 2, 4, 5, 5, 7]
    assert factory.number(read_frames(io.BytesIO(data), [1.7], 32, 32), step=20) == [4]  # found from a seek


def test_of_two_equally_near_frames_the_earlier_is_taken(factory):
    data = factory.make("mp4", factory.grey(31), fps=15)
    times = [k / 6 for k in range(12)]  # every second one lies halfway between two frames
    assert factory.number(read_frames(io.BytesIO(data), times, 32, 32)) == [int(2.5 * k) for k in range(12)]


@pytest.mark.parametrize("start", [-0.7, 3.2])
def test_second_zero_is_the_first_frame_whatever_its_timestamp(factory, start):
    shown = [start + k / 10 for k in range(20)]
    data = factory.make(
        "mpegts",
        factory.grey(20),
        times=shown,
        container_options={"avoid_negative_ts": "disabled", "mpegts_copyts": "1"},
    )
    with av.open(io.BytesIO(data)) as container:
        assert next(container.decode(video=0)).time == pytest.approx(start, abs=1e-3)
    assert factory.number(read_frames(io.BytesIO(data), [0.0, 0.5, 1.9], 32, 32)) == [0, 5, 19]
    assert factory.number(read_frames(io.BytesIO(data), [1.5], 32, 32)) == [15]


def test_frames_that_an_edit_list_hides_do_not_count(factory):
    shown = [-0.7 + k / 10 for k in range(20)]
    data = factory.make("mp4", factory.grey(20), times=shown, container_options={"avoid_negative_ts": "disabled"})
    assert factory.number(read_frames(io.BytesIO(data), [0.0, 0.2], 32, 32)) == [7, 9]


def test_a_stream_that_can_neither_seek_nor_tell_its_size_is_read(factory):
    class Pipe(io.RawIOBase):
        def __init__(self, data):
            self.rest = io.BytesIO(data)

        def readable(self):
            return True

        def readinto(self, target):
            return self.rest.readinto(target)

    data = factory.make("matroska", factory.grey(30))
    assert factory.number(read_frames(io.BufferedReader(Pipe(data)), [1.0, 2.0], 32, 32)) == [10, 20]


@pytest.mark.parametrize("turn", TURNS)
def test_the_display_matrix_is_honoured(factory, turn):
    stored = np.zeros((32, 64, 3), np.uint8)
    stored[:16, :32] = 255  # the top left quarter is white
    a, b, c, d = TURNS[turn]
    matrix = [a * UNIT, b * UNIT, 0, c * UNIT, d * UNIT, 0, 0, 0, 1 << 30]
    data = factory.make("mp4", [stored] * 3, matrix=matrix)
    info = probe(io.BytesIO(data))
    assert (info.width, info.height) == ((64, 32) if b == 0 else (32, 64))
    seen = read_frames(io.BytesIO(data), [0.1], info.height, info.width)[:, 0].float().mean(0)
    # Where the centre of the white quarter, left of and above the middle, goes to.
    right, down = -a - c > 0, -b - d > 0
    quarters = seen.reshape(2, info.height // 2, 2, info.width // 2).mean((1, 3))
    white = torch.zeros(2, 2)
    white[int(down), int(right)] = 255
    assert (quarters - white).abs().max() < 8


def test_wide_pixels_are_stretched_and_then_cropped(factory):
    stored = np.zeros((36, 48, 3), np.uint8)
    stored[:, 6:42] = 255  # with pixels twice as wide as high: 96 x 36, of which 12 to 84 is white
    data = factory.make("mp4", [stored] * 2, pixel_aspect=Fraction(2))
    info = probe(io.BytesIO(data))
    assert (info.width, info.height) == (96, 36)
    whole = read_frames(io.BytesIO(data), [0.0], 36, 96)[0, 0, 18].float()
    assert [bool(whole[x] > 128) for x in (5, 10, 14, 48, 81, 86, 90)] == [False, False, True, True, True, False, False]
    assert read_frames(io.BytesIO(data), [0.0], 36, 36)[0, 0].float().min() > 230  # the middle square is all white


def test_wide_pixels_are_high_when_the_frame_is_turned(factory):
    stored = np.zeros((36, 48, 3), np.uint8)
    stored[6:30, 6:42] = 255
    matrix = [0, UNIT, 0, -UNIT, 0, 0, 0, 0, 1 << 30]
    data = factory.make("mp4", [stored] * 2, pixel_aspect=Fraction(2), matrix=matrix)
    whole = read_frames(io.BytesIO(data), [0.0], 96, 36)[0, 0] > 128
    assert whole[[5, 10, 14, 48, 81, 86, 90], 18].tolist() == [False, False, True, True, True, False, False]
    assert whole[48, [3, 8, 27, 32]].tolist() == [False, True, True, False]


def test_what_cannot_be_decoded_at_the_very_beginning_is_passed_over(factory):
    data = bytearray(factory.make("matroska", factory.grey(20, 64, 64), options={"g": "1"}))
    with av.open(io.BytesIO(data)) as container:
        first, second = (packet.pos for _, packet in zip(range(2), container.demux(video=0)))
    data[first + 12 : second - 12] = bytes(second - first - 24)  # as in a recording that begins within a frame
    with av.open(io.BytesIO(data)) as container, pytest.raises(av.error.InvalidDataError):
        next(container.decode(video=0))
    assert factory.number(read_frames(io.BytesIO(data), [0.0, 0.5], 64, 64)) == [1, 6]


def test_a_time_beyond_the_last_frame_is_told_with_the_length(factory):
    data = factory.make("mp4", factory.grey(12), fps=10)
    assert factory.number(read_frames(io.BytesIO(data), [1.19], 32, 32)) == [11]
    with pytest.raises(MediaError, match=r"the frame at 1.300 s was asked for, but the picture is 1.200 s long"):
        read_frames(io.BytesIO(data), [0.5, 1.3], 32, 32)


def test_damage_is_told_where_it_is_met_and_does_not_matter_where_it_is_not(factory, tmp_path):
    noise = [np.random.default_rng(k).integers(0, 256, (64, 64, 3), dtype=np.uint8) for k in range(30)]
    data = bytearray(factory.make("matroska", noise, options={"g": "1"}))
    data[int(len(data) * 0.8) : int(len(data) * 0.8) + 3000] = bytes(3000)
    (tmp_path / "damaged.mkv").write_bytes(data)
    assert read_frames(tmp_path / "damaged.mkv", [0.0, 1.0], 16, 16).shape == (3, 2, 16, 16)
    with pytest.raises(MediaError, match=r"damaged.mkv: is damaged near 2\.\d+ s"):
        read_frames(tmp_path / "damaged.mkv", [0.0, 2.9], 16, 16)


@pytest.mark.parametrize("times", [[], [0.2, 0.1], [-0.1], [float("nan")]])
def test_times_must_ascend_from_zero(factory, times):
    data = factory.make("mp4", factory.grey(5))
    with pytest.raises(ConfigurationError, match="ascending times|time in seconds >= 0"):
        read_frames(io.BytesIO(data), times, 32, 32)
