"""Run folders as `fit` and `test` leave them, without training."""

import io
import json
import zipfile
from pathlib import Path

from asva_lightning.runs.folder import RunFolder
from asva_lightning.studies.rows import Row


def row(root: Path, difference: str, seed: int, max_steps: int = 8, **more) -> Row:
    folder = RunFolder(root / f"run-{difference}{seed}")
    return Row(difference, seed, (f"--seed_everything={seed}",), folder, root, max_steps, **more)


def leave(row: Row, step: int | None, *metrics: dict, **results: dict) -> Row:
    """Write a checkpoint of a step, lines of metrics, and files of results (name to measure to mean)."""
    row.folder.checkpoints.mkdir(parents=True)
    if step is not None:
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w") as archive:
            archive.writestr("a", "")
        row.folder.checkpoint(step).write_bytes(content.getvalue())
    row.folder.metrics.write_text("".join(json.dumps({"time": "", **line}) + "\n" for line in metrics))
    for name, measures in results.items():
        scores = {measure: {"all": {"mean": mean}} for measure, mean in measures.items()}
        (row.folder.path / f"{name}.json").write_text(json.dumps({"scores": scores}))
    return row
