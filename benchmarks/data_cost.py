"""What a training step of the full-size network costs, for benchmarks/data.py: how many cores feed one H100.

Counted on the meta device, so no weights are needed. The denoiser is counted as `doctor` counts it; its forward pass is
the "shared, a frame's own audio tokens" of benchmarks/results/flops.md.
"""

import torch
from diffusers import AutoencoderKL
from torch.utils.flop_counter import FlopCounterMode

from asva_lightning.denoiser import AVSyncUNet
from asva_lightning.encoders import segment_mask
from asva_lightning.encoders.windows import IMAGEBIND_GRID
from asva_lightning.media import ClipFormat
from asva_lightning.training.doctor.estimate import Speed
from asva_lightning.training.doctor.measure import AsOnGPU
from asva_lightning.training.doctor.step import CLIP_TOKENS, SD_FACTOR, Shapes, measure_step

WIDTHS = (128, 256, 512, 512)
"""Channels of the levels of Stable Diffusion's codec; it has two layers a level and four channels of latents."""
FORMAT = ClipFormat()


def count() -> dict[str, float]:
    """Tera-operations a clip: the denoiser's forward pass, forward and backward pass, and encoding the frames."""
    with torch.device("meta"):
        denoiser = AVSyncUNet()
    size = FORMAT.height // SD_FACTOR, FORMAT.width // SD_FACTOR
    shapes = Shapes(FORMAT.frames, *size, CLIP_TOKENS, segment_mask(FORMAT.frames, IMAGEBIND_GRID))
    step = measure_step(denoiser, shapes, 1, torch.float32)
    return {"forward": step.forward / 1e12, "step": step.both / 1e12, "codec": _codec() / 1e12}


def _codec() -> int:
    with torch.device("meta"):
        codec = AutoencoderKL(
            block_out_channels=WIDTHS,
            down_block_types=("DownEncoderBlock2D",) * len(WIDTHS),
            up_block_types=("UpDecoderBlock2D",) * len(WIDTHS),
            layers_per_block=2,
        )
        frames = torch.empty(FORMAT.frames, 3, FORMAT.height, FORMAT.width)
    with torch.no_grad(), FlopCounterMode(display=False) as counter, AsOnGPU():
        codec.encode(frames)
    return counter.get_total_flops()


def cores(cost: dict[str, float], rates: dict[str, float], arms: dict[str, str]) -> list[str]:
    """Lines of the report.

    Args:
        cost: What :func:`count` counted.
        rates: Clips that one core reads in a second, by arm.
        arms: What each arm reads from, in words.
    """
    speed = Speed()
    reached = speed.utilisation * speed.peak_teraflops
    pixels, latents = reached / (cost["step"] + cost["codec"]), reached / cost["step"]
    wanted = {"original": pixels, "encoded": pixels, "latents": latents}
    return [
        "## How many cores feed one H100 at full size", "",
        f"A clip costs {cost['step']:.2f} TFLOP of training (the denoiser forward and backward, as `doctor` counts it; "
        f"forward alone {cost['forward']:.2f})", f"and, where it is not latents already, {cost['codec']:.2f} TFLOP "
        f"for Stable Diffusion's encoder over its {FORMAT.frames} frames of {FORMAT.height}x{FORMAT.width} px.",
        f"At {speed.utilisation:.0%} of {speed.peak_teraflops:g} TFLOP/s (bf16, dense), which are {reached:.0f} "
        "TFLOP/s, one H100 takes", "",
        f"    {reached:.0f} / ({cost['step']:.2f} + {cost['codec']:.2f}) = {pixels:.0f} clips/s with pixels,",
        f"    {reached:.0f} / {cost['step']:.2f} = {latents:.0f} clips/s with latents.", "",
        "This is arithmetic, not a measurement of training: a GPU that is used less well needs fewer cores. Encoding",
        "the sound and the average of the weights are not counted.", "",
        "| read from | clips/s of the GPU | / clips/s of a core | = cores of this machine |",
        "|---|---:|---:|---:|",
        *(f"| {arms[arm]} | {rate:.0f} | {rates[arm]:.1f} | {rate / rates[arm]:.2g} |" for arm, rate in wanted.items()),
    ]  # fmt: skip
