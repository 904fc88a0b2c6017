"""Between our encoders and the networks that a diffusers pipeline keeps."""

from typing import Any

from torch import nn

from asva_lightning.encoders.audio import AudioEncoder
from asva_lightning.encoders.codecs import AutoencoderCodec, LatentCodec
from asva_lightning.encoders.conditioner import Conditioner
from asva_lightning.encoders.imagebind import ImageBind, ImageBindAudio
from asva_lightning.encoders.text import ClipText, TextEncoder
from asva_lightning.encoders.windows import FrameWindows
from asva_lightning.errors import ConfigurationError


def codec_of(vae: nn.Module) -> LatentCodec:
    """The codec that uses this component."""
    return vae if isinstance(vae, LatentCodec) else AutoencoderCodec.of(vae)


def audio_encoder_of(audio_encoder: nn.Module) -> AudioEncoder:
    """The audio encoder that uses this component.

    Raises:
        ConfigurationError: If it is none.
    """
    if isinstance(audio_encoder, AudioEncoder):
        return audio_encoder
    if isinstance(audio_encoder, ImageBind):
        return ImageBindAudio.of(audio_encoder)
    kind = type(audio_encoder).__name__
    raise ConfigurationError(f"A {kind} cannot be the audio_encoder: give ImageBind or an AudioEncoder.")


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
