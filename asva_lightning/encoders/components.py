"""Between our encoders and the networks that a diffusers pipeline keeps."""

from typing import Any

from torch import nn

from asva_lightning.encoders.ast import AstNetwork
from asva_lightning.encoders.codecs import AutoencoderCodec, LatentCodec
from asva_lightning.encoders.conditioner import Conditioner
from asva_lightning.encoders.imagebind import ImageBind
from asva_lightning.encoders.several import audio_encoder_of
from asva_lightning.encoders.text import ClipText, TextEncoder
from asva_lightning.encoders.windows import FrameWindows

WEIGHTS = {ImageBind: "imagebind_huge", AstNetwork: "ast"}
"""The row of the weights table that a network of an audio encoder was read from."""


def codec_of(vae: nn.Module) -> LatentCodec:
    """The codec that uses this component."""
    return vae if isinstance(vae, LatentCodec) else AutoencoderCodec.of(vae)


def text_encoder_of(text_encoder: nn.Module, tokenizer: Any) -> TextEncoder:
    """The text encoder that uses these components."""
    return text_encoder if isinstance(text_encoder, TextEncoder) else ClipText.of(text_encoder, tokenizer)


def conditioner_of(
    vae: nn.Module, audio_encoder: nn.Module, text_encoder: nn.Module, tokenizer: Any, windows: FrameWindows
) -> Conditioner:
    """The conditioner that uses these components."""
    return Conditioner(
        codec_of(vae), audio_encoder_of(audio_encoder), text_encoder_of(text_encoder, tokenizer), windows
    )


def components_of(conditioner: Conditioner) -> dict[str, Any]:
    """The components that a conditioner uses, by the names that they have in a pipeline."""
    text_encoder, tokenizer = conditioner.text.components
    return {
        "vae": conditioner.codec.component,
        "audio_encoder": conditioner.audio.component,
        "text_encoder": text_encoder,
        "tokenizer": tokenizer,
    }


def audio_weights(audio_encoder: nn.Module) -> list[str]:
    """Rows of the weights table that the networks of an audio encoder come from, in their order."""
    kinds = [kind for module in audio_encoder.modules() for kind in WEIGHTS if isinstance(module, kind)]
    return list(dict.fromkeys(WEIGHTS[kind] for kind in kinds))
