import pytest
import torch
from torch.nn.functional import conv2d

from asva_lightning.denoiser.temporal_convolution import TemporalConv2d


@torch.no_grad()
@pytest.mark.parametrize("frames", [1, 2, 5])
@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (3, 2), (1, 1)])
def test_equals_the_formula_frame_by_frame(fill, frames, kernel, stride):
    layer = TemporalConv2d(3, 6, kernel, stride)
    layer.load_state_dict(fill(layer.state_dict(), "unet"))
    clips = torch.randn(2, frames, 3, 7, 5, generator=torch.Generator().manual_seed(0))
    output = layer(clips.flatten(0, 1), frames).unflatten(0, (2, frames))
    for clip in range(2):
        x = [conv2d(frame[None], layer.weight, layer.bias, stride, kernel // 2)[0] for frame in clips[clip]]
        for t in range(frames):
            seen = torch.cat([x[0], x[max(t - 1, 0)], x[t]])
            added = torch.einsum("oc,chw->ohw", layer.conv_temp.weight, seen)
            expected = x[t] + added + layer.conv_temp.bias[:, None, None]
            torch.testing.assert_close(output[clip, t], expected, rtol=0, atol=1e-5)


@torch.no_grad()
def test_starts_as_the_2d_convolution():
    layer = TemporalConv2d(3, 6, 3)
    frames = torch.randn(8, 3, 7, 5)
    assert torch.equal(layer(frames, frames=4), conv2d(frames, layer.weight, layer.bias, padding=1))


def test_weights_are_named_as_in_the_original():
    shapes = {name: tuple(tensor.shape) for name, tensor in TemporalConv2d(3, 6, 3).state_dict().items()}
    assert shapes == {
        "weight": (6, 3, 3, 3),
        "bias": (6,),
        "conv_temp.weight": (6, 18),
        "conv_temp.bias": (6,),
    }
