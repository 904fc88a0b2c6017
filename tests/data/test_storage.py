"""Bytes of files: on disk, in memory and behind web servers, good ones and bad ones."""

import io
import logging
import sys
import tarfile

import fsspec
import pytest
from fsspec.registry import _registry
from web_server import serve

import asva_lightning.data.remote as remote
import asva_lightning.data.storage as storage
from asva_lightning.data.storage import exists, expand, missing, open_file, read_bytes, read_text
from asva_lightning.data.streaming import tar_samples
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
    monkeypatch.setattr(remote, "PAUSES", (0.01, 0.01))


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
    storage._warn_of_whole_files.cache_clear()  # a server of another test may have had this port
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
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.delitem(_registry, scheme, raising=False)  # it keeps what another test has used
    with pytest.raises(
        ConfigurationError, match=rf"^{scheme}://bucket/clips needs another package: pip install {package}"
    ):
        expand(f"{scheme}://bucket/clips")


@pytest.fixture
def tar(tmp_path):
    """A tar with one sample, in a folder."""
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for name, content in (("dog/1.json", b"{}"), ("dog/1.mp4", CONTENT * 5000)):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return tmp_path


@pytest.mark.parametrize("ranges", [True, False])
@pytest.mark.parametrize("trouble", [{"failures": 2}, {"cuts": 2}], ids=["refused", "cut"])
def test_a_hiccup_while_a_bare_shard_is_read_loses_nothing(tar, ranges, trouble, caplog):
    with serve(tar, ranges=ranges, **trouble) as (root, _):
        (sample,) = tar_samples(f"{root}/a.tar")
    assert sample["mp4"] == CONTENT * 5000
    assert "trying again in 0.01 s" in caplog.text


def test_a_server_that_stays_broken_is_an_error_of_the_system_also_within_a_file(tar):
    with serve(tar, cuts=99) as (root, _), open_file(f"{root}/a.tar") as file:
        with pytest.raises(OSError, match=r"a\.tar cannot be read: "):
            file.read()
        (fault,) = tar_samples(f"{root}/a.tar")
    assert "the shard cannot be read any further" in fault.reason


def test_a_server_that_fails_is_not_taken_for_one_without_the_file(tar):
    with serve(tar, failures=2) as (root, _):
        assert exists(f"{root}/a.tar")
        assert not exists(f"{root}/b.tar")
    with serve(tar, failures=99) as (root, _):
        with pytest.raises(ShardsError, match=r"a\.tar cannot be read: 503.*Check the address and the connection"):
            exists(f"{root}/a.tar")
        with pytest.raises(OSError, match="cannot be read: 503"):
            open_file(f"{root}/a.tar")


def test_what_a_web_server_refuses_is_not_asked_for_again(tar, caplog):
    with serve(tar, failures=99, error=403) as (root, requests):
        assert not exists(f"{root}/a.tar")
        assert "It is taken to be missing" in caplog.text
        with pytest.raises(ShardsError, match=r"a\.tar cannot be read: 403.*Check the address, and that this machine"):
            read_text(f"{root}/a.tar")
    assert len(requests) == 2


def test_what_a_disk_refuses_is_an_error_that_says_what_to_do(tmp_path):
    with pytest.raises(ShardsError, match="is not there|No such file.*Correct the address in --data.shards"):
        read_text(str(tmp_path / "none.jsonl"))
    with pytest.raises(ShardsError, match="cannot be read: Is a directory"):
        read_text(str(tmp_path))


def test_missing_credentials_are_an_error_that_says_where_they_come_from(monkeypatch, tmp_path):
    pytest.importorskip("s3fs", reason="s3:// needs s3fs")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setitem(fsspec.config.conf, "s3", {"endpoint_url": "http://127.0.0.1:9"})
    with pytest.raises(ShardsError, match="Check the address, and that this machine may read there.*aws configure"):
        exists("s3://bucket/clips/dataset.json")
