"""What a configuration costs: memory of a device, checkpoints, arithmetic and hours."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from asva_lightning.denoiser import AVSyncUNet
from asva_lightning.errors import ConfigurationError
from asva_lightning.training.doctor.measure import Measured
from asva_lightning.training.doctor.memory import STAGES, Precision, checkpoint_size, memory
from asva_lightning.training.doctor.networks import Network
from asva_lightning.training.doctor.step import Shapes, measure_step, shapes_of
from asva_lightning.training.doctor.text import Section, aligned, duration, quantity

H100_TERAFLOPS = 989.0


@dataclass(frozen=True)
class Speed:
    """How fast the devices are taken to be.

    Args:
        utilisation: Share of a device's peak that training reaches.
        peak_teraflops: Peak of one device in 10^12 floating-point operations a second; the default is that of an H100
            in bf16 without sparsity.
    """

    utilisation: float = 0.4
    peak_teraflops: float = H100_TERAFLOPS

    def __post_init__(self) -> None:
        if not 0 < self.utilisation <= 1:
            raise ConfigurationError(f"--doctor.utilisation is a share above 0 and up to 1, not {self.utilisation}.")
        if not self.peak_teraflops > 0:
            raise ConfigurationError(f"--doctor.peak_teraflops must be above 0, not {self.peak_teraflops}.")

    def __str__(self) -> str:
        name = " (an H100 in bf16, dense)" if self.peak_teraflops == H100_TERAFLOPS else ""
        return f"{self.utilisation:g} of {self.peak_teraflops:g} TFLOP/s a device{name}"


@dataclass(frozen=True)
class Work:
    """How an optimizer step is shared out.

    Args:
        devices: Devices of the run.
        clips: Clips of an optimizer step.
        micro_batch: Clips that a device takes at a time.
        note: What was assumed of the devices.
    """

    devices: int
    clips: int
    micro_batch: int
    note: str = ""


@dataclass(frozen=True)
class Step:
    """A step as it was counted.

    Args:
        shapes: Of a clip.
        plain: A pass of a micro-batch without DeepSpeed.
        deepspeed: The same under DeepSpeed.
        checkpointing: Whether activations are checkpointed.
    """

    shapes: Shapes
    plain: Measured
    deepspeed: Measured
    checkpointing: bool = False

    @property
    def activations(self) -> str:
        """What was counted as activations, in words."""
        rule = "what autograd keeps of one forward pass of the denoiser with fused attention"
        if self.checkpointing:
            rule = "what enters each block of the denoiser, and what the largest holds while it is computed once more"
        return f"Activations are an estimate: {rule}."


def work_of(config: Mapping[str, Any]) -> Work:
    """How a configuration shares out its steps.

    Raises:
        ConfigurationError: If the batch does not divide.
    """
    trainer, clips = config["trainer"], int(config["data"]["batch_size"])
    here, note = _devices(trainer)
    devices = here * int(trainer.get("num_nodes") or 1)
    parts = devices * int(trainer.get("accumulate_grad_batches") or 1)
    if clips % parts:
        raise ConfigurationError(
            f"--data.batch_size {clips} is the total of one optimizer step and does not divide by {devices} devices x "
            f"{parts // devices} accumulated batches. Set it to a multiple of {parts}."
        )
    return Work(devices, clips, clips // parts, note)


def step_of(config: Mapping[str, Any], networks: list[Network], work: Work, precision: Precision) -> Step | None:
    """Count a step of the denoiser; None for a model without one."""
    denoiser = next((network.module for network in networks if isinstance(network.module, AVSyncUNet)), None)
    if denoiser is None:
        return None
    shapes = shapes_of(config)
    compute = (config["model"].get("init_args") or {}).get("compute") or {}
    checkpointing = bool(compute.get("activation_checkpointing"))
    count = partial(measure_step, denoiser, shapes, work.micro_batch, checkpointing=checkpointing)
    plain = count(precision.weights, precision.autocast)
    same = precision.autocast is None and precision.weights == precision.deepspeed
    deepspeed = plain if same else count(precision.deepspeed)
    return Step(shapes, plain, deepspeed, checkpointing)


def memory_section(
    networks: list[Network], work: Work, precision: Precision, average: bool, step: Step | None
) -> Section:
    """Memory of one device by part and strategy, and the size of a checkpoint."""
    trained = sum(network.trained for network in networks)
    frozen = sum(network.total for network in networks) - trained
    rows = [["", "weights", "gradients", "optimizer", "EMA", "activations", "together"]]
    for stage, name in STAGES.items():
        kept = 0 if step is None else (step.deepspeed if stage else step.plain).saved
        part = memory(trained, frozen, work.devices, stage, precision, average, kept)
        sizes = [part.weights, part.gradients, part.optimizer, part.average, part.activations, part.total]
        cells = [quantity(size, "B") for size in sizes]
        rows.append([name, *cells] if step is not None else [name, *cells[:4], "?", f"{cells[5]} + ?"])
    devices = f"{work.devices} device{'s' * (work.devices > 1)}{work.note}"
    section = Section(f"Memory of a device ({devices}, micro-batch {work.micro_batch})", aligned(rows, numbers=True))
    section.lines += [
        f"Assumed: AdamW's two states; DDP keeps {_name(precision.weights)} weights"
        f"{f' and computes in {_name(precision.autocast)}' if precision.autocast else ''}, its gradients twice where "
        f"there are several devices; DeepSpeed keeps {_name(precision.deepspeed)} weights and gradients, fp32 states "
        f"and fp32 masters{' (ZeRO 3 none)' if precision.deepspeed == torch.float32 else ''}.",
        "Activations are not estimated for this model." if step is None else step.activations,
        "Not counted: frozen codec and encoders, buffers of DeepSpeed and NCCL, layers that ZeRO 3 gathers, workspace.",
        f"Checkpoint: {quantity(checkpoint_size(trained, average), 'B')} (trained parameters"
        f"{', EMA' if average else ''} and two optimizer states, fp32)",
    ]
    return section


def cost_section(step: Step | None, work: Work, speed: Speed, begin: int, max_steps: int | None) -> Section:
    """Arithmetic of a step, and hours of the run."""
    if step is None:
        return Section("Arithmetic", ["not counted for this model: it has no denoiser"])
    clip = step.plain.forward / work.micro_batch
    total = step.plain.both / work.micro_batch * work.clips
    seconds = total / (work.devices * speed.peak_teraflops * 1e12 * speed.utilisation)
    lines = [
        f"a clip: {step.shapes}",
        f"forward of one clip: {quantity(clip, 'FLOP')}; optimizer step, {work.clips} clips forward and backward: "
        f"{quantity(total, 'FLOP')}",
        "Counted: the denoiser, with the backward pass through its frozen layers"
        f"{' and blocks computed once more' if step.checkpointing else ''}. Not counted: codec and encoders.",
        f"at {speed}: {duration(seconds / 3600)} a step",
    ]
    if max_steps is not None:
        left = max(0, max_steps - begin)
        lines.append(f"{left} steps from step {begin} to {max_steps}: {duration(left * seconds / 3600)}")
    if step.shapes.assumed:
        lines.append(f"Assumed, as files to read it from are not here: {', '.join(step.shapes.assumed)}.")
    return Section("Arithmetic", lines)


def _devices(trainer: Mapping[str, Any]) -> tuple[int, str]:
    """Devices of one node; where the trainer takes what there is, what this machine has."""
    given = trainer.get("devices", "auto")
    if isinstance(given, list | tuple):
        return len(given), ""
    if isinstance(given, str) and "," in given:
        return len([part for part in given.split(",") if part.strip()]), ""
    if str(given) in ("auto", "-1"):
        here = 1 if trainer.get("accelerator") == "cpu" else max(1, torch.cuda.device_count())
        return here, f" (--trainer.devices {given}, as on this machine)"
    return int(given), ""


def _name(dtype: torch.dtype) -> str:
    return {torch.float32: "fp32", torch.bfloat16: "bf16", torch.float16: "fp16"}[dtype]
