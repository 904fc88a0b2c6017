"""docs/extend.md: its files, its YAML and its commands, as a researcher types them in the root of the repository."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
import torch
import yaml
from clip_files import write_clicking_square
from evaluation.systems import true_files, write_system
from training.runs_for_tests import ROOT, TINY, checkpoint, only_run

from asva_lightning import encoders
from asva_lightning.cli import main
from asva_lightning.data.manifest import Dataset
from asva_lightning.diffusion import CleanTarget, EpsilonTarget, VelocityTarget
from asva_lightning.encoders import RadiusWindows
from asva_lightning.errors import ConfigurationError, ShardsError
from asva_lightning.evaluation.measures import PanelDescription

PAGE = (ROOT / "docs" / "extend.md").read_text(encoding="utf-8")
EXAMPLES = ROOT / "docs" / "examples"
FILES = dict(re.findall(r"```yaml\n# (\S+)\n(.+?)```", PAGE, re.DOTALL))
COMMANDS = [
    shlex.split(words.replace("\\\n", ""))
    for words in re.findall(r"^    python -m asva_lightning ((?:.+\\\n)*.+)$", PAGE, re.MULTILINE)
]
PLAIN = ("--trainer.callbacks=[]", "--run.validate_every=null", "--run.save_every=1", "--trainer.max_steps=2")


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """Where the commands are typed: recipes, the page's YAML, and recordings as it describes them."""
    folder = tmp_path_factory.mktemp("repository")
    (folder / "experiments").symlink_to(ROOT / "experiments")
    (folder / "docs").symlink_to(ROOT / "docs")
    for name, text in FILES.items():
        (folder / name).write_text(text)
    [told] = re.findall(r"^    my_recordings/0001.json +(.+)$", PAGE, re.MULTILINE)
    record(folder, told, '{"text": "hammering", "split": "test"}', '{"text": "hammering"}', '{"text": "no sound"}')
    return folder


def record(folder: Path, *about: str) -> None:
    """Numbered clips with a JSON file beside each; the fourth has no sound."""
    for number, text in enumerate(about, start=1):
        file = folder / "my_recordings" / f"{number:04d}.mp4"
        write_clicking_square(file, number, sound=number != 4)
        file.with_suffix(".json").write_text(text)


@pytest.fixture
def typed(repository, synth_shards, tmp_path, monkeypatch):
    """Types the page's command that begins so and names this file, made small; returns the run folder."""
    monkeypatch.chdir(repository)
    monkeypatch.syspath_prepend(EXAMPLES)

    def command(name: str, file: str, *more: str, command: str | None = None) -> Path:
        words = the_command(name, file)
        words[0] = command or name
        small = [f"--config={TINY}", f"--data.shards={synth_shards}", f"--run.root={tmp_path / 'runs'}", *PLAIN]
        recipe = words.index("experiments/quickstart.yaml")
        main([*words[: recipe + 1], *small, *words[recipe + 1 :], *more])
        return only_run(tmp_path / "runs")

    return command


def the_command(name: str, file: str) -> list[str]:
    found = [words for words in COMMANDS if words[0] == name and file in words]
    assert len(found) == 1, (name, file)
    return [*found[0]]


def example(name: str):
    module, _, part = name.partition(".")
    return getattr(import_module(module), part)


def refused(capsys, *words) -> str:
    with pytest.raises(SystemExit) as stop:
        main([str(word) for word in words])
    assert stop.value.code == 1
    return capsys.readouterr().err


def changed_copy(run: Path, change) -> Path:
    """A copy of a run folder whose configuration was edited."""
    copy = run.with_name("copy")
    shutil.copytree(run, copy)
    config = yaml.safe_load((copy / "config.yaml").read_text())
    change(config["model"]["init_args"])
    (copy / "config.yaml").write_text(yaml.safe_dump(config))
    return copy


def test_the_page_tells_of_every_example_and_every_command_is_tried():
    assert {f"{name}.py" for name in re.findall(r"\]\(examples/(\w+)\.py\)", PAGE)} == {
        file.name for file in EXAMPLES.glob("*.py")
    }
    tried = {
        "envelope.yaml": ("fit", "predict"), "p2.yaml": ("fit",), "numbered.yaml": ("shards",),
        "smoothness.yaml": ("evaluate",), "watch_smoothness.yaml": ("fit", "test"),
    }  # fmt: skip
    assert [the_command(name, file) for file, names in tried.items() for name in names] == COMMANDS
    assert tried.keys() == FILES.keys()


def test_a_run_hears_through_the_encoder_and_only_the_package_can_open_it(
    typed, synth_shards, monkeypatch, tmp_path, capsys
):
    run = typed("fit", "envelope.yaml", "--trainer.max_steps=1")
    typed("fit", "envelope.yaml")  # goes on
    before, after = (checkpoint(run, step) for step in (1, 2))
    weight = "conditioner.audio.linear.weight"
    assert not torch.equal(before["state_dict"][weight], after["state_dict"][weight])
    assert weight in after["average"]["parameters"]
    typed("predict", "envelope.yaml", "--trainer.limit_predict_batches=1")
    assert len(list((run / "predictions").glob("**/*.mp4"))) == 4
    typed("fit", "envelope.yaml", command="doctor")
    assert "50 audio tokens of which a frame sees 5" in capsys.readouterr().out

    told = re.search(r"asks for the class .+ it is not loaded\.", PAGE)[0]
    clip = tmp_path / "clip.mp4"
    write_clicking_square(clip, 0, seconds=2.0)
    animate = ["animate", f"--video={clip}", f"--output={tmp_path / 'out.mp4'}"]
    assert told in refused(capsys, *animate, f"--checkpoint={run}")
    assert told in refused(capsys, "export", run, tmp_path / "model")
    shards, output = f"--shards={synth_shards}", f"--output={tmp_path / 'follow'}"
    assert told in refused(capsys, "follow", "swap", shards, "--clips=2", output, f"--checkpoint={run}")

    place = re.search(r"write `(asva_lightning\.\S+)`", PAGE)[1]
    moved = changed_copy(run, lambda model: model["conditioner"]["init_args"]["audio"].update(class_path=place))
    monkeypatch.setattr(encoders, "__path__", [*encoders.__path__, str(EXAMPLES)])  # as if the file were moved there
    main([*animate, f"--checkpoint={moved}"])
    assert (tmp_path / "out.mp4").stat().st_size > 1000
    assert "add the class to asva_lightning/diffusion/pipeline_folder.py" in refused(
        capsys, "export", moved, tmp_path / "model"
    )


def test_an_envelope_token_tells_how_loud_it_is_at_its_time(monkeypatch):
    monkeypatch.syspath_prepend(EXAMPLES)
    encoder = example("envelope_encoder.EnvelopeEncoder")(channels=8)
    sound = torch.zeros(2, 16_100)
    sound[1, 8_000:8_160] = 0.1  # the first of the four stretches of 10 ms from 0.48 s on is still silent
    grid, tokens = encoder.grid(16_100), encoder(sound)
    assert tokens.shape == (2, grid.tokens, 8)
    assert grid.tokens == 26, "a sound that is no multiple of 40 ms has a last token too"
    [heard] = (tokens[0] != tokens[1]).any(dim=1).nonzero(as_tuple=True)
    assert grid.times[heard].tolist() == pytest.approx([0.5])
    expected = encoder.linear(torch.tensor([0.0, 0.0, 0.75, 0.0]))  # -20 of 80 dB
    torch.testing.assert_close(tokens[1, heard[0]], expected)
    torch.testing.assert_close(encoder.null(16_100), tokens[:1])
    assert RadiusWindows(0.1)(6, grid, 1.0)[3].nonzero()[:, 0].tolist() == [10, 11, 12, 13, 14]


def test_the_loss_is_weighed_and_the_trained_model_does_without(typed, monkeypatch, tmp_path, capsys):
    monkeypatch.syspath_prepend(EXAMPLES)
    kind, asked = example("p2_weighting.P2Weighting"), []
    weigh = kind.__call__

    def watched(self, signal_to_noise, target):
        asked.append((self.gamma, type(target), tuple(signal_to_noise.shape)))
        return weigh(self, signal_to_noise, target)

    monkeypatch.setattr(kind, "__call__", watched)
    run = typed("fit", "p2.yaml")
    assert asked == [(0.5, CleanTarget, (4,))] * 2
    assert "p2_weighting.P2Weighting, which is of none" in refused(capsys, "export", run, tmp_path / "model")
    main(["export", str(changed_copy(run, lambda model: model["objective"]["init_args"].pop("weighting"))),
          str(tmp_path / "model")])  # fmt: skip
    assert (tmp_path / "model" / "model_index.json").is_file()


def test_p2_weights_the_error_of_the_noise_alike_for_every_target(monkeypatch):
    monkeypatch.syspath_prepend(EXAMPLES)
    kind, ratio = example("p2_weighting.P2Weighting"), torch.tensor([0.0, 0.5, 1.0, 30.0])
    torch.testing.assert_close(kind(k=2.0, gamma=0.5)(ratio, EpsilonTarget()), (2 + ratio) ** -0.5)
    torch.testing.assert_close(kind()(ratio, CleanTarget()), ratio / (1 + ratio), atol=1e-7, rtol=1e-6)
    torch.testing.assert_close(kind()(ratio, VelocityTarget()), ratio / (1 + ratio) ** 2, atol=1e-7, rtol=1e-6)
    with pytest.raises(ConfigurationError, match="needs k > 0 and gamma >= 0, not 0.0 and 1"):
        kind(k=0.0)


def test_shards_are_built_from_the_source(repository, monkeypatch, capsys):
    monkeypatch.chdir(repository)
    monkeypatch.syspath_prepend(EXAMPLES)
    with pytest.raises(SystemExit) as stop:
        main([*the_command("shards", "numbered.yaml"), "--workers=1"])
    assert stop.value.code == 1, "a clip is left out"
    assert "has no sound" in capsys.readouterr().out
    dataset = Dataset.open(repository / "shards" / "numbered")
    samples = {sample.key: (split, sample) for split in dataset.splits for sample in dataset.samples(split)}
    assert {key: split for key, (split, _) in samples.items()} == {
        "dog_barking/0001": "train", "hammering/0002": "test", "hammering/0003": "train",
    }  # fmt: skip
    first = samples["dog_barking/0001"][1]
    assert (first.text, first.extra) == ("dog barking", {"microphone": "left"})
    Path("wrong.yaml").write_text(FILES["numbered.yaml"].replace("0.25", "often"))
    with pytest.raises(SystemExit):
        main(["shards", "build", "wrong.yaml", "shards/wrong"])
    assert "test_share" in capsys.readouterr().err, "YAML is checked against the annotations"


def test_python_m_finds_a_file_in_the_current_folder_and_so_do_its_workers(tmp_path):
    shutil.copy(EXAMPLES / "numbered_clips.py", tmp_path)
    (tmp_path / "numbered.yaml").write_text(FILES["numbered.yaml"])
    record(tmp_path, '{"text": "rain"}')
    build = shlex.join(the_command("shards", "numbered.yaml"))
    assert "No module named 'numbered_clips'" in terminal(f"asva-lightning {build}", tmp_path, code=1)
    terminal(f"python -m asva_lightning {build}", tmp_path)
    assert (tmp_path / "shards" / "numbered" / "dataset.json").is_file()


def test_the_line_that_is_exported_leads_to_every_file(repository):
    [export] = re.findall(r"^    (export .+)$", PAGE, re.MULTILINE)
    modules = {path.split(".")[0] for path in re.findall(r"class_path: (\w+\.\w+)", PAGE)} - {"asva_lightning"}
    assert len(modules) == 4
    find = f"import importlib.util as u; print([u.find_spec(name) is not None for name in {sorted(modules)}])"
    assert "[True, True, True, True]" in terminal(f"{export}\npython -c {shlex.quote(find)}", repository)


def terminal(lines: str, folder: Path, code: int = 0) -> str:
    """What the lines print that are typed in this folder."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment |= {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(["bash", "-ec", lines], cwd=folder, env=environment, capture_output=True, text=True,
                          timeout=240, check=False)  # fmt: skip
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize(
    ("about", "message"),
    [
        (None, "0001.json cannot be read"),
        ("{}", '0001.json does not say what 0001.mp4 shows. Add "text"'),
        ('{"text": "rain", "split": "dev"}', "0001.json has the split 'dev', not train, validation, test."),
    ],
)
def test_what_is_wrong_with_the_whole_set_is_said(about, message, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(EXAMPLES)
    source = example("numbered_clips.NumberedClips")(str(tmp_path))
    with pytest.raises(ShardsError, match=r"no mp4 file in .+ Give the folder that holds 0001\.mp4"):
        source.items()
    (tmp_path / "0001.mp4").touch()
    if about is not None:
        (tmp_path / "0001.json").write_text(about)
    with pytest.raises(ShardsError, match=re.escape(message)):
        source.items()


def test_evaluate_has_the_measure_in_its_table(clip_folder, tmp_path, monkeypatch, capsys):
    words = the_command("evaluate", "smoothness.yaml")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(EXAMPLES)
    Path("smoothness.yaml").write_text(FILES["smoothness.yaml"])
    Path(words[words.index("--reference") + 1]).symlink_to(clip_folder)
    write_system(clip_folder, Path(words[words.index("--generated") + 1]))
    main([*words, "--workers=1", "--measures=[psnr]"])
    results = json.loads(Path("results.json").read_text())
    values = results["values"]["smoothness"]
    assert len(values) == 3 * len(true_files(clip_folder)) == results["scores"]["smoothness"]["all"]["count"]
    assert all(0 < value < 1 for value in values.values())
    assert "| smoothness" in Path("results.md").read_text()
    main(["report", "results.json", "results.json"])
    assert "| smoothness" in capsys.readouterr().out.rpartition("p-value")[2]


def test_a_measure_of_another_form_is_refused(monkeypatch):
    monkeypatch.syspath_prepend(EXAMPLES)
    kind = example("motion_smoothness.MotionSmoothness")
    monkeypatch.setattr(kind, "measure", lambda self, sample, format: 1.0)
    with pytest.raises(ConfigurationError, match="does not implement"):
        PanelDescription.of([], yaml.safe_load(FILES["smoothness.yaml"])["judges"]).build()


def test_smoothness_of_motion_that_goes_on_and_of_motion_that_is_taken_back(monkeypatch):
    monkeypatch.syspath_prepend(EXAMPLES)
    smoothness = example("motion_smoothness.motion_smoothness")

    def clip(*levels):
        return torch.tensor(levels, dtype=torch.uint8)[None, :, None, None].expand(3, -1, 8, 8)

    assert smoothness(clip(0, 50, 100, 150)) == pytest.approx(1)
    assert smoothness(clip(0, 50, 0, 50)) == pytest.approx(0)
    assert smoothness(clip(0, 40, 60)) == pytest.approx(1 - 20 / 60)
    assert torch.tensor(smoothness(clip(9, 9, 9))).isnan()
    with pytest.raises(ConfigurationError, match="needs 3 frames, not 2"):
        smoothness(clip(0, 9))


def test_a_run_is_watched_and_tested_by_the_measure(typed, repository, tmp_path):
    watch = FILES["watch_smoothness.yaml"]
    small = watch.replace("every: 400", "every: 2").replace("clips: 8", "clips: 2\n        test_clips: 3")
    assert small.count("2") > watch.count("2")
    (repository / "watch_smoothness.yaml").write_text(small)
    run = typed("fit", "watch_smoothness.yaml")
    logged = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in logged if "sync/smoothness" in line] == [2]
    typed("test", "watch_smoothness.yaml")
    assert len(json.loads((run / "test.json").read_text())["values"]["smoothness"]) == 3
    [scores] = yaml.safe_load((run / "config.yaml").read_text())["trainer"]["callbacks"]
    assert scores["init_args"]["measures"].keys() == {"motion_correlation", "smoothness"}
    main(["export", str(run), str(tmp_path / "model")])
    assert (tmp_path / "model" / "model_index.json").is_file(), "a measure is no part of the model"
