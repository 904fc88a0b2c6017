"""Shards, a run and a sound that several files of tests read."""

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


@pytest.fixture(scope="session")
def trained(synth_shards, tmp_path_factory) -> Path:
    """The folder of a run of two steps, the only one beside it, only to be read."""
    from runs_for_tests import fit  # not at the top, as few tests need a run

    return fit(synth_shards, tmp_path_factory.mktemp("trained"))


@pytest.fixture
def sound(tmp_path) -> Path:
    """A file with three seconds of sound, and a picture nobody asks for."""
    from animate_for_tests import tone

    return tone(tmp_path / "sound.mp4", 3)
