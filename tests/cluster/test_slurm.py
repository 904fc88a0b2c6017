"""The sbatch script on a real SLURM: signalled, requeued once, finished."""

import sys

import pytest
from cluster.slurm_box import SlurmBox, missing
from training.runs_for_tests import ROOT, TINY, checkpoint, only_run

from asva_lightning.files import read_json_lines

STEPS = 150


@pytest.fixture(scope="module")
def slurm():
    absent = missing()
    if absent:
        pytest.skip(f"SLURM is not installed here (no {', '.join(absent)}): apt-get install slurmctld slurmd munge")
    with SlurmBox() as box:
        yield box


@pytest.mark.cluster
@pytest.mark.slow
def test_a_signalled_job_saves_requeues_itself_and_finishes(slurm, synth_shards, tmp_path):
    output = tmp_path / "job.out"
    settings = [
        f"--config={TINY}", f"--data.shards={synth_shards}", f"--run.root={tmp_path / 'runs'}",
        f"--trainer.max_steps={STEPS}", "--trainer.log_every_n_steps=1", "--trainer.callbacks=null",
        "--run.save_every=1000", "--run.validate_every=1000",
    ]  # fmt: skip
    job = slurm.run(
        "sbatch", "--parsable", f"--output={output}", f"--chdir={ROOT}",
        f"--export=ALL,PYTHON={sys.executable},OMP_NUM_THREADS=1", "experiments/slurm/quickstart.sbatch", *settings,
    )  # fmt: skip

    def steps() -> list[int]:
        files = list((tmp_path / "runs").glob("*/metrics.jsonl"))
        rows = read_json_lines(files[0]) if files else []  # a line may be half written
        return [row["step"] for row in rows if "train/loss" in row]

    slurm.until(lambda: len(steps()) > 10, 240, f"ten steps of training; the job says {slurm.show(job)['JobState']}")
    slurm.run("scancel", "--signal=USR1", job)
    slurm.until(lambda: slurm.show(job)["JobState"] in ("COMPLETED", "FAILED", "TIMEOUT", "CANCELLED"), 300, "the end")
    ended, text = slurm.show(job), output.read_text()
    assert (ended["JobState"], ended["Restarts"], ended["ExitCode"]) == ("COMPLETED", "1", "0:0"), text[-3000:]
    run = only_run(tmp_path / "runs")
    assert "Asked to stop: step" in text
    assert "Continuing from" in text
    assert steps() == list(range(STEPS)), "no step is done twice, none is left out"
    assert checkpoint(run, STEPS)["global_step"] == STEPS
