"""What ``data.shards`` names: one or several folders of shards, or tars by pattern, with a manifest or without."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from asva_lightning.data.manifest import DATASET_FILE, Dataset, SampleRecord
from asva_lightning.data.storage import exists, expand, is_remote, join, split_name
from asva_lightning.errors import ConfigurationError, ShardsError

Shards = str | Path | Sequence[str | Path]


@dataclass(frozen=True)
class Mixture:
    """Data sets with manifests that are read as one: a pass meets every sample of each once.

    Args:
        datasets: The data sets, in the order in which they were given.
    """

    datasets: tuple[Dataset, ...]

    @property
    def splits(self) -> tuple[str, ...]:
        """Names of all splits."""
        return tuple(dict.fromkeys(name for dataset in self.datasets for name in dataset.splits))

    @property
    def name(self) -> str:
        """What to call it in messages."""
        return ", ".join(dataset.folder for dataset in self.datasets)

    def samples(self, split: str) -> list[SampleRecord]:
        """The samples of a split, one data set after the other; those that lack the split give none.

        Raises:
            ShardsError: If no data set has the split, or one of them is damaged.
        """
        having = [dataset for dataset in self.datasets if split in dataset.splits]
        return [sample for dataset in having or self.datasets for sample in dataset.samples(split)]


@dataclass(frozen=True)
class BareShards:
    """Tars without a manifest.

    Args:
        shards: Their addresses.
    """

    shards: tuple[str, ...]


def open_shards(shards: Shards) -> Mixture | BareShards:
    """Open what a recipe names.

    Args:
        shards: A folder of shards, or tars as a pattern: ``{000..123}`` and ``{a,b}`` count, ``*`` looks. A path, or an
            address that fsspec serves (``https://``, ``s3://``, ``gs://``). A list of these is a mixture.

    Returns:
        Data sets with a manifest, or tars without one.

    Raises:
        ShardsError: If something is missing or damaged.
        ConfigurationError: If an address cannot be read, or tars without a manifest are mixed with others.
    """
    given = [str(entry) for entry in ([shards] if isinstance(shards, str | Path) else shards)]
    if not given:
        raise ConfigurationError("--data.shards is an empty list. Name at least one folder of shards.")
    datasets: list[Dataset] = []
    bare: list[str] = []
    for entry in given:
        addresses = expand(entry)
        datasets += [Dataset.open(address) for address in addresses if not is_tar(address)]
        by_folder: dict[str, list[str]] = {}
        for address in addresses:
            if is_tar(address):
                by_folder.setdefault(split_name(address)[0], []).append(address)
        for folder, tars in by_folder.items():
            if exists(join(folder, DATASET_FILE)):
                datasets.append(_view(folder, tars))
            else:
                bare += tars
    if not bare:
        return Mixture(tuple(datasets))
    if datasets:
        raise ConfigurationError(
            f"{datasets[0].folder} has a manifest and {bare[0]} has none; they cannot be mixed. Build shards of both."
        )
    lost = [address for address in (bare[0], bare[-1]) if not exists(address)]
    if lost:
        raise ShardsError(f"Shard {lost[0]} is missing. Correct --data.shards.")
    return BareShards(tuple(bare))


def is_tar(address: str) -> bool:
    """Whether an address names a tar, not a folder; a signature behind a question mark is passed over."""
    return (address.partition("?")[0] if is_remote(address) else address).endswith(".tar")


def _view(folder: str, tars: Sequence[str]) -> Dataset:
    """Those shards of a data set that a pattern names; the others need not be there."""
    names = [split_name(tar)[1] for tar in tars]
    view = Dataset.open(folder, only=names)
    known = {sample.shard for split in view.splits for sample in view.samples(split)}
    strange = [name for name in names if name not in known]
    if strange:
        raise ShardsError(
            f"{join(folder, strange[0])} is no shard that the manifest of {folder} names. Correct --data.shards."
        )
    return view
