"""How much arithmetic is one forward pass of the full-size network over one clip?

    python benchmarks/flops.py

Counted on the meta device, so no weights are needed: 12 frames, 32x32 latents, 77 text and 229 audio tokens, with
segment masks. A multiplication and an addition are two operations. The result goes to benchmarks/results/flops.md.
"""

from dataclasses import replace

import torch
from seeds import write_results
from torch.utils.flop_counter import FlopCounterMode
from unshared import UnsharedBlock, UnsharedLookup, unshare

from asva_lightning.denoiser import AVSyncUNet
from asva_lightning.encoders import Conditions, segment_mask
from asva_lightning.encoders.windows import IMAGEBIND_GRID
from asva_lightning.training.doctor.measure import AsOnGPU

FRAMES, LATENTS, TEXT_TOKENS = 12, 32, 77


def count(unet: AVSyncUNet, conditions: Conditions) -> float:
    """Tera-operations of one forward pass."""
    with torch.device("meta"):
        sample = torch.empty(1, 4, FRAMES, LATENTS, LATENTS)
        level = torch.zeros(1, dtype=torch.long)
    with torch.no_grad(), FlopCounterMode(display=False) as counter, AsOnGPU():
        unet(sample, level, conditions)
    return counter.get_total_flops() / 1e12


def conditions() -> Conditions:
    """Text and sound of one clip; the mask stays on the CPU, as the meta device has no numbers."""
    grid = IMAGEBIND_GRID
    with torch.device("meta"):
        text, audio = torch.empty(1, TEXT_TOKENS, 768), torch.empty(1, grid.tokens, 768)
    return Conditions(text, audio, segment_mask(FRAMES, grid))


def measure() -> dict[str, float]:
    """All ways of computing it, from the original's to ours."""
    with torch.device("meta"):
        unet = AVSyncUNet()
    told = conditions()
    assert told.audio_mask is not None
    ways = {
        "shared, a frame's own audio tokens": count(unet, told),
        "shared, all audio tokens and a mask": count(unet, replace(told, audio_mask=torch.ones_like(told.audio_mask))),
    }
    # A network of its own, as switching off happens in place.
    with torch.device("meta"):
        unshared = unshare(AVSyncUNet())
    assert any(isinstance(module, UnsharedBlock) for module in unshared.modules())
    assert any(isinstance(module, UnsharedLookup) for module in unshared.modules())
    return {"nothing shared, as the original": count(unshared, told), **ways}


def report(ways: dict[str, float]) -> str:
    """A Markdown report."""
    most = max(ways.values())
    lines = [
        "# Arithmetic of one forward pass",
        "",
        "`python benchmarks/flops.py`: one clip at full size (12 frames, 32x32 latents, 229 audio and 77 text tokens).",
        "",
        "| way | TFLOP | of the original's |",
        "|---|---:|---:|",
    ]
    lines += [f"| {name} | {value:.3f} | {100 * value / most:.1f} % |" for name, value in ways.items()]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    result = measure()
    write_results("flops", report(result), result)
