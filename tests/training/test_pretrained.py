"""Training on pretrained networks: Stable Diffusion inflated, its VAE and text encoder, ImageBind. All in miniature."""

import json
import shutil

import pytest
import torch
import yaml
from runs_for_tests import checkpoint, fit, words
from safetensors.torch import load_file

from asva_lightning.cli import main
from asva_lightning.denoiser import AVSyncUNet

PARTS = {"unet", "vae", "audio_encoder", "text_encoder"}


def overlay(folder, stable_diffusion, imagebind_audio):
    """The method's networks in place of the quickstart's."""
    of = "asva_lightning.encoders"
    model = {
        "denoiser": {
            "class_path": "asva_lightning.denoiser.AVSyncUNet.from_stable_diffusion",
            "init_args": {"folder": str(stable_diffusion), "audio_channels": 48, "trainable": "added"},
        },
        "conditioner": {
            "init_args": {
                "codec": {"class_path": f"{of}.AutoencoderCodec", "init_args": {"folder": str(stable_diffusion)}},
                "audio": {
                    "class_path": f"{of}.ImageBindAudio",
                    "init_args": {"weights": str(imagebind_audio), "heads": 4},
                },
                "text": {"class_path": f"{of}.ClipText", "init_args": {"folder": str(stable_diffusion)}},
            }
        },
    }
    path = folder / "method.yaml"
    path.write_text(yaml.safe_dump({"model": {"init_args": model}}))
    return f"--config={path}"


@pytest.fixture(scope="module")
def run(synth_shards, stable_diffusion, imagebind_audio, tmp_path_factory):
    root = tmp_path_factory.mktemp("pretrained")
    # An override on top: class methods and linked settings do not get on in every version of the parser.
    return fit(
        synth_shards,
        root / "runs",
        overlay(root, stable_diffusion, imagebind_audio),
        "--model.init_args.audio_drop=0.3",
    )


def test_the_added_layers_alone_are_trained_and_saved(run, stable_diffusion):
    stored = checkpoint(run, 2)
    names = {name for name in stored["state_dict"] if name.startswith("denoiser.")}
    assert names
    assert all("_temp" in name or "_audio" in name for name in names)
    start = AVSyncUNet.from_stable_diffusion(str(stable_diffusion), audio_channels=48).state_dict()
    trained = stored["state_dict"]["denoiser.conv_in.conv_temp.weight"]
    assert not torch.equal(trained, start["conv_in.conv_temp.weight"])
    assert stored["frozen"].keys() == PARTS


def test_it_is_exported_with_what_it_stands_on(run, stable_diffusion, tmp_path):
    main(["export", str(run), str(tmp_path / "model")])
    unet = load_file(tmp_path / "model" / "unet" / "diffusion_pytorch_model.safetensors")
    frozen = load_file(stable_diffusion / "unet" / "diffusion_pytorch_model.safetensors")
    assert torch.equal(unet["conv_in.weight"], frozen["conv_in.weight"])
    index = json.loads((tmp_path / "model" / "model_index.json").read_text())
    assert index["vae"] == ["diffusers", "AutoencoderKL"]
    assert index["text_encoder"] == ["transformers", "CLIPTextModel"]
    assert index["audio_encoder"] == ["asva_lightning", "ImageBind"]
    card = (tmp_path / "model" / "README.md").read_text()
    assert "Stable Diffusion's weights: CreativeML OpenRAIL-M" in card
    assert "ImageBind's weights: CC BY-NC-SA 4.0" in card
    main(["export", str(tmp_path / "model"), str(tmp_path / "theirs"), "--layout=original"])
    assert (tmp_path / "theirs" / "modules" / "audio_encoder" / "config.json").is_file()


def test_other_pretrained_weights_are_noticed(run, synth_shards, stable_diffusion, imagebind_audio, tmp_path, capsys):
    other = shutil.copytree(stable_diffusion, tmp_path / "other")
    file = other / "vae" / "diffusion_pytorch_model.safetensors"
    content = bytearray(file.read_bytes())
    content[-3] ^= 1
    file.write_bytes(content)
    with pytest.raises(SystemExit) as stop:
        main(
            words("fit", synth_shards, tmp_path, overlay(tmp_path, other, imagebind_audio), f"--run.folder={run}",
                  "--trainer.max_steps=4")
        )  # fmt: skip
    assert stop.value.code == 1
    assert "was trained on another vae: the digest of its pretrained weights" in capsys.readouterr().err


def test_missing_weights_are_one_error_and_leave_nothing(synth_shards, stable_diffusion, tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        main(
            words("fit", synth_shards, tmp_path / "runs", overlay(tmp_path, stable_diffusion, "/no/imagebind_huge.pth"))
        )
    assert stop.value.code == 1
    message = capsys.readouterr().err
    assert "/no/imagebind_huge.pth does not exist" in message
    assert "CC BY-NC-SA 4.0" in message
    assert not list((tmp_path / "runs").glob("*"))
