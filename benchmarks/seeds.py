"""What benchmarks share that train a recipe with several seeds, each from an empty folder."""

import argparse
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


def run_seeds(
    about: str | None,
    name: str,
    default: list[int],
    run_seed: Callable[[int, Path], dict[str, Any]],
    report: Callable[[list[dict[str, Any]]], str],
) -> None:
    """Run every seed that is asked for and write ``results/<name>.md`` and ``.json``.

    Args:
        about: Help of the command line.
        name: Name of the results.
        default: Seeds that are run where none are named.
        run_seed: Trains one seed in a folder.
        report: Makes the text of the results.
    """
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--seeds", type=int, nargs="+", default=default)
    parser.add_argument("--folder", type=Path, help="where to keep runs and shards; a temporary folder if not given")
    words = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = words.folder or Path(temporary)
        results = [run_seed(seed, folder / f"seed{seed}") for seed in words.seeds]
    write_results(name, report(results), results)


def write_results(name: str, text: str, results: Any) -> None:
    """Write and print the text of some results, and keep the numbers beside it."""
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.md").write_text(text, encoding="utf-8")
    (RESULTS / f"{name}.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    print(text)
