import numpy as np
import torch
from torch import nn

from asva_lightning.denoiser.resnet import ResnetBlock, normalise_clips


def test_normalises_over_all_frames_of_a_clip(fill):
    norm = nn.GroupNorm(3, 6, eps=1e-5)
    norm.load_state_dict(fill(norm.state_dict(), "unet"))
    # Frames of very different brightness, so that statistics of single frames would give something else.
    clips = torch.randn(2, 4, 6, 5, 3) + torch.arange(4)[:, None, None, None] * 3.0
    output = normalise_clips(norm, clips.flatten(0, 1), frames=4).detach().numpy()
    weight, bias = norm.weight.detach().numpy(), norm.bias.detach().numpy()
    for clip in range(2):
        for group in range(3):
            channels = slice(2 * group, 2 * group + 2)
            values = clips[clip, :, channels].double().numpy()
            scaled = (values - values.mean()) / np.sqrt(values.var() + 1e-5)
            expected = scaled * weight[channels, None, None] + bias[channels, None, None]
            np.testing.assert_allclose(output[clip * 4 : clip * 4 + 4, channels], expected, atol=1e-5)


@torch.no_grad()
def test_every_clip_has_its_own_noise_level():
    block = ResnetBlock(4, 8, time_channels=6, norm_groups=2)
    images, time = torch.randn(2 * 3, 4, 5, 5), torch.randn(2, 1, 6)
    together = block(images, time, frames=3)
    torch.testing.assert_close(together[3:], block(images[3:], time[1:], frames=3))
    assert not torch.allclose(together[3:], block(images[3:], time[:1], frames=3), atol=1e-3)
