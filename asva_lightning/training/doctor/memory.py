"""Memory of one device by part, for DDP and each ZeRO stage. Sizes are bytes."""

from dataclasses import dataclass

import torch

FP32 = 4
STAGES = {0: "DDP", 1: "ZeRO 1", 2: "ZeRO 2", 3: "ZeRO 3"}


@dataclass(frozen=True)
class Precision:
    """The types that a value of ``trainer.precision`` means.

    Args:
        weights: Of the weights without DeepSpeed.
        autocast: Of the arithmetic without DeepSpeed, where it is not that of the weights.
        deepspeed: Of weights and arithmetic under DeepSpeed, which casts the network itself.
    """

    weights: torch.dtype
    autocast: torch.dtype | None
    deepspeed: torch.dtype


PRECISIONS = {
    "32-true": Precision(torch.float32, None, torch.float32),
    "16-mixed": Precision(torch.float32, torch.float16, torch.float16),
    "bf16-mixed": Precision(torch.float32, torch.bfloat16, torch.bfloat16),
    "16-true": Precision(torch.float16, None, torch.float16),
    "bf16-true": Precision(torch.bfloat16, None, torch.bfloat16),
}
ALIASES = {"None": "32-true", "32": "32-true", "16": "16-mixed", "bf16": "bf16-mixed"}
"""Other words of Lightning for the same."""


@dataclass(frozen=True)
class Memory:
    """Bytes on one device.

    Args:
        weights: Weights, frozen ones of the trained networks included.
        gradients: Gradients, and the buckets in which DDP sends them.
        optimizer: AdamW's two states and, under DeepSpeed, the fp32 masters.
        average: The exponential moving average.
        activations: What autograd keeps of a micro-batch.
    """

    weights: int
    gradients: int
    optimizer: int
    average: int
    activations: int

    @property
    def total(self) -> int:
        """All of it."""
        return self.weights + self.gradients + self.optimizer + self.average + self.activations


def precision_of(value: object) -> Precision | None:
    """The types of a value of ``trainer.precision``; None for those that are not told here."""
    return PRECISIONS.get(ALIASES.get(str(value), str(value)))


def memory(
    trained: int, frozen: int, devices: int, stage: int, precision: Precision, average: bool, activations: int
) -> Memory:
    """Count one device.

    Under ZeRO, stage 1 shares out the optimizer and the masters, stage 2 the gradients too, stage 3 the weights too
    (Rajbhandari et al., 2020); the average is shared as the masters are.

    Args:
        trained: Trained parameters.
        frozen: Parameters that are not trained, of networks that are.
        devices: Devices of the run.
        stage: ZeRO stage; 0 for DDP.
        precision: Types of weights and arithmetic.
        average: Whether the weights are averaged.
        activations: Bytes that autograd keeps of a micro-batch.
    """
    if stage == 0:
        size = precision.weights.itemsize
        buckets = size * trained if devices > 1 else 0
        return Memory(
            weights=size * (trained + frozen),
            gradients=size * trained + buckets,
            optimizer=2 * size * trained,
            average=FP32 * trained * average,
            activations=activations,
        )
    size = precision.deepspeed.itemsize
    # Stage 3 updates fp32 weights in place; stages 1 and 2 keep masters whatever the type of the weights.
    masters = 0 if stage == 3 and size == FP32 else FP32 * trained
    return Memory(
        weights=_share(size * (trained + frozen), devices if stage == 3 else 1),
        gradients=_share(size * trained, devices if stage >= 2 else 1),
        optimizer=_share(2 * FP32 * trained + masters, devices),
        average=_share(FP32 * trained * average, devices),
        activations=activations,
    )


def checkpoint_size(trained: int, average: bool) -> int:
    """Bytes of a checkpoint: trained parameters, their average, and AdamW's two states, all in fp32."""
    return FP32 * trained * (3 + average)


def _share(size: int, devices: int) -> int:
    return -(-size // devices)
