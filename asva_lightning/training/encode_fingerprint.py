"""Fingerprints of the networks that encode, and the check that those of a recipe made what the shards hold."""

from collections.abc import Mapping
from typing import Any

from torch import nn

from asva_lightning.data.datamodule import ClipDataModule
from asva_lightning.data.encoded_shards import EncodedShards, Fingerprint
from asva_lightning.encoders import AudioEncoder, CachedText, Conditioner, LatentCodec, TextEncoder
from asva_lightning.training.frozen_weights import digest_of_frozen


def codec_fingerprint(codec: LatentCodec, weights: str | None = None) -> Fingerprint:
    """What the encoding of a single frame depends on.

    Args:
        codec: The codec.
        weights: Digest of its frozen weights, where it is known already.
    """
    return _fingerprint(codec, codec.component, weights) | codec.frame_settings


def audio_fingerprint(audio: AudioEncoder, weights: str | None = None) -> Fingerprint:
    """What the tokens of a sound depend on; arguments as of :func:`codec_fingerprint`."""
    return _fingerprint(audio, audio.component, weights) | _settings(audio)


def text_fingerprint(text: TextEncoder) -> Fingerprint:
    """What the tokens of a text depend on."""
    if isinstance(text, CachedText):
        return text.made_by
    return _fingerprint(text, text.components[0], None) | _settings(text)


def is_trained(network: nn.Module) -> bool:
    """Whether a network is trained with the denoiser, so that nothing that it says may be kept."""
    return any(parameter.requires_grad for parameter in network.parameters())


def check_encoded(data: Any, conditioner: Conditioner, digests: Mapping[str, str], hears: bool = True) -> None:
    """Refuse to train or evaluate on latents or tokens that other networks made than the recipe names.

    Args:
        data: The data module; one of another kind is not looked at.
        conditioner: The recipe's.
        digests: Digests of frozen weights, see :func:`asva_lightning.training.frozen_weights.digests_of_frozen`.
        hears: Whether the network hears; if not, it does not matter what made the tokens of sounds.

    Raises:
        ConfigurationError: If they differ.
    """
    for encoded in data.encoded_shards() if isinstance(data, ClipDataModule) else ():
        _check(encoded, conditioner, digests, audio=hears and not data.encode_audio)


def _check(encoded: EncodedShards, conditioner: Conditioner, digests: Mapping[str, str], audio: bool) -> None:
    present = codec_fingerprint(conditioner.codec, digests.get("vae", ""))
    from_pixels = f"Set the same codec, train from the original shards (--data.shards {encoded.shards})"
    encoded.check_made_by("codec", encoded.codec, present, from_pixels)
    if audio and encoded.audio is not None:
        present = audio_fingerprint(conditioner.audio, digests.get("audio_encoder", ""))
        anew = "Set the same encoder, encode the sound anew while training (--data.encode_audio true)"
        encoded.check_made_by("audio encoder", encoded.audio, present, anew)
    if isinstance(conditioner.text, CachedText):
        same = f"Set the `shards` of CachedText to {encoded.folder}"
        encoded.check_made_by("text encoder", encoded.text, conditioner.text.made_by, same)


def _fingerprint(part: nn.Module, network: nn.Module, weights: str | None) -> dict[str, Any]:
    """The class of a part and a digest of the frozen weights of its network."""
    return {"class": type(part).__name__, "weights": digest_of_frozen(network) if weights is None else weights}


def _settings(part: nn.Module) -> dict[str, Any]:
    """Settings that a part of diffusers' kind registers; none of others, whose weights say all."""
    config: Mapping[str, Any] = getattr(part, "config", {})
    return {name: value for name, value in config.items() if not name.startswith("_")}
