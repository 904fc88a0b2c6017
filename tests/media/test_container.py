import io
import os
import struct
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from asva_lightning.errors import MediaError
from asva_lightning.media import ClipFormat, probe, read_clip, read_sound


def everything(source):
    return [lambda: probe(source), lambda: read_sound(source), lambda: read_clip(source, ClipFormat())]


def check_all(source, message):
    for read in everything(source):
        with pytest.raises(MediaError, match=message):
            read()


def test_a_missing_file(tmp_path):
    check_all(tmp_path / "none.mp4", r"none.mp4: cannot be read: No such file or directory")


def test_a_folder(tmp_path):
    check_all(tmp_path, "cannot be read: Is a directory")


def test_an_empty_file(tmp_path):
    (tmp_path / "empty.mp4").touch()
    check_all(tmp_path / "empty.mp4", r"empty.mp4: is empty \(0 bytes\)")


def test_a_file_of_another_kind(tmp_path):
    (tmp_path / "text.mp4").write_text("This is no video. " * 100)
    check_all(str(tmp_path / "text.mp4"), "text.mp4: cannot be read: Invalid data")


def test_a_track_without_a_single_sample(factory):
    tone = (factory.tone(0.1) * 2**15).astype(np.int16)
    header = factory.make("wav", sound=tone, sound_codec="pcm_s16le", sound_format="s16").partition(b"data")[0]
    header += b"data" + bytes(4)
    check_all(io.BytesIO(header), "not one sample of the sound can be decoded")


def test_a_cut_off_file_without_its_index(factory):
    data = factory.make("mp4", factory.grey(20), sound=factory.tone(2.0))
    check_all(io.BytesIO(data[: len(data) // 2]), "<binary file>: cannot be read")


def test_a_binary_file_is_called_by_its_name_and_stays_open(factory, tmp_path):
    (tmp_path / "silent.mp4").write_bytes(factory.make("mp4", factory.grey(20)))
    with open(tmp_path / "silent.mp4", "rb") as handle:
        handle.seek(7)
        with pytest.raises(MediaError, match=r"silent.mp4: has no sound that can be decoded"):
            read_clip(handle, ClipFormat())
        assert not handle.closed
        assert probe(handle).has_picture


def test_a_file_can_be_read_many_times_from_one_handle(factory):
    source = io.BytesIO(factory.make("mp4", factory.grey(20), sound=factory.tone(2.0)))
    assert read_sound(source).equal(read_sound(source))


def test_handles_are_closed_when_reading_fails(factory, tmp_path):
    file = tmp_path / "bad.mp4"
    file.write_bytes(factory.make("mp4", factory.grey(20))[:500])
    for _ in range(5):
        with pytest.raises(MediaError):
            probe(file)
    # Only this file's: what other tests left may be closed, or a thread open something, in the meantime.
    handles = Path("/proc/self/fd").iterdir() if os.path.isdir("/proc/self/fd") else ()
    assert str(file) not in [os.path.realpath(handle) for handle in handles]


def test_a_playlist_in_disguise_opens_nothing(factory, tmp_path):
    (tmp_path / "secret.mp4").write_bytes(factory.make("mp4", factory.grey(20)))
    (tmp_path / "clip.mp4").write_text("ffconcat version 1.0\nfile 'secret.mp4'\n")
    with pytest.raises(MediaError, match="clip.mp4: cannot be read"):
        probe(tmp_path / "clip.mp4")


def test_cover_art_is_no_picture(factory, tmp_path):
    jpeg = io.BytesIO()
    Image.new("RGB", (16, 16), "red").save(jpeg, "jpeg")
    picture = b"\0image/jpeg\0\x03\0" + jpeg.getvalue()
    frame = b"APIC" + struct.pack(">I", len(picture)) + b"\0\0" + picture
    size = len(frame)
    tag = b"ID3\x03\0\0" + bytes([size >> 21 & 127, size >> 14 & 127, size >> 7 & 127, size & 127]) + frame
    data = io.BytesIO(tag + factory.make("mp3", sound=factory.tone(1.0), sound_codec="libmp3lame"))
    info = probe(data)
    assert info.has_sound
    assert not info.has_picture
    assert info.sound_start == pytest.approx(0, abs=1e-6)
    with pytest.raises(MediaError, match="has no picture that can be decoded"):
        read_clip(data, ClipFormat())


def test_metadata_in_a_national_encoding_does_no_harm(factory):
    data = factory.make("matroska", factory.grey(5), title="Xylophon").replace(b"Xylophon", b"Xyl\xf6phon")
    with pytest.raises(UnicodeDecodeError), av.open(io.BytesIO(data)) as container:
        container.metadata.get("title")
    assert probe(io.BytesIO(data)).has_picture
