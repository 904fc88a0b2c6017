"""ImageBind's audio tower under its official parameter names (Girdhar et al., CVPR 2023)."""

from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, layer_norm, normalize

from asva_lightning.encoders.audio import AudioEncoder
from asva_lightning.encoders.frozen import Frozen
from asva_lightning.encoders.windows import IMAGEBIND_GRID, TokenGrid
from asva_lightning.errors import WeightsError
from asva_lightning.media import log_mel

HUGE_HEADS = {"vision": 16, "text": 16, "audio": 12}
"""Attention heads of ``imagebind_huge``, which its tensors do not tell."""

EPSILON = 1e-6
PATCH, STRIDE = 16, 10
MEL_SHAPE = (128, 204)
"""Bands and columns of the spectrogram that the tower takes."""


class _Stem(nn.Module):
    """Overlapping patches of the spectrogram."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(1, width, PATCH, stride=STRIDE, bias=False)
        self.norm_layer = nn.LayerNorm(width)

    def forward(self, mel: Tensor) -> Tensor:
        normalised: Tensor = self.norm_layer(self.proj(mel).flatten(2).transpose(1, 2))
        return normalised


class _Positions(nn.Module):
    def __init__(self, tokens: int, width: int) -> None:
        super().__init__()
        self.pos_embed = nn.Parameter(torch.zeros(1, tokens, width))


class _AudioPreprocessor(nn.Module):
    """Spectrogram to tokens: patches, a class token in front, positions added."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.rgbt_stem = _Stem(width)
        self.pos_embedding_helper = _Positions(IMAGEBIND_GRID.tokens, width)

    def forward(self, mel: Tensor) -> Tensor:
        patches = self.rgbt_stem(mel)
        tokens = torch.cat([self.cls_token.expand(len(patches), -1, -1), patches], dim=1)
        return tokens + self.pos_embedding_helper.pos_embed


class _Mlp(nn.Module):
    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, tokens: Tensor) -> Tensor:
        result: Tensor = self.fc2(gelu(self.fc1(tokens)))
        return result


class _Block(nn.Module):
    """Pre-normalised attention (with one learned extra key and value) and MLP; no drop path, it is never trained."""

    def __init__(self, width: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.attn = nn.MultiheadAttention(width, heads, add_bias_kv=True, batch_first=True)
        self.norm_1 = nn.LayerNorm(width, eps=EPSILON)
        self.norm_2 = nn.LayerNorm(width, eps=EPSILON)
        self.mlp = _Mlp(width, hidden)

    def forward(self, tokens: Tensor) -> Tensor:
        normalised = self.norm_1(tokens)
        tokens = tokens + self.attn(normalised, normalised, normalised, need_weights=False)[0]
        return tokens + self.mlp(self.norm_2(tokens))


class _Trunk(nn.Module):
    def __init__(self, width: int, heads: int, hidden: int, layers: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList([_Block(width, heads, hidden) for _ in range(layers)])

    def forward(self, tokens: Tensor) -> Tensor:
        for block in self.blocks:
            tokens = block(tokens)
        return tokens


class _LogitScale(nn.Module):
    """A fixed factor on the embedding, stored as its logarithm and cut at 100."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("log_logit_scale", torch.zeros(()))

    def forward(self, embedding: Tensor) -> Tensor:
        assert isinstance(self.log_logit_scale, Tensor)
        return self.log_logit_scale.exp().clamp(max=100.0) * embedding


class ImageBind(nn.Module):
    """ImageBind; this class holds the audio tower.

    Args:
        width: Width of the tokens.
        heads: Attention heads.
        hidden: Hidden width of the MLPs.
        layers: Transformer blocks.
        embedding: Width of the joint embedding.
    """

    def __init__(self, width: int, heads: int, hidden: int, layers: int, embedding: int) -> None:
        super().__init__()
        self.width = width
        head = nn.Sequential(nn.LayerNorm(width, eps=EPSILON), nn.Identity(), nn.Linear(width, embedding, bias=False))
        self.modality_preprocessors = nn.ModuleDict({"audio": _AudioPreprocessor(width)})
        self.modality_trunks = nn.ModuleDict({"audio": _Trunk(width, heads, hidden, layers)})
        self.modality_heads = nn.ModuleDict({"audio": head})
        self.modality_postprocessors = nn.ModuleDict({"audio": nn.Sequential(nn.Identity(), _LogitScale())})

    @classmethod
    def from_original(cls, state_dict: Mapping[str, Tensor], heads: Mapping[str, int] = HUGE_HEADS) -> "ImageBind":
        """Build the audio tower from official tensors; those of other modalities are left where they are.

        Args:
            state_dict: Tensors under their official names.
            heads: Attention heads by modality, which no tensor tells.

        Raises:
            WeightsError: If a tensor of the audio tower is missing or has another shape.
        """
        audio = {name: tensor for name, tensor in state_dict.items() if name.split(".")[1:2] == ["audio"]}
        try:
            stem = audio["modality_preprocessors.audio.rgbt_stem.proj.weight"]
            hidden = audio["modality_trunks.audio.blocks.0.mlp.fc1.weight"]
            joint = audio["modality_heads.audio.2.weight"]
        except KeyError as error:
            raise WeightsError(
                f"Tensor {error} is missing: this is not ImageBind. Use the official imagebind_huge.pth."
            ) from error
        layers = 1 + max(int(name.split(".")[3]) for name in audio if name.startswith("modality_trunks.audio.blocks."))
        model = cls(stem.shape[0], heads["audio"], hidden.shape[0], layers, joint.shape[0])
        try:
            model.load_state_dict(audio)
        except RuntimeError as error:
            raise WeightsError(f"These tensors do not fit ImageBind's audio tower: {error}") from error
        return model.eval().requires_grad_(False)

    @classmethod
    def from_file(cls, path: str | Path, heads: Mapping[str, int] = HUGE_HEADS) -> "ImageBind":
        """Read the audio tower from the official ``imagebind_huge.pth``.

        Raises:
            WeightsError: If the file is missing or is not a file of tensors.
        """
        if not Path(path).is_file():
            raise WeightsError(
                f"{path} is missing. Download imagebind_huge.pth (4.5 GB, CC BY-NC-SA 4.0) from "
                "https://dl.fbaipublicfiles.com/imagebind/imagebind_huge.pth and set the path of the audio encoder, "
                "or use asva_lightning.encoders.LogMelEncoder, which needs no weights."
            )
        try:
            state_dict = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        except UnpicklingError as error:
            reason = "it holds other objects, which are not safe to load"
            raise WeightsError(f"{path} is not a file of tensors ({reason}). Download it again.") from error
        except (RuntimeError, ValueError, EOFError, OSError) as error:
            raise WeightsError(f"{path} is not a file of tensors ({error}). Download it again.") from error
        if not isinstance(state_dict, Mapping):
            kind = type(state_dict).__name__
            raise WeightsError(f"{path} is not a file of tensors (it holds a {kind}). Download it again.")
        return cls.from_original(state_dict, heads)

    def trunk(self, mel: Tensor) -> Tensor:
        """Tokens of the audio trunk ``(b, 229, width)`` from ``mel (b, 1, 128, 204)``, before any normalisation."""
        tokens: Tensor = self.modality_trunks["audio"](self.modality_preprocessors["audio"](mel))
        return tokens

    def audio_tokens(self, mel: Tensor) -> Tensor:
        """What AVSyncD is conditioned on: the trunk's tokens after a layer normalisation without parameters."""
        tokens = self.trunk(mel)
        return layer_norm(tokens, tokens.shape[-1:], eps=EPSILON)

    def embed(self, modality: str, mel: Tensor) -> Tensor:
        """The embedding ``(b, embedding)`` of a sound as the original returns it: unit norm times the logit scale.

        Raises:
            WeightsError: If the tower of this modality is not loaded.
        """
        if modality not in self.modality_heads:
            raise WeightsError(
                f"The {modality} tower is not loaded; this model holds: {', '.join(self.modality_heads)}."
            )
        embedding = self.modality_heads[modality](self.trunk(mel)[:, 0])
        scaled: Tensor = self.modality_postprocessors[modality](normalize(embedding, dim=-1))
        return scaled


class ImageBindAudio(AudioEncoder):
    """The method's audio encoder: ImageBind's audio tower, frozen, in eval mode.

    Args:
        weights: Path of the official ``imagebind_huge.pth`` (CC BY-NC-SA 4.0).
        heads: Attention heads of the audio tower.
    """

    def __init__(self, weights: str, heads: int = HUGE_HEADS["audio"]) -> None:
        super().__init__()
        tower = ImageBind.from_file(weights, {"audio": heads})
        self.channels = tower.width
        self._tower = Frozen(tower)
        self._null: Tensor | None = None

    def grid(self, samples: int) -> TokenGrid:
        """The tower's grid, whatever the length: it hears two seconds, and pads or cuts other sounds."""
        return IMAGEBIND_GRID

    @torch.no_grad()
    def forward(self, waveform: Tensor) -> Tensor:
        """Encode mono sound ``(b, samples)`` into tokens ``(b, 229, channels)``."""
        return self._tower.on(waveform.device).audio_tokens(log_mel(waveform))

    @torch.no_grad()
    def null(self, samples: int) -> Tensor:
        """The encoding of an all-zero spectrogram, made once."""
        if self._null is None:
            cpu = torch.device("cpu")
            self._null = self._tower.on(cpu).audio_tokens(torch.zeros(1, 1, *MEL_SHAPE))
        return self._null
