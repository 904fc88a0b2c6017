"""Settings of Lightning's trainer that cannot work, as errors for the reader of the terminal."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from lightning.fabric.utilities.exceptions import MisconfigurationException

from asva_lightning.errors import ConfigurationError, refusal_behind


def check_trainer(trainer: Mapping[str, Any]) -> None:
    """Refuse what Lightning offers and this project cannot do.

    Args:
        trainer: The settings of the trainer.

    Raises:
        ConfigurationError: If one of them is set.
    """
    if trainer.get("overfit_batches"):
        raise ConfigurationError(
            "--trainer.overfit_batches cannot hold the batches: the stream of clips never repeats. To train on a few "
            "clips again and again, make shards of these alone (`python -m asva_lightning shards build CLIPS SHARDS`) "
            "and give --data.shards=SHARDS."
        )
    if trainer.get("barebones"):
        raise ConfigurationError(
            "--trainer.barebones allows no loggers, checkpoints or progress, which every run has. Leave it out; "
            "--trainer.profiler=simple measures the loop."
        )
    for name, least in (("accumulate_grad_batches", 1), ("gradient_clip_val", 0)):
        value = trainer.get(name)
        if value is not None and value < least:
            raise ConfigurationError(f"--trainer.{name} must be at least {least}, not {value}.")


@contextmanager
def plain_refusals(what: str) -> Iterator[None]:
    """Turn what Lightning says of settings into an error of this package, with its message.

    Args:
        what: Begins the message.

    Raises:
        ConfigurationError: If settings are refused.
    """
    try:
        yield
    except (MisconfigurationException, ValueError, TypeError, ImportError) as error:
        raise refusal_behind(error) or ConfigurationError(f"{what}: {' '.join(str(error).split())}") from error
