"""The order of the stream and how ranks share it."""

from itertools import groupby, islice

import pytest

from asva_lightning.data.order import FixedSampler, PositionSampler, sample_at, substitute_at


def test_every_pass_visits_each_sample_once():
    passes = [[sample_at(5, turn * 7 + place, (4, 3)) for place in range(7)] for turn in range(20)]
    assert all(sorted(order) == list(range(7)) for order in passes)
    assert len({tuple(order) for order in passes}) > 15


def test_the_order_is_a_function_of_seed_and_position():
    """The numbers are fixed: a run that is continued must meet the order that it began with."""
    order = [2, 4, 3, 0, 1, 1, 3, 4, 2, 0]
    assert [sample_at(0, position, (5,)) for position in range(10)] == order
    assert [sample_at(0, position, (5,)) for position in (9, 0, 4)] == [order[9], order[0], order[4]]


def test_large_data_sets_are_shuffled_within_a_window_of_shards():
    sizes, window = (3, 1, 4, 2, 5, 3, 2, 4), 3
    shard_of = [shard for shard, size in enumerate(sizes) for _ in range(size)]
    passes = [[sample_at(2, turn * 24 + place, sizes, window) for place in range(24)] for turn in range(6)]
    for order in passes:
        assert sorted(order) == list(range(24))
        met = list(dict.fromkeys(shard_of[sample] for sample in order))
        ends = {shard: max(place for place, sample in enumerate(order) if shard_of[sample] == shard) for shard in met}
        for first in range(0, 8, window):
            others = met[first + window :]
            assert all(order.index(sample) > max(ends[shard] for shard in met[first : first + window])
                       for sample in order if shard_of[sample] in others)  # fmt: skip
    assert len({tuple(order) for order in passes}) == 6
    runs = [shard_of[sample] for sample in passes[0]]
    assert len(list(groupby(runs))) > 12, "samples of different shards must be mixed"


def test_another_seed_gives_another_order():
    orders = {tuple(sample_at(seed, position, (9,)) for position in range(9)) for seed in range(10)}
    assert len(orders) == 10


def test_substitutes_depend_on_position_and_attempt_and_move_nothing_else():
    before = [sample_at(3, position, (50,)) for position in range(50)]
    substitutes = [[substitute_at(3, position, attempt, 50) for attempt in range(1, 10)] for position in range(20)]
    assert len({tuple(row) for row in substitutes}) == 20
    assert all(len(set(row)) > 5 and 0 <= min(row) <= max(row) < 50 for row in substitutes)
    assert substitutes[7][2] == substitute_at(3, 7, 3, 50) != substitute_at(4, 7, 3, 50)
    assert [sample_at(3, position, (50,)) for position in range(50)] == before


@pytest.mark.parametrize("consumed", [0, 8, 24, 1000])
@pytest.mark.parametrize("ranks", [1, 2, 4])
def test_the_same_positions_meet_in_a_batch_on_any_number_of_ranks(ranks, consumed):
    shares = [islice(PositionSampler(8 // ranks, rank, ranks, consumed), 5) for rank in range(ranks)]
    for step, batches in enumerate(zip(*shares)):
        together = [position for batch in batches for position in batch]
        assert together == list(range(consumed + 8 * step, consumed + 8 * step + 8))


def test_accumulated_batches_take_the_same_positions_as_one_large_batch():
    small = list(islice(PositionSampler(2, rank=0, world_size=1), 4))
    assert [position for batch in small for position in batch] == next(iter(PositionSampler(8)))


@pytest.mark.parametrize("ranks", [1, 2, 3, 4])
@pytest.mark.parametrize("count", [0, 1, 2, 3, 5, 8, 13])
@pytest.mark.parametrize("batch_size", [1, 3])
def test_fixed_clips_are_shared_by_ranks_without_gap_or_double(count, ranks, batch_size):
    shares = [FixedSampler(count, batch_size, rank, ranks) for rank in range(ranks)]
    batches = [list(share) for share in shares]
    assert [len(share) for share in shares] == [len(mine) for mine in batches]
    assert len({tuple(map(len, mine)) for mine in batches}) == 1, "ranks would wait for each other for ever"
    handed_out = [place for mine in batches for batch in mine for place in batch]
    assert sorted(place for place in handed_out if place >= 0) == list(range(count))
    repeats = [place for place in handed_out if place < 0]
    assert len(repeats) == -count % ranks
    assert all(0 <= -1 - place < count for place in repeats)
