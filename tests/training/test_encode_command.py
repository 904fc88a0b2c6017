"""The command `shards encode`."""

import json
import pickle
import shutil
import struct
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from encoded_for_tests import EXACT, FORMAT, clips_of, encode

import asva_lightning.training.encode as encode_module
from asva_lightning.cli import main
from asva_lightning.data.manifest import Dataset, write_split
from asva_lightning.training.encode_clip import EncodeClip, to_int16


def stop_of(*arguments) -> int:
    with pytest.raises(SystemExit) as stop:
        encode(*arguments)
    return stop.value.code


def same_files(one: Path, other: Path) -> bool:
    names = [sorted(file.name for file in folder.iterdir()) for folder in (one, other)]
    return names[0] == names[1] and all((one / name).read_bytes() == (other / name).read_bytes() for name in names[0])


def test_smaller_types_are_near_and_half_as_large(exact_latents, exact_shards, tmp_path):
    half = encode(exact_shards, tmp_path / "half")
    exact, near = clips_of(exact_latents)[0], clips_of(half)[0]
    assert near.latents.dtype == torch.float16
    assert 0 < (near.latents.float() - exact.latents).abs().max() <= 2.0**-12
    assert torch.equal(near.waveform, exact.waveform)  # these files hold 16-bit sound
    sizes = [sum(sample.size for sample in Dataset.open(folder).samples("train")) for folder in (half, exact_latents)]
    assert sizes[0] < 0.51 * sizes[1]
    assert to_int16(torch.tensor([-1.0, 0.0, 0.25, 1.0])).tolist() == [-32768, 0, 8192, 32767]


def test_an_interrupted_start_is_continued(exact_shards, exact_latents, tmp_path, monkeypatch):
    output, done = tmp_path / "latents", []
    whole, write = EncodeClip.__call__, encode_module.write_encoded_shard

    def until_the_third(self, item):
        if len(done) == 3:
            raise KeyboardInterrupt
        done.append(item.sample.key)
        return whole(self, item)

    monkeypatch.setattr(EncodeClip, "__call__", until_the_third)
    assert stop_of(exact_shards, output, *EXACT) == 130
    assert not output.exists()
    monkeypatch.setattr(EncodeClip, "__call__", lambda self, item: done.append(item.sample.key) or whole(self, item))

    def until_the_second_shard(shard, samples, clips):
        if shard.name == "train-000001.tar":
            raise KeyboardInterrupt
        return write(shard, samples, clips)

    monkeypatch.setattr(encode_module, "write_encoded_shard", until_the_second_shard)
    assert stop_of(exact_shards, output, *EXACT) == 130
    assert not output.exists()
    monkeypatch.setattr(encode_module, "write_encoded_shard", write)
    encode(exact_shards, output, *EXACT)
    assert len(done) == len(set(done)) == 8
    assert same_files(output, exact_latents)


def test_parts_are_put_together_and_other_settings_refused(exact_shards, exact_latents, tmp_path, capsys):
    output = tmp_path / "latents"
    for part in ("1/2", "2/2"):
        encode(exact_shards, output, *EXACT, f"--part={part}")
        assert not output.exists()
    assert "the same command without --part puts them together" in capsys.readouterr().out
    assert stop_of(exact_shards, output) == 1
    assert "begun with other settings (latents: 'float32', now 'float16', sound:" in capsys.readouterr().err
    encode(exact_shards, output, *EXACT)
    assert same_files(output, exact_latents)


def test_what_cannot_be_encoded_is_left_out_and_told(exact_shards, exact_latents, tmp_path, capsys):
    damaged = shutil.copytree(exact_shards, tmp_path / "damaged")
    bad = Dataset.open(damaged).samples("train")[1]
    with (damaged / bad.shard).open("r+b") as file:
        file.seek(bad.offset)
        file.write(b"\xa5" * bad.size)
    assert stop_of(damaged, tmp_path / "latents", *EXACT) == 1
    assert f"  {bad.key}: " in capsys.readouterr().out
    made = Dataset.open(tmp_path / "latents")
    assert [entry["key"] for entry in made.description["left_out"]] == [bad.key]
    assert made.description["splits"] == {"train": 5, "test": 2}
    kept = [sample.key for sample in Dataset.open(exact_latents).samples("train") if sample.key != bad.key]
    assert [sample.key for sample in made.samples("train")] == kept


def test_other_processes_can_be_given_the_work(tmp_path):
    encode = EncodeClip("{}", FORMAT, tmp_path, "cpu", "float16", "int16")
    assert pickle.loads(pickle.dumps(encode)) == encode


def test_it_refuses_what_makes_no_sense(exact_shards, exact_latents, tmp_path, capsys):
    assert stop_of(exact_shards, tmp_path / "latents", "--audio_step=0.1") == 1
    assert "The audio encoder LogMelEncoder is trained with the denoiser" in capsys.readouterr().err
    assert stop_of(exact_latents, tmp_path / "latents") == 1
    assert "holds latents already. Give the shards that they were made from" in capsys.readouterr().err
    assert stop_of(exact_shards, exact_latents) == 1
    assert "exists. Delete it or choose another name" in capsys.readouterr().err
    assert stop_of(exact_shards, tmp_path / "latents", "--part=3") == 1
    assert "--part is a number of a count, such as 1/4, not '3'" in capsys.readouterr().err
    assert stop_of(exact_shards, tmp_path / "latents", "--data.format.height=30") == 1
    assert "does not divide by the codec's factor 4" in capsys.readouterr().err
    assert not (tmp_path / "latents.partial").exists()
    with pytest.raises(SystemExit) as stop:
        main(["shards", "encode", str(exact_shards)])
    assert stop.value.code == 2
    main(["shards", "encode", "--help"])
    assert "--audio_step SECONDS" in capsys.readouterr().out


def test_what_looks_at_pictures_refuses_latents(exact_latents, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stop:
        main(["shards", "preview", str(exact_latents), "page.html"])
    assert stop.value.code == 1
    assert "holds latents, which show no pictures. Give the shards that they were encoded" in capsys.readouterr().err
    assert not list(tmp_path.glob("*.html"))


def lint_report(folder: Path, report: Path, *words: str) -> dict:
    with suppress(SystemExit):
        main(["shards", "lint", str(folder), f"--report={report}", "--workers=1", *words])
    return json.loads(report.read_text())


def test_lint_looks_at_latents(exact_latents, exact_shards, tmp_path):
    told = lint_report(exact_latents, tmp_path / "lint.json")
    assert (told["wrong"], told["faults"], told["duplicates"]) == (False, {}, [])
    note = (
        f"{exact_latents} holds latents: duplicates of pictures are not looked for. Lint the shards that it was encoded"
    )
    assert [line.startswith(note) for line in told["notes"]] == [True]
    both = lint_report(exact_latents, tmp_path / "both.json", f"--also={exact_shards}")
    assert {(pair["sound"], pair["picture"]) for pair in both["duplicates"]} == {(0.0, None)}
    assert len(both["duplicates"]) == 8


def test_lint_finds_what_is_wrong_with_latents(exact_latents, tmp_path):
    copied = shutil.copytree(exact_latents, tmp_path / "copied")
    samples = Dataset.open(copied).samples("train")
    latents, waveform, times = (
        samples[place].tensors[name] for place, name in enumerate(("latents", "waveform", "times"))
    )

    def write(sample, place, content):
        with (copied / sample.shard).open("r+b") as file:
            file.seek(place)
            file.write(content)

    write(samples[0], latents.offset + 8, struct.pack("<f", float("nan")))
    write(samples[1], waveform.offset + 8, b"\x01")
    write(samples[2], times.offset + 8, struct.pack("<d", 0.0))
    write(samples[3], samples[3].offset, bytes(8))
    tensors = dict(samples[4].tensors)
    tensors["latents"] = replace(tensors["latents"], offset=tensors["latents"].offset - 4)
    changes = [
        {"sha256": ""},
        {},
        {"sha256": ""},
        {"sha256": ""},
        {"tensors": tensors},
        {"offset": samples[5].offset - 1, "size": samples[5].size + 1},
    ]
    write_split(copied, "train", [replace(sample, **change) for sample, change in zip(samples, changes)])
    faults = lint_report(copied, tmp_path / "lint.json")["faults"]
    reasons = (
        "its latents are no finite numbers",
        "its bytes are not those of the checksum",
        "its times do not ascend from 0",
        "is no safetensors file",
        "holds the tensor latents not where the manifest says",
        "its bytes are not those of the checksum",
    )
    for sample, reason in zip(samples, reasons):
        assert faults.pop(f"train {sample.key} in {sample.address}").startswith(reason)
    assert list(faults) == [samples[5].address]
    assert faults[samples[5].address].endswith("not where the manifest says")
