"""What do sharing, memory format, half precision, compilation and checkpointing gain?

    python benchmarks/denoiser.py [--width 0.5] [--latents 32] [--rounds 2] [--steps 2] [--bfloat16] [--compile]

A training step (forward and backward pass over one clip) and a step of guided sampling (two passes; text and sound are
projected once for all steps), against the same network with every sharing switched off (benchmarks/unshared.py). All
ways are timed in turns in one process, so that noise of the machine meets all alike; the fastest of the rounds counts.
On a GPU the defaults are the full width, ten steps and all ways. The result goes to
benchmarks/results/denoiser_<device>.md and .json.
"""

import argparse
import copy
import os
import platform
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from importlib.metadata import version

import torch
from seeds import write_results
from unshared import unshare

from asva_lightning.denoiser import AVSyncUNet
from asva_lightning.diffusion import Guidance
from asva_lightning.diffusion.denoise import denoise
from asva_lightning.encoders import Conditions, segment_mask
from asva_lightning.encoders.windows import IMAGEBIND_GRID
from asva_lightning.training.compute import Compute

WIDTHS, FRAMES, TEXT_TOKENS = (320, 640, 1280, 1280), 12, 77


@dataclass
class Way:
    """One way to compute the network, and what was measured of it.

    Args:
        unet: The network.
        bfloat16: Whether in autocast to bf16.
    """

    unet: AVSyncUNet
    bfloat16: bool = False
    training: list[float] = field(default_factory=list)
    sampling: list[float] = field(default_factory=list)
    kept: float = 0.0


class Still:
    """A scheduler that asks for some steps and changes nothing, so that the network alone is timed."""

    init_noise_sigma = 1.0
    timesteps: torch.Tensor

    def set_timesteps(self, steps: int, device: torch.device) -> None:
        """Levels from 999 down."""
        self.timesteps = torch.linspace(999, 0, steps, device=device).long()

    def step(self, prediction: torch.Tensor, timestep: torch.Tensor, sample: torch.Tensor) -> "Still":
        """Return the sample as it was."""
        self.prev_sample = sample
        return self

    def add_noise(self, clean: torch.Tensor, noise: torch.Tensor, timestep: torch.Tensor) -> torch.Tensor:
        """Not needed here, and asked for by name only."""
        return clean


class Bench:
    """The inputs, and the timing of a way."""

    def __init__(self, latents: int, steps: int, device: torch.device) -> None:
        self.device = device
        self.steps = steps
        generator = torch.Generator().manual_seed(0)

        def random(*shape: int) -> torch.Tensor:
            return torch.randn(*shape, generator=generator).to(device)

        self.sample = random(1, 4, FRAMES, latents, latents)
        mask = segment_mask(FRAMES, IMAGEBIND_GRID).to(device)
        self.conditions = Conditions(random(1, TEXT_TOKENS, 768), random(1, IMAGEBIND_GRID.tokens, 768), mask)
        self.null = Conditions(random(1, TEXT_TOKENS, 768), random(1, IMAGEBIND_GRID.tokens, 768), mask)
        self.level = torch.tensor([500], device=device)

    def precision(self, way: Way) -> torch.autocast | nullcontext[None]:
        """The context that a way computes in."""
        return torch.autocast(self.device.type, torch.bfloat16) if way.bfloat16 else nullcontext()

    def train(self, way: Way) -> None:
        """One training step without the optimizer's."""
        with self.precision(way):
            loss = way.unet(self.sample, self.level, self.conditions).float().square().mean()
        loss.backward()
        way.unet.zero_grad(set_to_none=True)

    def draw(self, way: Way) -> None:
        """Some steps of guided sampling."""
        with self.precision(way):
            denoise(way.unet, self.sample[:, :, 0], self.sample[:, :, 1:], self.conditions, self.null, Still(),
                    self.steps, Guidance(audio=4.0))  # fmt: skip

    def seconds(self, work: Callable[[Way], None], way: Way) -> float:
        """How long it takes."""
        self.wait()
        began = time.perf_counter()
        work(way)
        self.wait()
        return time.perf_counter() - began

    def wait(self) -> None:
        """Until the device has done everything."""
        if self.device.type == "cuda":
            torch.cuda.synchronize()

    def kept(self, way: Way) -> float:
        """GiB that a training step takes at most on a GPU; elsewhere, what is kept for the backward pass."""
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats()
            self.train(way)
            return torch.cuda.max_memory_allocated() / 2**30
        storages: dict[int, int] = {}

        def pack(tensor: torch.Tensor) -> torch.Tensor:
            storage = tensor.untyped_storage()
            storages[storage.data_ptr()] = storage.nbytes()
            return tensor

        weights = {parameter.untyped_storage().data_ptr() for parameter in way.unet.parameters()}
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor), self.precision(way):
            way.unet(self.sample, self.level, self.conditions)
        return sum(size for place, size in storages.items() if place not in weights) / 2**30


def ways(width: float, device: torch.device, bfloat16: bool, compiled: bool) -> dict[str, Way]:
    """All ways, with the same weights."""
    torch.manual_seed(0)
    plain = AVSyncUNet(block_out_channels=[int(width * channels) for channels in WIDTHS]).to(device).train()

    def with_(compute: Compute, bfloat16: bool = False) -> Way:
        unet = copy.deepcopy(plain)
        compute.apply(unet)
        return Way(unet, bfloat16)

    found = {
        "nothing shared": Way(unshare(copy.deepcopy(plain))),
        "shared": Way(plain),
        "shared, channels last": with_(Compute(channels_last=True)),
        "shared, activation checkpointing": with_(Compute(activation_checkpointing=True)),
    }
    if bfloat16:
        found["nothing shared, bf16"] = Way(unshare(copy.deepcopy(plain)), bfloat16=True)
        found["shared, bf16"] = with_(Compute(), bfloat16=True)
        found["shared, bf16, channels last"] = with_(Compute(channels_last=True), bfloat16=True)
    if compiled:
        found["shared, compiled"] = with_(Compute(compile="inductor"))
    if compiled and bfloat16:
        found["shared, bf16, compiled"] = with_(Compute(compile="inductor"), bfloat16=True)
    return found


def report(found: dict[str, Way], about: str) -> str:
    """A Markdown report."""
    base = found["nothing shared"]
    lines = [
        "# The denoiser, computed in several ways",
        "",
        f"`python benchmarks/denoiser.py`: {about}",
        "",
        "Seconds of the fastest round, and how many times faster than with nothing shared. Memory is the peak on a",
        "GPU, elsewhere what autograd keeps of the forward pass.",
        "",
        "| way | training step, s | times | sampling step, s | times | GiB |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for name, way in found.items():
        training, sampling = min(way.training), min(way.sampling)
        lines.append(
            f"| {name} | {training:.3f} | {min(base.training) / training:.2f} | {sampling:.3f} "
            f"| {min(base.sampling) / sampling:.2f} | {way.kept:.2f} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure and write."""
    cuda = torch.cuda.is_available()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--width", type=float, default=1.0 if cuda else 0.5)
    parser.add_argument("--latents", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=5 if cuda else 2)
    parser.add_argument("--steps", type=int, default=10 if cuda else 2)
    parser.add_argument("--bfloat16", action=argparse.BooleanOptionalAction, default=cuda)
    parser.add_argument("--compile", action=argparse.BooleanOptionalAction, default=cuda)
    words = parser.parse_args()
    device = torch.device("cuda" if cuda else "cpu")
    bench = Bench(words.latents, words.steps, device)
    found = ways(words.width, device, words.bfloat16, words.compile)
    for way in found.values():
        bench.train(way)  # the first time of everything is no measure
        way.kept = bench.kept(way)
    for _ in range(words.rounds):
        for way in found.values():
            way.training.append(bench.seconds(bench.train, way))
            way.sampling.append(bench.seconds(bench.draw, way) / words.steps)
    name = torch.cuda.get_device_name() if cuda else f"{platform.machine()}, {os.cpu_count()} cores"
    size = f"width {words.width:g} of Stable Diffusion's, {FRAMES} frames, {words.latents}x{words.latents} latents"
    about = (
        f"one clip, {size}, {words.rounds} rounds. {name}, torch {version('torch')}, {torch.get_num_threads()} threads."
    )
    figures = {key: {"training": way.training, "sampling": way.sampling, "GiB": way.kept} for key, way in found.items()}
    write_results(f"denoiser_{device.type}", report(found, about), {"about": about, **figures})


if __name__ == "__main__":
    main()
