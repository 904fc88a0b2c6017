"""Clips put together."""

import torch

from asva_lightning.data import BadClip, ClipBatch, ClipSample


def clip(position, **options):
    pixels = torch.full((3, 2, 4, 5), position, dtype=torch.uint8)
    waveform = torch.full((7,), position / 10)
    return ClipSample(pixels, waveform, f"text {position}", "class", f"class/{position}", position, 0.1, **options)


def test_a_batch_keeps_the_order_and_all_that_is_known():
    bad = [BadClip("train-000000.tar", f"class/{number}", "is damaged") for number in range(3)]
    batch = ClipBatch.collate([clip(4, bad=(bad[0],)), clip(2, real=False, bad=(bad[1], bad[2]))])
    assert len(batch) == 2
    assert batch.pixels.shape == (2, 3, 2, 4, 5)
    assert batch.pixels.dtype == torch.uint8
    assert batch.waveform.shape == (2, 7)
    assert batch.positions.tolist() == batch.pixels[:, 0, 0, 0, 0].tolist() == [4, 2]
    assert (batch.texts, batch.keys) == (("text 4", "text 2"), ("class/4", "class/2"))
    assert batch.real.tolist() == [True, False]
    assert batch.starts.dtype == torch.float64
    assert batch.starts.tolist() == [0.1, 0.1]
    assert batch.bad == tuple(bad)


def test_only_media_go_to_a_device():
    moved = ClipBatch.collate([clip(1)]).to("meta")
    assert (moved.pixels.device.type, moved.waveform.device.type) == ("meta", "meta")
    assert (moved.positions.device.type, moved.real.device.type) == ("cpu", "cpu")
    assert moved.keys == ("class/1",)
