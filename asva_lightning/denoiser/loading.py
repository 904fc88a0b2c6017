"""Tensors into a network by name, with words for the first that does not fit."""

from collections.abc import Container, Mapping

from torch import Tensor, nn

from asva_lightning.errors import WeightsError


def load_by_name(
    network: nn.Module, tensors: Mapping[str, Tensor], holder: str, advice: str, new: Container[str] = ()
) -> None:
    """Copy tensors into a network, in the network's own floating-point type.

    Args:
        network: The network.
        tensors: Tensors by the network's names.
        holder: In words, what holds the tensors.
        advice: What to do where they do not fit; ends the message.
        new: Names that the tensors need not have; the network keeps its own.

    Raises:
        WeightsError: If names or shapes do not fit; the first one that does not is named.
    """
    own = network.state_dict()
    for name in sorted(own.keys() | tensors.keys()):
        if name not in tensors and name in new:
            continue
        if name not in own or name not in tensors:
            where = f"the network, but not in {holder}" if name in own else f"{holder}, but not in the network"
            raise WeightsError(f"Tensor {name} is in {where}. {advice}")
        if own[name].shape != tensors[name].shape:
            shapes = f"{tuple(tensors[name].shape)} in {holder}, {tuple(own[name].shape)} in the network"
            raise WeightsError(f"Tensor {name} is {shapes}. {advice}")
    network.load_state_dict(tensors, strict=False)
