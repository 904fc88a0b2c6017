"""The digest that tells one model from another, whatever it is called."""

import shutil

import pytest
import torch
from runs_for_tests import ROOT, fit

from asva_lightning.runs.folder import RunFolder
from asva_lightning.training.pipeline_digest import pipeline_digest
from asva_lightning.training.sources import open_pipeline


@pytest.mark.parametrize("ablations", [[], ["no_audio", "no_text"]])
def test_the_digest_is_that_of_what_a_video_depends_on(synth_shards, tmp_path, ablations):
    files = [ROOT / "experiments" / "ablations" / f"{name}.yaml" for name in ablations]
    run = fit(synth_shards, tmp_path / "runs", *(f"--config={file}" for file in files))
    digest = pipeline_digest(open_pipeline(str(run)).pipeline)
    copy = shutil.copytree(run, tmp_path / "copy")
    assert pipeline_digest(open_pipeline(str(copy)).pipeline) == digest
    pipeline = open_pipeline(str(copy)).pipeline
    pipeline.use_scheduler("EulerDiscreteScheduler")
    assert pipeline_digest(pipeline) != digest
    file = RunFolder(copy).latest_checkpoint()
    content = torch.load(file, weights_only=True)
    next(iter(content["average"]["parameters"].values())).view(-1)[0] += 0.01
    torch.save(content, file)
    assert pipeline_digest(open_pipeline(str(copy)).pipeline) != digest
