"""Which frames of an encoded sample a clip shows, and how their bytes are read."""

import random
from pathlib import Path

import fsspec
import pytest
import torch
from exact_clips import write_exact_clip

from asva_lightning.data.encoded_clip import nearest_frames
from asva_lightning.data.stored_tensor import StoredTensor, fault_of
from asva_lightning.errors import MediaError
from asva_lightning.media import read_frames
from asva_lightning.training.encode_clip import frame_times


@pytest.fixture
def values(tmp_path):
    """A file with a tensor behind seven other bytes."""
    tensor = torch.arange(2 * 5 * 3, dtype=torch.float32).view(2, 5, 3)
    path = tmp_path / "values.tar"
    path.write_bytes(b"\0" * 7 + tensor.numpy().tobytes())
    return tensor, path, StoredTensor("F32", (2, 5, 3), 7)


def regular(clip_folder: Path, tmp_path: Path) -> Path:
    return next((clip_folder / "videos").rglob("*.mp4"))


def irregular(clip_folder: Path, tmp_path: Path) -> Path:
    write_exact_clip(tmp_path / "clip.mkv", 5)
    return tmp_path / "clip.mkv"


@pytest.mark.parametrize("file", [regular, irregular])
def test_frames_are_chosen_as_when_the_file_is_read(file, clip_folder, tmp_path):
    path = file(clip_folder, tmp_path)
    times = torch.tensor(frame_times(path), dtype=torch.float64)
    frames = read_frames(path, times[:-1].tolist(), 16, 16)
    middles = ((times[:-2] + times[1:-1]) / 2).tolist()
    draw = random.Random(0)
    for wanted in (middles, sorted(draw.uniform(0, float(times[-1])) for _ in range(60)), [0.0, float(times[-1])]):
        chosen = nearest_frames(times.numpy(), wanted, "clip")
        assert torch.equal(frames[:, chosen], read_frames(path, wanted, 16, 16))
    assert nearest_frames(times.numpy(), middles, "clip") == list(range(len(middles)))  # the earlier of two


def test_a_time_behind_the_end_is_an_error():
    message = r"clip: the frame at 1.600 s was asked for, but the picture is 1.500 s long"
    with pytest.raises(MediaError, match=message):
        nearest_frames(torch.tensor([0.0, 0.5, 1.0, 1.5]).double().numpy(), [0.0, 1.6], "clip")


def test_rows_are_read_near_and_far(values):
    tensor, path, stored = values
    rows, far = [1, 4, 5, 8], "memory://values.tar"
    with fsspec.open(far, "wb") as file:
        file.write(path.read_bytes())
    for address in (str(path), far):
        assert torch.equal(stored.rows(address, rows, depth=2), tensor.flatten(0, 1)[rows])
        assert torch.equal(stored.stretch(address, 1, 1), tensor[1:])
        assert stored.stretch(address, 0, 0).shape == (0, 5, 3)


def test_a_shard_that_is_cut_off_or_gone_is_a_bad_clip(values, tmp_path):
    _, path, stored = values
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(MediaError, match="the shard ends before this sample does; it is truncated"):
        stored.stretch(str(path), 1, 1)
    with pytest.raises(MediaError, match="the shard cannot be read"):
        stored.stretch(str(tmp_path / "gone.tar"), 1, 1)


@pytest.mark.parametrize(
    ("described", "fault"),
    [
        ({"dtype": "F32", "shape": [2, 5], "offset": 60}, ""),
        ({"dtype": "F32", "shape": [2, 5], "offset": 61}, "places the tensor x outside its sample, at byte 61"),
        ({"dtype": "F32", "shape": [2, 5], "offset": 49}, "places the tensor x outside its sample, at byte 49"),
        ({"dtype": "U8", "shape": [2], "offset": 50}, "describes no tensor as x"),
        ({"dtype": "F32", "shape": 2, "offset": 50}, "describes no tensor as x"),
        ({"dtype": "F32", "shape": [-2], "offset": 50}, "describes no tensor as x"),
        ({"dtype": "F32", "shape": [2]}, "describes no tensor as x"),
        ("F32", "describes no tensor as x"),
    ],
)
def test_a_wrong_place_in_the_manifest_is_found(described, fault):
    found = fault_of("x", described, begin=50, size=50)
    assert found.startswith(fault)
    assert bool(found) == bool(fault)
