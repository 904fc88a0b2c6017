"""The arrangement that docs/architecture.md describes, held by tests."""

import ast
import re
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "asva_lightning"
ORDER = [
    "errors", "files", "weights", "worklist", "media", "pages", "data", "encoders", "denoiser", "diffusion", "metrics",
    "evaluation", "runs", "training", "studies", "cli", "__main__",
]  # fmt: skip
MODULES = sorted(PACKAGE.rglob("*.py"))


def room(path: Path) -> str:
    first = path.relative_to(PACKAGE).parts[0]
    return first.removesuffix(".py")


def imports(path: Path) -> set[str]:
    """Every module that a file imports anywhere, also inside functions."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_packages_import_only_those_above_them(path: Path) -> None:
    if path == PACKAGE / "__init__.py":
        return
    place = ORDER.index(room(path))
    for name in imports(path):
        match = re.match(r"asva_lightning\.(\w+)", name)
        if match and match[1] != "__version__":
            assert ORDER.index(match[1]) <= place, f"{path} imports {name}, which stands below it"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_nothing_imports_torchvision_torchaudio_or_the_experiments(path: Path) -> None:
    for name in imports(path):
        assert name.split(".")[0] not in {"torchvision", "torchaudio", "experiments", "tests", "imagebind"}


def test_files_stay_small() -> None:
    lines = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in MODULES}
    longest = max(lines, key=lambda path: lines[path])
    assert lines[longest] <= 400, f"{longest} has {lines[longest]} lines"
    assert statistics.median(lines.values()) < 160


def test_importing_the_package_loads_no_torchvision() -> None:
    code = (
        "import sys, asva_lightning.training, asva_lightning.metrics.av_align; "
        "print([name for name in ('torchvision', 'torchaudio') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.slow
def test_style_and_types_are_clean() -> None:
    for command in (["ruff", "check", "."], ["ruff", "format", "--check", "."], ["mypy"]):
        done = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
