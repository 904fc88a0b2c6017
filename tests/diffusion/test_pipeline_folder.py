"""Folders of exported pipelines."""

import json
import shutil
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file, save_file

from asva_lightning.diffusion import AnimationPipeline, Objective, Sampling, VelocityTarget
from asva_lightning.diffusion.pipeline_folder import COMPONENTS
from asva_lightning.encoders import Conditioner, FrameWindows, PixelCodec
from asva_lightning.errors import ConfigurationError, WeightsError


@pytest.fixture(scope="module")
def folder(pipeline, tmp_path_factory):
    path = tmp_path_factory.mktemp("exported") / "drummer"
    pipeline.save_pretrained(path)
    return path


@pytest.fixture
def copy(folder, tmp_path):
    return shutil.copytree(folder, tmp_path / "copy")


def video(pipeline):
    picture = torch.randint(0, 256, (3, 16, 24), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    return pipeline(
        picture, torch.ones(8000) * 0.1, "a drum", generator=torch.Generator().manual_seed(1), output_type="pt"
    ).frames


def test_a_folder_gives_the_same_videos(pipeline, folder):
    opened = AnimationPipeline.from_pretrained(folder)
    assert torch.equal(video(opened), video(pipeline))
    assert (opened.format, opened.guidance, opened.steps) == (pipeline.format, pipeline.guidance, pipeline.steps)
    assert not opened.unet.training


def test_it_holds_safetensors_and_json_only(folder):
    files = {file.suffix for file in folder.rglob("*") if file.is_file()}
    assert files == {".safetensors", ".json"}


def test_our_classes_are_named_by_package_not_by_module(folder):
    index = json.loads((folder / "model_index.json").read_text())
    ours = {name: index[name] for name in ("unet", "vae", "audio_encoder", "text_encoder")}
    assert ours == {
        "unet": ["asva_lightning", "AVSyncUNet"],
        "vae": ["asva_lightning", "PixelCodec"],
        "audio_encoder": ["asva_lightning", "LogMelEncoder"],
        "text_encoder": ["asva_lightning", "ClassText"],
    }
    assert "asva_lightning." not in (folder / "model_index.json").read_text()


def test_every_class_of_the_table_exists():
    for (_, name), place in COMPONENTS.items():
        module = __import__(place.module, fromlist=[place.name])
        # transformers gives a fast tokenizer under both names
        assert getattr(module, place.name).__name__ in (name, name.removesuffix("Fast"))


def test_moving_a_file_of_ours_breaks_no_folder(folder, tmp_path):
    """A module of another name takes the place of the one that wrote the folder."""
    script = f"""
import sys, types
import asva_lightning.denoiser as package
import asva_lightning.denoiser.unet as old
moved = types.ModuleType("asva_lightning.denoiser.elsewhere")
package.AVSyncUNet.__module__ = moved.__name__
moved.AVSyncUNet = package.AVSyncUNet
sys.modules[moved.__name__] = moved
del sys.modules[old.__name__], package.unet
from asva_lightning.diffusion import AnimationPipeline, Objective, Sampling, VelocityTarget
pipeline = AnimationPipeline.from_pretrained({str(folder)!r})
pipeline.save_pretrained({str(tmp_path / "again")!r})
"""
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    index = json.loads((tmp_path / "again" / "model_index.json").read_text())
    assert index["unet"] == ["asva_lightning", "AVSyncUNet"]


def test_components_and_type_may_be_given(pipeline, folder):
    opened = AnimationPipeline.from_pretrained(folder, unet=pipeline.unet, torch_dtype=torch.bfloat16)
    assert opened.unet is pipeline.unet
    assert opened.audio_encoder.dtype == torch.bfloat16
    with pytest.raises(TypeError, match="has no argument 'device_map'; components are unet, vae"):
        AnimationPipeline.from_pretrained(folder, device_map="auto")


class OwnWindows(FrameWindows):
    def __call__(self, frames, grid, seconds):
        return torch.ones(frames, grid.tokens, dtype=torch.bool)


class OwnCodec(PixelCodec):
    pass


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"windows": OwnWindows()}, ConfigurationError, "There are no frame windows 'OwnWindows'"),
        ({"codec": OwnCodec(4)}, ConfigurationError, "A OwnCodec of .* cannot be exported as vae: a folder names only"),
    ],
    ids=["windows", "codec"],
)
def test_parts_of_ones_own_animate_but_are_not_exported(pipeline, tmp_path, change, error, message):
    known = pipeline.conditioner
    parts = {"codec": known.codec, "audio": known.audio, "text": known.text, "windows": known.windows} | change
    own = AnimationPipeline.of(
        pipeline.unet, Conditioner(**parts), Objective(VelocityTarget()), Sampling(steps=2), pipeline.format
    )
    assert video(own).shape == (1, 4, 3, 16, 24)
    with pytest.raises(error, match=message):
        own.save_pretrained(tmp_path / "own")
    assert not (tmp_path / "own").exists()


def edit(folder, **entries):
    path = folder / "model_index.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | entries))


FOREIGN = [
    ("unet", ["evil_package", "Unet"]),
    ("unet", ["asva_lightning.cli", "main"]),
    ("vae", ["diffusers", "StableDiffusionPipeline"]),
    ("scheduler", ["diffusers", "DiffusionPipeline"]),
    ("text_encoder", ["transformers", "AutoModel"]),
]


@pytest.mark.parametrize(("name", "entry"), FOREIGN)
def test_a_folder_that_asks_for_a_foreign_class_is_refused(copy, name, entry):
    edit(copy, **{name: entry})
    with pytest.raises(WeightsError, match=rf"asks for the class {entry[1]} of {entry[0]} as {name}"):
        AnimationPipeline.from_pretrained(copy)
    assert "evil_package" not in sys.modules


def test_foreign_windows_are_refused(copy):
    edit(copy, windows={"class": "ABC"})
    with pytest.raises(ValueError, match="There are no frame windows 'ABC'"):
        video(AnimationPipeline.from_pretrained(copy))


def test_a_truncated_weight_file_is_refused(copy):
    file = copy / "unet" / "diffusion_pytorch_model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(WeightsError, match=r"copy/unet cannot be loaded"):
        AnimationPipeline.from_pretrained(copy)


def test_weights_that_are_no_numbers_are_refused(copy):
    file = copy / "unet" / "diffusion_pytorch_model.safetensors"
    weights = load_file(file)
    weights["conv_in.weight"][0, 0, 0, 0] = torch.nan
    save_file(weights, file)
    with pytest.raises(WeightsError, match=r"conv_in\.weight"):
        AnimationPipeline.from_pretrained(copy)


def test_weights_of_another_configuration_are_refused(copy):
    path = copy / "unet" / "config.json"
    config = json.loads(path.read_text()) | {"text_channels": 7}
    path.write_text(json.dumps(config))
    with pytest.raises(WeightsError, match="copy/unet cannot be loaded"):
        AnimationPipeline.from_pretrained(copy)


def test_pickled_weights_are_refused(copy):
    file = copy / "unet" / "diffusion_pytorch_model.safetensors"
    torch.save(load_file(file), file.with_suffix(".bin"))
    file.unlink()
    with pytest.raises(WeightsError, match="copy/unet cannot be loaded"):
        AnimationPipeline.from_pretrained(copy)


def test_incomplete_and_other_folders_are_refused(copy, tmp_path):
    shutil.rmtree(copy / "vae")
    with pytest.raises(WeightsError, match="copy/vae is missing: the export is incomplete"):
        AnimationPipeline.from_pretrained(copy)
    (copy / "model_index.json").write_text('{"_class_name": "StableDiffusionPipeline"}')
    with pytest.raises(WeightsError, match="describes a StableDiffusionPipeline, not an AnimationPipeline"):
        AnimationPipeline.from_pretrained(copy)
    (copy / "model_index.json").write_text("{")
    with pytest.raises(WeightsError, match="is no JSON"):
        AnimationPipeline.from_pretrained(copy)
    (copy / "model_index.json").unlink()
    with pytest.raises(WeightsError, match=r"has no model_index.json.*asva_lightning export SOURCE DEST"):
        AnimationPipeline.from_pretrained(copy)
