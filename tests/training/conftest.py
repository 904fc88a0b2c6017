"""Shards that tests of encoding and of training from latents read."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def exact_shards(tmp_path_factory) -> Path:
    """Six clips to train in two tars, two to test in one, only to be read; see exact_clips.py."""
    from exact_clips import write_exact_folder  # not at the top, as few tests need them

    from asva_lightning.data import MediaFolder, build

    folder = tmp_path_factory.mktemp("exact")
    write_exact_folder(folder / "clips")
    return build(MediaFolder(str(folder / "clips")), folder / "shards", samples_per_shard=3).output


@pytest.fixture(scope="session")
def exact_latents(exact_shards, tmp_path_factory) -> Path:
    """These shards encoded in float32 with the quickstart's networks, only to be read."""
    from encoded_for_tests import EXACT, encode

    return encode(exact_shards, tmp_path_factory.mktemp("encoded") / "latents", *EXACT)
