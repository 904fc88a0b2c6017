"""A pipeline of small random networks, every part of the real one."""

import pytest
import torch

from asva_lightning.denoiser import AVSyncUNet
from asva_lightning.diffusion import AnimationPipeline, Objective, Sampling, VelocityTarget
from asva_lightning.encoders import ClassText, Conditioner, LogMelEncoder, PixelCodec
from asva_lightning.media import ClipFormat


@pytest.fixture(scope="session")
def pipeline(small, fill):
    codec = PixelCodec(4)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        audio = LogMelEncoder(channels=small.audio_channels)
        text = ClassText(["a drum", "a lamp"], channels=small.text_channels)
    denoiser = AVSyncUNet(**(small.config | {"in_channels": codec.channels, "out_channels": codec.channels}))
    denoiser.load_state_dict(fill(denoiser.state_dict(), "unet"))
    return AnimationPipeline.of(
        denoiser.eval(),
        Conditioner(codec, audio, text),
        Objective(VelocityTarget()),
        Sampling(steps=3),
        ClipFormat(frames=4, fps=8, height=16, width=24),
    )
