"""follow swap and follow delay: by the command line, on a small run and on the videos of another system."""

import csv
import json
import re
import shutil
from dataclasses import fields

import numpy as np
import pytest
import torch
from following import follower
from PIL import Image
from runs_for_tests import ROOT, fit

from asva_lightning.cli import main
from asva_lightning.data.manifest import Dataset
from asva_lightning.errors import ConfigurationError
from asva_lightning.evaluation.compare import compare
from asva_lightning.evaluation.results import Results
from asva_lightning.media import ClipFormat, read_sound, write_clip
from asva_lightning.runs.folder import RunFolder
from asva_lightning.training.follow import _protocol
from asva_lightning.training.follow_source import VideoSource

FORMAT = ClipFormat(12, 6, 32, 32)
OTHERS = ["--format.frames=12", "--format.fps=6", "--format.height=32", "--format.width=32"]


@pytest.fixture(scope="module")
def run(synth_shards, tmp_path_factory):
    """A model without audio layers, so that the answers are known."""
    without_audio = ROOT / "experiments" / "ablations" / "no_audio.yaml"
    return fit(synth_shards, tmp_path_factory.mktemp("follow"), f"--config={without_audio}")


@pytest.fixture
def failure(capsys):
    def of(test, *words) -> str:
        with pytest.raises(SystemExit) as stop:
            main(["follow", test, *map(str, words)])
        assert stop.value.code == 1
        return capsys.readouterr().err

    return of


def animate_as_another_system(pairs, folder):
    """Reads pictures and sounds from files alone, and moves whenever a sound begins."""
    folder.mkdir()
    for row in csv.DictReader((pairs / "pairs.csv").open(newline="", encoding="utf-8")):
        picture = torch.from_numpy(np.array(Image.open(pairs / row["image"]))).permute(2, 0, 1)
        waveform = read_sound(pairs / row["audio"])
        pixels = follower(picture, waveform, row["text"], int(row["seed"]), FORMAT)
        write_clip(folder / f"{row['output']}.mp4", pixels, 6, None, 16_000, enlarge=4)


def test_swap_of_a_run_makes_every_pair_once_and_judges_them(run, synth_shards, tmp_path, capsys, failure):
    output = tmp_path / "swap"
    words = ["follow", "swap", f"--checkpoint={run}", f"--shards={synth_shards}", f"--output={output}", "--clips=2"]
    main(words)
    printed = capsys.readouterr().out
    assert "Which of 2 sounds of its class made a video? Chance is 0.50." in printed
    assert (output / "table.md").read_text().splitlines()[0] in printed
    results = Results.read(output / "results.json")
    assert results.facts["videos"] == len(list((output / "videos").glob("*.mp4"))) == 12  # three classes of 2 x 2
    assert results.overall("top-1 by onsets").mean == results.overall("top-1 by true motion").mean == 0.5
    matrices = json.loads((output / "matrices.json").read_text())
    assert [len(group["mean likeness"]["onsets"]) for group in matrices] == [2, 2, 2]
    assert "sound that made it" in (output / "swap-onsets.svg").read_text()
    assert (output / "swap-true-motion.svg").exists()

    before = stamps(output)
    main(words)
    assert stamps(output) == before
    message = failure(*words[1:], "--seed=1", "--clips=3")
    assert "was begun with other settings (clips: 2, now 3, seed: 0, now 1)" in message
    assert Results.read(output / "results.json").protocol["format"]["frames"] == 12
    (output / "videos" / min(before)).unlink()
    main(words)
    assert [name for name, time in stamps(output).items() if time != before[name]] == [min(before)]


def stamps(output):
    return {path.name: path.stat().st_mtime_ns for path in (output / "videos").glob("*.mp4")}


def test_no_old_video_passes_for_one_of_another_seed_or_another_model(run, synth_shards, tmp_path, failure):
    model, output = shutil.copytree(run, tmp_path / "model"), tmp_path / "out"
    words = ["delay", f"--checkpoint={model}", f"--shards={synth_shards}", f"--output={output}", "--clips=1",
             "--delays=[0.5]"]  # fmt: skip
    main(["follow", *words])
    first = stamps(output)
    (output / "journal.jsonl").unlink()
    main(["follow", *words, "--seed=1"])
    second = stamps(output)
    assert all(time > first[name] for name, time in second.items())
    file = RunFolder(model).latest_checkpoint()
    content = torch.load(file, weights_only=True)
    for weights in content["average"]["parameters"].values():
        weights += 0.01  # as after more training
    torch.save(content, file)
    assert "was begun with other settings (digest: " in failure(*words, "--seed=1")
    (output / "journal.jsonl").unlink()
    main(["follow", *words, "--seed=1"])
    assert all(time > second[name] for name, time in stamps(output).items())


def test_delay_of_a_run(run, synth_shards, tmp_path, capsys):
    output = tmp_path / "delay"
    main(["follow", "delay", f"--checkpoint={run}", f"--shards={synth_shards}", f"--output={output}", "--clips=1",
          "--delays=[0.5]", "--audio_guidance=1"])  # fmt: skip
    assert "Slope of its lag over the delay" in capsys.readouterr().out
    results = Results.read(output / "results.json")
    assert (results.facts["delays in s"], results.facts["audio guidance"]) == ("0.5", 1)
    assert list(results.values["slope"].values()) == pytest.approx([0, 0, 0], abs=0.02)
    names = sorted(stamps(output))
    assert len(names) == 6
    assert [name.partition("--")[2] for name in names[:2]] == ["late-500ms.mp4", "on-time.mp4"]
    assert set(json.loads((output / "lags.json").read_text())) == set(results.values["slope"])
    assert "delay of the sound" in (output / "delay.svg").read_text()


def test_the_swap_of_another_system_is_judged_from_its_files(synth_shards, tmp_path, capsys, failure):
    words = ["follow", "swap", f"--shards={synth_shards}", "--clips=2", *OTHERS]
    main([*words, f"--pairs={tmp_path / 'pairs'}"])
    assert "12 pairs in" in capsys.readouterr().out
    animate_as_another_system(tmp_path / "pairs", tmp_path / "theirs")
    judge = [*words, f"--generated={tmp_path / 'theirs'}", f"--output={tmp_path / 'out'}"]
    main(judge)
    results = Results.read(tmp_path / "out" / "results.json")
    assert results.overall("top-1 by onsets").mean > 0.9
    assert results.overall("top-1 by true motion").mean > 0.9
    main(["report", str(tmp_path / "out" / "results.json"), str(tmp_path / "out" / "results.json")])
    assert "top-1 by onsets" in capsys.readouterr().out
    slower = sorted((tmp_path / "theirs").iterdir())[1]
    kept = slower.read_bytes()
    write_clip(slower, torch.zeros(3, 6, 32, 32, dtype=torch.uint8), 3, None, 16_000, enlarge=4)
    assert f"{slower}: has 6 frames, not 12. Set --format.frames" in failure(*judge[1:])
    slower.write_bytes(kept)
    lost = sorted((tmp_path / "theirs").iterdir())[0]
    lost.rename(lost.with_name("other.mp4"))
    message = failure(*judge[1:])
    assert f"lacks 1 of 12 videos, such as {lost.name}. A video has the name of its pair" in message


def test_results_of_other_shards_are_not_compared(synth_shards, tmp_path):
    samples = Dataset.open(synth_shards).samples("test")
    one = _protocol(samples, "test", FORMAT)
    assert one == _protocol(samples, "test", FORMAT)
    first, second = (
        Results({"top-1 by onsets": {"a": 1.0}}, {"a": "a drum"}, protocol=protocol)
        for protocol in (one, _protocol(samples[1:], "test", FORMAT))
    )
    with pytest.raises(ConfigurationError, match="reference [0-9a-f]{12} against [0-9a-f]{12}"):
        compare(first, second)


def test_the_delay_of_another_system_is_judged_from_its_files(synth_shards, tmp_path):
    words = ["follow", "delay", f"--shards={synth_shards}", "--clips=3", *OTHERS]
    main([*words, f"--pairs={tmp_path / 'pairs'}"])
    animate_as_another_system(tmp_path / "pairs", tmp_path / "theirs")
    main([*words, f"--generated={tmp_path / 'theirs'}", f"--output={tmp_path / 'out'}"])
    slope = Results.read(tmp_path / "out" / "results.json").overall("slope")
    assert slope.mean == pytest.approx(1, abs=0.1)
    assert slope.low > 0.7
    assert slope.count >= 7


@pytest.mark.parametrize(
    ("test", "words", "message"),
    [
        ("swap", [], "Give one of three: --checkpoint MODEL"),
        ("delay", ["--pairs=a", "--generated=b"], "Give one of three: --checkpoint MODEL"),
        ("swap", ["--pairs=a", "--clips=1"], "--clips must be 2 or more and --groups 1 or more, not 1 and 1"),
        ("swap", ["--pairs=a", "--clips=4", *OTHERS], "has 4 clips that can be used, but: drum (3)"),
        ("swap", ["--checkpoint=a", *OTHERS], "--format is for videos of other systems"),
        ("swap", ["--checkpoint=a", "--batch_size=0"], "--batch_size must be 1 or more, not 0"),
        ("swap", ["--pairs=a", "--format.fps=60"], "60 frames a second, but the clips have at most 30"),
        ("delay", ["--pairs=a", "--clips=0"], "--clips must be 1 or more, not 0"),
        ("delay", ["--pairs=a", "--delays=[0.2, 0]"], "needs different delays in seconds other than 0"),
        ("delay", ["--pairs=a", "--delays=[.nan]"], "needs different delays in seconds other than 0, not [nan]"),
        ("delay", ["--pairs=a", "--delays=[.inf, 0.2]"], "needs different delays in seconds other than 0, not [inf"),
        ("delay", ["--pairs=a", "--delays=[]"], "needs different delays in seconds other than 0, not []"),
        ("swap", ["--pairs=a", "--format.frames=2"], "needs clips of 3 frames or more, not 2. Set --format.frames"),
        ("swap", ["--checkpoint=a", "--seed=-1"], "A seed is a whole number from 0 to 2^63 - 1, not -1"),
        ("delay", ["--pairs=a", "--delays=[1]"], "A lag of 8 frames leaves 3 of 11 steps"),
        ("delay", ["--pairs=a", "--format.frames=60"], "The test needs sources of 10.67 s (10.00 s of clip"),
    ],
)  # fmt: skip
def test_contradictions_are_refused(synth_shards, tmp_path, monkeypatch, failure, test, words, message):
    monkeypatch.chdir(tmp_path)
    assert message in failure(test, f"--shards={synth_shards}", *words)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("way", ["generated", "pairs"])
def test_options_of_checkpoints_that_have_no_effect_are_told(way, caplog):
    VideoSource(**{way: "folder", "format": FORMAT}).open("out")
    assert not caplog.messages
    VideoSource(**{way: "folder", "seed": 1, "audio_guidance": 2.0, "weights": "raw"}).open("out")
    assert caplog.messages == ["Without --checkpoint these have no effect: --seed, --audio_guidance, --weights."]


@pytest.mark.parametrize("test", ["swap", "delay"])
def test_help_tells_of_the_options_that_both_tests_have(test, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "1000")
    with pytest.raises(SystemExit):
        main(["follow", test, "--help"])
    told = capsys.readouterr().out
    for option in fields(VideoSource):
        assert re.search(rf"^  --{option.name}\b.*\s{{2,}}\S.* \(type: .*, default: ", told, re.MULTILINE), option.name


def test_clips_of_which_none_can_be_read_are_an_error(synth_shards, tmp_path, failure):
    shards = shutil.copytree(synth_shards, tmp_path / "shards")
    for tar in shards.glob("*.tar"):
        tar.write_bytes(b"")
    message = failure("delay", f"--shards={shards}", f"--pairs={tmp_path / 'pairs'}", *OTHERS)
    assert f"Not one clip of test in {shards} can be used; the warnings above say why." in message
    assert "is passed over" in message
