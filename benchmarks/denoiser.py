"""What do sharing, memory format, half precision, compilation and checkpointing gain?

    python benchmarks/denoiser.py [--width 0.5] [--latents 32] [--rounds 2] [--steps 2] [--bfloat16] [--compile]
                                  [--profile]

A training step (forward and backward pass over one clip) and a step of guided sampling (two passes; text and sound are
projected once for all steps), against the same network with every sharing switched off (benchmarks/unshared.py). All
ways are timed in turns in one process, so that noise of the machine meets all alike; the fastest of the rounds counts.
On a GPU the defaults are the full width, ten steps and all ways. ``--profile`` adds which operators the time goes to,
with and without sharing. The result goes to benchmarks/results/denoiser_<device>.md and .json.
"""

import argparse
import copy
import math
import os
import platform
import shlex
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import NamedTuple

import torch
from seeds import write_results
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile
from unshared import unshare

from asva_lightning.denoiser import AVSyncUNet
from asva_lightning.diffusion import Guidance
from asva_lightning.diffusion.denoise import denoise
from asva_lightning.encoders import Conditions, segment_mask
from asva_lightning.encoders.windows import IMAGEBIND_GRID
from asva_lightning.training.compute import Compute

WIDTHS, FRAMES, TEXT_TOKENS = (320, 640, 1280, 1280), 12, 77
PROFILED = ("nothing shared", "shared")
LISTED = 10
"""How many operators a profile names."""


@dataclass
class Way:
    """One way to compute the network, and what was measured of it.

    Args:
        unet: The network.
        bfloat16: Whether in autocast to bf16.
        checkpointed: Whether with activation checkpointing.
    """

    unet: AVSyncUNet
    bfloat16: bool = False
    checkpointed: bool = False
    training: list[float] = field(default_factory=list)
    sampling: list[float] = field(default_factory=list)
    kept: float = 0.0


class Operator(NamedTuple):
    """What one kind of operator took in a profile, without those that it calls.

    Args:
        name: As PyTorch calls it.
        calls: How often it ran.
        seconds: Its own time on the device, all calls together.
        share: Of the own time of all operators.
    """

    name: str
    calls: int
    seconds: float
    share: float


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

    def draw(self, way: Way, steps: int | None = None) -> None:
        """Some steps of guided sampling; as many as were asked for if not given."""
        with self.precision(way):
            denoise(way.unet, self.sample[:, :, 0], self.sample[:, :, 1:], self.conditions, self.null, Still(),
                    steps or self.steps, Guidance(audio=4.0))  # fmt: skip

    def draw_once(self, way: Way) -> None:
        """One step of guided sampling, and what is prepared for it."""
        self.draw(way, steps=1)

    def profile(self, work: Callable[[Way], None], way: Way) -> list[Operator]:
        """The operators that take most of the device's time in some work, the dearest first."""
        cuda = self.device.type == "cuda"
        with profile(activities=[ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if cuda else [])]) as profiler:
            work(way)
            self.wait()
        # A GPU's kernels are listed once more by themselves; here they count for the operator that started them.
        events = [event for event in profiler.key_averages() if event.device_type == DeviceType.CPU]
        microseconds = {
            event.key: (event.count, event.self_device_time_total if cuda else event.self_cpu_time_total)
            for event in events
        }
        total = sum(own for _, own in microseconds.values())
        dearest = sorted(microseconds.items(), key=lambda item: item[1][1], reverse=True)[:LISTED]
        return [Operator(name, calls, own / 1e6, own / total) for name, (calls, own) in dearest]

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
        """GiB that a training step takes at most on a GPU; elsewhere, what is kept for the backward pass.

        Elsewhere it is nan with checkpointing: the hooks do not see what torch keeps for it. All ways lie on the device
        together; what the others hold is not counted.
        """
        if self.device.type == "cuda":
            self.wait()
            held_by_others = torch.cuda.memory_allocated() - bytes_of(way.unet)
            torch.cuda.reset_peak_memory_stats()
            self.train(way)
            return (torch.cuda.max_memory_allocated() - held_by_others) / 2**30
        if way.checkpointed:
            return math.nan
        storages: dict[int, int] = {}

        def pack(tensor: torch.Tensor) -> torch.Tensor:
            storage = tensor.untyped_storage()
            storages[storage.data_ptr()] = storage.nbytes()
            return tensor

        weights = {parameter.untyped_storage().data_ptr() for parameter in way.unet.parameters()}
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor), self.precision(way):
            way.unet(self.sample, self.level, self.conditions)
        return sum(size for place, size in storages.items() if place not in weights) / 2**30


def bytes_of(unet: AVSyncUNet) -> int:
    """Bytes of a network's weights."""
    tensors = [*unet.parameters(), *unet.buffers()]
    return sum(tensor.untyped_storage().nbytes() for tensor in tensors)


def ways(width: float, device: torch.device, bfloat16: bool, compiled: bool) -> dict[str, Way]:
    """All ways, with the same weights."""
    torch.manual_seed(0)
    plain = AVSyncUNet(block_out_channels=[int(width * channels) for channels in WIDTHS]).to(device).train()

    def with_(compute: Compute, bfloat16: bool = False) -> Way:
        unet = copy.deepcopy(plain)
        compute.apply(unet)
        return Way(unet, bfloat16, compute.activation_checkpointing)

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


def report(found: dict[str, Way], command: str, about: str, profiles: dict[str, list[Operator]]) -> str:
    """A Markdown report."""
    base = found["nothing shared"]
    lines = [
        "# The denoiser, computed in several ways",
        "",
        f"`{command}`: {about}",
        "",
        "Seconds of the fastest round, and how many times faster than with nothing shared. `shared` is how the package",
        "computes by default. Memory is the peak of a training step on a GPU, with the network's own weights and",
        "gradients and without an optimizer; elsewhere what autograd keeps of the forward pass, which does not tell",
        "what checkpointing keeps (`doctor` counts that).",
        "",
        "| way | training step, s | times | sampling step, s | times | GiB |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for name, way in found.items():
        training, sampling = min(way.training), min(way.sampling)
        lines.append(
            f"| {name} | {training:.3f} | {min(base.training) / training:.2f} | {sampling:.3f} "
            f"| {min(base.sampling) / sampling:.2f} | {'-' if math.isnan(way.kept) else f'{way.kept:.2f}'} |"
        )
    if profiles:
        lines += [
            "",
            "## Where the time goes",
            "",
            f"The {LISTED} kinds of operators that take most time of their own, without those that they call. Profiles",
            "take time themselves: compare the shares, not the durations.",
        ]
    for name, operators in profiles.items():
        lines += ["", *profile_table(name, operators)]
    return "\n".join(lines) + "\n"


def profile_table(name: str, operators: list[Operator]) -> list[str]:
    """The lines of one profile in Markdown."""
    rows = [f"| {one.name} | {one.calls} | {1000 * one.seconds:.1f} | {one.share:.1%} |" for one in operators]
    return [
        f"### {name}",
        "",
        "| operator | calls | own time, ms | share |",
        "|---|---:|---:|---:|",
        *rows,
        f"| these together | {sum(one.calls for one in operators)} | "
        f"{1000 * sum(one.seconds for one in operators):.1f} | {sum(one.share for one in operators):.1%} |",
    ]


def command_of(words: argparse.Namespace) -> str:
    """The command line that asks for these settings, whatever the defaults are on another machine."""
    flags = []
    for name, value in vars(words).items():
        if isinstance(value, bool):
            flags.append(f"--{name}" if value else f"--no-{name}")
        else:
            flags += [f"--{name}", f"{value:g}"]
    return shlex.join(["python", "benchmarks/denoiser.py", *flags])


def words_of(cuda: bool) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    switch = argparse.BooleanOptionalAction
    parser.add_argument("--width", type=float, default=1.0 if cuda else 0.5)
    parser.add_argument("--latents", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=5 if cuda else 2)
    parser.add_argument("--steps", type=int, default=10 if cuda else 2)
    parser.add_argument("--bfloat16", action=switch, default=cuda)
    parser.add_argument("--compile", action=switch, default=cuda)
    parser.add_argument("--profile", action=switch, default=False)
    return parser.parse_args()


def measure(bench: Bench, found: dict[str, Way], rounds: int) -> None:
    """Memory and times of all ways, in turns."""
    for way in found.values():
        bench.train(way)  # the first time of everything is no measure
        way.kept = bench.kept(way)
    for _ in range(rounds):
        for way in found.values():
            way.training.append(bench.seconds(bench.train, way))
            way.sampling.append(bench.seconds(bench.draw, way) / bench.steps)


def main() -> None:
    """Measure and write."""
    cuda = torch.cuda.is_available()
    words = words_of(cuda)
    device = torch.device("cuda" if cuda else "cpu")
    bench = Bench(words.latents, words.steps, device)
    found = ways(words.width, device, words.bfloat16, words.compile)
    measure(bench, found, words.rounds)
    profiles = {}
    for name in PROFILED if words.profile else ():
        profiles[f"Training step, {name}"] = bench.profile(bench.train, found[name])
        profiles[f"Sampling step, {name}"] = bench.profile(bench.draw_once, found[name])
    name = torch.cuda.get_device_name() if cuda else f"{platform.machine()}, {os.cpu_count()} cores"
    size = f"width {words.width:g} of Stable Diffusion's, {FRAMES} frames, {words.latents}x{words.latents} latents"
    about = (
        f"one clip, {size}, {words.rounds} rounds. {name}, torch {version('torch')}, {torch.get_num_threads()} threads."
    )
    command = command_of(words)
    figures = {
        key: {"training": way.training, "sampling": way.sampling, "GiB": None if math.isnan(way.kept) else way.kept}
        for key, way in found.items()
    }
    tables = {key: [operator._asdict() for operator in operators] for key, operators in profiles.items()}
    results = {"command": command, "about": about, **figures, **({"profiles": tables} if tables else {})}
    write_results(f"denoiser_{device.type}", report(found, command, about, profiles), results)


if __name__ == "__main__":
    main()
