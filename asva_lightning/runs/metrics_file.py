"""``metrics.jsonl``: every scalar of a run, one JSON object a line, readable without any logger."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, SupportsFloat

from asva_lightning.errors import ConfigurationError
from asva_lightning.files import append_line, read_json_lines


@dataclass(frozen=True)
class MetricsFile:
    """Appends to, and reads, the metrics of one run.

    Args:
        path: The file; it is made with the first line.
    """

    path: Path

    def append(self, step: int, values: Mapping[str, SupportsFloat]) -> None:
        """Write what was measured after an optimizer step.

        Args:
            step: Optimizer steps done.
            values: Scalars by name. JSON has no word for nan and infinity; they are written as text.

        Raises:
            ConfigurationError: If a metric has the name of one of the file's own fields.
        """
        taken = {"step", "time"} & values.keys()
        if taken:
            raise ConfigurationError(
                f"{self.path} has a field {taken.pop()!r} of its own. Give the metric of that name another one."
            )
        now = datetime.now().astimezone().isoformat(timespec="seconds")
        append_line(self.path, json.dumps({"step": step, "time": now, **{k: _to_json(v) for k, v in values.items()}}))

    def read(self) -> list[dict[str, Any]]:
        """Read one row a step, in the order of steps.

        Lines of one step are merged. A resumed run does its last steps again; of a value that was written twice the
        later one counts. A torn line is left out.

        Returns:
            Rows ``{"step": int, "time": ISO 8601 text, name: float, ...}``.
        """
        rows: dict[int, dict[str, Any]] = {}
        for line in read_json_lines(self.path):
            values = {name: value if name in ("step", "time") else float(value) for name, value in line.items()}
            rows.setdefault(line["step"], {}).update(values)
        return [rows[step] for step in sorted(rows)]


def _to_json(value: SupportsFloat) -> float | str:
    number = float(value)
    return number if math.isfinite(number) else str(number)
