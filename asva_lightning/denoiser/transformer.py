"""The transformer of AVSyncD: first-frame, audio, text and temporal attention in one block."""

import torch
from diffusers.models.attention import FeedForward
from diffusers.models.embeddings import TimestepEmbedding, get_timestep_embedding
from torch import Tensor, nn

from asva_lightning.denoiser.anatomy import METHOD, Anatomy
from asva_lightning.denoiser.attention import Attention
from asva_lightning.denoiser.conditioning import PreparedConditions


class AudioVideoBlock(nn.Module):
    """Stable Diffusion's transformer block with sound and time (AVSyncD, ECCV 2024).

    In this order, each after a layer normalisation and with a residual: spatial attention to the first frame, audio
    cross-attention (new), text cross-attention, temporal self-attention at each pixel (new), feed-forward.

    Args:
        channels: Width of the tokens.
        heads: Attention heads.
        text_channels: Width of the text tokens.
        audio_channels: Width of the audio tokens.
        index: Place of this block's keys and values in :class:`PreparedConditions`.
        anatomy: Which of these parts there are.
    """

    def __init__(
        self,
        channels: int,
        heads: int,
        text_channels: int,
        audio_channels: int,
        index: int,
        anatomy: Anatomy = METHOD,
    ) -> None:
        super().__init__()
        self.index = index
        self.anatomy = anatomy
        self.norm1 = nn.LayerNorm(channels)
        self.attn1 = Attention(channels, heads)
        if anatomy.audio:
            self.norm_audio = nn.LayerNorm(channels)
            self.attn_audio = Attention(channels, heads, audio_channels)
        if anatomy.text:
            self.norm2 = nn.LayerNorm(channels)
            self.attn2 = Attention(channels, heads, text_channels)
        if anatomy.temporal_attention:
            self.pos_embedding_temp = TimestepEmbedding(channels, channels)
            self.norm_temp = nn.LayerNorm(channels)
            self.attn_temp = Attention(channels, heads)
            # The output starts at zero, bias included, so that an inflated network starts as the 2D network.
            for parameter in self.attn_temp.to_out.parameters():
                nn.init.zeros_(parameter)
        self.norm3 = nn.LayerNorm(channels)
        self.ff = FeedForward(channels)

    def forward(self, tokens: Tensor, conditions: PreparedConditions) -> Tensor:
        """Transform ``tokens (b, f, s, c)``, one for each of ``s`` pixels of ``f`` frames."""
        tokens = tokens + self._spatial(self.norm1(tokens))
        if conditions.audio is not None:
            tokens = tokens + self._audio(self.norm_audio(tokens), conditions)
        if conditions.text is not None:
            text = self.attn2(self.norm2(tokens).flatten(1, 2), conditions.text[self.index])
            tokens = tokens + text.view_as(tokens)
        if self.anatomy.temporal_attention:
            tokens = tokens + self._temporal(tokens)
        return tokens + self.ff(self.norm3(tokens))

    def _spatial(self, tokens: Tensor) -> Tensor:
        """Every pixel of every frame looks at the first frame, whose keys and values are made once per clip."""
        if not self.anatomy.first_frame_attention:
            of_frames = tokens.flatten(0, 1)
            by_itself: Tensor = self.attn1(of_frames, self.attn1.keys_values(of_frames))
            return by_itself.view_as(tokens)
        attended: Tensor = self.attn1(tokens.flatten(1, 2), self.attn1.keys_values(tokens[:, 0]))
        return attended.view_as(tokens)

    def _audio(self, tokens: Tensor, conditions: PreparedConditions) -> Tensor:
        assert conditions.audio is not None
        attended = self.attn_audio(tokens.flatten(0, 1), conditions.audio[self.index], conditions.audio_padding)
        return attended.view_as(tokens)

    def _temporal(self, tokens: Tensor) -> Tensor:
        """Every pixel looks at itself in all frames; the frame's number is added before the normalisation."""
        frames, channels = tokens.shape[1], tokens.shape[3]
        number = torch.arange(frames, device=tokens.device)
        sinusoid = get_timestep_embedding(number, channels, flip_sin_to_cos=True, downscale_freq_shift=0)
        position = self.pos_embedding_temp(sinusoid.to(tokens.dtype))
        through_time = self.norm_temp(tokens + position[:, None]).transpose(1, 2).flatten(0, 1)  # (b * s, f, c)
        attended = self.attn_temp(through_time, self.attn_temp.keys_values(through_time))
        return attended.unflatten(0, (len(tokens), -1)).transpose(1, 2)


class VideoTransformer(nn.Module):
    """A transformer block between two 1x1 convolutions, with a residual around all of it."""

    def __init__(self, channels: int, norm_groups: int, block: AudioVideoBlock) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(norm_groups, channels, eps=1e-6)
        self.proj_in = nn.Conv2d(channels, channels, 1)
        self.transformer_blocks = nn.ModuleList([block])
        self.proj_out = nn.Conv2d(channels, channels, 1)

    def forward(self, images: Tensor, conditions: PreparedConditions, frames: int) -> Tensor:
        """Transform ``images (b * f, c, h, w)``; the normalisation here is frame by frame."""
        height = images.shape[2]
        hidden = self.proj_in(self.norm(images)).flatten(2).transpose(1, 2)  # (b * f, s, c)
        tokens = hidden.unflatten(0, (-1, frames))
        for block in self.transformer_blocks:
            tokens = block(tokens, conditions)
        hidden = tokens.flatten(0, 1).transpose(1, 2).unflatten(2, (height, -1))
        residual: Tensor = self.proj_out(hidden) + images
        return residual
