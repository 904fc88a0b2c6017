"""The world's files: each is read rightly or left out with a reason, and damaged bytes never do worse than that."""

import multiprocessing
import shutil
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from odd_files import CLICK, REGULAR, brightness, turn, write_odd
from shard_helpers import first

from asva_lightning.data import ClipDataModule, MediaFolder, build
from asva_lightning.data.clips import ClipReader
from asva_lightning.data.manifest import Dataset, SampleRecord
from asva_lightning.errors import MediaError
from asva_lightning.media import ClipFormat, Encoding, probe, read_sound, reencode
from asva_lightning.training.encode_clip import frame_times

FORMAT = ClipFormat(frames=8, fps=4, height=24, width=32)
IRREGULAR = sorted({round(number / 12 + 0.03 * np.sin(7 * number), 3) for number in range(36)} | {0.0})
SPARSE = [0.0, 0.1, 0.2, 0.93, 1.0, 1.05, 1.1, 1.72, 2.0, 2.4, 2.95]

GOOD = {
    "regular.mp4": {},
    "irregular.mp4": {"times": [time for time in IRREGULAR if time >= 0]},
    "sparse.mkv": {"times": SPARSE},
    "surround.mp4": {"layout": "5.1", "channel": 2},
    "surround.mkv": {"layout": "5.1", "codecs": ("libx264", "ac3"), "channel": 0},
    "stereo.mov": {"layout": "stereo", "channel": 1},
    "late.mp4": {"late": 2.5},
    "late.mkv": {"late": 2.5, "layout": "stereo"},
    "reordered.mp4": {"options": {"bf": "3", "g": "250"}},
    "long_groups.mp4": {"options": {"g": "1000", "bf": "0"}},
    "many_tracks.mkv": {"pictures": 2, "sounds": 3},
    "many_tracks.mp4": {"pictures": 2, "sounds": 2},
    "web.webm": {"codecs": ("libvpx-vp9", "libopus")},
    "old.avi": {"codecs": ("mpeg4", "mp3"), "options": {"b": "4000000"}},
    "broadcast.ts": {"codecs": ("libx264", "mp2"), "layout": "stereo"},
    "pieces.mp4": {"options": {"movflags": "frag_keyframe+empty_moov"}},
    "old_web.webm": {"codecs": ("libvpx", "libopus"), "options": {"b": "1000000"}},
    "subtitles.mkv": {"subtitles": True, "options": {"bf": "0"}},
}
if "libsvtav1" in av.codecs_available:
    GOOD["new.mp4"] = {"codecs": ("libsvtav1", "aac"), "options": {"preset": "12", "crf": "20"}}


def expected(options, start: float) -> np.ndarray:
    """Brightness of the frames of a clip: of each the frame that is nearest in time."""
    shown = np.array(options.get("times", REGULAR))
    asked = start + np.arange(FORMAT.frames) / FORMAT.fps
    return np.array([brightness(shown[np.abs(shown - time).argmin()]) for time in asked])


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Shards of all these files, and of some that must be left out."""
    root = tmp_path_factory.mktemp("odd")
    folder = root / "in" / "odd"
    folder.mkdir(parents=True)
    for number, (name, options) in enumerate(GOOD.items()):
        write_odd(folder / f"{number:02d}_{name}", **options)
    write_odd(folder / "no_sound.mp4", sounds=0)
    write_odd(folder / "no_picture.mp4", pictures=0)
    write_odd(folder / "short.mp4", times=REGULAR[:12])
    write_odd(folder / "sound.wav", pictures=0, codecs=("", "pcm_s16le")).rename(folder / "sound.mp4")
    whole = (folder / "00_regular.mp4").read_bytes()
    (folder / "empty.mp4").touch()
    (folder / "truncated.mp4").write_bytes(whole[: len(whole) // 2])
    (folder / "text.mp4").write_text("an error page of a web server")
    (folder / "picture.mp4").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    report = build(MediaFolder(str(root / "in"), test_share=0, minimum_seconds=2.0), root / "out")
    return report, {sample.key: sample for sample in Dataset.open(root / "out").samples("train")}


@pytest.mark.parametrize("start", [0.0, 0.6, 0.9])
@pytest.mark.parametrize("name", GOOD)
def test_an_odd_file_is_read_rightly_anywhere(built, name, start):
    number = list(GOOD).index(name)
    sample = built[1][f"odd/{number:02d}_{Path(name).stem}"]
    assert sample.seconds == pytest.approx(3.0, abs=0.15)
    clip = ClipReader(FORMAT).read(sample, start, 0)
    lower = clip.pixels[:, :, 14:22].float().mean(dim=(0, 2, 3)).numpy()
    upper = clip.pixels[:, :, 2:10].float().mean(dim=(0, 2, 3)).numpy()
    # Video stores brightness from 16 to 235; what the generator wrote as full range comes back stretched.
    scale = (lower - lower[0]) / max(1.0, lower[-1] - lower[0])
    wanted = expected(GOOD[name], start)
    assert scale == pytest.approx((wanted - wanted[0]) / (wanted[-1] - wanted[0]), abs=0.05)
    assert (upper - lower > 25).all(), "the picture stands upright"
    loud = torch.nonzero(clip.waveform.abs() > 0.5 * clip.waveform.abs().max())[0].item() / FORMAT.sample_rate
    assert loud == pytest.approx(CLICK - start, abs=0.03)


def test_what_cannot_be_used_is_left_out_with_a_reason(built):
    reasons = {key.removeprefix("odd/"): reason for key, reason in built[0].left_out}
    assert reasons.keys() == {"no_sound", "no_picture", "short", "empty", "truncated", "text", "picture", "sound"}
    assert reasons["no_sound"] == "has no sound"
    assert reasons["no_picture"] == reasons["sound"] == "has no picture"
    assert reasons["empty"] == "is empty (0 bytes)."
    assert reasons["short"].startswith("is 1.0")
    assert all(reasons[name].startswith("cannot be read: Invalid data") for name in ("truncated", "text"))


def test_a_stream_of_odd_files_never_stumbles(built):
    module = ClipDataModule(str(built[0].output), FORMAT, batch_size=8, workers=2)
    batches = first(module.train_dataloader(), 6)
    assert not [bad for batch in batches for bad in batch.bad]
    assert len({key for batch in batches for key in batch.keys}) == len(GOOD)


def test_a_wav_file_is_heard_from_its_first_sample(tmp_path):
    path = write_odd(tmp_path / "sound.wav", pictures=0, layout="stereo", channel=1, codecs=("", "pcm_s16le"))
    info = probe(path)
    assert (info.has_picture, info.sound_codec, info.sample_rate, info.channels) == (False, "pcm_s16le", 48_000, 2)
    heard = read_sound(path)
    assert len(heard) == 3 * ClipFormat.sample_rate
    loud = torch.nonzero(heard.abs() > 0.5 * heard.abs().max())[0].item() / ClipFormat.sample_rate
    assert loud == pytest.approx(CLICK, abs=0.002)


@pytest.mark.parametrize("quarter_turns", [1, 2, 3])
def test_a_turned_picture_stands_as_a_player_shows_it(tmp_path, quarter_turns):
    path = turn(write_odd(tmp_path / "turned.mp4"), quarter_turns)
    info = probe(path)
    assert (info.width, info.height) == ((64, 48) if quarter_turns == 2 else (48, 64))
    size = path.stat().st_size
    sample = SampleRecord("odd/1", path.name, "mp4", 0, size, "odd", "odd", 3.0, 12.0, folder=str(tmp_path))
    clip = ClipReader(ClipFormat(frames=2, fps=4, height=32, width=32)).read(sample, 0.0, 0)
    picture = clip.pixels[0, 0].float()
    sides = {0: picture[:8].mean(), 1: picture[:, -8:].mean(), 2: picture[-8:].mean(), 3: picture[:, :8].mean()}
    assert max(sides, key=lambda side: float(sides[side])) == quarter_turns, "the bright top is turned clockwise"


def mutate(content: bytes, seed: int) -> bytes:
    """Damage as it happens: bytes that flip, a stretch of zeros or noise, a hole, a repeat, an early end."""
    random = np.random.default_rng(seed)
    damaged = bytearray(content)
    kind = seed % 6
    place = int(random.integers(len(damaged)))
    length = int(random.integers(1, max(2, len(damaged) // 8)))
    if kind == 0:
        for _ in range(int(random.integers(1, 30))):
            damaged[int(random.integers(len(damaged)))] = int(random.integers(256))
    elif kind == 1:
        damaged[place : place + length] = bytes(len(damaged[place : place + length]))
    elif kind == 2:
        damaged[place : place + length] = random.bytes(len(damaged[place : place + length]))
    elif kind == 3:
        del damaged[place : place + length]
    elif kind == 4:
        damaged[place:place] = damaged[place : place + length]
    else:
        del damaged[place:]
    return bytes(damaged)


def read_clip_of(path: Path, seed: int) -> None:
    size = path.stat().st_size
    sample = SampleRecord("odd/1", path.name, "mp4", 0, size, "odd", "odd", 3.0, 12.0, folder=str(path.parent))
    clip = ClipReader(FORMAT).read(sample, (seed % 5) * 0.3, 0)
    assert clip.pixels.shape == (3, FORMAT.frames, FORMAT.height, FORMAT.width)
    assert clip.waveform.shape == (FORMAT.samples,)
    assert bool(torch.isfinite(clip.waveform).all())
    assert float(clip.waveform.abs().max()) <= 1.0


def probe_and_time(path: Path, seed: int) -> None:
    info = probe(path)
    values = [value for value in vars(info).values() if isinstance(value, float)]
    assert np.isfinite(values).all()
    assert min(info.fps, info.picture_seconds, info.sound_seconds, info.seconds) >= 0
    times = frame_times(path)
    assert np.isfinite(times).all()
    assert (np.diff(times) >= 0).all()


def encode_again(path: Path, seed: int) -> None:
    target = path.with_suffix(".again.mp4")
    try:
        reencode(path, target, Encoding(16, gop=4, sound_rate=16_000), (seed % 3) * 0.5)
        info = probe(target)
        assert info.has_picture
        assert info.has_sound
    finally:
        assert {file.name for file in path.parent.iterdir()} <= {path.name, target.name}, "nothing half written"
        target.unlink(missing_ok=True)


READERS = (read_clip_of, probe_and_time, encode_again)


def read_damaged(job: tuple[bytes, str, int]) -> tuple[str, str]:
    """How a damaged file was read and what became of it: "good", or the text of a MediaError; all else is raised."""
    content, folder, seed = job
    path = Path(folder) / str(seed) / "damaged.tar"
    path.parent.mkdir()
    path.write_bytes(mutate(content, seed))
    read = READERS[seed // 6 % len(READERS)]  # every kind of damage meets every reader
    try:
        read(path, seed)
    except MediaError as error:
        return read.__name__, str(error)
    finally:
        shutil.rmtree(path.parent)
    return read.__name__, "good"


@pytest.mark.parametrize("name", ["regular.mp4", "web.webm", "old.avi", "broadcast.ts"])
def test_damaged_bytes_are_read_or_give_one_typed_error(built, tmp_path, name):
    """In a process of its own: a crash of a decoder, or a hang, must not take the tests along."""
    content = write_odd(tmp_path / name, **GOOD[name]).read_bytes()
    with multiprocessing.get_context("fork").Pool(1, torch.set_num_threads, (1,)) as pool:
        jobs = [(content, str(tmp_path), seed) for seed in range(90)]
        results = pool.map_async(read_damaged, jobs, chunksize=10).get(timeout=480)
    for reader in READERS:
        told = {reason for name, reason in results if name == reader.__name__}
        assert "good" in told, "some damage does no harm"
        assert len(told) > 1, "some damage does"
        assert all("damaged.tar" in reason for reason in told - {"good"}), "an error names the file"
