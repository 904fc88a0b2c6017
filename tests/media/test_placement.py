"""Pictures of any shape in a clip's frame, and the way back."""

import pytest
import torch
from PIL import Image

from asva_lightning.errors import ConfigurationError, MediaError
from asva_lightning.media import is_silent, place_picture, read_picture, restore, sound_seconds, write_clip
from asva_lightning.media.placement import LARGEST_SIDE, place


@pytest.fixture
def gradient():
    """Wide: 40 x 100, red grows to the right, green downwards."""
    picture = torch.zeros(3, 40, 100)
    picture[0], picture[1] = torch.linspace(0, 250, 100), torch.linspace(0, 250, 40)[:, None]
    return picture.round().to(torch.uint8)


def test_cropped_and_back(gradient):
    placed = place(gradient, 20, 20)
    assert (placed.height, placed.width, placed.box) == (40, 40, (0, 0, 20, 20))
    back = restore(placed.pixels[:, None].expand(-1, 3, -1, -1), placed)
    assert back.shape == (3, 3, 40, 40)
    assert (back[:, 1].float() - gradient[:, :, 30:70].float()).abs().mean() < 3


def test_padded_and_back(gradient):
    placed = place(gradient, 20, 20, "pad")
    assert (placed.height, placed.width, placed.box) == (40, 100, (6, 0, 8, 20))
    assert placed.pixels.shape == (3, 20, 20)
    assert torch.equal(placed.pixels[:, 0], placed.pixels[:, 6])  # the edge is drawn out
    assert torch.equal(placed.pixels[:, 19], placed.pixels[:, 13])
    back = restore(placed.pixels[:, None], placed)
    assert back.shape == (3, 1, 40, 100)
    assert (back[:, 0].float() - gradient.float()).abs().mean() < 8


@pytest.mark.parametrize("size", [(1, 1), (3, 7), (7, 3), (20, 20), (500, 3)])
@pytest.mark.parametrize("fit", ["crop", "pad"])
def test_any_shape_fits(size, fit):
    placed = place(torch.full((3, *size), 77, dtype=torch.uint8), 16, 24, fit)
    assert placed.pixels.shape == (3, 16, 24)
    assert placed.pixels.unique().tolist() == [77]
    assert restore(placed.pixels[:, None], placed).shape == (3, 1, placed.height, placed.width)


def test_huge_pictures_are_scaled_back_to_a_bounded_size():
    placed = place(torch.zeros(3, 10, 10, dtype=torch.uint8), 8, 8)
    placed = type(placed)(placed.pixels, 2 * LARGEST_SIDE, LARGEST_SIDE, placed.box)
    assert restore(placed.pixels[:, None], placed).shape == (3, 1, LARGEST_SIDE, LARGEST_SIDE // 2)


def test_the_first_frame_of_a_video_is_a_picture(tmp_path):
    pixels = torch.zeros(3, 4, 32, 48, dtype=torch.uint8)
    pixels[0, 0] = 200
    write_clip(tmp_path / "clip.mp4", pixels, 4, torch.zeros(16_000), 16_000)
    assert (read_picture(tmp_path / "clip.mp4", 32, 48)[0].float() - 200).abs().mean() < 6
    with (tmp_path / "clip.mp4").open("rb") as file:
        assert place_picture(file, 16, 16).width == 32


def test_other_files_are_no_pictures(tmp_path):
    (tmp_path / "text.jpg").write_text("a cat")
    write_clip(tmp_path / "clip.mp4", torch.zeros(3, 4, 32, 32, dtype=torch.uint8), 4, torch.ones(16_000), 16_000)
    for path in (tmp_path / "text.jpg", tmp_path / "missing.png"):
        with pytest.raises(MediaError, match=f"{path.name}: cannot be read as a picture"):
            place_picture(path, 8, 8)
    Image.new("RGB", (4, 4)).save(tmp_path / "tiny.png")
    with pytest.raises(ConfigurationError, match="height and width >= 1, not 0 x 8"):
        place_picture(tmp_path / "tiny.png", 0, 8)


def test_how_long_there_is_sound(tmp_path):
    write_clip(tmp_path / "clip.mp4", torch.zeros(3, 40, 32, 32, dtype=torch.uint8), 4, torch.ones(3 * 16_000), 16_000)
    assert sound_seconds(tmp_path / "clip.mp4") == pytest.approx(3, abs=0.05)
    write_clip(tmp_path / "mute.mp4", torch.zeros(3, 4, 32, 32, dtype=torch.uint8), 4, None, 16_000)
    with pytest.raises(MediaError, match="sound"):
        sound_seconds(tmp_path / "mute.mp4")


def test_what_is_silent():
    assert is_silent(torch.zeros(100))
    assert is_silent(torch.full((100,), 5e-4))
    assert not is_silent(torch.tensor([0.0, -0.01]))
