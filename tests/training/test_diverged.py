"""A training whose loss or weights are no finite numbers ends with an error, and never becomes a checkpoint."""

import lightning.pytorch as pl
import pytest
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.plugins import MixedPrecision
from runs_for_tests import launch, only_run, words
from torch import nn

from asva_lightning.cli import main
from asva_lightning.errors import RunError
from asva_lightning.runs.folder import RunFolder
from asva_lightning.training import checkpoints
from asva_lightning.training.callbacks import SaveAndStop, StopDiverged, finite

TOO_FAST = ("--trainer.callbacks=null", "--model.init_args.optimizer.init_args.lr=1e30", "--run.validate_every=100")


class Line(pl.LightningModule):
    """A line through pairs; from step ``infinite_from`` on for ``length`` steps, the loss is infinite."""

    def __init__(self, infinite_from: int = 10**6, length: int = 1) -> None:
        super().__init__()
        self.slope = nn.Parameter(torch.ones(1))
        self.infinite = range(infinite_from, infinite_from + length)

    def training_step(self, batch, batch_idx):
        loss = ((batch[0] * self.slope - 2 * batch[0]) ** 2).mean()
        return loss * torch.inf if self.global_step + 1 in self.infinite else loss

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=1e-3)


class Poison(Callback):
    """Puts NaN into the weights after a step; the loss of that step was finite."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_train_batch_end(self, trainer, pl_module, *_):
        if trainer.global_step == self.step:
            pl_module.slope.data.fill_(torch.nan)


def fit_line(folder, module: Line, steps: int = 12, log_every: int = 50, more=(), **settings) -> RunFolder:
    run = RunFolder(folder)
    trainer = pl.Trainer(
        max_steps=steps, accelerator="cpu", logger=False, enable_progress_bar=False, enable_model_summary=False,
        log_every_n_steps=log_every, default_root_dir=folder,
        callbacks=[StopDiverged(run), *more, SaveAndStop(run, every=4, keep=1)], **settings,
    )  # fmt: skip
    data = torch.utils.data.TensorDataset(torch.linspace(-1, 1, 64)[:, None])
    trainer.fit(module, torch.utils.data.DataLoader(data, batch_size=4))
    return run


def saved(run: RunFolder) -> list[str]:
    return sorted(path.name for path in run.checkpoints.iterdir()) if run.checkpoints.exists() else []


def test_a_learning_rate_that_is_too_high_ends_the_run_with_one_error(synth_shards, tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        main(words("fit", synth_shards, tmp_path, *TOO_FAST, "--trainer.max_steps=6", "--run.save_every=1",
                   "--run.keep=1", "--trainer.log_every_n_steps=50"))  # fmt: skip
    assert stop.value.code == 1
    run = only_run(tmp_path)
    good = run / "checkpoints" / "step_000001.ckpt"
    error = capsys.readouterr().err
    assert error.count("error: The training has diverged: the loss is no finite number since step 2.") == 1
    assert f"The last good checkpoint is {good}. Lower the learning rate or set --trainer.gradient_clip_val" in error
    assert f"--model.init_args.init_from={good}" in error
    assert saved(RunFolder(run)) == ["step_000001.ckpt"], "nothing without finite numbers is kept, or takes its place"
    assert checkpoints.read_checkpoint(good, "raw").step == 1


def test_the_loss_is_looked_at_where_it_is_logged(tmp_path):
    with pytest.raises(RunError, match=r"since step 2\. No checkpoint was saved before\. Lower the learning rate"):
        fit_line(tmp_path, Line(infinite_from=2), log_every=3)


def test_the_loss_is_looked_at_before_a_checkpoint_also_in_the_middle_of_a_step(tmp_path):
    with pytest.raises(RunError, match=r"since step 6\. The last good checkpoint is .*step_000004\.ckpt\."):
        fit_line(tmp_path, Line(infinite_from=6), accumulate_grad_batches=2)
    assert saved(RunFolder(tmp_path)) == ["step_000004.ckpt"]


def test_weights_are_looked_at_before_a_checkpoint(tmp_path):
    with pytest.raises(RunError, match="diverged: the weights after step 4 are no finite numbers"):
        fit_line(tmp_path, Line(), more=[Poison(4)])
    assert saved(RunFolder(tmp_path)) == []


def test_buffers_that_are_not_saved_may_hold_infinity(tmp_path):
    module = Line()
    module.register_buffer("mask", torch.tensor(-torch.inf), persistent=False)
    assert saved(fit_line(tmp_path, module)) == ["step_000012.ckpt"]
    module.register_buffer("mean", torch.tensor(torch.nan))
    with pytest.raises(RunError, match="the weights after step 4 are no finite numbers"):
        fit_line(tmp_path / "saved", module)


def test_a_loss_scaler_skips_steps_and_the_run_goes_on(tmp_path):
    module = Line(infinite_from=3, length=2)
    run = fit_line(tmp_path, module, log_every=1, plugins=[MixedPrecision("16-mixed", "cpu")])
    assert saved(run) == ["step_000012.ckpt"]
    assert module.slope.isfinite().all()


def test_a_loss_scaler_that_skips_every_step_ends_the_run(tmp_path, monkeypatch):
    monkeypatch.setattr(finite, "PATIENCE", 5)
    with pytest.raises(RunError, match="since step 3"):
        fit_line(tmp_path, Line(3, 100), log_every=1, plugins=[MixedPrecision("16-mixed", "cpu")])


class SpoilRankOne(Callback):
    """Makes the weights of the second process NaN, after a step."""

    def on_train_batch_end(self, trainer, pl_module, *_):
        if trainer.global_rank == 1 and trainer.global_step == 2:
            next(pl_module.denoiser.parameters()).data.fill_(torch.nan)


@pytest.mark.slow
def test_all_ranks_stop_together_and_one_of_them_speaks(synth_shards, tmp_path):
    with pytest.raises(AssertionError) as failed:
        launch(words("fit", synth_shards, tmp_path, "--trainer.max_steps=6", "--run.validate_every=100",
                     "--run.save_every=2", "--trainer.devices=2", "--trainer.strategy=ddp", "--trainer.callbacks=null",
                     "--trainer.callbacks+=training.test_diverged.SpoilRankOne"),
               PYTHONPATH="tests:tests/training")  # fmt: skip
    assert str(failed.value).count("error: The training has diverged: the weights after step 2") == 1
    assert saved(RunFolder(only_run(tmp_path))) == []
