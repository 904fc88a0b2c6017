"""Which files of other systems are clips of a format."""

from fractions import Fraction

import av
import numpy as np
import pytest

from asva_lightning.errors import MediaError
from asva_lightning.evaluation.judging import check_generated, features_file
from asva_lightning.media import ClipFormat, probe

FORMAT = ClipFormat(frames=4, fps=4, height=36, width=48)


def write(path, pixel_aspect=Fraction(1)):
    """Four frames of 48 x 36 stored pixels without sound."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=4)
        stream.width, stream.height, stream.pix_fmt = 48, 36, "yuv420p"
        stream.codec_context.sample_aspect_ratio = pixel_aspect
        for grey in (0, 60, 120, 180):
            frame = av.VideoFrame.from_ndarray(np.full((36, 48, 3), grey, np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return str(path)


def test_pixels_that_are_not_square_are_told(tmp_path):
    """As ffmpeg's scale leaves them when it squeezes a picture: the stored size is the format's, the shown one not."""
    check_generated(write(tmp_path / "square.mp4"), FORMAT, needs_sound=False)
    wide = write(tmp_path / "wide.mp4", Fraction(4, 3))
    assert probe(wide).pixel_aspect == pytest.approx(4 / 3)
    with pytest.raises(
        MediaError, match=r"pixels are 1\.33 times as wide as high \(.*setsar=1\): it is 64 x 36 pixels, not 48 x 36"
    ):
        check_generated(wide, FORMAT, needs_sound=False)


def test_features_of_clips_with_long_names_have_files_of_their_own(tmp_path):
    """A letter that is not ASCII has three bytes, each written with three characters."""
    keys = [f"class/{'打' * 40}{number}" for number in range(2)]
    files = [features_file(tmp_path, key) for key in keys]
    for file in files:
        file.touch()
    assert files[0] != files[1]
    assert features_file(tmp_path, "class/a b").name == "class%2Fa%20b.safetensors"
