"""Weights are found on disk, in the Hub's cache, or on the Hub; what is missing is an error that says what to type."""

import re

import huggingface_hub.constants
import pytest
from hub_server import COMMIT, serve

from asva_lightning.errors import WeightsError
from asva_lightning.weights import find_file, find_folder, is_hub_id

REPOSITORY = "someone/small-diffusion"
FILES = {  # contents differ, as the cache keeps equal ones once
    "model_index.json": b"[]",
    "v1-5-pruned.safetensors": b"all in one",
    "unet/config.json": b"{}",
    "unet/diffusion_pytorch_model.safetensors": b"full",
    "unet/diffusion_pytorch_model.fp16.safetensors": b"half",
    "unet/diffusion_pytorch_model.non_ema.safetensors": b"other",
    "unet/diffusion_pytorch_model.bin": b"pickled",
    "vae/config.json": b"{ }",
    "vae/diffusion_pytorch_model.bin": b"pickled vae",
    "tokenizer/vocab.json": b"{  }",
    "tokenizer/merges.txt": b"#version",
    "safety_checker/config.json": b"{   }",
    "safety_checker/model.safetensors": b"unwanted",
}


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """Points huggingface_hub to a cache of this test; its address is one where nobody listens."""

    def use(address):
        monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", address)
        monkeypatch.setattr(
            huggingface_hub.constants,
            "HUGGINGFACE_CO_URL_TEMPLATE",
            address + "/{repo_id}/resolve/{revision}/{filename}",
        )

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.chdir(tmp_path)
    use("http://127.0.0.1:9")
    return use


@pytest.fixture
def cache(hub, tmp_path, monkeypatch):
    """A cache as huggingface_hub leaves it, and no network allowed."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    repository = tmp_path / "hub" / "models--someone--small-diffusion"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(COMMIT)
    (repository / "refs" / "v2").write_text("6" * 40)
    for commit in (COMMIT, "6" * 40):
        unet = repository / "snapshots" / commit / "unet"
        unet.mkdir(parents=True)
        (unet / "config.json").write_text("{}")
        (unet / "diffusion_pytorch_model.safetensors").write_text(commit)
    return repository / "snapshots"


def test_a_folder_of_this_machine(tmp_path, monkeypatch):
    (tmp_path / "models" / "sd" / "unet").mkdir(parents=True)
    assert find_folder(str(tmp_path / "models" / "sd"), "stable_diffusion", ["unet"]) == tmp_path / "models" / "sd"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for source in ("models/sd", "./models/sd", "~/models/sd"):
        assert find_folder(source, "stable_diffusion").resolve() == tmp_path / "models" / "sd"


def test_a_file_of_this_machine(tmp_path, monkeypatch):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "c.pth").touch()
    monkeypatch.chdir(tmp_path)
    assert find_file("a/b/c.pth", "imagebind_huge").is_file()


def test_which_sources_are_hub_ids(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here" / "model").mkdir(parents=True)
    for source in ("org/name", "org/name@main", "org/name@refs/pr/3", "stable-diffusion-v1-5/stable-diffusion-v1-5"):
        assert is_hub_id(source), source
    for source in ("here/model", "./org/name", "/org/name", "~/name", "a/b/c", "name", "../name", "C:/x"):
        assert not is_hub_id(source), source


def test_a_missing_folder_says_what_to_type(tmp_path):
    with pytest.raises(WeightsError) as caught:
        find_folder(str(tmp_path / "sd"), "stable_diffusion", ["unet"])
    message = str(caught.value)
    assert message.startswith(f"There is no folder {tmp_path / 'sd'}. Needed: unet (Stable Diffusion 1.5, ")
    assert "from stable-diffusion-v1-5/stable-diffusion-v1-5, 4.3 GB, licence: CreativeML OpenRAIL-M." in message
    assert "type: hf download stable-diffusion-v1-5/stable-diffusion-v1-5 --include 'unet/*' " in message


def test_a_missing_part_is_named(tmp_path):
    (tmp_path / "unet").mkdir()
    with pytest.raises(WeightsError, match=f"{re.escape(str(tmp_path))} has no folder vae. Needed: unet, vae "):
        find_folder(str(tmp_path), "stable_diffusion", ["unet", "vae"])


def test_a_missing_file_says_what_to_type(tmp_path):
    with pytest.raises(WeightsError, match=r"x.pth does not exist. Needed: imagebind_huge.pth .*4.5 GB, licence: CC "):
        find_file(str(tmp_path / "x.pth"), "imagebind_huge")
    with pytest.raises(WeightsError, match=r"Type: curl -L -O https://dl.fbaipublicfiles.com/imagebind/imagebind_huge"):
        find_file(str(tmp_path / "x.pth"), "imagebind_huge")
    with pytest.raises(WeightsError, match=r"Open https://github.com/lzhangbj/ASVA, fetch it, and give its path"):
        find_file(str(tmp_path / "x.pth"), "sync_classifier")
    with pytest.raises(WeightsError, match="is a folder, not a file"):
        find_file(str(tmp_path), "imagebind_huge")


def test_weights_that_the_table_does_not_know(tmp_path):
    with pytest.raises(WeightsError, match=r"no folder .*x\. Needed: the folder of an exported pipeline\. Check the"):
        find_folder(str(tmp_path / "x"), "an exported pipeline")


def test_the_cache_serves_without_network(cache):
    assert find_folder(REPOSITORY, "stable_diffusion", ["unet"]) == cache / COMMIT
    assert find_folder(f"{REPOSITORY}@v2", "stable_diffusion", ["unet"]) == cache / ("6" * 40)
    name = f"{REPOSITORY}/unet/diffusion_pytorch_model.safetensors"
    assert find_file(name, "stable_diffusion").read_text() == COMMIT
    assert find_file(f"{name}@v2", "stable_diffusion").read_text() == "6" * 40


def test_a_part_that_the_cache_lacks_is_named(cache):
    with pytest.raises(WeightsError, match=f"The Hub's {REPOSITORY} has no folder vae. Needed: unet, vae "):
        find_folder(REPOSITORY, "stable_diffusion", ["unet", "vae"])


@pytest.mark.parametrize(
    ("find", "source"), [(find_folder, "nobody/nothing"), (find_file, "nobody/nothing/model.safetensors")]
)
def test_offline_and_not_in_the_cache(cache, find, source):
    with pytest.raises(
        WeightsError, match=f"{source} is no path here, is not in the Hub's cache .*LocalEntryNotFoundError"
    ):
        find(source, "stable_diffusion")


def test_a_hub_that_cannot_be_reached(hub):
    with pytest.raises(WeightsError, match=r"could not be fetched \(.*refused.*\)\. Needed: .* hf download nobody/no"):
        find_folder("nobody/nothing", "stable_diffusion")


def test_only_what_is_needed_is_fetched(hub):
    with serve(REPOSITORY, FILES) as (address, fetched):
        hub(address)
        folder = find_folder(REPOSITORY, "stable_diffusion", ["unet", "tokenizer"])
        assert (folder / "unet" / "diffusion_pytorch_model.safetensors").read_bytes() == b"full"
        assert sorted(fetched) == [
            "tokenizer/merges.txt",
            "tokenizer/vocab.json",
            "unet/config.json",
            "unet/diffusion_pytorch_model.safetensors",
        ]
        fetched.clear()
        find_folder(REPOSITORY, "stable_diffusion", ["unet", "tokenizer"])
        assert fetched == []


def test_pickled_weights_are_fetched_where_there_are_no_others(hub):
    with serve(REPOSITORY, FILES) as (address, fetched):
        hub(address)
        find_folder(REPOSITORY, "stable_diffusion", ["vae"])
    assert sorted(fetched) == ["vae/config.json", "vae/diffusion_pytorch_model.bin"]


def test_half_precision_is_fetched_where_there_is_nothing_else(hub):
    files = {"unet/config.json": b"{}", "unet/diffusion_pytorch_model.fp16.safetensors": b"half"}
    with serve(REPOSITORY, files) as (address, fetched):
        hub(address)
        find_folder(REPOSITORY, "stable_diffusion", ["unet"])
    assert sorted(fetched) == sorted(files)


def test_all_of_a_repository_is_fetched_where_no_parts_are_asked_for(hub):
    files = {"config.json": b"{}", "pytorch_model.bin": b"weights", "README.md": b"", "more/model.safetensors": b"x"}
    with serve(REPOSITORY, files) as (address, fetched):
        hub(address)
        find_folder(REPOSITORY, "ast")
    assert sorted(fetched) == ["config.json", "more/model.safetensors", "pytorch_model.bin"]


def test_what_the_hub_does_not_have(hub):
    with serve(REPOSITORY, FILES) as (address, _):
        hub(address)
        with pytest.raises(WeightsError, match="has no folder text_encoder"):
            find_folder(REPOSITORY, "stable_diffusion", ["text_encoder"])
        with pytest.raises(WeightsError, match="RepositoryNotFoundError"):
            find_folder("someone/else", "stable_diffusion")
        with pytest.raises(WeightsError, match="EntryNotFoundError"):
            find_file(f"{REPOSITORY}/model.safetensors", "ast")
        assert find_file(f"{REPOSITORY}/unet/config.json", "ast").read_bytes() == b"{}"
