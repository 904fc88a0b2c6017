"""Sounds for `animate`, and what it says when it refuses."""

import pytest
import torch

from asva_lightning.cli import main
from asva_lightning.media import ClipFormat, write_clip

FORMAT = ClipFormat(12, 6, 32, 32)


def failure(capsys, *words) -> str:
    with pytest.raises(SystemExit) as stop:
        main(["animate", *map(str, words)])
    assert stop.value.code == 1
    return capsys.readouterr().err


def tone(path, seconds, level=0.4):
    waveform = level * torch.sin(torch.arange(round(seconds * 16_000)) * 0.3)
    write_clip(path, torch.zeros(3, max(1, round(seconds * 6)), 32, 32, dtype=torch.uint8), 6, waveform, 16_000)
    return path
