"""doctor: what it says of a configuration, by the same words that `fit` takes."""

import json
import re
from pathlib import Path

import pytest
import yaml
from runs_for_tests import RECIPE, SMALL_DENOISER, words

from asva_lightning.cli import main
from asva_lightning.denoiser import AVSyncUNet, save_original

SOURCE = "stable-diffusion-v1-5/stable-diffusion-v1-5"
PART = "asva_lightning.encoders"
UNCOUNTED = "--trainer.precision=64-true"
"""For this precision memory and arithmetic are not told, which saves time where a test asks for neither."""


@pytest.fixture
def doctor(capsys):
    """Runs the command: words to its report and its exit code."""

    def run(*arguments) -> tuple[str, int]:
        code = 0
        try:
            main(["doctor", *map(str, arguments)])
        except SystemExit as stop:
            code = stop.code
        return capsys.readouterr().out, code

    return run


@pytest.fixture(autouse=True)
def empty_cache(tmp_path, monkeypatch):
    """A cache of the Hub in which nothing lies, wherever the tests run."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)


def files_below(folder: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in folder.rglob("*")}


def full_size(folder: Path, source: str, imagebind: str, **data) -> Path:
    """The method at full size, written as a recipe."""
    encoders = {
        "codec": {"class_path": f"{PART}.AutoencoderCodec", "init_args": {"folder": source}},
        "text": {"class_path": f"{PART}.ClipText", "init_args": {"folder": source}},
        "audio": {"class_path": f"{PART}.ImageBindAudio", "init_args": {"weights": imagebind}},
    }
    inflated = "asva_lightning.denoiser.AVSyncUNet.from_stable_diffusion"
    parts = {
        "denoiser": {"class_path": inflated, "init_args": {"folder": source}},
        "conditioner": {"class_path": f"{PART}.Conditioner", "init_args": encoders},
        "average": {"class_path": "asva_lightning.training.ExponentialMovingAverage"},
    }
    clip = {"frames": 12, "fps": 6, "height": 256, "width": 256}
    recipe = {
        "run": {"name": "full", "root": str(folder / "runs")},
        "trainer": {"max_steps": 37000, "devices": 8, "precision": "bf16-mixed", "accelerator": "gpu"},
        "data": {"shards": str(folder / "shards"), "format": clip, "batch_size": 64} | data,
        "model": {"class_path": "asva_lightning.training.AnimationTask", "init_args": parts},
    }
    path = folder / "full.yaml"
    path.write_text(yaml.safe_dump(recipe))
    return path


# The quickstart ------------------------------------------------------------------------------------------------------


def test_the_quickstart_before_its_first_start(doctor, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text, code = doctor("--config", RECIPE)
    assert code == 0
    assert "shards/quickstart: will be generated on first use, clips: train 240, validation 16, test 96" in text
    assert re.search(r"runs/quickstart-[0-9a-f]{8}: a new run, from step 0 to step 800", text)
    assert "this configuration reads no pretrained weights" in text
    assert "800 steps from step 0 to 800" in text
    assert text.endswith("Nothing is missing.\n")
    assert not list(tmp_path.iterdir()), "nothing is written"


def test_after_a_start_it_resumes_in_the_same_folder(doctor, synth_shards, trained):
    root = trained.parent
    before = files_below(root)
    text, code = doctor(*words("doctor", synth_shards, root, "--trainer.max_steps=5")[1:])
    assert code == 0
    assert f"{trained}: resumes at step 2, to step 5" in text
    assert f"{synth_shards}: present, clips: train 16, validation 4, test 8" in text
    assert "3 steps from step 2 to 5" in text
    text, _ = doctor(*words("doctor", synth_shards, root)[1:])
    assert f"{trained}: is finished at step 2; raise --trainer.max_steps, with --run.folder {trained}, to" in text
    text, _ = doctor(*words("doctor", synth_shards, root, "--run.fresh=true")[1:])
    assert f"a folder beside {trained} (--run.fresh): a new run" in text
    assert files_below(root) == before, "nothing is written"


def test_another_configuration_is_compared_with_the_runs_that_are_there(doctor, synth_shards, trained):
    other = words("doctor", synth_shards, trained.parent, "--model.init_args.audio_drop=0.5")[1:]
    text, code = doctor(*other)
    assert code == 0
    assert "a new run, from step 0" in text
    change = "\n    model.init_args.audio_drop: 0.1 there, 0.5 here"
    assert f"the nearest run, {trained}, differs in:{change}" in text
    text, _ = doctor(*other, f"--run.folder={trained}")
    assert f"{trained}: is finished" in text
    assert f"begun with another configuration:{change}" in text


def test_a_model_without_a_denoiser_is_told_as_far_as_it_goes(doctor, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    recipe = RECIPE.parent / "sync_classifier_synthsync.yaml"
    text, code = doctor("--config", recipe)
    assert code == 0
    assert "model.classifier" in text
    assert "Activations are not estimated for this model" in text


# What is missing -----------------------------------------------------------------------------------------------------


def test_missing_shards_say_what_to_type(doctor, tmp_path):
    text, code = doctor(*words("doctor", tmp_path / "nowhere", tmp_path / "runs")[1:])
    assert code == 1
    assert "MISSING: No shards in" in text
    assert f"shards build CLIPS {tmp_path / 'nowhere'}" in text
    assert "`fit` would stop" in text


def test_settings_that_do_not_fit_the_shards_or_the_devices_are_told(doctor, synth_shards, tmp_path):
    text, code = doctor(*words("doctor", synth_shards, tmp_path, "--data.format.fps=60")[1:])
    assert code == 1
    assert "ERROR: The recipe asks for 60 frames a second" in text
    text, code = doctor(*words("doctor", synth_shards, tmp_path, "--trainer.devices=3")[1:])
    assert code == 1
    assert "ERROR: --data.batch_size 4" in text
    text, code = doctor(*words("doctor", synth_shards, tmp_path, "--data.format.height=30")[1:])
    assert code == 1
    assert "does not divide by the codec's factor 4" in text
    text, code = doctor(*words("doctor", synth_shards, tmp_path, "--ckpt_path=nowhere.ckpt")[1:])
    assert code == 1
    assert "MISSING: that checkpoint does not exist" in text


@pytest.mark.parametrize(
    ("target", "scheduler", "message"),
    [
        ("FlowTarget", "DDIMScheduler", "DDIMScheduler cannot follow FlowTarget, whose path is straight"),
        ("CleanTarget", "PNDMScheduler", "PNDMScheduler cannot sample CleanTarget in 2 steps"),
    ],
)
def test_an_objective_that_the_scheduler_cannot_sample_is_an_error(
    doctor, synth_shards, tmp_path, target, scheduler, message
):
    objective = {"class_path": "asva_lightning.diffusion.Objective",
                 "init_args": {"target": {"class_path": f"asva_lightning.diffusion.{target}"}}}  # fmt: skip
    text, code = doctor(*words("doctor", synth_shards, tmp_path, f"--model.init_args.objective={json.dumps(objective)}",
                               f"--model.init_args.sampling.scheduler={scheduler}")[1:])  # fmt: skip
    assert code == 1
    assert f"\nOptions\n  ERROR: {message}" in text
    assert text.endswith("`fit` would stop: see MISSING or ERROR above (1).\n")


@pytest.mark.parametrize(
    ("word", "code", "message"),
    [
        ("--data.batchsize=3", 2, "batchsize"),
        ("--config=experiments/nothing.yaml", 1, "does not exist"),
        ("--trainer.max_epochs=3", 1, "use --trainer.max_steps"),
        ("--doctor.utilisation=1.5", 1, "--doctor.utilisation is a share"),
        ("--doctor.peak_teraflops=0", 1, "--doctor.peak_teraflops must be above 0"),
        ("--run.name=a/b", 1, "cannot name a run"),
    ],
)
def test_words_are_refused_as_fit_refuses_them(capsys, synth_shards, tmp_path, word, code, message):
    with pytest.raises(SystemExit) as stop:
        main(words("doctor", synth_shards, tmp_path, word))
    assert stop.value.code == code
    assert message in capsys.readouterr().err


def test_full_size_without_any_file(doctor, tmp_path):
    recipe = full_size(tmp_path, "./weights/sd", "weights/imagebind_huge.pth")
    before = files_below(tmp_path)
    text, code = doctor("--config", recipe)
    assert code == 1
    users = "model.denoiser.folder, model.conditioner.codec.folder, model.conditioner.text.folder"
    assert f"stable_diffusion for {users}\n    MISSING: There is no folder weights/sd." in text
    assert "CreativeML OpenRAIL-M" in text
    assert "hf download stable-diffusion-v1-5/stable-diffusion-v1-5 --include 'unet/*' --include 'vae/*'" in text
    assert "MISSING: weights/imagebind_huge.pth does not exist" in text
    assert "CC BY-NC-SA 4.0" in text
    assert "curl -L -O https://dl.fbaipublicfiles.com/imagebind/imagebind_huge.pth" in text
    assert "the sizes are those of Stable Diffusion 1.5" in text
    total, trained = re.search(r"model\.denoiser +(\S+) M +(\S+) M", text).groups()
    assert float(total) == pytest.approx(1169, abs=1)
    assert float(trained) == pytest.approx(310, abs=1)
    assert "12 frames, 32x32 latents, 77 text tokens, 229 audio tokens of which a frame sees 25" in text
    assert "forward of one clip: 2.60 TFLOP" in text
    assert "Memory of a device (8 devices, micro-batch 8)" in text
    assert re.search(r"ZeRO 3 +292 MB +77.5 MB +465 MB +155 MB", text)
    assert "Checkpoint: 4.96 GB" in text
    assert "37000 steps from step 0 to 37000: 1.2 hours" in text
    assert files_below(tmp_path) == before, "nothing is written"


def test_hours_follow_utilisation_and_peak(doctor, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    speed = ("--doctor.utilisation=0.2", "--doctor.peak_teraflops=0.001")
    text, _ = doctor("--config", RECIPE, "--trainer.max_steps=1000", *speed)
    flops = float(re.search(r"optimizer step, 4 clips forward and backward: (\S+) GFLOP", text)[1])
    assert "at 0.2 of 0.001 TFLOP/s a device:" in text
    hours = float(re.search(r"1000 steps from step 0 to 1000: (\S+) hours", text)[1])
    assert hours == pytest.approx(1000 * flops / 0.2 / 3600, abs=0.1)


def test_checkpointing_is_counted_where_a_recipe_asks_for_it(doctor, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text, _ = doctor("--config", RECIPE, "--model.init_args.compute.activation_checkpointing=true")
    assert "what enters each block of the denoiser" in text
    assert "blocks computed once more. Not counted: codec and encoders." in text
    kept = float(re.search(r"DDP +14.6 MB +14.6 MB +29.3 MB +14.6 MB +(\S+) MB", text)[1])
    assert kept < 60, "127 MB without"


def test_a_known_repository_would_be_downloaded_and_another_is_no_promise(doctor, tmp_path):
    text, _ = doctor("--config", full_size(tmp_path, SOURCE, "imagebind.pth"), UNCOUNTED)
    assert "(unet, vae, text_encoder, tokenizer) would be downloaded at the start, 4.3 GB" in text
    assert "not told for --trainer.precision 64-true" in text
    text, _ = doctor("--config", full_size(tmp_path, "weights/sd", "imagebind.pth"), UNCOUNTED)
    assert "MISSING: weights/sd is not here and not in the Hub's cache" in text
    assert "--local-dir weights/sd" in text


def test_the_cache_of_the_hub_is_looked_at(doctor, tmp_path, stable_diffusion):
    stored = tmp_path / "hub" / "models--stable-diffusion-v1-5--stable-diffusion-v1-5"
    commit = "0" * 40
    (stored / "refs").mkdir(parents=True)
    (stored / "refs" / "main").write_text(commit)
    (stored / "snapshots").mkdir()
    (stored / "snapshots" / commit).symlink_to(stable_diffusion)
    text, _ = doctor("--config", full_size(tmp_path, SOURCE, "imagebind.pth"), UNCOUNTED)
    assert f"found: {stored / 'snapshots' / commit} (unet, vae, text_encoder, tokenizer)" in text


def test_a_folder_that_is_here_gives_sizes_and_shapes(doctor, tmp_path, stable_diffusion, synth_shards):
    imagebind = tmp_path / "imagebind_huge.pth"
    imagebind.write_bytes(b"0" * 5000)
    recipe = full_size(tmp_path, str(stable_diffusion), str(imagebind), shards=str(synth_shards))
    text, code = doctor("--config", recipe)
    assert code == 0
    assert f"found: {stable_diffusion} (unet, vae, text_encoder, tokenizer)" in text
    assert f"found: {imagebind}, 5.00 kB" in text
    assert "the sizes are those of Stable Diffusion" not in text
    unet = AVSyncUNet.from_stable_diffusion(stable_diffusion)
    count = sum(parameter.numel() for parameter in unet.parameters())
    assert re.search(rf"model\.denoiser +{count if count < 100_000 else f'{count / 1e6:.1f} M'} ", text)
    assert "Assumed, as files" not in text
    itself = {"init_args": {"denoiser": {"init_args": {"folder": str(stable_diffusion / "unet")}}}}
    (tmp_path / "itself.yaml").write_text(yaml.safe_dump({"model": itself}))
    text, code = doctor("--config", recipe, "--config", tmp_path / "itself.yaml", UNCOUNTED)
    assert code == 0
    assert f"found: {stable_diffusion / 'unet'}," in text


def test_a_published_checkpoint_is_found_and_gives_sizes(doctor, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    unet = AVSyncUNet(**SMALL_DENOISER)
    save_original(unet, tmp_path / "ckpts" / "checkpoint-2" / "modules" / "unet")
    published = {"class_path": "asva_lightning.denoiser.AVSyncUNet.from_original_folder"}
    recipe = full_size(tmp_path, SOURCE, "imagebind.pth")
    for folder, told in (("ckpts/checkpoint-2", "found: "), ("ckpts/nothing", "MISSING: There is no folder ")):
        denoiser = published | {"init_args": {"folder": folder}}
        (tmp_path / "published.yaml").write_text(yaml.safe_dump({"model": {"init_args": {"denoiser": denoiser}}}))
        text, _ = doctor("--config", recipe, "--config", tmp_path / "published.yaml", UNCOUNTED)
        assert f"avsyncd_avsync15 for model.denoiser.folder\n    {told}{tmp_path / folder}" in text
        count = sum(parameter.numel() for parameter in unet.parameters())
        assert (f"model.denoiser  {count / 1e6:.1f} M" in text) == (told == "found: ")


def test_a_folder_without_weights_is_missing(doctor, tmp_path):
    for part in ("unet", "vae", "text_encoder", "tokenizer"):
        (tmp_path / "sd" / part).mkdir(parents=True)
        (tmp_path / "sd" / part / "config.json").write_text("{}")
    text, code = doctor("--config", full_size(tmp_path, f"{tmp_path}/sd", "imagebind.pth"), UNCOUNTED)
    assert code == 1
    assert f"MISSING: {tmp_path}/sd/unet holds no weights" in text
