"""I3D as FVD uses it: a TorchScript program with its weights in it."""

from pathlib import Path

import torch
from torch import Tensor, nn

from asva_lightning.errors import ConfigurationError, WeightsError
from asva_lightning.weights import missing

LEAST_FRAMES = 9
"""Time is halved three times, and two steps must be left for the last pooling."""


class I3D(nn.Module):
    """The published ``i3d_torchscript.pt``: I3D trained on Kinetics-400 (Carreira and Zisserman, CVPR 2017).

    Its features are the 400 values before the softmax, as FVD takes them.

    Args:
        path: The file, on this machine. **It is a program**: whoever made it decides what runs when it is loaded and
            called. Give only a file that you trust; it is never fetched, and no Hub id is looked up.

    Raises:
        WeightsError: If the file is missing, or is no TorchScript program.
    """

    def __init__(self, path: str | Path) -> None:
        super().__init__()
        file = Path(path).expanduser()
        if not file.is_file():
            raise missing(f"{file} {'is a folder, not a file' if file.is_dir() else 'does not exist'}.", "i3d")
        try:
            self.program = torch.jit.load(file, map_location="cpu")
        except (RuntimeError, ValueError) as error:
            raise WeightsError(
                f"{file} should hold I3D as a TorchScript program, but cannot be loaded as one "
                f"({str(error).splitlines()[0]}). Copy or fetch i3d_torchscript.pt again."
            ) from error

    def forward(self, video: Tensor) -> Tensor:
        """Clips ``(b, 3, f, 224, 224)`` in [-1, 1] to features ``(b, 400)``.

        Raises:
            ConfigurationError: If there are fewer than nine frames.
        """
        if video.shape[2] < LEAST_FRAMES:
            raise ConfigurationError(
                f"I3D needs clips of at least {LEAST_FRAMES} frames, not {video.shape[2]}. Set --data.format.frames "
                "higher, or leave FVD and KVD out."
            )
        features: Tensor = self.program(video, rescale=False, resize=False, return_features=True)
        return features
