"""Audio encoders and windows from the command line to an opened export: fit, resume, doctor, export, animate."""

import json
import logging

import pytest
import torch
import yaml
from PIL import Image
from tiny_ast import write_tiny_ast
from training.runs_for_tests import assert_same, checkpoint, fit, only_run, words

from asva_lightning.cli import main
from asva_lightning.diffusion import AnimationPipeline
from asva_lightning.diffusion import guidance as warnings
from asva_lightning.encoders import Conditioner, LogMelEncoder, NoAudio, SeveralAudioNetworks
from asva_lightning.media import probe, write_clip
from asva_lightning.training.sources import open_pipeline
from asva_lightning.training.task import AnimationTask

PART = "asva_lightning.encoders"
QUICK = "--trainer.callbacks=[]"
LINEARS = {f"linears.{number}" for number in (0, 1, 2)} | {
    "encoders.0.project.linears.1",
    "encoders.0.project.linears.3",
}


def overlay(folder, **parts):
    path = folder / "audio.yaml"
    path.write_text(yaml.safe_dump({"model": {"init_args": {"conditioner": {"init_args": parts}}}}))
    return f"--config={path}"


@pytest.fixture(scope="module")
def imagebind(reference, tmp_path_factory):
    path = tmp_path_factory.mktemp("imagebind") / "imagebind_huge.pth"
    tensors = reference("imagebind_small", "imagebind").weights
    torch.save({name: tensor for name, tensor in tensors.items() if ".audio." in name}, path)
    return path


@pytest.fixture(scope="module")
def ast(tmp_path_factory):
    return write_tiny_ast(tmp_path_factory.mktemp("weights") / "ast")


@pytest.fixture(scope="module")
def several(ast, imagebind, tmp_path_factory):
    """The words for a recipe that hears through three encoders at once, of which two are frozen."""
    encoders = [
        {"class_path": f"{PART}.AstAudio", "init_args": {"folder": str(ast), "layers": [1, 3], "layer_channels": 8}},
        {"class_path": f"{PART}.ImageBindAudio", "init_args": {"weights": str(imagebind), "heads": 4}},
        {"class_path": f"{PART}.LogMelEncoder", "init_args": {"channels": 12, "layers": 1}},
    ]
    audio = {"class_path": f"{PART}.SeveralAudioEncoders", "init_args": {"encoders": encoders, "channels": 16}}
    return [overlay(tmp_path_factory.mktemp("several"), audio=audio), QUICK]


@pytest.fixture(scope="module")
def run(synth_shards, several, tmp_path_factory):
    """Two steps, stopped, and two more."""
    root = tmp_path_factory.mktemp("several-runs")
    fit(synth_shards, root, *several)
    return fit(synth_shards, root, *several, "--trainer.max_steps=4")


@pytest.fixture
def deaf(synth_shards, tmp_path):
    """The words for a recipe without sound."""
    return words("fit", synth_shards, tmp_path, overlay(tmp_path, windows={"class_path": f"{PART}.NoAudio"}), QUICK)


def video(opened):
    picture = torch.randint(0, 256, (3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    sound = 0.1 * torch.randn(32_000, generator=torch.Generator().manual_seed(1))
    return opened(picture, sound, generator=torch.Generator().manual_seed(2), output_type="pt").frames


def test_linears_are_trained_averaged_and_kept_and_what_is_frozen_is_not(run):
    before, after = checkpoint(run, 2), checkpoint(run, 4)
    audio = "conditioner.audio."
    own = {name.removeprefix(audio) for name in after["state_dict"] if name.startswith(audio)}
    names = {f"{linear}.{part}" for linear in LINEARS for part in ("weight", "bias")}
    log_mel = {f"encoders.2.{name}" for name in LogMelEncoder(channels=12, layers=1).state_dict()}
    assert own == names | log_mel
    assert {f"{audio}{name}" for name in own} <= after["average"]["parameters"].keys()
    for name in names:
        assert not torch.equal(before["state_dict"][audio + name], after["state_dict"][audio + name]), name
    assert set(after["frozen"]) == {"audio_encoder"}
    assert before["frozen"] == after["frozen"], "of AST and ImageBind, which the checkpoint leaves out"


def test_the_export_makes_the_same_videos_and_names_all_licences(run, tmp_path):
    main(["export", str(run), str(tmp_path / "model")])
    index = json.loads((tmp_path / "model" / "model_index.json").read_text())
    assert index["audio_encoder"] == ["asva_lightning", "SeveralAudioNetworks"]
    opened = AnimationPipeline.from_pretrained(tmp_path / "model")
    assert isinstance(opened.audio_encoder, SeveralAudioNetworks)
    assert torch.equal(video(opened), video(open_pipeline(str(run)).pipeline))
    card = (tmp_path / "model" / "README.md").read_text()
    assert "AST's weights: BSD-3-Clause (MIT/ast-finetuned-audioset-10-10-0.4593)" in card
    assert "ImageBind's weights: CC BY-NC-SA 4.0" in card
    sound = tmp_path / "sound.mp4"
    write_clip(sound, torch.zeros(3, 12, 32, 32, dtype=torch.uint8), 6, torch.rand(32_000) - 0.5, 16_000)
    Image.new("RGB", (32, 32), "teal").save(tmp_path / "picture.png")
    output = tmp_path / "out.mp4"
    main(["animate", f"--checkpoint={tmp_path / 'model'}", f"--audio={sound}", f"--image={tmp_path / 'picture.png'}",
          f"--output={output}", "--seconds=1"])  # fmt: skip
    assert probe(output).has_picture


def test_a_run_brings_all_of_its_sound_to_the_device(run):
    pytest.importorskip("accelerate")
    opened = open_pipeline(str(run)).pipeline
    wanted = video(opened)
    opened.enable_model_cpu_offload(device="cpu")
    came, hook = [], opened.audio_encoder._hf_hook
    before = hook.pre_forward
    hook.pre_forward = lambda *given, **more: (came.append(1), before(*given, **more))[1]
    assert torch.equal(video(opened), wanted)
    assert len(came) >= 2, "for the sound, and for no sound"


def test_doctor_finds_the_weights_and_counts_the_tokens(synth_shards, several, ast, imagebind, tmp_path, capsys):
    main(words("doctor", synth_shards, tmp_path, *several))
    text = capsys.readouterr().out
    assert f"ast for model.conditioner.audio.encoders.0.folder\n    found: {ast}" in text
    assert f"imagebind_huge for model.conditioner.audio.encoders.1.weights\n    found: {imagebind}" in text
    assert f"{242 + 229 + 50} audio tokens" in text


def test_a_tiny_ast_alone_is_trained_on(synth_shards, ast, tmp_path):
    audio = {"class_path": f"{PART}.AstAudio", "init_args": {"folder": str(ast)}}
    main(words("fit", synth_shards, tmp_path, overlay(tmp_path, audio=audio), QUICK, f"--run.root={tmp_path / 'runs'}"))
    stored = checkpoint(only_run(tmp_path / "runs"), 2)
    assert not [name for name in stored["state_dict"] if name.startswith("conditioner.audio")]
    assert set(stored["frozen"]) == {"audio_encoder"}


def test_without_sound_the_audio_layers_are_skipped_everywhere(deaf, tmp_path, monkeypatch, capsys, caplog):
    def never(*_):
        raise AssertionError("nobody should listen")

    monkeypatch.setattr(LogMelEncoder, "forward", never)
    monkeypatch.setattr(LogMelEncoder, "null", never)
    warnings._warn_that_sound_does_not_guide.cache_clear()
    main([*deaf, f"--run.root={tmp_path / 'runs'}", "--run.save_every=1"])
    run = only_run(tmp_path / "runs")
    first, second = (checkpoint(run, step)["state_dict"] for step in (1, 2))
    moved = {name for name in first if not torch.equal(first[name], second[name])}
    assert any("attn_temp" in name for name in moved)
    assert not any("_audio" in name or "conditioner.audio" in name for name in moved)
    main(["export", str(run), str(tmp_path / "model")])
    opened = AnimationPipeline.from_pretrained(tmp_path / "model")
    assert opened.conditioner.windows == NoAudio()
    batches = []
    opened.unet.register_forward_pre_hook(lambda _, given: batches.append(len(given[0])))
    with caplog.at_level(logging.WARNING, logger="asva_lightning"):
        one = video(opened)
        opened.register_to_config(guidance={"audio": 9.0, "text": 1.0, "sync": 2.0})
        assert torch.equal(video(opened), one)
    assert set(batches) == {1}, "one pass"
    assert [record.message for record in caplog.records if "has no effect" in record.message] == [
        "Guidance by audio and by sync has no effect: this model hears nothing (its windows are NoAudio)."
    ]
    capsys.readouterr()
    main(["doctor", *deaf[1:], f"--run.root={tmp_path / 'runs'}", "--run.fresh=true"])
    assert "no audio tokens" in capsys.readouterr().out


@pytest.mark.parametrize("way", ["windows", "anatomy"])
def test_without_sound_no_trained_parameter_lacks_a_gradient(synth_shards, tmp_path, monkeypatch, way):
    """Such a parameter is what DDP refuses."""
    lacking, trained = [], []

    def look(task, *_):
        trained.extend(name for name, parameter in task.named_parameters() if parameter.requires_grad)
        lacking.extend(
            n for n, parameter in task.named_parameters() if parameter.requires_grad and parameter.grad is None
        )

    monkeypatch.setattr(AnimationTask, "on_before_optimizer_step", look)
    silent = {
        "windows": overlay(tmp_path, windows={"class_path": f"{PART}.NoAudio"}),
        "anatomy": "--model.init_args.denoiser.init_args.anatomy.audio=false",
    }
    fit(synth_shards, tmp_path / "runs", silent[way], QUICK, "--trainer.max_steps=1")
    assert any("attn_temp" in name for name in trained)
    assert not lacking
    assert not [name for name in trained if "audio" in name]


def test_a_network_without_audio_layers_listens_to_nothing_and_learns_the_same(synth_shards, tmp_path, monkeypatch):
    deaf = ("--model.init_args.denoiser.init_args.anatomy.audio=false", "--run.validate_every=2", QUICK)
    hear = Conditioner.conditions, Conditioner.null
    with monkeypatch.context() as patch:  # as if the sound were encoded all the same
        patch.setattr(
            Conditioner, "conditions", lambda *given, hear_too=hear[0], hear=True, **more: hear_too(*given[:5], **more)
        )
        patch.setattr(Conditioner, "null", lambda *given, hear_too=hear[1], hear=True, **more: hear_too(*given, **more))
        listening = fit(synth_shards, tmp_path / "listening", *deaf)
        shown = video(open_pipeline(str(listening)).pipeline)

    def never(*_):
        raise AssertionError("nobody should listen")

    monkeypatch.setattr(LogMelEncoder, "forward", never)
    monkeypatch.setattr(LogMelEncoder, "null", never)
    run = fit(synth_shards, tmp_path / "deaf", *deaf)
    one, other = checkpoint(run, 2), checkpoint(listening, 2)
    assert_same(one["state_dict"], other["state_dict"])
    assert_same(one["average"], other["average"])
    assert torch.equal(video(open_pipeline(str(run)).pipeline), shown)


def test_too_small_a_radius_is_refused_before_the_first_step(synth_shards, tmp_path, monkeypatch, capsys):
    windows = {"class_path": f"{PART}.RadiusWindows", "init_args": {"seconds": 0.001}}
    given = words("fit", synth_shards, tmp_path / "runs", overlay(tmp_path, windows=windows), QUICK)
    monkeypatch.setattr("asva_lightning.denoiser.AVSyncUNet.forward", lambda *_: pytest.fail("the network was run"))
    with pytest.raises(SystemExit) as stop:
        main(given)
    assert stop.value.code == 1
    assert "sees no audio token within 0.001 s" in capsys.readouterr().err
    assert not list((tmp_path / "runs").glob("*"))
    with pytest.raises(SystemExit):
        main(["doctor", *given[1:]])
    assert "sees no audio token within 0.001 s" in capsys.readouterr().out
