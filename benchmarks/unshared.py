"""The denoiser with every sharing switched off: the same function, computed as the original computes it.

For benchmarks only. What is shared in the package, and not here: keys and values of text and sound (here made for every
frame, and at every step of sampling), keys and values of the first frame (here of every frame's copy of it), the
first-frame term of the temporal convolution (here of every frame), and attention over a frame's own audio tokens (here
over all of them, through a mask).
"""

import torch
from torch import Tensor
from torch.nn.functional import conv2d

from asva_lightning.denoiser import AVSyncUNet
from asva_lightning.denoiser.temporal_convolution import FrameLookup
from asva_lightning.denoiser.transformer import AudioVideoBlock
from asva_lightning.encoders import Conditions


class UnsharedLookup(FrameLookup):
    """``W [x_0 ; x_max(t-1, 0) ; x_t] + b``, the three put side by side for every frame."""

    def forward(self, clips: Tensor) -> Tensor:
        """Look up for every frame of ``clips (b, f, c, h, w)``."""
        first = clips[:, :1]
        seen = torch.cat([first.expand_as(clips), torch.cat([first, clips[:, :-1]], dim=1), clips], dim=2)
        looked_up = conv2d(seen.flatten(0, 1), self.weight[..., None, None], self.bias)
        return looked_up.unflatten(0, clips.shape[:2])


class UnsharedBlock(AudioVideoBlock):
    """Every frame brings its own copy of text, sound and first frame."""

    def forward(self, tokens: Tensor, conditions: Conditions) -> Tensor:  # type: ignore[override]
        """Transform ``tokens (b, f, s, c)``."""
        batch, frames = tokens.shape[:2]

        def of_frames(context: Tensor) -> Tensor:
            return context[:, None].repeat(1, frames, 1, 1).flatten(0, 1)

        normed = self.norm1(tokens)
        context = of_frames(normed[:, 0])
        attended = self.attn1(normed.flatten(0, 1), self.attn1.keys_values(context))
        tokens = tokens + attended.view_as(tokens)
        if conditions.audio is not None:
            mask = conditions.audio_mask
            assert mask is not None
            mask = mask.to(tokens.device).expand(batch, -1, -1).flatten(0, 1)[:, None, None]
            sound = self.attn_audio.keys_values(of_frames(conditions.audio))
            heard = self.attn_audio(self.norm_audio(tokens).flatten(0, 1), sound, mask)
            tokens = tokens + heard.view_as(tokens)
        text = self.attn2(self.norm2(tokens).flatten(0, 1), self.attn2.keys_values(of_frames(conditions.text)))
        tokens = tokens + text.view_as(tokens)
        tokens = tokens + self._temporal(tokens)
        return tokens + self.ff(self.norm3(tokens))


class UnsharedUNet(AVSyncUNet):
    """Prepares nothing: every step of sampling projects text and sound anew."""

    def prepare(self, conditions: Conditions, frames: int) -> Conditions:  # type: ignore[override]
        """Hand the conditions on as they are."""
        return conditions

    def forward(self, sample: Tensor, timestep: Tensor, conditions: Conditions) -> Tensor:  # type: ignore[override]
        """Predict from noisy latents ``(b, c, f, h, w)``."""
        return self.predict(sample, timestep, conditions)  # type: ignore[arg-type]


def unshare(unet: AVSyncUNet) -> UnsharedUNet:
    """Switch every sharing of a network off, in place; its weights stay."""
    instead: dict[type, type] = {
        AVSyncUNet: UnsharedUNet, AudioVideoBlock: UnsharedBlock, FrameLookup: UnsharedLookup,
    }  # fmt: skip
    for module in unet.modules():
        module.__class__ = instead.get(type(module), type(module))
    assert isinstance(unet, UnsharedUNet)
    return unet
