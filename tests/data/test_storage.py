"""Bytes of files: on disk, in memory and behind web servers, good ones and bad ones."""

import logging

import fsspec
import pytest
from web_server import serve

import asva_lightning.data.storage as storage
from asva_lightning.data.storage import expand, missing, open_file, read_bytes
from asva_lightning.errors import ConfigurationError, ShardsError

CONTENT = bytes(range(200))


@pytest.fixture(params=["disk", "memory", "ranges", "whole"])
def address(request, tmp_path):
    """The same file behind different doors; the last server knows no ranges."""
    (tmp_path / "a.tar").write_bytes(CONTENT)
    if request.param == "disk":
        yield str(tmp_path / "a.tar")
    elif request.param == "memory":
        fsspec.filesystem("memory").pipe_file(f"/{tmp_path.name}/a.tar", CONTENT)
        yield f"memory://{tmp_path.name}/a.tar"
    else:
        with serve(tmp_path, ranges=request.param == "ranges") as (root, _):
            yield f"{root}/a.tar"


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(storage, "PAUSES", (0.01, 0.01))


def test_a_part_of_a_file_is_read_whatever_serves_it(address):
    assert read_bytes(address) == CONTENT
    assert read_bytes(address, 40, 30) == CONTENT[40:70]
    assert read_bytes(address, 190, 30) == CONTENT[190:]
    with open_file(address) as file:
        assert file.read() == CONTENT


def test_a_missing_file_is_an_error_of_the_system_at_once(address, caplog):
    with pytest.raises(FileNotFoundError):
        read_bytes(address.replace("a.tar", "b.tar"), 0, 10)
    assert "trying again" not in caplog.text
    folder = address.removesuffix("/a.tar")
    assert missing(folder, ["a.tar", "b.tar"]) == ["b.tar"]


def test_only_the_part_that_is_needed_travels(tmp_path):
    (tmp_path / "a.tar").write_bytes(CONTENT)
    with serve(tmp_path) as (root, requests):
        read_bytes(f"{root}/a.tar", 40, 30)
    assert requests == [("GET", "/a.tar", "bytes=40-69")]


def test_a_server_that_knows_no_ranges_is_told_of_once(tmp_path, caplog):
    (tmp_path / "a.tar").write_bytes(CONTENT)
    with serve(tmp_path, ranges=False) as (root, _):
        for _ in range(3):
            read_bytes(f"{root}/a.tar", 40, 30)
    assert caplog.text.count("sends whole shards where parts are asked for") == 1


def test_a_hiccup_of_the_network_is_no_bad_clip(tmp_path, caplog):
    (tmp_path / "a.tar").write_bytes(CONTENT)
    with serve(tmp_path, failures=2) as (root, requests), caplog.at_level(logging.WARNING):
        assert read_bytes(f"{root}/a.tar", 40, 30) == CONTENT[40:70]
    assert len(requests) == 3
    assert caplog.text.count("trying again in 0.01 s") == 2
    with serve(tmp_path, failures=3) as (root, _), pytest.raises(OSError, match="cannot be read"):
        read_bytes(f"{root}/a.tar", 40, 30)


def test_patterns_count_and_look(tmp_path):
    for name in ("train-000.tar", "train-001.tar", "test-000.tar"):
        (tmp_path / name).touch()
        fsspec.filesystem("memory").pipe_file(f"/{tmp_path.name}/{name}", b"")
    for folder in (str(tmp_path), f"memory://{tmp_path.name}"):
        trains = [f"{folder}/train-000.tar", f"{folder}/train-001.tar"]
        assert [found.replace(":///", "://") for found in expand(f"{folder}/train-*.tar")] == trains
        assert expand(f"{folder}/train-{{000..001}}.tar") == trains
        assert len(expand(f"{folder}/{{train,test}}-*.tar")) == 3
        with pytest.raises(ShardsError, match=r"No file fits .*none-\*\.tar.*correct --data\.shards"):
            expand(f"{folder}/none-*.tar")
    assert expand("https://host/a-{0..2}.tar?key=1") == [f"https://host/a-{number}.tar?key=1" for number in range(3)]
    (tmp_path / "odd[1]").mkdir()
    assert expand(str(tmp_path / "odd[1]")) == [str(tmp_path / "odd[1]")]


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("pipe:cat clips/train-000000.tar", "would run a command, which a recipe must not do. Give a folder of shards"),
        ("nonsense://clips", "is no address of shards .*s3:// or gs://"),
        ("https://host/*.tar", r"a web server lists no files. Name the shards with braces"),
        ("clips/{000..001.tar", r"The braces of 'clips/\{000\.\.001\.tar' do not fit"),
    ],
)
def test_addresses_that_cannot_be_read_are_refused(address, message):
    with pytest.raises(ConfigurationError, match=message):
        expand(address)


@pytest.mark.parametrize(("scheme", "package"), [("s3", "s3fs"), ("gs", "gcsfs")])
def test_a_missing_package_is_named(scheme, package, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, package, None)
    fsspec.registry  # noqa: B018
    with pytest.raises(
        ConfigurationError, match=rf"^{scheme}://bucket/clips needs another package: pip install {package}"
    ):
        expand(f"{scheme}://bucket/clips")
