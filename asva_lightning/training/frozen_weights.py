"""Digests of the pretrained weights that a run stands on: checkpoints leave them out and name them by these."""

import hashlib
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from asva_lightning.denoiser import AVSyncUNet
from asva_lightning.encoders import Conditioner
from asva_lightning.encoders.components import components_of
from asva_lightning.errors import WeightsError


def digests_of_frozen(denoiser: AVSyncUNet, conditioner: Conditioner, hears: bool = True) -> dict[str, str]:
    """A digest of the frozen weights of each network that has some, by the name of its component.

    What the denoiser does not look at is left out: it may have random weights that are not trained.

    To be called before a strategy spreads parameters over devices. It reads every frozen weight once, about a second
    for each GB.

    Args:
        denoiser: The network.
        conditioner: Its codec and encoders.
        hears: Whether any frame sees sound; if not, audio layers do not count either.
    """
    looked_at = {"audio_encoder": denoiser.anatomy.audio and hears, "text_encoder": denoiser.anatomy.text}
    networks = {"unet": denoiser, **components_of(conditioner)}
    networks = {name: network for name, network in networks.items() if looked_at.get(name, True)}
    modules = {name: network for name, network in networks.items() if isinstance(network, nn.Module)}
    digests = {name: digest_of_frozen(module, "" if hears else "_audio") for name, module in modules.items()}
    return {name: digest for name, digest in digests.items() if digest}


def digest_of_frozen(network: nn.Module, without: str = "") -> str:
    """A digest of the frozen weights of one network; empty if it has none.

    Args:
        network: The network.
        without: Parameters with this in their names are left out; none if empty.
    """
    frozen = [
        (name, value)
        for name, value in network.named_parameters()
        if not value.requires_grad and not (without and without in name)
    ]
    return digest_of_tensors(frozen) if frozen else ""


def compare_frozen(trained_on: Mapping[str, str], present: Mapping[str, str], where: str) -> None:
    """Refuse to go on with other pretrained weights than those that a checkpoint was trained on.

    Args:
        trained_on: Digests that the checkpoint holds; what is not named is not compared.
        present: Those of the weights that are loaded.
        where: Name of the checkpoint.

    Raises:
        WeightsError: If one differs.
    """
    for name, digest in trained_on.items():
        if name in present and present[name] != digest:
            raise WeightsError(
                f"{where} was trained on another {name}: the digest of its pretrained weights is {digest}, that of the "
                f"present ones {present[name]}. Give the file or folder that the run began with."
            )


def digest_of_tensors(tensors: Iterable[tuple[str, Tensor]]) -> str:
    """A hash of names, shapes and values, whatever the device and memory layout."""
    hasher = hashlib.blake2b(digest_size=8)
    for name, tensor in sorted(tensors, key=lambda pair: pair[0]):
        hasher.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        hasher.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return hasher.hexdigest()
