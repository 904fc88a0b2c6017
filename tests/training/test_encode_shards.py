"""Training from what `shards encode` made."""

import json
import shutil
from pathlib import Path

import pytest
import torch
import yaml
from encoded_for_tests import EXACT, FORMAT, clips_of, encode
from exact_clips import TEXTS
from runs_for_tests import assert_same, checkpoint, fit, words
from small_denoiser import SmallDenoiser

from asva_lightning.cli import main
from asva_lightning.data import ClipDataModule
from asva_lightning.data.batch import ClipBatch
from asva_lightning.data.clips import ClipReader
from asva_lightning.data.encoded_shards import EncodedShards
from asva_lightning.data.manifest import Dataset
from asva_lightning.data.storage import read_bytes
from asva_lightning.denoiser import AVSyncUNet
from asva_lightning.encoders import (
    AutoencoderCodec,
    CachedText,
    ClipText,
    Conditioner,
    ImageBindAudio,
    LogMelEncoder,
    PixelCodec,
)
from asva_lightning.errors import ConfigurationError, MediaError, ShardsError
from asva_lightning.files import read_json_lines
from asva_lightning.media import ClipFormat
from asva_lightning.training.encode_fingerprint import check_encoded
from asva_lightning.training.frozen_weights import digests_of_frozen


@pytest.fixture(scope="module")
def method(stable_diffusion, imagebind_audio, tmp_path_factory):
    """The method's frozen networks, in miniature, in place of the quickstart's."""
    of = "asva_lightning.encoders"
    conditioner = {
        "codec": {"class_path": f"{of}.AutoencoderCodec", "init_args": {"folder": str(stable_diffusion)}},
        "audio": {"class_path": f"{of}.ImageBindAudio", "init_args": {"weights": str(imagebind_audio), "heads": 4}},
        "text": {"class_path": f"{of}.ClipText", "init_args": {"folder": str(stable_diffusion)}},
    }
    denoiser = {"in_channels": 4, "out_channels": 4, "text_channels": 32, "audio_channels": 48}
    model = {"denoiser": {"init_args": denoiser}, "conditioner": {"init_args": conditioner}}
    path = tmp_path_factory.mktemp("method") / "method.yaml"
    path.write_text(yaml.safe_dump({"model": {"init_args": model}}))
    return f"--config={path}"


@pytest.fixture(scope="module")
def method_encoded(exact_shards, method, tmp_path_factory):
    return encode(exact_shards, tmp_path_factory.mktemp("method") / "latents", method, *EXACT, "--audio_step=0.25")


@pytest.fixture(scope="module")
def method_parts(stable_diffusion, imagebind_audio):
    folder = str(stable_diffusion)
    return Conditioner(AutoencoderCodec(folder), ImageBindAudio(str(imagebind_audio), heads=4), ClipText(folder))


def check(data: ClipDataModule, conditioner: Conditioner) -> None:
    """As the task does."""
    check_encoded(data, conditioner, digests_of_frozen(AVSyncUNet(**SmallDenoiser.config), conditioner))


def batch_of(folder: Path, positions) -> ClipBatch:
    return ClipBatch.collate([clips_of(folder)[position] for position in positions])


def test_training_from_latents_is_training_from_pixels(exact_shards, exact_latents, tmp_path):
    settings = (
        "--trainer.callbacks=null", "--trainer.max_steps=3", "--run.validate_every=3", "--data.flip=0.5",
        f"--model.init_args.conditioner.init_args.text.init_args.texts={json.dumps(list(TEXTS.values()))}",
    )  # fmt: skip
    pixels, latents = (fit(of, tmp_path / of.name, *settings) for of in (exact_shards, exact_latents))
    one, other = checkpoint(pixels, 3), checkpoint(latents, 3)
    assert_same(one["state_dict"], other["state_dict"])
    assert_same(one["average"], other["average"])
    told = [
        [
            {name: line[name] for name in line if name.endswith("/loss")}
            for line in read_json_lines(run / "metrics.jsonl")
        ]
        for run in (pixels, latents)
    ]
    assert told[0] == told[1]
    assert {name for line in told[0] for name in line} == {"train/loss", "validation/loss"}


def test_clips_are_those_of_the_files_wherever_they_start(exact_shards, exact_latents):
    read, made = clips_of(exact_shards), clips_of(exact_latents)
    codec, flips = PixelCodec(4), 0
    for position in range(12):
        clip, latent = read[position], made[position]
        assert (clip.key, clip.start, clip.text) == (latent.key, latent.start, latent.text)
        mean, _ = codec.encode_frames(clip.pixels[None] / 127.5 - 1)
        assert torch.equal(latent.latents, mean)
        assert torch.equal(latent.waveform, clip.waveform)
        sample = next(sample for sample in read.samples if sample.key == clip.key)
        flips += not torch.equal(clip.pixels, read.reader.read(sample, clip.start, 0).pixels)
    assert 0 < flips < 12


def test_only_the_bytes_of_the_wanted_frames_are_read(exact_latents, monkeypatch):
    lengths = []

    def noted(address, offset, size):
        lengths.append(size)
        return read_bytes(address, offset, size)

    monkeypatch.setattr("asva_lightning.data.stored_tensor.read_bytes", noted)
    clip = clips_of(exact_latents)[0]
    times = 8 * 37
    assert sum(lengths) == times + clip.latents.numel() * 4 + clip.waveform.numel() * 4


def test_sampled_latents_are_the_same_for_the_same_generators(exact_shards, method_encoded, method_parts):
    positions = range(4)
    made = [torch.Generator().manual_seed(7 + position) for position in positions]
    again = [torch.Generator().manual_seed(7 + position) for position in positions]
    from_latents, _ = method_parts(batch_of(method_encoded, positions), made)
    from_pixels, _ = method_parts(batch_of(exact_shards, positions), again)
    torch.testing.assert_close(from_latents, from_pixels, rtol=1e-5, atol=1e-5)
    most_likely, _ = method_parts(batch_of(method_encoded, positions))
    assert (most_likely - from_latents).abs().max() > 1e-3


def test_crops_with_cached_sound_lie_on_the_grid(exact_shards, method_encoded, method_parts):
    data = ClipDataModule(str(method_encoded), FORMAT, batch_size=4, workers=0)
    clips = data.train_dataloader().clips
    drawn = [clips[position] for position in range(16)]
    assert {clip.start for clip in drawn} == {0.0, 0.25, 0.5, 0.75}
    batch = ClipBatch.collate(drawn[:4])
    expected = method_parts.audio(batch.waveform)
    torch.testing.assert_close(batch.audio, expected, rtol=1e-5, atol=1e-5)
    method_parts.audio.forward, forward = None, method_parts.audio.forward  # whoever asks it now fails
    _, conditions = method_parts(batch)
    del method_parts.audio.forward
    assert torch.equal(conditions.audio, batch.audio)
    assert forward(batch.waveform).shape == conditions.audio.shape
    anew = ClipDataModule(str(method_encoded), FORMAT, batch_size=4, workers=0, encode_audio=True)
    free = anew.train_dataloader().clips[0]
    assert free.audio is None
    assert free.start == clips_of(exact_shards)[0].start


def test_the_method_trains_from_latents_without_its_text_encoder(
    exact_shards, method, method_encoded, stable_diffusion, tmp_path
):
    text = {"class_path": "asva_lightning.encoders.CachedText", "init_args": {"shards": str(method_encoded)}}
    run = fit(
        method_encoded, tmp_path / "runs", method, f"--model.init_args.conditioner.init_args.text={json.dumps(text)}",
        f"--data.evaluation_shards={exact_shards}",
    )  # fmt: skip
    assert len(list((run / "samples" / "step_000002").glob("*.mp4"))) == 2
    assert checkpoint(run, 2)["frozen"].keys() == {"vae", "audio_encoder"}
    config = yaml.safe_load((run / "config.yaml").read_text())
    whole = {"class_path": "asva_lightning.encoders.ClipText", "init_args": {"folder": str(stable_diffusion)}}
    config["model"]["init_args"]["conditioner"]["init_args"]["text"] = whole
    (run / "config.yaml").write_text(yaml.safe_dump(config))
    main(["export", str(run), str(tmp_path / "model")])
    index = json.loads((tmp_path / "model" / "model_index.json").read_text())
    assert index["text_encoder"] == ["transformers", "CLIPTextModel"]


def test_texts_are_those_of_the_encoder(method_encoded, method_parts):
    cached = CachedText(str(method_encoded))
    texts = ["", *TEXTS.values(), ""]
    assert torch.equal(cached(texts), method_parts.text(texts))
    assert cached.channels == 32
    with pytest.raises(
        ConfigurationError, match=r"The text 'a cat' is not among those that were encoded with .*latents\."
    ):
        cached(["a cat"])


def test_texts_of_a_trained_encoder_are_not_kept(exact_latents, exact_shards):
    assert not (exact_latents / "texts.safetensors").exists()
    for folder in (exact_latents, exact_shards):
        with pytest.raises(
            ShardsError, match="holds no tokens of texts. CachedText needs a folder that `shards encode`"
        ):
            CachedText(str(folder))


def test_another_codec_is_refused_before_anything_costs_time(
    stable_diffusion, method, method_encoded, exact_shards, tmp_path, capsys
):
    other = shutil.copytree(stable_diffusion / "vae", tmp_path / "other" / "vae")
    file = other / "diffusion_pytorch_model.safetensors"
    content = bytearray(file.read_bytes())
    content[-3] ^= 1
    file.write_bytes(content)
    with pytest.raises(SystemExit) as stop:
        main(
            words("fit", method_encoded, tmp_path / "runs", method, f"--data.evaluation_shards={exact_shards}",
                  f"--model.init_args.conditioner.init_args.codec.init_args.folder={other.parent}")
        )  # fmt: skip
    assert stop.value.code == 1
    message = capsys.readouterr().err
    assert f"{method_encoded} was encoded by another codec than this recipe's (weights " in message
    assert f"train from the original shards (--data.shards {exact_shards}), or encode again." in message
    assert f"python -m asva_lightning shards encode {exact_shards} NEW_FOLDER --config RECIPE" in message
    assert not list((tmp_path / "runs").glob("*"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"codec": PixelCodec(4)}, r"by another codec than .*class AutoencoderCodec there, PixelCodec here"),
        (
            {"audio": LogMelEncoder(8)},
            r"by another audio encoder than .*ImageBindAudio there.*--data.encode_audio true",
        ),
    ],
)
def test_every_cached_network_is_compared(change, message, method_encoded, method_parts):
    parts = {"codec": method_parts.codec, "audio": method_parts.audio, "text": method_parts.text} | change
    data = ClipDataModule(str(method_encoded), FORMAT, batch_size=4)
    with pytest.raises(ConfigurationError, match=message):
        check(data, Conditioner(**parts))
    if "audio" in change:
        data.encode_audio = True
        check(data, Conditioner(**parts))


def test_texts_of_another_encoder_are_refused(method_encoded, method_parts, tmp_path):
    copied = shutil.copytree(method_encoded, tmp_path / "other")
    description = json.loads((copied / "dataset.json").read_text())
    description["encoded"]["text"]["weights"] = "0123"
    (copied / "dataset.json").write_text(json.dumps(description))
    conditioner = Conditioner(method_parts.codec, method_parts.audio, CachedText(str(copied)))
    data = ClipDataModule(str(method_encoded), FORMAT, batch_size=4)
    with pytest.raises(
        ConfigurationError, match=rf"another text encoder .*Set the `shards` of CachedText to {method_encoded}"
    ):
        check(data, conditioner)


@pytest.mark.parametrize(
    ("format", "message"),
    [
        (
            ClipFormat(12, 6, 64, 32),
            r"was encoded with height 32, but the recipe asks for 64. Set --data.format.height 32",
        ),
        (ClipFormat(12, 6, 32, 32, 8_000), r"sample_rate 16000, but the recipe asks for 8000"),
        (ClipFormat(6, 6, 32, 32), r"holds audio tokens of clips of 2 s, but the recipe's are 1 s long"),
    ],
)
def test_another_format_is_refused(format, message, method_encoded):
    with pytest.raises(ConfigurationError, match=message):
        ClipDataModule(str(method_encoded), format).setup("fit")


def test_latents_and_media_are_not_mixed(exact_shards, exact_latents):
    with pytest.raises(ConfigurationError, match="cannot be mixed: one holds latents and the other does not"):
        ClipDataModule([str(exact_shards), str(exact_latents)], FORMAT).setup("fit")


def test_whoever_needs_pixels_is_told_where_to_get_them(exact_shards, exact_latents, tmp_path, capsys):
    with pytest.raises(SystemExit):
        main(words("fit", exact_latents, tmp_path / "runs"))
    message = capsys.readouterr().err
    assert "Pixels are needed, but these shards hold latents" in message
    assert "set --data.evaluation_shards to the shards that were encoded" in message
    assert f"They are {exact_shards}." in message
    assert not list((tmp_path / "runs").glob("*"))
    with pytest.raises(ConfigurationError, match="Pixels are needed"):
        batch_of(exact_latents, [0]).pixels.shape  # noqa: B018


def test_damaged_latents_are_a_bad_clip(exact_latents, tmp_path):
    copied = shutil.copytree(exact_latents, tmp_path / "copied")
    sample = Dataset.open(copied).samples("train")[0]
    with (copied / sample.shard).open("r+b") as file:
        file.seek(sample.offset)
        file.write(b"\xa5" * sample.size)
    with pytest.raises(MediaError, match="its times do not ascend from 0; it is damaged"):
        ClipReader(FORMAT).read(sample, 0.0, 0)


def test_the_entry_of_the_manifest_is_checked(exact_latents, tmp_path):
    copied = shutil.copytree(exact_latents, tmp_path / "copied")
    description = json.loads((copied / "dataset.json").read_text())
    del description["encoded"]["codec"]
    (copied / "dataset.json").write_text(json.dumps(description))
    with pytest.raises(ShardsError, match="`encoded` must have exactly the entries audio, audio_step, codec"):
        EncodedShards.of(Dataset.open(copied))


@pytest.mark.parametrize(
    ("change", "named"),
    [({"height": -1}, "height"), ({"sample_rate": "16000"}, "sample_rate"), ({"codec": None}, "codec"),
     ({"audio_step": 0, "seconds": [2]}, "audio_step, seconds"), ({"audio_step": 0.5}, "audio and audio_step")],
)  # fmt: skip
def test_the_values_of_the_entry_are_checked(exact_latents, change, named):
    whole = Dataset.open(exact_latents)
    entry = whole.description["encoded"] | change
    with pytest.raises(ShardsError, match=rf"`encoded` has impossible values for {named}\. Encode the shards again"):
        EncodedShards.of(Dataset(whole.folder, {**whole.description, "encoded": entry}))
