"""What every test may use."""

import importlib.util
import json
import logging
import os
import signal
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import lightning.pytorch  # noqa: F401  # binds its log handler to the terminal, not to what one test captures
import pytest
import torch
from safetensors.torch import load_file

ROOT = Path(__file__).parent.parent

if "PYTEST_XDIST_WORKER" in os.environ:
    # Workers share the cores; with threads of their own on top, both wait for each other.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    torch.set_num_threads(1)

for name in ("NO_PROXY", "no_proxy"):  # the servers of tests are on this machine, wherever the others are reached
    os.environ[name] = ",".join(filter(None, (os.environ.get(name), "127.0.0.1", "localhost")))

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell that starts the tests in the background lets them ignore Ctrl-C, which tests send to what they start.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def fresh_process() -> None:
    """Whatever ran before it in this process, a test meets the same logger, seed and random state.

    A command that a test runs here sets up our logger for good, and Lightning leaves its seed in the environment.
    """
    package = logging.getLogger("asva_lightning")
    package.handlers.clear()
    package.setLevel(logging.NOTSET)
    for name in ("PL_GLOBAL_SEED", "PL_SEED_WORKERS"):
        os.environ.pop(name, None)
    torch.manual_seed(1492)  # none that tests give to a generator of their own


@pytest.fixture(scope="session")
def golden() -> Path:
    """The folder of reference numbers."""
    return ROOT / "tests" / "golden"


@pytest.fixture(scope="session")
def fill(golden) -> Callable:
    """Makes weights that are a function of names and shapes: (state dict, kind) to state dict."""
    spec = importlib.util.spec_from_file_location("golden_fill", golden / "fill.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.fill


@pytest.fixture(scope="session")
def reference(golden, fill) -> Callable:
    """Reads reference numbers by name: their tensors, and facts and weights of the network where there is one."""

    @cache
    def read(name, kind=None):
        found = SimpleNamespace(tensors=load_file(golden / f"{name}.safetensors"))
        if kind is not None:
            found.facts = json.loads((golden / f"{name}.json").read_text())
            shapes = found.facts["state_dict_shapes"]
            found.weights = fill({tensor: torch.zeros(shape) for tensor, shape in shapes.items()}, kind)
        return found

    return read


@pytest.fixture(scope="session")
def small(fill):
    """A small denoiser in which every layer has an effect, and inputs for it; see small_denoiser.py."""
    from small_denoiser import SmallDenoiser  # not at the top, as few tests need the denoiser

    return SmallDenoiser(fill)


@pytest.fixture(scope="session")
def stable_diffusion(tmp_path_factory) -> Path:
    """A miniature of Stable Diffusion 1.5 in diffusers layout, only to be read; see stable_diffusion.py."""
    from stable_diffusion import write_stable_diffusion  # not at the top, as few tests need it

    folder = tmp_path_factory.mktemp("weights") / "stable-diffusion"
    write_stable_diffusion(folder)
    return folder


@pytest.fixture(scope="session")
def imagebind_audio(reference, tmp_path_factory) -> Path:
    """A miniature of ImageBind's audio tower (4 heads, width 48) as a file in the official layout, only to be read."""
    weights = reference("imagebind_small", "imagebind").weights
    path = tmp_path_factory.mktemp("imagebind") / "imagebind_huge.pth"
    torch.save({name: tensor for name, tensor in weights.items() if ".audio." in name}, path)
    return path


@pytest.fixture(scope="session")
def clip_folder(tmp_path_factory) -> Path:
    """Twelve mp4 files with sound in AVSync15's layout, only to be read; see clip_files.py.

    Three classes, three clips of each to train and one to test; 3 s, 12 frames a second, 64 pixels wide and 48 high.
    """
    from clip_files import write_clip_folder  # not at the top, as few tests need media

    folder = tmp_path_factory.mktemp("clips") / "clips"
    write_clip_folder(folder)
    return folder


@pytest.fixture(scope="session")
def synth_shards(tmp_path_factory) -> Path:
    """Shards of 28 synthetic clips of 32 x 32 pixels, only to be read."""
    from asva_lightning.data import SynthSync, SynthSyncSource, build

    clips = SynthSync(kinds=["drum", "hammer", "firework"], train=16, validation=4, test=8, height=32, width=32)
    return build(SynthSyncSource(clips), tmp_path_factory.mktemp("synth") / "shards").output


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Where everything is installed, a skipped test is a hole: continuous integration fails on it."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = reporter.stats.get("skipped", []) if reporter else []
    if os.environ.get("CI") == "true" and skipped and exitstatus == pytest.ExitCode.OK:
        reporter.write_line(f"{len(skipped)} tests were skipped, which continuous integration does not accept.")
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
