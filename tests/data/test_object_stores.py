"""Shards in object stores: in S3, which a server on this machine plays, and in fsspec's store in memory."""

import fsspec
import pytest
from shard_helpers import FORMAT, first, same

from asva_lightning.data import ClipDataModule
from asva_lightning.data.manifest import Dataset
from asva_lightning.data.storage import exists, expand, missing, open_file, read_bytes, size_of

BUCKET = "clips-of-a-test"


@pytest.fixture
def s3(monkeypatch):
    """The address of an empty bucket; its server runs for as long as the test."""
    pytest.importorskip("s3fs", reason="s3:// needs s3fs")
    moto = pytest.importorskip("moto.server", reason="the server that plays S3 is moto's: pip install 'moto[server]'")
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    access = {"key": "nobody", "secret": "nothing", "endpoint_url": f"http://{host}:{port}"}
    monkeypatch.setitem(fsspec.config.conf, "s3", access)
    try:
        store = fsspec.filesystem("s3")
        if not store.exists(BUCKET):  # moto keeps its buckets as long as this process lives
            store.mkdir(BUCKET)
        yield f"s3://{BUCKET}"
    finally:
        fsspec.get_filesystem_class("s3").clear_instance_cache()
        server.stop()


@pytest.fixture
def memory():
    """The address of an empty folder in memory."""
    store = fsspec.filesystem("memory")
    yield f"memory://{BUCKET}"
    store.rm(f"/{BUCKET}", recursive=True)


@pytest.fixture(params=["s3", "memory"])
def far(request, shards):
    """Shards in a store."""
    root = request.getfixturevalue(request.param)
    store, folder = fsspec.url_to_fs(f"{root}/shards")
    for file in sorted(shards.iterdir()):
        store.pipe_file(f"{folder}/{file.name}", file.read_bytes())
    store.invalidate_cache()
    return f"{root}/shards"


def plain(address: str) -> str:
    """Memory writes its addresses with three slashes."""
    return address.replace(":///", "://")


def test_the_manifest_is_that_of_the_folder(far, shards):
    near = Dataset.open(shards).samples("train")
    read = Dataset.open(far).samples("train")
    assert [(one.key, one.offset, one.size, one.text) for one in read] == [
        (one.key, one.offset, one.size, one.text) for one in near
    ]
    assert {one.address.removeprefix(f"{far}/") for one in read} == {one.shard for one in near}


def test_patterns_find_the_tars(far):
    trains = [f"{far}/train-{number:06d}.tar" for number in range(3)]
    assert [plain(found) for found in expand(f"{far}/train-*.tar")] == trains
    assert expand(f"{far}/train-{{000000..000002}}.tar") == trains
    assert missing(far, ["train-000000.tar", "train-000009.tar"]) == ["train-000009.tar"]
    assert not exists(f"{far}/train-000009.tar")


def test_the_bytes_of_a_member_are_those_on_disk(far, shards):
    for sample in Dataset.open(far).samples("train"):
        tar = (shards / sample.shard).read_bytes()
        assert (
            read_bytes(sample.address, sample.offset, sample.size) == tar[sample.offset : sample.offset + sample.size]
        )
    assert size_of(sample.address) == len(tar)
    assert read_bytes(sample.address, len(tar) - 10, 30) == tar[-10:], "no more than there is"
    with open_file(sample.address) as file:
        assert file.read() == tar
    with pytest.raises(FileNotFoundError):
        read_bytes(f"{far}/train-000009.tar", 0, 10)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_batch_is_that_of_the_folder(far, shards, workers):
    """Also in another process, which must make connections of its own after this one has used the store."""
    batches = []
    for address in (far, str(shards)):
        module = ClipDataModule(address, FORMAT, batch_size=4, workers=workers, stall_seconds=30)
        module.prepare_data()
        module.setup("fit")
        batches += first(module.train_dataloader(), 1)
    assert batches[0].keys == batches[1].keys
    assert not batches[0].bad
    assert same(*batches)
