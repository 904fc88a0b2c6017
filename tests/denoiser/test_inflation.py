"""Inflation is exact: before training, frames that are all alike go through as through Stable Diffusion's 2D UNet."""

import json
import logging
import shutil

import huggingface_hub.constants
import pytest
import torch
from diffusers import UNet2DConditionModel
from jsonargparse import ArgumentParser
from safetensors.torch import load_file, save_file

from asva_lightning.denoiser import AVSyncUNet, inflate
from asva_lightning.denoiser.original import is_added
from asva_lightning.encoders import Conditions
from asva_lightning.errors import WeightsError

PICTURE_BLOCKS = {
    True: ("CrossAttnDownBlock2D", "CrossAttnUpBlock2D"),
    False: ("DownBlock2D", "UpBlock2D"),
}
FILE = "diffusion_pytorch_model.safetensors"


def picture_unet(attention_levels, layers, **changes):
    """A small UNet of diffusers, laid out as Stable Diffusion's; ``attention_head_dim`` is its number of heads."""
    settings = {
        "block_out_channels": (16, 32, 32)[: len(attention_levels)],
        "down_block_types": tuple(PICTURE_BLOCKS[attends][0] for attends in attention_levels),
        "up_block_types": tuple(PICTURE_BLOCKS[attends][1] for attends in reversed(attention_levels)),
        "layers_per_block": layers,
        "attention_head_dim": 2,
        "norm_num_groups": 4,
        "cross_attention_dim": 12,
    }
    return UNet2DConditionModel(**(settings | changes))


def compare(picture, clip, height, width):
    """Give the same picture in every frame, and compare every frame with the 2D output."""
    channels, tokens = picture.config.in_channels, picture.config.cross_attention_dim
    generator = torch.Generator().manual_seed(3)
    latents = torch.randn(2, channels, height, width, generator=generator)
    text = torch.randn(2, 5, tokens, generator=generator)
    level = torch.tensor([30, 800])
    with torch.no_grad():
        expected = picture(latents, level, text).sample
        output = clip(latents[:, :, None].expand(-1, -1, 3, -1, -1), level, Conditions(text))
    assert expected.std() > 0.1
    for frame in output.unbind(dim=2):
        torch.testing.assert_close(frame, expected, rtol=0, atol=2e-5 * max(1.0, expected.std().item()))


@pytest.mark.parametrize(
    ("attention_levels", "layers", "height", "width"),
    [((True, True, False), 2, 8, 8), ((True, False), 1, 9, 7), ((False, True), 1, 6, 10)],
    ids=["layout of Stable Diffusion", "odd size", "attention on the coarse level"],
)
def test_alike_frames_give_the_2d_output(fill, attention_levels, layers, height, width):
    picture = picture_unet(attention_levels, layers)
    picture.load_state_dict(fill(picture.state_dict(), "unet"))
    clip, _ = inflate(picture.config, picture.state_dict(), audio_channels=10)
    compare(picture, clip, height, width)


def test_channels_are_those_of_the_configuration(fill):
    picture = picture_unet((True, False), 1, in_channels=9, out_channels=5)
    picture.load_state_dict(fill(picture.state_dict(), "unet"))
    clip, _ = inflate(picture.config, picture.state_dict())
    compare(picture, clip, 8, 8)


def test_only_the_audio_layers_change_the_start():
    picture = picture_unet((True, False), 1)
    clip, _ = inflate(picture.config, picture.state_dict())
    asleep = [name for name, p in clip.named_parameters() if is_added(name) and "norm" not in name and not p.any()]
    ends = ("conv_temp.weight", "conv_temp.bias", "attn_temp.to_out.0.weight", "attn_temp.to_out.0.bias")
    assert asleep == [name for name in clip.state_dict() if name.endswith(ends)]
    assert all(p.any() for name, p in clip.named_parameters() if name.endswith("attn_audio.to_out.0.weight"))


def test_the_report_names_every_tensor_once():
    picture = picture_unet((True, False), 1)
    clip, report = inflate(picture.config, picture.state_dict())
    assert report.taken == tuple(sorted(picture.state_dict()))
    assert report.new == tuple(sorted(name for name in clip.state_dict() if is_added(name)))
    assert sorted(report.taken + report.new) == sorted(clip.state_dict())


def test_the_names_of_full_size_are_those_of_diffusers():
    with torch.device("meta"):
        picture, clip = UNet2DConditionModel(cross_attention_dim=768), AVSyncUNet()
    shapes = [
        {name: tensor.shape for name, tensor in network.state_dict().items() if not is_added(name)}
        for network in (picture, clip)
    ]
    assert shapes[0] == shapes[1]


@pytest.fixture(scope="module")
def picture(stable_diffusion):
    return UNet2DConditionModel.from_pretrained(stable_diffusion, subfolder="unet")


def assert_inflated(clip, picture):
    assert clip.dtype == torch.float32
    own = clip.state_dict()
    assert all(torch.equal(own[name], tensor.float()) for name, tensor in picture.state_dict().items())


def test_a_pipeline_folder(stable_diffusion, picture, caplog):
    with caplog.at_level(logging.INFO, "asva_lightning.denoiser.inflation"):
        clip = AVSyncUNet.from_stable_diffusion(stable_diffusion)
    assert_inflated(clip, picture)
    compare(picture, clip, 8, 8)
    taken, new = len(picture.state_dict()), len(clip.state_dict()) - len(picture.state_dict())
    assert [record.getMessage() for record in caplog.records] == [
        f"{stable_diffusion / 'unet'}: {taken} tensors taken, {new} new in audio and temporal layers."
    ]


def test_the_unet_folder_itself(stable_diffusion, picture):
    assert_inflated(AVSyncUNet.from_stable_diffusion(str(stable_diffusion / "unet")), picture)


def test_a_repository_of_the_hub(stable_diffusion, picture, monkeypatch, tmp_path):
    repository = tmp_path / "hub" / "models--someone--style"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("7" * 40)
    shutil.copytree(stable_diffusion / "unet", repository / "snapshots" / ("7" * 40) / "unet")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    assert_inflated(AVSyncUNet.from_stable_diffusion("someone/style"), picture)


@pytest.mark.parametrize(
    "layout",
    [
        {"safe_serialization": False},
        {"max_shard_size": "100KB"},
        {"max_shard_size": "100KB", "safe_serialization": False},
        {"variant": "fp16"},
        {"variant": "fp16", "max_shard_size": "100KB"},
    ],
    ids=str,
)
def test_every_layout_that_diffusers_writes(picture, tmp_path, layout):
    picture.save_pretrained(tmp_path / "unet", **layout)
    assert not (tmp_path / "unet" / FILE).exists()
    assert_inflated(AVSyncUNet.from_stable_diffusion(tmp_path), picture)


def test_half_precision_files_give_a_network_of_full_precision(stable_diffusion, tmp_path):
    half = UNet2DConditionModel.from_pretrained(stable_diffusion, subfolder="unet", torch_dtype=torch.float16)
    half.save_pretrained(tmp_path / "unet")
    assert_inflated(AVSyncUNet.from_stable_diffusion(tmp_path), half)


def test_what_trains_and_how_wide_sound_is(stable_diffusion):
    added = AVSyncUNet.from_stable_diffusion(stable_diffusion, audio_channels=20)
    assert {name for name, p in added.named_parameters() if p.requires_grad} == set(
        filter(is_added, added.state_dict())
    )
    assert added.mid_block.attentions[0].transformer_blocks[0].attn_audio.to_k.in_features == 20
    everything = AVSyncUNet.from_stable_diffusion(stable_diffusion, trainable="all")
    assert all(parameter.requires_grad for parameter in everything.parameters())


def test_a_recipe_may_name_it(stable_diffusion, picture):
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--denoiser", type=torch.nn.Module)
    spec = {
        "class_path": "asva_lightning.denoiser.AVSyncUNet.from_stable_diffusion",
        "init_args": {"folder": str(stable_diffusion), "audio_channels": 20},
    }
    config = parser.parse_object({"denoiser": spec})
    assert json.loads(parser.dump(config, format="json"))["denoiser"]["class_path"] == spec["class_path"]
    assert_inflated(parser.instantiate_classes(config).denoiser, picture)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"use_linear_projection": True}, "use_linear_projection is True in this configuration, .* needs False"),
        (
            {"attention_head_dim": [5, 10, 20, 20]},
            r"attention_head_dim is \[5, 10, 20, 20\] .* needs one number for all",
        ),
        ({"addition_embed_type": "text_time"}, "addition_embed_type is 'text_time' .* needs None"),
        ({"class_embed_type": "timestep"}, "class_embed_type is 'timestep'"),
        ({"num_class_embeds": 1000}, "num_class_embeds is 1000"),
        ({"transformer_layers_per_block": [1, 2, 10]}, r"transformer_layers_per_block is \[1, 2, 10\]"),
        ({"cross_attention_dim": [32, 32]}, r"cross_attention_dim is \[32, 32\]"),
        ({"layers_per_block": [1, 2]}, r"layers_per_block is \[1, 2\]"),
        ({"freq_shift": 1}, "freq_shift is 1 .* needs 0"),
        ({"flip_sin_to_cos": False}, "flip_sin_to_cos is False .* needs True"),
        ({"mid_block_type": None}, "mid_block_type is None .* needs 'UNetMidBlock2DCrossAttn'"),
        ({"down_block_types": ["SimpleCrossAttnDownBlock2D"] * 3}, "down_block_types is .* needs 3 levels, each Cross"),
        ({"down_block_types": ["DownBlock2D"]}, "down_block_types is .* needs 3 levels, each CrossAttnDownBlock2D or"),
        ({"up_block_types": ["UpBlock2D"] * 3}, "up_block_types is .*, the way down reversed"),
        ({"block_out_channels": 320}, "block_out_channels is 320 .* needs numbers of channels, one a level"),
        ({"_class_name": "SD3Transformer2DModel"}, "_class_name is 'SD3Transformer2DModel' .* 'UNet2DConditionModel'"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_other_families_are_refused(stable_diffusion, tmp_path, changes, message):
    unet = shutil.copytree(stable_diffusion / "unet", tmp_path / "unet")
    config = json.loads((unet / "config.json").read_text()) | changes
    (unet / "config.json").write_text(json.dumps(config))
    with pytest.raises(WeightsError, match=f"unet cannot be inflated: {message}") as caught:
        AVSyncUNet.from_stable_diffusion(tmp_path)
    assert "Only UNets of the Stable Diffusion 1.x family can be inflated: use stable-diff" in str(caught.value)


@pytest.mark.parametrize(
    "changes", [{"only_cross_attention": None, "num_class_embeds": 0, "mid_block_only_cross_attention": False}]
)
def test_older_configurations_say_no_in_other_words(picture, changes):
    _, report = inflate(dict(picture.config) | changes, picture.state_dict())
    assert set(report.taken) == picture.state_dict().keys()


NAME = "mid_block.attentions.0.transformer_blocks.0.attn2.to_k.weight"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda tensors: tensors.pop(NAME), f"Tensor {NAME} is in the network, but not in the picture network"),
        (lambda tensors: tensors.update({"more": torch.zeros(1)}), "Tensor more is in the picture network, but not in"),
        (lambda tensors: tensors.update({NAME: torch.zeros(16, 33)}), rf"Tensor {NAME} is \(16, 33\) in the picture "),
        (lambda tensors: tensors[NAME].fill_(torch.nan), f"tensor {NAME} holds 512 values that are NaN or infinite"),
    ],
    ids=["missing", "extra", "other shape", "not finite"],
)
def test_tensors_that_do_not_fit_are_named(stable_diffusion, tmp_path, change, message):
    unet = shutil.copytree(stable_diffusion / "unet", tmp_path / "unet")
    tensors = load_file(unet / FILE)
    change(tensors)
    save_file(tensors, unet / FILE)
    with pytest.raises(WeightsError, match=message):
        AVSyncUNet.from_stable_diffusion(tmp_path)


def test_a_file_that_was_not_copied_whole(stable_diffusion, tmp_path):
    unet = shutil.copytree(stable_diffusion / "unet", tmp_path / "unet")
    (unet / FILE).write_bytes((unet / FILE).read_bytes()[:100_000])
    with pytest.raises(WeightsError, match=f"{FILE} cannot be read; .* should hold the UNet of Stable Diffusion 1.x"):
        AVSyncUNet.from_stable_diffusion(tmp_path)


def test_a_missing_folder_says_where_to_get_it(tmp_path):
    with pytest.raises(WeightsError, match=r"There is no folder .*OpenRAIL-M.* hf download stable-diffusion-v1-5/"):
        AVSyncUNet.from_stable_diffusion(tmp_path / "nothing")
    with pytest.raises(WeightsError, match="has no folder unet. Needed: unet "):
        AVSyncUNet.from_stable_diffusion(tmp_path)
