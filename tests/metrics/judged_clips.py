"""Small networks in place of the judging ones, and clips for them."""

import torch
from torch import nn

from asva_lightning.media import ClipFormat
from asva_lightning.metrics.sync_classifier import SyncClassifier

FORMAT = ClipFormat(frames=4, fps=4, height=12, width=20)


class SmallPictureNetwork(nn.Module):
    """In place of Inception: pictures ``(n, 3, side, side)`` to ``(n, 5)``; remembers what it was shown."""

    def __init__(self):
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(2)
        self.weight = nn.Parameter(torch.randn(12, 5, generator=torch.Generator().manual_seed(0)))
        self.shown = []

    def forward(self, pictures):
        self.shown.append(pictures)
        return (self.pool(pictures).flatten(1) @ self.weight).sin()


class SmallVideoNetwork(SmallPictureNetwork):
    """In place of I3D: clips ``(b, 3, f, side, side)`` to ``(b, 5)``."""

    def __init__(self):
        super().__init__()
        self.pool = nn.AdaptiveAvgPool3d((1, 2, 2))


def small_classifier():
    """A sync classifier whose random scores differ from clip to clip."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = SyncClassifier(widths=(4, 8, 8, 8), blocks=1)
        for name, tensor in network.state_dict().items():
            if name.startswith("head") and name.endswith("weight"):
                tensor.mul_(8)
    return network.eval()


def clips(count, seed, format=FORMAT):
    """``(count, 3, f, h, w)``, uint8."""
    generator = torch.Generator().manual_seed(seed)
    brightness = torch.randint(20, 200, (count, 3, 1, 1, 1), generator=generator)
    noise = torch.randint(0, 56, (count, 3, format.frames, format.height, format.width), generator=generator)
    return (brightness + noise).to(torch.uint8)
