"""RelSync by a classifier that this package trained: it sees what its run says, as SyncClassifierScore does."""

import shutil

import pytest
import torch
import yaml
from judged_clips import clips, small_classifier

from asva_lightning.encoders.imagebind import ImageBind
from asva_lightning.errors import ConfigurationError, WeightsError
from asva_lightning.evaluation.sync_classifier import SyncClassifierScore
from asva_lightning.media import ClipFormat, log_mel
from asva_lightning.metrics.alignsync import AlignSync
from asva_lightning.metrics.clip import EvaluatedClip
from asva_lightning.metrics.image_audio import ImageAudioSimilarity
from asva_lightning.metrics.relsync import RelSync
from asva_lightning.metrics.sync_classifier import SyncClassifier, for_scoring, write_released
from asva_lightning.metrics.sync_scorer import SyncScorer

FORMAT = ClipFormat(frames=42, fps=14, height=20, width=28)
"""Three seconds: longer than the released classifier hears, and neither size, length nor rate of the run."""


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of SyncTask: 16 pixels, 15 frames at 6 a second, so 2.5 s."""
    folder = tmp_path_factory.mktemp("run")
    (folder / "checkpoints").mkdir()
    settings = {"picture": 16, "windows": {"count": 8, "shift": 0.2, "frames": 15, "fps": 6.0}}
    (folder / "config.yaml").write_text(yaml.safe_dump({"model": {"class_path": "x", "init_args": settings}}))
    weights = {f"classifier.{name}": tensor for name, tensor in small_classifier().state_dict().items()}
    torch.save({"state_dict": weights}, folder / "checkpoints" / "step_000100.ckpt")
    return folder


@pytest.fixture(scope="module")
def batch():
    sound = 0.3 * torch.randn(2, FORMAT.samples, generator=torch.Generator().manual_seed(0))
    return clips(2, 0, FORMAT), clips(2, 1, FORMAT), sound


def expected_share(judge, batch):
    samples, truth, sound = batch
    own, true = judge.score(samples, sound, FORMAT), judge.score(truth, sound, FORMAT)
    assert (own - true).abs().min() > 1e-3, "scores that do not differ prove nothing"
    return (own - true).sigmoid()


def test_rel_sync_of_a_run_is_made_of_the_scores_of_sync_classifier_score(run, batch):
    samples, truth, sound = batch
    expected = 100 * expected_share(SyncClassifierScore(str(run)), batch)
    for classifier in (run, run / "checkpoints" / "step_000100.ckpt"):
        metric = RelSync(classifier)
        assert torch.allclose(metric.values(samples, truth, sound, 16_000, FORMAT.fps), expected, atol=1e-4)
        assert torch.allclose(metric.values(samples, truth, sound, 16_000), expected, atol=1e-4)
        one = EvaluatedClip("a", samples[1], sound[1], "dog", truth[1])
        assert metric.measure(one, FORMAT) == pytest.approx(float(expected[1]), abs=1e-3)


def test_align_sync_of_a_run_does_the_same(run, batch, reference):
    imagebind = ImageBind.from_original(reference("imagebind_small", "imagebind").weights, {"audio": 4, "vision": 4})
    values = AlignSync(run, imagebind).values(*batch, 16_000)
    whole = AlignSync(small_classifier(), imagebind)
    whole._scorer = SyncClassifierScore(str(run))._scorer
    assert torch.equal(values, whole.values(*batch, 16_000))
    assert (values < 100 * expected_share(SyncClassifierScore(str(run)), batch)).all()


def test_the_window_has_its_size_length_rate_and_columns(run, batch):
    samples, _, sound = batch
    times = 0.25 + torch.arange(15, dtype=torch.float64) / 6
    nearest = (times * 14 + 0.5 - 1e-6).floor().long()
    mel = log_mel(sound[:, 4000:44_000], columns=250)
    expected = small_classifier()(mel, for_scoring(samples[:, :, nearest], 16))
    assert torch.allclose(SyncClassifierScore(str(run)).score(samples, sound, FORMAT), expected, atol=1e-5)


def test_what_a_file_does_not_say_can_be_told(run, batch, tmp_path):
    write_released(small_classifier(), tmp_path / "sync.safetensors")
    told = RelSync(tmp_path / "sync.safetensors", picture=16, frames=15, fps=6.0)
    assert torch.equal(told.values(*batch, 16_000), RelSync(run).values(*batch, 16_000))
    with pytest.raises(ConfigurationError, match=r"at most 2.04 s of 16000 samples a second, not 3.00 s"):
        RelSync(tmp_path / "sync.safetensors").values(*batch, 16_000)
    alone = tmp_path / "step_000100.ckpt"
    alone.write_bytes((run / "checkpoints" / "step_000100.ckpt").read_bytes())
    with pytest.raises(ConfigurationError, match=r"step_000100.ckpt lies outside its run, .* Give the run folder"):
        RelSync(alone)
    assert torch.equal(RelSync(alone, 16, 15, 6.0).values(*batch, 16_000), RelSync(run).values(*batch, 16_000))
    with pytest.raises(ConfigurationError, match="picture, frames and fps belong to a file"):
        RelSync(small_classifier(), picture=16)


def test_what_a_small_classifier_sees_is_not_guessed_in_silence(tmp_path, caplog):
    """A folder that ``export`` made is not of the released sizes, so the released picture is none of its own."""
    write_released(small_classifier(), tmp_path / "modules")
    SyncScorer.read(tmp_path / "modules", frames=15)
    assert "is not the released classifier and does not say" in caplog.text
    assert "Without picture, fps it sees what the released one does" in caplog.text
    caplog.clear()
    SyncScorer.read(tmp_path / "modules", picture=16, frames=15, fps=6.0)
    assert not caplog.text
    assert SyncClassifier().is_of_released_sizes


def test_the_newest_whole_checkpoint_counts_whatever_else_lies_beside_it(run, tmp_path, caplog, monkeypatch):
    copy = shutil.copytree(run, tmp_path / "run")
    (copy / "checkpoints" / "step_best.ckpt").write_bytes(b"somebody's own")
    (copy / "checkpoints" / "step_000200.ckpt").write_bytes(b"half written")
    assert SyncScorer.read(copy).picture == 16
    assert "step_000200.ckpt is unfinished and is passed over." in caplog.text
    monkeypatch.chdir(copy / "checkpoints")
    assert SyncScorer.read("step_000100.ckpt").picture == 16


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "describes no model"),
        ("- 1", "describes no model"),
        ("model: {", r"config.yaml is damaged \(while parsing"),
    ],
)
def test_a_damaged_configuration_is_told(run, tmp_path, text, message):
    copy = shutil.copytree(run, tmp_path / "run")
    (copy / "config.yaml").write_text(text)
    with pytest.raises(WeightsError, match=message):
        SyncScorer.read(copy)


def test_measures_share_one_imagebind_of_a_file(run, reference, tmp_path, monkeypatch):
    read = []

    def from_file(path, modalities):
        read.append(modalities)
        return ImageBind.from_original(reference("imagebind_small", "imagebind").weights, {"audio": 4, "vision": 4})

    monkeypatch.setattr(ImageBind, "from_file", from_file)
    file = tmp_path / "imagebind.pth"
    file.write_bytes(b"x")
    first, second = ImageAudioSimilarity(file), AlignSync(run, str(file))
    assert first._network.network is second._network.network
    assert read == [("audio", "vision")]
