"""From a folder of media files to samples, by the commands that a user types."""

import json

import pytest
from training.runs_for_tests import RECIPE, TINY, only_run

from asva_lightning.cli import main
from asva_lightning.media import probe


@pytest.mark.slow
def test_a_folder_of_clips_becomes_shards_a_run_and_samples(clip_folder, tmp_path, capsys):
    shards = tmp_path / "shards"
    main(["shards", "build", str(clip_folder), str(shards)])
    main(["shards", "info", str(shards)])
    assert "left out: 0" in capsys.readouterr().out
    texts = json.loads((shards / "dataset.json").read_text())["texts"]
    overlay = tmp_path / "own.yaml"
    overlay.write_text("data:\n  format: {frames: 8, fps: 6, height: 48, width: 64}\n")
    of_text = "--model.init_args.conditioner.init_args.text.init_args.texts"
    main(["fit", f"--config={RECIPE}", f"--config={TINY}", f"--config={overlay}", f"--data.shards={shards}",
          "--data.generator", "null", of_text, json.dumps(sorted(texts.values())),
          f"--run.root={tmp_path / 'runs'}"])  # fmt: skip
    run = only_run(tmp_path / "runs")
    samples = sorted((run / "samples" / "step_000002").glob("*.mp4"))
    assert len(samples) == 2
    info = probe(samples[0])
    assert (info.height, info.width) == (48 * 3, 64 * 3)
    assert info.has_sound
