"""From the word that a user types to the source of clips that is meant."""

import logging
from argparse import ArgumentError
from pathlib import Path
from typing import Any

import yaml

from asva_lightning.data.media_folder import MediaFolder
from asva_lightning.data.media_table import USUAL_COLUMNS, Columns, MediaTable
from asva_lightning.data.sources import ClipSource
from asva_lightning.data.tables import TABLE_SUFFIXES
from asva_lightning.errors import ConfigurationError

logger = logging.getLogger(__name__)


def open_source(
    source: str,
    test_share: float = MediaFolder.test_share,
    minimum_seconds: float = MediaFolder.minimum_seconds,
    media: str | None = None,
    columns: Columns = USUAL_COLUMNS,
) -> ClipSource:
    """A folder, a table, or whatever a recipe describes, told apart by the ending of its name.

    Args:
        source: A folder, a table (.csv, .tsv, .parquet), or a recipe (.yaml).
        test_share: Share of clips kept for testing where no list says.
        minimum_seconds: Shorter clips are left out.
        media: The folder that the paths in a table start from.
        columns: Names of the columns of a table.

    Raises:
        ShardsError: If there is no such folder or table.
        ConfigurationError: If the recipe cannot be used, or a setting cannot work.
    """
    suffix = Path(source).suffix.lower()
    if suffix in TABLE_SUFFIXES:
        return MediaTable(source, media, columns, test_share, minimum_seconds)
    if media is not None or columns != USUAL_COLUMNS:
        logger.warning("--media and --columns have no effect: %s is no table.", source)
    if suffix not in (".yaml", ".yml"):
        return MediaFolder(source, test_share, minimum_seconds)
    if (test_share, minimum_seconds) != (MediaFolder.test_share, MediaFolder.minimum_seconds):
        logger.warning("--test_share and --minimum_seconds have no effect: the recipe %s says it all.", source)
    return read_recipe(source)


def read_recipe(path: str) -> ClipSource:
    """The source that a YAML recipe describes by ``class_path`` and ``init_args``.

    Raises:
        ConfigurationError: If there is no such recipe, or it describes no source.
    """
    from jsonargparse import ArgumentParser

    if not Path(path).is_file():
        raise ConfigurationError(f"The data set recipe {path} does not exist. Recipes lie in shards/.")
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--source", type=ClipSource, required=True)
    try:
        content: Any = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
        source: ClipSource = parser.instantiate_classes(parser.parse_object({"source": content})).source
    except (yaml.YAMLError, ArgumentError) as error:
        raise ConfigurationError(
            f"The recipe {path} cannot be used: {error}\nCompare shards/synthsync.yaml."
        ) from error
    return source
