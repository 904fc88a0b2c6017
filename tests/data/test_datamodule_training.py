"""The stream inside Lightning's own loop: what is trained on, what is saved, and where a resumed run goes on."""

import pytest
import torch
from fit_helpers import fit


def saved_state(file):
    content = torch.load(file, weights_only=True)
    return content["loops"]["fit_loop"]["state_dict"]["combined_loader"]


def test_a_trainer_takes_the_stream_in_order(shards, tmp_path):
    task = fit(shards, tmp_path, steps=2)
    assert task.trained == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert len(task.validated) == 6  # once before training, once after step 2
    assert task.scale != 0


@pytest.mark.parametrize(("workers", "accumulate"), [(0, 1), (2, 1), (0, 2)])
def test_a_resumed_run_sees_what_an_uninterrupted_one_sees(shards, tmp_path, workers, accumulate):
    options = {"workers": workers, "accumulate": accumulate}
    whole = fit(shards, tmp_path / "whole", 6, **options)
    begun = fit(shards, tmp_path / "begun", 3, **options)
    checkpoint = tmp_path / "begun" / "step=3.ckpt"
    assert saved_state(checkpoint) == [{"consumed": 12}], "fetching ahead must not move the state"
    ended = fit(shards, tmp_path / "ended", 6, checkpoint, **options)
    assert begun.trained + ended.trained == whole.trained
    assert begun.sums + ended.sums == whole.sums
    assert [position for batch in whole.trained for position in batch] == list(range(24))
    assert torch.equal(ended.scale, whole.scale)
    assert whole.states == [{"consumed": 8}, {"consumed": 16}, {"consumed": 24}], "validation must not move it either"


def test_a_run_may_be_resumed_with_other_batches_and_workers(shards, tmp_path):
    fit(shards, tmp_path / "begun", 3, accumulate=2)
    ended = fit(shards, tmp_path / "ended", 4, tmp_path / "begun" / "step=3.ckpt", workers=1)
    assert ended.trained == [[12, 13, 14, 15]]
