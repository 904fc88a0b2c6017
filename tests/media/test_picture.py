import io

import numpy as np
import pytest
import torch
from PIL import Image

from asva_lightning.errors import ConfigurationError, MediaError
from asva_lightning.media import crop_and_resize, read_picture


def saved(picture, form="png", **options):
    buffer = io.BytesIO()
    picture.save(buffer, form, **options)
    return buffer


def test_the_largest_centred_part_is_kept():
    pixels = torch.arange(8, dtype=torch.uint8).mul(20).expand(3, 4, 8)
    assert crop_and_resize(pixels, 4, 4)[0, 0].tolist() == [40, 60, 80, 100]
    assert crop_and_resize(pixels.mT, 4, 4)[0, :, 0].tolist() == [40, 60, 80, 100]


def test_the_part_follows_the_aspect_of_a_pixel():
    pixels = torch.zeros(3, 40, 80)
    pixels[..., 30:50] = 1  # 20 columns, twice as wide as high: a square of 40
    assert crop_and_resize(pixels, 20, 20, pixel_aspect=2.0).min() == 1
    assert crop_and_resize(pixels, 20, 20, pixel_aspect=1.9).min() < 0.9


@pytest.mark.parametrize("size", [(16, 16), (50, 40), (7, 31)])
def test_resizing_agrees_with_pillow(size):
    values = np.random.default_rng(0).integers(0, 256, (33, 47, 3), dtype=np.uint8)
    height, width = size
    aspect = width / height
    kept = (33, round(33 * aspect)) if aspect < 47 / 33 else (round(47 / aspect), 47)
    top, left = (33 - kept[0]) // 2, (47 - kept[1]) // 2
    part = Image.fromarray(values[top : top + kept[0], left : left + kept[1]])
    expected = np.asarray(part.resize((width, height), Image.Resampling.BILINEAR)).astype(int)
    got = crop_and_resize(torch.from_numpy(values).permute(2, 0, 1), height, width).permute(1, 2, 0).numpy()
    assert got.dtype == np.uint8
    assert np.abs(got - expected).max() <= 1


def test_batches_and_floats_are_resized_alike():
    pixels = torch.randint(0, 256, (2, 5, 3, 20, 30), dtype=torch.uint8)
    exact = crop_and_resize(pixels.double(), 9, 9)
    assert exact.shape == (2, 5, 3, 9, 9)
    assert (crop_and_resize(pixels, 9, 9) - exact).abs().max() <= 1.0
    assert (crop_and_resize(pixels, 9, 9) - exact).mean().abs() < 0.05  # rounded, not cut


def test_a_size_below_one_pixel_is_refused():
    with pytest.raises(ConfigurationError, match="height and width >= 1, not 0 x 4"):
        crop_and_resize(torch.zeros(3, 4, 4), 0, 4)


def test_the_camera_orientation_is_honoured():
    picture = Image.new("RGB", (32, 16))
    picture.paste((255, 255, 255), (0, 0, 16, 16))  # left half white
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise: left becomes top
    pixels = read_picture(saved(picture, exif=exif), 32, 16).float().mean((0, 2))
    assert pixels[:14].min() > 250
    assert pixels[18:].max() < 5


@pytest.mark.parametrize(
    ("picture", "colour"),
    [
        (Image.new("RGBA", (8, 8), (255, 0, 0, 0)), (255, 255, 255)),
        (Image.new("RGBA", (8, 8), (0, 0, 0, 128)), (127, 127, 127)),
        (Image.new("LA", (8, 8), (0, 0)), (255, 255, 255)),
        (Image.new("L", (8, 8), 77), (77, 77, 77)),
        (Image.new("1", (8, 8), 1), (255, 255, 255)),
        (Image.new("RGB", (8, 8), (10, 20, 30)).convert("P"), None),
        (Image.fromarray(np.full((8, 8), 0x8000, np.uint16)), (128, 128, 128)),
    ],
)
def test_every_kind_of_png_becomes_rgb(picture, colour):
    pixels = read_picture(saved(picture), 8, 8)
    assert (pixels.shape, pixels.dtype) == ((3, 8, 8), torch.uint8)
    if colour is not None:
        assert pixels[:, 4, 4].tolist() == list(colour)


@pytest.mark.parametrize(
    ("values", "level"),
    [
        (np.int32([[0, 65535], [32768, 0]]), 128),
        (np.int32([[0, 200], [100, 0]]), 100),
        (np.float32([[0, 1], [0.5, 0]]), 128),
        (np.float32([[0, 255], [64, 0]]), 64),
        (np.float32([[0, 1], [0, 0]]), 0),
    ],
)
def test_grey_of_32_bits_is_scaled_where_its_range_is_clear(tmp_path, values, level):
    Image.fromarray(values).save(tmp_path / "grey.tif")
    pixels = read_picture(tmp_path / "grey.tif", 2, 2)
    assert pixels[:, 1, 0].tolist() == [level] * 3
    assert pixels.max() == (200 if values.max() == 200 else 255)


@pytest.mark.parametrize(
    "values", [np.int32([[0, 70000]]), np.int32([[-1, 9]]), np.float32([[0, 3]]), np.float32([[0, 256]]),
               np.float32([[-0.1, 1]]), np.float32([[np.nan, 1]])],
)  # fmt: skip
def test_grey_of_32_bits_without_a_clear_range_is_refused(tmp_path, values):
    Image.fromarray(values).save(tmp_path / "grey.tif")
    with pytest.raises(MediaError, match=r"grey.tif: .*which is no known range. Save it with 8 or 16 bits"):
        read_picture(tmp_path / "grey.tif", 2, 2)


def test_of_an_animation_the_first_frame_is_taken():
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    pixels = read_picture(saved(frames[0], "gif", save_all=True, append_images=frames[1:]), 8, 8)
    assert pixels[:, 4, 4].tolist() == [255, 0, 0]


def test_what_is_no_picture_is_an_error(tmp_path):
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    for name, data in [("cut.jpg", saved(noise, "jpeg").getvalue()[:900]), ("text.png", b"text"), ("empty.png", b"")]:
        (tmp_path / name).write_bytes(data)
        with pytest.raises(MediaError, match=f"{name}: cannot be read as a picture"):
            read_picture(tmp_path / name, 8, 8)
    with pytest.raises(MediaError, match="No such file"):
        read_picture(tmp_path / "none.png", 8, 8)


def test_every_damage_to_a_png_is_a_media_error():
    data = saved(Image.fromarray(np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8))).getvalue()
    failed = 0
    for place in range(0, len(data), 5):
        damaged = bytearray(data)
        damaged[place] ^= 0xFF
        try:
            read_picture(io.BytesIO(bytes(damaged)), 8, 8)
        except MediaError:
            failed += 1
    assert failed > 10
