"""A run that continues with another recipe of its optimizer."""

import logging

import pytest
from lightning.pytorch.callbacks import Callback
from runs_for_tests import fit

SCHEDULE = "--model.init_args.learning_rate_schedule"
OPTIMIZER = "--model.init_args.optimizer.init_args"
QUIET = ("--run.validate_every=null", "--trainer.callbacks=null")
WATCHED = (*QUIET, "--trainer.callbacks+=test_changed_recipe.Watch")
seen: dict[int, dict] = {}


class Watch(Callback):
    """Notes what the optimizer steps with."""

    def on_before_optimizer_step(self, trainer, pl_module, optimizer):
        seen[trainer.global_step] = {
            name: value for name, value in optimizer.param_groups[0].items() if name != "params"
        }


@pytest.fixture(autouse=True)
def _forget():
    seen.clear()


def rates() -> list[float]:
    return [seen[step]["lr"] for step in sorted(seen)]


def test_the_new_schedule_and_optimizer_are_followed_and_told(synth_shards, tmp_path, caplog):
    form = (f"{SCHEDULE}.init_args.steps=4", f"{SCHEDULE}.init_args.warmup=0")
    run = fit(synth_shards, tmp_path, *QUIET, *form)
    new = (
        f"--run.folder={run}", "--trainer.max_steps=4", f"{SCHEDULE}.init_args.warmup=8", f"{OPTIMIZER}.lr=0.008",
        f"{OPTIMIZER}.weight_decay=0.7", f"{OPTIMIZER}.betas=[0.5,0.6]",
    )  # fmt: skip
    caplog.clear()
    fit(synth_shards, tmp_path, *WATCHED, *form, *new)
    assert rates() == pytest.approx([0.008 * 3 / 8, 0.008 * 4 / 8])
    assert (seen[2]["weight_decay"], tuple(seen[2]["betas"]), seen[2]["initial_lr"]) == (0.7, (0.5, 0.6), 0.008)
    (told,) = [message for message in caplog.messages if message.startswith("From step 2 on")]
    assert "lr 0.0008 -> 0.008; weight_decay 0.01 -> 0.7; learning_rate_schedule warmup 0 -> 8." in told
    caplog.clear()
    fit(synth_shards, tmp_path, *WATCHED, *form, *new, "--trainer.max_steps=5")
    assert rates()[-1] == pytest.approx(0.008 * 5 / 8)
    assert "new settings" not in caplog.text, "what has been followed is no news"


def test_a_schedule_may_be_taken_away_and_given(synth_shards, tmp_path):
    run = fit(synth_shards, tmp_path, *QUIET, f"{SCHEDULE}=null")
    folder = f"--run.folder={run}"
    fit(synth_shards, tmp_path, *WATCHED, folder, "--trainer.max_steps=4")
    assert rates() == pytest.approx([0.0008 * 3 / 50, 0.0008 * 4 / 50]), "as if it had been there from the start"
    fit(synth_shards, tmp_path, *WATCHED, folder, "--trainer.max_steps=6", f"{SCHEDULE}=null", f"{OPTIMIZER}.lr=0.002")
    assert rates()[-2:] == [0.002, 0.002]


def test_of_what_cannot_change_a_line_says_so(synth_shards, tmp_path, caplog):
    other = f"{SCHEDULE}=torch.optim.lr_scheduler.StepLR"
    run = fit(synth_shards, tmp_path, *QUIET, other, f"{SCHEDULE}.step_size=3", f"{SCHEDULE}.gamma=0.5")
    new = (f"{SCHEDULE}.step_size=1", f"{OPTIMIZER}.amsgrad=true", f"{OPTIMIZER}.lr=0.004")
    with caplog.at_level(logging.WARNING):
        fit(synth_shards, tmp_path, *WATCHED, other, f"{SCHEDULE}.gamma=0.5", *new, f"--run.folder={run}",
            "--trainer.max_steps=4")  # fmt: skip
    assert rates() == pytest.approx([0.004, 0.002])
    assert "amsgrad False -> True; learning_rate_schedule step_size 3 -> 1. To train with them" in caplog.text
    assert "From step 2 on training follows the new settings: lr 0.0008 -> 0.004." in caplog.text
