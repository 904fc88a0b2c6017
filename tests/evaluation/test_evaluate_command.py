"""The command ``evaluate`` on real files."""

import json
import shutil

import numpy as np
import pytest
import torch
from judges_for_tests import Brightness
from systems import FORMAT, STARTS, WORDS, true_files, write_system

from asva_lightning.cli import main
from asva_lightning.evaluation.set_score import set_score
from asva_lightning.media import read_clip, read_frames, write_clip
from asva_lightning.metrics.onset_f1 import onset_f1
from asva_lightning.metrics.psnr import psnr

KEY = "hammering/clip3_000010_000020-3_5_6_5"


@pytest.fixture(scope="session")
def system(clip_folder, tmp_path_factory):
    """Nine clips that are a little too bright, only to be read."""
    return write_system(clip_folder, tmp_path_factory.mktemp("system") / "bright", brighter=10)


@pytest.fixture
def copied(system, tmp_path):
    """The same, to be changed."""
    return shutil.copytree(system, tmp_path / "generated")


def evaluate(generated, reference, output, *more):
    main(["evaluate", f"--generated={generated}", f"--reference={reference}", f"--output={output}", *WORDS, *more])
    return json.loads(output.read_text())


def refused(capsys, *words):
    with pytest.raises(SystemExit) as stop:
        main(["evaluate", *WORDS, *words])
    assert stop.value.code == 1
    return capsys.readouterr().err


def file_of(folder, number):
    return folder / "hammering" / f"clip3_000010_000020-3.5_6.5_clip-{number:02d}.mp4"


@pytest.fixture(scope="module")
def scored(clip_folder, system, tmp_path_factory):
    """The results of the nine clips."""
    output = tmp_path_factory.mktemp("scored") / "results.json"
    judges = output.with_name("judges.yaml")
    of = "class_path: judges_for_tests."
    judges.write_text(f"judges:\n  loudness: {{{of}Loudness}}\n  brightness: {{{of}Brightness}}\n")
    return output, evaluate(system, clip_folder, output, f"--config={judges}")


def test_every_clip_meets_its_own_stretch_of_its_own_truth(clip_folder, system, scored):
    _, results = scored
    assert len(results["texts"]) == 9
    assert results["texts"][f"{KEY}_clip-00"] == "hammering"
    truth = next(file for file in true_files(clip_folder) if file.parent.name == "hammering")
    for number, start in enumerate(STARTS):
        sample, true = read_clip(file_of(system, number), FORMAT), read_clip(truth, FORMAT, start)
        expected = {
            "psnr": psnr(sample.pixels[None], true.pixels[None]),
            "onset_f1": onset_f1(sample.waveform[None], sample.pixels[None], 6, 16_000),
        }
        for name, value in expected.items():
            assert results["values"][name][f"{KEY}_clip-{number:02d}"] == pytest.approx(float(value))


def test_results_say_all_that_the_numbers_depend_on(scored):
    output, results = scored
    assert list(results["values"]) == [
        "onset_f1", "onset_motion_correlation", "av_align", "motion_correlation", "motion_energy_ratio", "psnr", "ssim",
        "loudness",
    ]  # fmt: skip
    facts = results["facts"]
    assert (facts["clips"], facts["videos"], facts["frames"], facts["fps"], facts["size"]) == (9, 3, 6, 6.0, "48x64")
    assert (facts["guidance"], facts["seed"], facts["sound"]) == ("audio 4.0 text 1.0", "3", "generated")
    assert facts["weights of loudness"] == results["protocol"]["measures"]["loudness"]["weights"][:12]
    assert len(results["protocol"]["reference"]) == 64
    assert {"torch", "av", "decoder libavcodec", "asva-lightning"} <= set(results["versions"])
    assert results["videos"][f"{KEY}_clip-01"] == KEY
    assert results["clip_facts"][f"{KEY}_clip-01"] == {"guidance": {"audio": 4.0, "text": 1.0}, "seed": 3}
    assert results["excluded"] == {}
    assert set(results["scores"]["psnr"]["classes"]) == {"dog barking", "hammering", "striking bowling"}
    table = output.with_suffix(".md").read_text()
    assert "guidance audio 4.0 text 1.0" in table
    assert "| psnr " in table
    assert sorted(path.name for path in output.parent.iterdir()) == ["judges.yaml", "results.json", "results.md"]


def test_a_distance_between_sets_has_an_interval_over_videos(scored):
    _, results = scored
    of_all = results["sets"]["brightness"]["all"]
    assert of_all["mean"] == pytest.approx(10, abs=1)
    assert of_all["low"] < of_all["mean"] < of_all["high"]
    assert results["sets"]["brightness"]["class hammering"]["mean"] == pytest.approx(10, abs=1)
    draws = results["set_draws"]["brightness"]
    assert len(draws) == 20
    assert of_all["high"] - of_all["mean"] == pytest.approx(1.96 * np.std(draws, ddof=1))


def test_the_same_videos_are_drawn_for_every_system():
    zero = torch.zeros(1, 1)
    one = {f"clip{number}": (torch.full((1, 1), float(number)), zero) for number in range(6)}
    other = {key: (2 * generated, zero) for key, (generated, _) in reversed(one.items())}
    videos = dict(zip(one, "aabbcd"))
    first, second = (set_score("brightness", Brightness(), sets, videos)[1] for sets in (one, other))
    assert len(set(first)) > 5
    assert second == pytest.approx([2 * distance for distance in first])


@pytest.mark.slow
def test_results_do_not_depend_on_the_number_of_processes(clip_folder, system, scored, tmp_path):
    output, alone = scored
    judges = f"--config={output.with_name('judges.yaml')}"
    together = evaluate(system, clip_folder, tmp_path / "r.json", judges, "--measures=[psnr,onset_f1]", "--workers=2")
    assert together["values"] == {name: alone["values"][name] for name in ("psnr", "onset_f1", "loudness")}
    assert together["sets"] == alone["sets"]


def test_missing_and_extra_files_are_listed(clip_folder, copied, tmp_path, capsys):
    file_of(copied, 1).unlink()
    shutil.copy(file_of(copied, 0), file_of(copied, 3))
    shutil.copy(file_of(copied, 0), copied / "hammering" / "another.mp4")
    words = [f"--generated={copied}", f"--reference={clip_folder}", f"--output={tmp_path / 'r.json'}"]
    error = refused(capsys, *words)
    assert f"1 file missing: {KEY}_clip-01; 2 files without a true clip: hammering/another.mp4, " in error
    assert "--allow_partial" in error
    assert not (tmp_path / "r.json").exists()
    results = evaluate(copied, clip_folder, tmp_path / "r.json", "--allow-partial", "--measures=[psnr]")
    assert results["missing"] == [f"{KEY}_clip-01"]
    assert len(results["extra"]) == 2
    assert results["facts"]["clips"] == 8
    assert "Partial: 1 file missing" in (tmp_path / "r.md").read_text()


def test_long_lists_are_cut(clip_folder, copied, tmp_path, capsys):
    for number in range(12):
        shutil.copy(file_of(copied, 0), copied / f"strange{number:02d}.mp4")
    error = refused(capsys, f"--generated={copied}", f"--reference={clip_folder}", f"--output={tmp_path / 'r.json'}")
    assert "12 files without a true clip: strange00.mp4, " in error
    assert "strange09.mp4 and 2 more" in error


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"pixels": (3, 5, 48, 64)}, "has 5 frames, not 6. Set --format.frames"),
        ({"fps": 12}, "has 12 frames a second, not 6. Set --format.fps"),
        ({"pixels": (3, 6, 64, 64)}, "is 64 x 64 pixels, not 64 x 48 or a whole multiple. Set --format.width"),
        ({"waveform": None}, "has no sound. Write the sound into the file, or judge the true sound with --sound"),
        ({"waveform": torch.rand(12_000) - 0.5}, "has sound from 0.00 s to 0.75 s, not from 0 to 1 s. Write the whole"),
        ({"waveform": torch.zeros(16_000)}, "is silent, but its true clip is not. Was the sound lost?"),
        ({"content": b"no video"}, "cannot be read"),
        ({"content": b""}, "is empty (0 bytes)"),
    ],
    ids=["length", "rate", "size", "no sound", "short sound", "silence", "damaged", "empty"],
)
def test_a_clip_that_is_none_is_excluded_counted_and_told(changes, reason, clip_folder, copied, tmp_path, capsys):
    if "content" in changes:
        file_of(copied, 0).write_bytes(changes["content"])
    else:
        pixels = torch.randint(256, changes.get("pixels", (3, 6, 48, 64)), dtype=torch.uint8)
        sound = changes.get("waveform", torch.rand(16_000) - 0.5)
        write_clip(file_of(copied, 0), pixels, changes.get("fps", 6), sound, 16_000)
    with pytest.raises(SystemExit) as stop:
        evaluate(copied, clip_folder, tmp_path / "r.json", "--measures=[onset_f1]")
    assert stop.value.code == 1
    results = json.loads((tmp_path / "r.json").read_text())
    assert len(results["values"]["onset_f1"]) == 8
    assert list(results["excluded"]) == [f"{KEY}_clip-00"]
    assert reason in results["excluded"][f"{KEY}_clip-00"]
    assert f"1 clip excluded:\n\n- {KEY}_clip-00: " in capsys.readouterr().out


def test_the_true_sound_may_be_judged_instead(clip_folder, copied, tmp_path):
    for file in copied.rglob("*.mp4"):
        write_clip(file, read_clip(file, FORMAT).pixels, 6, None, 16_000)
    results = evaluate(copied, clip_folder, tmp_path / "r.json", "--sound=reference", "--measures=[onset_f1]")
    truth = read_clip(next(file for file in true_files(clip_folder) if file.parent.name == "hammering"), FORMAT, 1.0)
    pixels = read_frames(file_of(copied, 1), FORMAT.times, FORMAT.height, FORMAT.width)
    expected = float(onset_f1(truth.waveform[None], pixels[None], 6, 16_000))
    assert results["values"]["onset_f1"][f"{KEY}_clip-01"] == pytest.approx(expected)


def test_pictures_that_were_enlarged_are_taken(clip_folder, tmp_path):
    large = write_system(clip_folder, tmp_path / "large", brighter=10, enlarge=3)
    results = evaluate(large, clip_folder, tmp_path / "r.json", "--measures=[psnr]")
    assert results["facts"]["clips"] == 9


def test_values_that_are_no_finite_numbers_are_left_out_and_counted(clip_folder, tmp_path):
    equal = write_system(clip_folder, tmp_path / "equal")
    for file in true_files(clip_folder):  # the very pixels and sound of the truth
        shutil.copy(equal / file.parent.name / f"{file.stem}_clip-00.mp4", tmp_path / f"{file.parent.name}.mp4")
    folder = tmp_path / "truth"
    folder.mkdir()
    for file in tmp_path.glob("*.mp4"):
        file.rename(folder / file.name)
    results = evaluate(folder, folder, tmp_path / "r.json", "--measures=[psnr,ssim]")
    assert results["scores"]["psnr"]["all"] == {"mean": None, "low": None, "high": None, "count": 0, "left_out": 3}
    assert results["scores"]["ssim"]["all"]["mean"] == pytest.approx(1, abs=1e-3)


def test_features_that_are_no_numbers_exclude_the_clip(clip_folder, system, tmp_path, capsys):
    (tmp_path / "j.yaml").write_text("judges:\n  broken: {class_path: judges_for_tests.Broken}\n")
    error = refused(capsys, f"--generated={system}", f"--reference={clip_folder}", f"--output={tmp_path / 'r.json'}",
                    f"--config={tmp_path / 'j.yaml'}", "--measures=[]")  # fmt: skip
    assert "Not one of 9 clips could be judged" in error
    assert "(broken generated) are NaN or infinite" in error


def test_an_interrupted_start_is_continued_and_other_settings_are_refused(
    clip_folder, system, tmp_path, capsys, monkeypatch
):
    from asva_lightning.evaluation.judging import PairJudge

    judged, real = [], PairJudge.__call__

    def stop_at_the_fifth(self, pair):
        judged.append(pair.key)
        if len(judged) == 5:
            raise KeyboardInterrupt
        return real(self, pair)

    monkeypatch.setattr(PairJudge, "__call__", stop_at_the_fifth)
    with pytest.raises(SystemExit, match="130"):
        evaluate(system, clip_folder, tmp_path / "r.json", "--measures=[psnr]")
    words = [f"--generated={system}", f"--reference={clip_folder}", f"--output={tmp_path / 'r.json'}"]
    assert "was begun with other settings" in refused(capsys, *words, "--measures=[ssim]")
    assert evaluate(system, clip_folder, tmp_path / "r.json", "--measures=[psnr]")["facts"]["clips"] == 9
    assert len(judged) == 5 + 5
    assert not list(tmp_path.glob("*.jsonl"))


def test_clips_are_matched_with_shards_and_by_the_names_of_predict(synth_shards, tmp_path, capsys):
    from asva_lightning.data.clips import open_member
    from asva_lightning.data.manifest import Dataset
    from asva_lightning.diffusion.generate import clip_name

    words = ["--format.height=32", "--format.width=32", "--measures=[psnr]"]
    samples = Dataset.open(synth_shards).samples("test")
    short = type(FORMAT)(frames=6, fps=6, height=32, width=32)
    for sample in samples:
        start = (sample.seconds - 1) / 2
        clip = read_clip(open_member(sample), short, start)
        path = tmp_path / "predictions" / f"{clip_name(sample.key, start)}.mp4"
        path.parent.mkdir(exist_ok=True)
        write_clip(path, clip.pixels, 6, clip.waveform, 16_000)
    results = evaluate(path.parent, synth_shards, tmp_path / "r.json", *words)
    assert results["facts"]["clips"] == 8
    # Another stretch would show other pixels.
    assert min(results["values"]["psnr"].values()) > 30
    shutil.copy(path, path.with_name(f"{clip_name(samples[0].key, 0.5)}.mp4"))
    error = refused(capsys, f"--generated={path.parent}", f"--reference={synth_shards}", *words)
    assert f"7 files missing: {samples[1].key} (1 of 2 clips), " in error


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "There is nothing to score. Give --generated FOLDER, or --shift_test"),
        (["--generated=SYSTEM", "--measures=[fvd]"], "--measures does not know fvd. Choose of onset_f1, "),
        (["--generated=SYSTEM", "--measures=[psnr,psnr]"], "Two measures are called psnr"),
        (["--generated=SYSTEM", "--measures=[]"], "There is no measure. Name some of onset_f1"),
        (["--generated=SYSTEM", "--output=r.csv"], "--output r.csv must end in .json"),
        (["--generated=SYSTEM", "--output=FOLDER.json"], "is a folder. Give a file in it, such as "),
        (["--generated=SYSTEM", "--set_resamples=-1"], "--set_resamples must be 0 or more, not -1"),
        (["--generated=SYSTEM", "--clips_per_reference=0"], "--clips_per_reference must be 1 or more, not 0"),
        (["--generated=SYSTEM", "--split=validation"], "no clip in the split 'validation', only in test, train"),
        (["--generated=nowhere"], "--generated nowhere does not exist"),
        (["--generated=EMPTY"], "holds no mp4 file"),
        (["--generated=SYSTEM", "--shift-test"], "true clips with their own sound; leave --generated out"),
        (["--shift-test", "--sound=scrambled"], "true clips with their own sound; leave --sound out"),
        (
            ["--shift-test", "--allow_partial", "--clips_per_reference=2", "--set_resamples=5"],
            "leave --allow_partial, --clips_per_reference, --set_resamples out",
        ),
        (["--generated=SYSTEM", '--judges={"x": {"class_path": "judges_for_tests.None"}}'], "below `judges` cannot be"),
        (["--generated=SYSTEM", '--judges={"psnr": {"class_path": "judges_for_tests.Loudness"}}'], "called psnr"),
        (["--generated=SYSTEM", '--judges={"x": {"class_path": "judges_for_tests.Untyped"}}'], "types written down"),
    ],
)
def test_what_cannot_be_is_refused_at_once(words, message, clip_folder, system, tmp_path, capsys):
    places = {"SYSTEM": system, "EMPTY": tmp_path / "empty", "FOLDER.json": tmp_path / "folder.json"}
    (tmp_path / "empty").mkdir()
    (tmp_path / "folder.json").mkdir()
    for name, place in places.items():
        words = [word.replace(name, str(place)) for word in words]
    assert message in refused(capsys, f"--reference={clip_folder}", *words)


NETWORKS = {
    "fid.FID": "network",
    "fvd.FVD": "network",
    "image_audio.ImageAudioSimilarity": "network",
    "legacy.ReadBackRelSync": "classifier",
}


@pytest.mark.parametrize("way", [("--generated=SYSTEM", "--sound=reference"), ("--shift_test",)])
@pytest.mark.parametrize("name", NETWORKS)
def test_judging_weights_that_are_not_there_are_told_by_their_own_message(name, way, clip_folder, system, capsys):
    path, argument = f"asva_lightning.metrics.{name}", NETWORKS[name]
    judge = {"class_path": path, "init_args": {argument: "nowhere/weights.pth"}}
    words = [word.replace("SYSTEM", str(system)) for word in way]
    error = refused(capsys, *words, f"--reference={clip_folder}", f"--judges={json.dumps({'x': judge})}")
    assert error.startswith("error: nowhere/weights.pth "), "the file comes first, and no account of a parser"
    assert "Needed: " in error
    assert "Subtypes" not in error


def test_a_flat_folder_of_clips_that_share_names_is_refused(clip_folder, system, tmp_path, capsys):
    shutil.copy(file_of(system, 0), tmp_path / file_of(system, 0).name)
    error = refused(capsys, f"--generated={tmp_path}", f"--reference={clip_folder}")
    assert "could belong to 3 true clips: dog_barking/clip3" in error
    assert "one folder a class" in error


def test_names_that_fit_nothing_and_names_that_fit_twice(clip_folder, system, tmp_path, capsys):
    (tmp_path / "one").mkdir()
    shutil.copy(file_of(system, 0), tmp_path / "one" / "clip.mp4")
    error = refused(capsys, f"--generated={tmp_path / 'one'}", f"--reference={clip_folder}", "--allow_partial")
    assert "No file of" in error
    assert "fits a clip of" in error
    for name in ("x/hammering", "y/hammering"):
        (tmp_path / "two" / name).mkdir(parents=True)
        shutil.copy(file_of(system, 0), tmp_path / "two" / name)
    error = refused(capsys, f"--generated={tmp_path / 'two'}", f"--reference={clip_folder}")
    assert f"are for the same true clip {KEY}. Remove one of them" in error


def test_a_clip_whose_sample_was_no_number_is_excluded(clip_folder, copied, tmp_path):
    file_of(copied, 0).with_suffix(".json").write_text(json.dumps({"seed": 3, "finite": False}))
    with pytest.raises(SystemExit):
        evaluate(copied, clip_folder, tmp_path / "r.json", "--measures=[psnr]")
    results = json.loads((tmp_path / "r.json").read_text())
    assert len(results["texts"]) == 8
    assert "the sample holds values that are no finite numbers" in results["excluded"][f"{KEY}_clip-00"]


def test_a_measure_that_cannot_judge_the_format_is_told_at_once_and_not_clip_by_clip(
    clip_folder, system, tmp_path, capsys
):
    words = [f"--generated={system}", f"--reference={clip_folder}", f"--output={tmp_path / 'r.json'}"]
    error = refused(capsys, *words, "--format.fps=4")
    assert "onset_f1 cannot judge clips of this format: OnsetF1 has tolerance=0.1 s" in error
    assert not list(tmp_path.iterdir())
    choosy = '--judges={"choosy": {"class_path": "judges_for_tests.Choosy"}}'
    error = refused(capsys, *words, choosy, "--measures=[]")
    assert error.count("Choosy wants silence.") == 1, "it is no fault of the clips"
    assert not (tmp_path / "r.json").exists()


def test_which_weights_made_the_clips_is_said(clip_folder, copied, tmp_path):
    made = {"weights": "raw", "checkpoint": "abc", "scheduler": {"name": "PNDMScheduler", "options": {}}}
    for file in copied.rglob("*.json"):
        file.write_text(json.dumps(made))
    results = evaluate(copied, clip_folder, tmp_path / "r.json", "--measures=[psnr]")
    assert results["facts"]["weights"] == "raw"
    assert results["clip_facts"][f"{KEY}_clip-01"] == made
    assert "weights raw" in (tmp_path / "r.md").read_text()


def test_a_mixture_of_systems_is_told(clip_folder, copied, tmp_path, caplog):
    for number, file in enumerate(sorted(copied.rglob("*.json"))):
        file.write_text(json.dumps({"step": 500 if number else 1000, "steps": 50 if number else 20, "seed": number}))
    results = evaluate(copied, clip_folder, tmp_path / "r.json", "--measures=[psnr]")
    assert (results["facts"]["step"], results["facts"]["sampling steps"]) == ("differs between clips",) * 2
    assert "by the JSON files beside them they differ in step, sampling steps (or some do not say)" in caplog.text
    caplog.clear()
    for file in copied.rglob("*.json"):
        file.write_text(json.dumps({"step": 500, "steps": 50, "seed": len(file.stem)}))
    results = evaluate(copied, clip_folder, tmp_path / "r.json", "--measures=[psnr]")
    assert (results["facts"]["step"], results["facts"]["sampling steps"]) == ("500", "50")
    assert "no one system" not in caplog.text


def test_an_infinite_distance_does_not_cost_the_other_values(clip_folder, system, tmp_path, caplog):
    judges = '--judges={"endless": {"class_path": "judges_for_tests.Endless"}}'
    results = evaluate(system, clip_folder, tmp_path / "r.json", judges, "--measures=[psnr]")
    assert len(results["values"]["psnr"]) == 9
    assert results["sets"]["endless"]["all"]["mean"] is None
    assert "endless of 9 clips: The distance is inf, no finite number" in caplog.text
