"""Shards that tests of the stream read, and copies of them that tests may spoil."""

import shutil
from pathlib import Path

import pytest

from asva_lightning.data import MediaFolder, build


@pytest.fixture(scope="session")
def shards(clip_folder, tmp_path_factory) -> Path:
    """Shards of the clip folder, only to be read: 9 clips to train in 3 tars, 3 to test in one."""
    output = tmp_path_factory.mktemp("shards") / "clips"
    return build(MediaFolder(str(clip_folder)), output, samples_per_shard=3).output


@pytest.fixture
def copied_shards(shards, tmp_path) -> Path:
    """A copy of those shards."""
    return Path(shutil.copytree(shards, tmp_path / "copied"))
