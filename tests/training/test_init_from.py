"""Weights of another run that cannot be where this one begins say why; two stages are run in tests/test_recipes.py."""

import lightning.pytorch as pl
import pytest
import torch
from torch import nn

from asva_lightning.errors import RunError, WeightsError
from asva_lightning.training.init_from import begin_with


class Task(pl.LightningModule):
    def __init__(self, width: int = 3) -> None:
        super().__init__()
        self.network = nn.Linear(width, 2)


def write(folder, task, average: bool = True, **more):
    """A checkpoint of a task, as a run keeps it; the average is 1 everywhere."""
    weights = {name: tensor.detach().clone() for name, tensor in task.named_parameters()}
    content = {"state_dict": weights, "global_step": 7, **more}
    if average:
        content["average"] = {"parameters": {name: torch.ones_like(tensor) for name, tensor in weights.items()}}
    path = folder / "checkpoints" / "step_000007.ckpt"
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(content, path)
    return path


def test_the_average_is_taken_and_raw_weights_where_there_is_none(tmp_path):
    given, task = Task(), Task()
    write(tmp_path / "averaged", given)
    begin_with(task, str(tmp_path / "averaged"), {})
    assert torch.equal(task.network.weight, torch.ones(2, 3))
    path = write(tmp_path / "raw", given, average=False)
    begin_with(task, str(path), {})
    assert torch.equal(task.network.weight, given.network.weight)


def test_weights_that_do_not_fit_are_named(tmp_path):
    write(tmp_path, Task(width=4))
    with pytest.raises(WeightsError, match=r"does not fit: network.weight, here \(2, 3\), is \(2, 4\) there"):
        begin_with(Task(), str(tmp_path), {})
    other = Task()
    other.more = nn.Linear(1, 1)
    write(tmp_path, Task())
    with pytest.raises(WeightsError, match=r"more\.\w+, here .* is not there. Give both recipes the same denoiser"):
        begin_with(other, str(tmp_path), {})


def test_other_pretrained_weights_are_refused(tmp_path):
    write(tmp_path, Task(), frozen={"vae": "one"})
    with pytest.raises(WeightsError, match="was trained on another vae"):
        begin_with(Task(), str(tmp_path), {"vae": "other"})


def test_a_run_without_checkpoint_and_no_run_say_so(tmp_path):
    (tmp_path / "checkpoints").mkdir()
    with pytest.raises(RunError, match="has no checkpoint yet. Train that run first"):
        begin_with(Task(), str(tmp_path), {})
    with pytest.raises(RunError, match="does not exist. Give a run folder"):
        begin_with(Task(), str(tmp_path / "nowhere"), {})
