"""The networks of a configuration on the meta device: shapes without numbers, so that size costs nothing."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from asva_lightning.denoiser import AVSyncUNet
from asva_lightning.denoiser.layout import ORIGINAL, STABLE_DIFFUSION, network_arguments
from asva_lightning.training.doctor.needs import locate, needs_of
from asva_lightning.training.doctor.text import Section, aligned, millions
from asva_lightning.training.doctor.tree import Node, instantiate, walk
from asva_lightning.weights import read_config

FAMILIES = {"from_stable_diffusion": STABLE_DIFFUSION, "from_original_folder": ORIGINAL}
"""Whose configuration file tells the sizes, by the class method that makes the denoiser."""


@dataclass(frozen=True)
class Network:
    """A network of a configuration.

    Args:
        key: Where it stands.
        module: The network on the meta device.
        note: What was assumed.
    """

    key: str
    module: nn.Module
    note: str = ""

    @property
    def total(self) -> int:
        """Parameters."""
        return sum(parameter.numel() for parameter in self.module.parameters())

    @property
    def trained(self) -> int:
        """Parameters that are trained."""
        return sum(parameter.numel() for parameter in self.module.parameters() if parameter.requires_grad)


def networks_of(model: Mapping[str, Any]) -> list[Network]:
    """The denoiser, and every network that needs no weights; others that do are frozen and kept out of training.

    Args:
        model: ``model`` of a resolved configuration.
    """
    nodes = [node for node in walk(model, "model") if node.key != "model" and issubclass(node.owner, nn.Module)]
    networks = []
    for node in nodes:
        below = any(other.key.startswith(f"{node.key}.") for other in nodes)
        if issubclass(node.owner, AVSyncUNet):
            networks.append(_denoiser(node))
        elif not below and not any(needs_of(node)):
            networks.append(Network(node.key, on_meta(node)))
    return [network for network in networks if network.total]


def on_meta(node: Node) -> Any:
    """The object that a node describes, with its tensors on the meta device."""
    with torch.device("meta"):
        return instantiate(node.config, node.owner)


def setting_of(node: Node, part: str, name: str, default: Any) -> tuple[Any, bool]:
    """A setting in the configuration file of weights, and whether it was there; the default where it was not."""
    for need in needs_of(node):
        folder = locate(need).path
        if folder is not None and (folder / part / "config.json").is_file():
            return read_config(folder / part).get(name, default), True
    return default, False


def parameters_section(networks: list[Network], frozen: bool) -> Section:
    """Parameters of each network and of all.

    Args:
        networks: Those that are counted.
        frozen: Whether there are codecs or encoders with weights of their own beside them.
    """
    rows = [(network.key, millions(network.total), millions(network.trained)) for network in networks]
    if len(networks) > 1:
        total, trained = sum(n.total for n in networks), sum(n.trained for n in networks)
        rows.append(("together", millions(total), millions(trained)))
    section = Section("Parameters", aligned([("", "all", "trained"), *rows], numbers=True))
    section.lines += [f"{network.key}: {network.note}" for network in networks if network.note]
    if frozen:
        section.lines.append("Codec and encoders that read weights are frozen; their sizes stand under Weights.")
    return section


def _denoiser(node: Node) -> Network:
    if node.maker is node.owner:
        return Network(node.key, on_meta(node))
    own = {name: node.arguments[name] for name in ("trainable", "audio_channels") if name in node.arguments}
    family = FAMILIES.get(node.maker.__name__)
    config = _config_beside(node)
    known = {} if config is None or family is None else network_arguments(config, family)
    with torch.device("meta"):
        network = AVSyncUNet(**(known | own))
    note = "" if known else "its config.json is not on this machine; the sizes are those of Stable Diffusion 1.5"
    return Network(node.key, network, note)


def _config_beside(node: Node) -> dict[str, Any] | None:
    """The configuration file of the denoiser's weights, as far as they are on this machine."""
    for need in needs_of(node):
        folder = locate(need).path or Path(need.source).expanduser()
        for place in (folder, folder / "unet", folder / "modules" / "unet"):
            if (place / "config.json").is_file():
                return read_config(place)
    return None
