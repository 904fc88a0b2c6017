"""Which frames of an encoded sample a clip shows, and how their bytes are read."""

import random
from pathlib import Path

import fsspec
import pytest
import torch
from exact_clips import write_exact_clip

from asva_lightning.data.encoded_clip import nearest_frames
from asva_lightning.data.stored_tensor import StoredTensor, fault_of, fault_of_sample
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
    return min((clip_folder / "videos").rglob("*.mp4"))


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


def test_rows_of_the_next_tensor_and_gigantic_ones_are_never_read(values):
    _, path, stored = values
    for first, count in ((4, 7), (-1, 2), (11, 1)):
        with pytest.raises(MediaError, match=rf"rows {first} to {first + count} were asked for, but the tensor has 10"):
            stored.stretch(str(path), first, count, depth=2)
    with pytest.raises(MediaError, match="a part of a tensor is 4.0 GiB large, more than 1 GiB"):
        StoredTensor("F32", (2**30,), 0).stretch(str(path), 0, 2**30)


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
        ({"dtype": ["F32"], "shape": [2], "offset": 50}, "describes no tensor as x"),
        ({"dtype": "F32", "shape": [0, 10**400], "offset": 50}, "describes no tensor as x"),
        ({"dtype": "F32", "shape": [10**400], "offset": 50}, "places the tensor x outside its sample"),
        ("F32", "describes no tensor as x"),
    ],
)
def test_a_wrong_place_in_the_manifest_is_found(described, fault):
    found = fault_of("x", described, begin=50, size=50)
    assert found.startswith(fault)
    assert bool(found) == bool(fault)


WHOLE = {
    "times": ("F64", [4]),
    "latents": ("F16", [2, 3, 1, 4, 2, 2]),
    "waveform": ("I16", [9]),
    "audio": ("F32", [1, 2, 3]),
}


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({}, ""),
        ({"latents": None}, "lacks the tensor latents"),
        ({"audio": None}, "lacks the tensor audio"),
        ({"times": ("F64", [5])}, "has 5 times for the latents of 3 frames, not 4"),
        ({"times": ("F32", [4])}, "describes times as F32 of shape (4,), not as F64 of 1 dimension"),
        (
            {"latents": ("F16", [2, 3, 4, 2, 2])},
            "describes latents as F16 of shape (2, 3, 4, 2, 2), not as F16 or F32 of 6",
        ),
        ({"latents": ("F16", [3, 3, 1, 4, 2, 2])}, "describes latents of 3 flips and 1 parts, not of 1 or 2"),
        ({"waveform": ("F16", [9])}, "describes waveform as F16"),
        ({"audio": ("F32", [1, 2])}, "describes audio as F32 of shape (1, 2), not as F16 or F32 of 3 dimensions"),
        ({"waveform": ("I16", [9000])}, "places the tensor waveform outside its sample"),
    ],
)
def test_the_tensors_of_a_sample_must_be_whole_and_fit_each_other(changes, fault):
    kept = {name: form for name, form in (WHOLE | changes).items() if form is not None}
    described = {name: {"dtype": dtype, "shape": shape, "offset": 512} for name, (dtype, shape) in kept.items()}
    found = fault_of_sample(described, 512, 512, audio=True)
    assert found.startswith(fault)
    assert bool(found) == bool(fault)
    if "audio" not in kept:
        assert not fault_of_sample(described, 512, 512, audio=False)
