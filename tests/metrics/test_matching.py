import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import maximum_bipartite_matching

from asva_lightning.metrics.matching import count_matches


@pytest.mark.parametrize("lead", [None, 0.0, 0.3])
def test_matching_is_the_largest_there_is(lead):
    rng = np.random.default_rng(0)
    for _ in range(200):
        sound, motion = np.sort(rng.random(rng.integers(1, 9))), np.sort(rng.random(rng.integers(1, 9)))
        late = motion - sound[:, None]
        allowed = csr_matrix((late >= -(0.1 if lead is None else lead)) & (late <= 0.1))
        expected = int((maximum_bipartite_matching(allowed) >= 0).sum())
        assert count_matches(torch.from_numpy(sound), torch.from_numpy(motion), 0.1, lead) == expected


def test_motion_may_lead_but_not_lag_by_the_lead():
    sound = torch.tensor([1.0])
    assert count_matches(sound, torch.tensor([0.8]), tolerance=0.1, lead=0.25) == 1
    assert count_matches(sound, torch.tensor([1.2]), tolerance=0.1, lead=0.25) == 0
    assert count_matches(sound, torch.tensor([0.8]), tolerance=0.1) == 0


def test_the_edge_of_the_window_belongs_to_it():
    assert count_matches(torch.tensor([0.1 + 0.2]).double(), torch.tensor([0.4]).double(), tolerance=0.1) == 1


def test_nothing_matches_nothing():
    empty = torch.tensor([])
    assert count_matches(empty, empty, 0.1) == count_matches(empty, torch.tensor([1.0]), 0.1) == 0
