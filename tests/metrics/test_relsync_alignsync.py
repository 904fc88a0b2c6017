"""RelSync and AlignSync against their formulas in double precision."""

import numpy as np
import torch

from asva_lightning.metrics.alignsync import align_sync
from asva_lightning.metrics.relsync import rel_sync


def numbers(*shape, seed):
    return np.random.default_rng(seed).normal(size=shape)


def test_rel_sync_is_its_formula():
    own, reference = 3 * numbers(50, seed=0), 3 * numbers(50, seed=1)
    expected = np.exp(own) / (np.exp(own) + np.exp(reference))
    assert np.abs(rel_sync(torch.tensor(own), torch.tensor(reference)).numpy() - expected).max() < 1e-14


def test_the_reference_itself_has_one_half_and_a_better_video_has_more():
    score = torch.tensor([-24.6, 3.0])
    assert rel_sync(score, score).tolist() == [0.5, 0.5]
    assert (rel_sync(score + 1, score) > 0.5).all()


def test_rel_sync_does_not_overflow():
    values = rel_sync(torch.tensor([500.0, -500.0]), torch.tensor([-500.0, 500.0]))
    assert values.tolist() == [1.0, 0.0]


def test_align_sync_is_its_formula():
    share = np.random.default_rng(0).uniform(size=20)
    frames, first = numbers(20, 11, seed=1), numbers(20, seed=2)
    ratio = np.exp(frames) / (np.exp(frames) + np.exp(first)[:, None])
    expected = share * ratio.mean(axis=1)
    ours = align_sync(*map(torch.tensor, (share, frames, first))).numpy()
    assert np.abs(ours - expected).max() < 1e-14


def test_a_true_video_whose_frames_are_alike_has_a_quarter():
    half, same = torch.full((3,), 0.5), torch.full((3, 11), 0.3)
    assert torch.allclose(align_sync(half, same, same[:, 0]), torch.tensor(0.25))
