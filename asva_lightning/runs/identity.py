"""What makes two configurations the same run.

A run is known by a hash of its resolved configuration. Settings that change how or where a run is done, but not what it
learns, are left out, so that a run can move from one device to eight, or be trained for longer, and stay itself.
Interpolations are resolved before, so a learning-rate schedule that takes its length from ``trainer.max_steps`` carries
that number in its own settings, and it counts there.
"""

import hashlib
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from asva_lightning.errors import ConfigurationError

Config = Mapping[str, Any]

IGNORED = {
    "config": "names the files that the settings came from; what they say is in the other keys",
    "print_config": "shows the settings and does nothing else",
    "ckpt_path": "where to continue from; the folder decides that",
    "weights_only": "how a checkpoint is read",
    "run": "name, folder and fresh start: where a run is kept",
    "trainer.accelerator": "kind of device",
    "trainer.devices": "number of devices",
    "trainer.num_nodes": "number of machines",
    "trainer.strategy": "how the work is shared between devices",
    "trainer.use_distributed_sampler": "how the work is shared between devices",
    "trainer.accumulate_grad_batches": "follows from total batch, micro-batch and devices",
    "trainer.logger": "who is told, not what is learnt",
    "trainer.log_every_n_steps": "how often somebody is told",
    "trainer.default_root_dir": "where files are kept",
    "trainer.max_steps": "a run may be trained for longer",
    "trainer.min_steps": "a run may be trained for longer",
    "trainer.max_epochs": "a run may be trained for longer",
    "trainer.min_epochs": "a run may be trained for longer",
    "trainer.max_time": "a run may be trained for longer",
    "trainer.val_check_interval": "how often validation looks",
    "trainer.check_val_every_n_epoch": "how often validation looks",
    "trainer.num_sanity_val_steps": "how often validation looks",
    "trainer.limit_val_batches": "how much validation looks at",
    "trainer.limit_test_batches": "how much a test looks at",
    "trainer.limit_predict_batches": "how much is predicted",
    "trainer.enable_checkpointing": "what is kept, not what is learnt",
    "trainer.enable_progress_bar": "display",
    "trainer.enable_model_summary": "display",
    "trainer.profiler": "measures time and memory",
    "trainer.detect_anomaly": "looks for mistakes",
    "trainer.barebones": "refused; its default does not count",
    "trainer.inference_mode": "memory of validation",
    "trainer.benchmark": "choice of kernels by speed; equal up to the order of float sums",
    "trainer.deterministic": "choice of kernels; equal up to the order of float sums",
    "data.workers": "processes that read; the order of the data does not depend on them",
    "data.pin_memory": "how batches reach the device",
    "data.stall_seconds": "how long to wait for a clip that hangs",
    "model.compute": "how the denoiser is computed; equal up to the order of float sums",
}
"""Dotted keys that do not count, each with everything below it, and why."""

IGNORED_CLASSES = {
    "ModelCheckpoint": "what is kept, not what is learnt",
    "TQDMProgressBar": "display",
    "RichProgressBar": "display",
    "RichModelSummary": "display",
    "ModelSummary": "display",
    "LearningRateMonitor": "logs",
    "DeviceStatsMonitor": "logs",
    "ThroughputMonitor": "logs",
    "Timer": "a run may be trained for longer",
    "LightningEnvironment": "who starts the processes",
    "SLURMEnvironment": "who starts the processes",
    "TorchElasticEnvironment": "who starts the processes",
    "asva_lightning.training.callbacks": "samples, metrics and pages: they watch a run and never change it",
}
"""Classes (or packages of them) in ``trainer.callbacks`` and ``trainer.plugins`` that do not count; all others do."""

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def run_hash(config: Config) -> str:
    """Name a configuration by what the run will learn from it.

    The order of keys and the way a number is written (``1e-4``, ``0.0001``) do not matter. A key whose value is null
    counts as absent, so that an option that is added later, and is off by default, leaves old runs their names.

    Args:
        config: The resolved configuration of one subcommand, as plain dictionaries, lists and values.

    Returns:
        Eight hexadecimal digits.

    Raises:
        ConfigurationError: If a value is no plain value.
    """
    values = {key: _same(key, value) for key, value in _counted(config).items()}
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:8]


def differences(first: Config, second: Config) -> list[tuple[str, Any, Any]]:
    """List the settings that count and differ.

    Args:
        first: A resolved configuration.
        second: Another.

    Returns:
        Dotted key, value in the first, value in the second, in alphabetical order; an absent value is None.
    """
    one, two = _counted(first), _counted(second)
    return [
        (key, one.get(key), two.get(key))
        for key in sorted(one.keys() | two.keys())
        if _same(key, one.get(key)) != _same(key, two.get(key))
    ]


def _counted(config: Config) -> dict[str, Any]:
    """The settings that count, by dotted key."""
    trainer = dict(config.get("trainer") or {})
    for name in ("callbacks", "plugins"):
        entries = trainer.get(name) or []
        entries = entries if isinstance(entries, list | tuple) else [entries]
        trainer[name] = [entry for entry in entries if not _is_ignored_class(entry)]
    config = {**config, "trainer": trainer}
    return {key: value for key, value in _flat(config, "") if value is not None and not _is_ignored(key)}


def _flat(value: Any, key: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        pairs: Iterator[tuple[Any, Any]] = iter(value.items())
    elif isinstance(value, Sequence) and not isinstance(value, str | bytes):
        pairs = iter(enumerate(value))
    else:
        yield key, value
        return
    for name, part in pairs:
        yield from _flat(part, f"{key}.{name}" if key else str(name))


def _is_ignored(key: str) -> bool:
    """Whether the key, or one that it lies below, is in the table; a class's ``init_args`` level is looked through."""
    plain = key.replace(".init_args.", ".")
    return any(plain == name or plain.startswith(f"{name}.") for name in IGNORED)


def _is_ignored_class(entry: Any) -> bool:
    name = str(entry.get("class_path", "") if isinstance(entry, Mapping) else entry)
    return any(name == known or name.endswith(f".{known}") or name.startswith(f"{known}.") for known in IGNORED_CLASSES)


def _same(key: str, value: Any) -> str | None:
    """One text for all ways to write a value."""
    if value is None:
        return None
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        value = float(value) if not value.lstrip("+-").isdigit() else int(value)
    if isinstance(value, float):
        return str(int(value)) if math.isfinite(value) and value.is_integer() else repr(value)
    if isinstance(value, int | str | Path):
        return str(value)
    raise ConfigurationError(
        f"{key} is a {type(value).__name__}; the name of a run is made of plain values only. "
        "Give a number, a text, a list or a dictionary."
    )
