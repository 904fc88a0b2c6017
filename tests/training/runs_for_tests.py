"""Runs of the real command line on small shards, in this process or in several."""

import contextlib
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import torch

from asva_lightning.cli import main

ROOT = Path(__file__).parent.parent.parent
RECIPE = ROOT / "experiments" / "quickstart.yaml"
TINY = ROOT / "tests" / "tiny.yaml"

SMALL_DENOISER = {
    "block_out_channels": (16, 16),
    "attention_levels": (False, True),
    "heads": 2,
    "norm_groups": 4,
    "text_channels": 16,
    "audio_channels": 16,
}
"""Arguments of a denoiser for which `doctor` counts by hand and for real."""


def words(command: str, shards: Path, root: Path, *more: str) -> list[str]:
    """A command on the quickstart, made small, with its runs below ``root``."""
    return [
        command, f"--config={RECIPE}", f"--config={TINY}", f"--data.shards={shards}", f"--run.root={root}", *more,
    ]  # fmt: skip


def fit(shards: Path, root: Path, *more: str) -> Path:
    """Train in this process; returns the run folder."""
    main(words("fit", shards, root, *more))
    return only_run(root)


def only_run(root: Path) -> Path:
    runs = [path for path in root.iterdir() if path.is_dir()]
    assert len(runs) == 1, runs
    return runs[0]


def launch(words: list[str], timeout: float = 480, **environment: str) -> str:
    """Run ``python -m asva_lightning`` in a session of its own, so that a hanging rank cannot outlive the test."""
    foreign = re.compile(r"(RANK|LOCAL_|WORLD_SIZE|MASTER_|NODE_|GROUP_|PL_|SLURM_|PYTEST_|ASVA_)")
    kept = {name: value for name, value in os.environ.items() if not foreign.match(name)}
    settings = {"OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore", "PYTHONPATH": str(ROOT / "tests")}
    process = subprocess.Popen(
        [sys.executable, "-m", "asva_lightning", *words],
        env=kept | settings | environment,
        cwd=ROOT,
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        output, _ = process.communicate(timeout=timeout)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == 0, output[-4000:]
    return output


def checkpoint(run: Path, step: int) -> dict:
    return torch.load(run / "checkpoints" / f"step_{step:06d}.ckpt", weights_only=True)


def assert_same(one, other, at: str = "") -> None:
    """Bit for bit the same tree of tensors and values."""
    if isinstance(one, torch.Tensor):
        assert torch.equal(one, other), at
    elif isinstance(one, dict):
        assert one.keys() == other.keys(), at
        for key in one:
            assert_same(one[key], other[key], f"{at}.{key}")
    elif isinstance(one, list | tuple):
        assert len(one) == len(other), at
        for place, (left, right) in enumerate(zip(one, other)):
            assert_same(left, right, f"{at}[{place}]")
    else:
        assert one == other, (at, one, other)
