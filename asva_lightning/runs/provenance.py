"""Where a run comes from: command, code and environment, as texts for people."""

import os
import platform
import shlex
import socket
import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path

import asva_lightning

VARIABLES = ("CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS", "SLURM_JOB_ID", "SLURM_JOB_NODELIST", "SLURM_NTASKS")
"""Environment variables worth keeping; others may hold secrets."""


def describe_command() -> str:
    """The command that started this process, ready to be pasted into a shell."""
    module = getattr(sys.modules["__main__"], "__spec__", None)
    program = ["-m", module.name.removesuffix(".__main__")] if module is not None else [sys.argv[0]]
    return shlex.join(["python", *program, *sys.argv[1:]])


def describe_code(package: Path = Path(asva_lightning.__file__).parent) -> str:
    """Version of the package, and the commit and uncommitted changes where it runs from a git checkout.

    Args:
        package: Folder of the package.
    """
    version = f"asva-lightning {asva_lightning.__version__}\n"
    # An installed package may lie inside somebody else's checkout; only a tracked file tells that this one is ours.
    if _git(package, "ls-files", "--error-unmatch", "__init__.py") is None:
        return f"{version}not a git checkout\n"
    commit = _git(package, "rev-parse", "HEAD") or "no commit\n"
    status, diff = _git(package, "status", "--porcelain"), _git(package, "diff", "HEAD")
    changes = f"\n{status}\n{diff}" if status else "no uncommitted changes\n"
    return f"{version}commit {commit}{changes}"


def describe_environment() -> str:
    """Machine, Python, chosen environment variables, and every installed package with its version."""
    packages = {f"{found.metadata['Name']}=={found.version}" for found in distributions()}
    lines = [f"host {socket.gethostname()}", platform.platform(), f"Python {platform.python_version()}"]
    lines += [f"{name}={os.environ[name]}" for name in VARIABLES if name in os.environ]
    return "\n".join([*lines, "", *sorted(packages, key=str.lower), ""])


def _git(folder: Path, *words: str) -> str | None:
    """What git says, or None if it fails or is not installed."""
    try:
        done = subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True, errors="replace", check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout
