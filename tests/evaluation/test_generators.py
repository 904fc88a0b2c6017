import csv
import wave
from dataclasses import replace

import numpy as np
import pytest
import torch
from following import FORMAT, clicking_clip, follower
from PIL import Image

from asva_lightning.errors import MediaError
from asva_lightning.evaluation.delay import delay_requests
from asva_lightning.evaluation.generators import make_videos, one_by_one, read_videos, write_requests
from asva_lightning.evaluation.swap import SwapGroup
from asva_lightning.media import probe

GROUP = SwapGroup("click", [clicking_clip(1), clicking_clip(2)], first=4)


def test_videos_are_files_and_are_made_once(tmp_path):
    requests, asked = GROUP.requests(FORMAT), []

    def animate(requests):
        asked.extend(request.key for request in requests)
        return one_by_one(follower)(requests)

    make_videos(requests[:3], animate, tmp_path / "videos", FORMAT)
    make_videos(requests, animate, tmp_path / "videos", FORMAT)
    assert asked == [request.key for request in requests]  # the last one alone at the second start
    made = one_by_one(follower)(requests)
    for video, pixels in zip(read_videos(requests, tmp_path / "videos", FORMAT), made):
        assert video.shape == pixels.shape
        assert (video.int() - pixels.int()).abs().float().mean() < 12  # H.264 keeps half of the colours
    assert probe(tmp_path / "videos" / "click-1--click-2.mp4").has_sound
    with pytest.raises(MediaError, match="click-1--click-1.mp4"):
        read_videos(requests, tmp_path / "elsewhere", FORMAT)


def test_a_video_is_kept_only_where_its_json_file_says_that_it_was_made_so(tmp_path):
    requests, asked = GROUP.requests(FORMAT)[:2], []

    def animate(requests):
        asked.extend(request.key for request in requests)
        return one_by_one(follower)(requests)

    def made(requests, **about) -> int:
        before = len(asked)
        make_videos(requests, animate, tmp_path, FORMAT, about)
        return len(asked) - before

    assert [made(requests, seed=0), made(requests, seed=0), made(requests, seed=1)] == [2, 0, 2]
    louder = [replace(requests[0], waveform=requests[0].waveform * 2), replace(requests[1], seed=9)]
    assert [made(louder, seed=1), made(louder, seed=1)] == [2, 0]
    (tmp_path / f"{requests[0].key}.json").unlink()
    (tmp_path / f"{requests[1].key}.mp4").unlink()
    assert made(louder, seed=1) == 2
    (tmp_path / f"{requests[0].key}.json").write_text("torn")
    assert made(louder, seed=1) == 1


def test_pairs_for_another_system_are_pictures_sounds_and_a_list(tmp_path):
    requests = delay_requests(clicking_clip(1), (0.2,), FORMAT, seed=5)
    write_requests(requests, tmp_path / "pairs", FORMAT)
    rows = list(csv.DictReader((tmp_path / "pairs" / "pairs.csv").open()))
    assert [row["output"] for row in rows] == ["click-1--on-time", "click-1--late-200ms"]
    assert [(row["text"], row["seed"]) for row in rows] == [("a click", "5")] * 2
    picture = np.asarray(Image.open(tmp_path / "pairs" / rows[1]["image"]))
    assert torch.equal(torch.from_numpy(picture.copy()).permute(2, 0, 1), requests[1].picture)
    with wave.open(str(tmp_path / "pairs" / rows[1]["audio"])) as file:
        assert (file.getframerate(), file.getnchannels()) == (FORMAT.sample_rate, 1)
        heard = np.frombuffer(file.readframes(file.getnframes()), "<i2") / 32767
    assert np.abs(heard - requests[1].waveform.numpy()).max() < 1e-4
