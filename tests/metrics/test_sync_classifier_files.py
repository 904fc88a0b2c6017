"""Files of the sync classifier: the release's folder, one file, and AVID-CMA's checkpoint to begin from."""

import json

import pytest
import torch

from asva_lightning.errors import WeightsError
from asva_lightning.metrics.sync_classifier import SyncClassifier, load_avid_cma, read_released, write_released


def small(seed=0, **changes):
    torch.manual_seed(seed)
    return SyncClassifier(**({"widths": (4, 6, 8), "blocks": 1} | changes)).eval()


def assert_equal(one, other):
    ours, theirs = one.state_dict(), other.state_dict()
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


@pytest.mark.parametrize("name", ["modules", "classifier.safetensors"])
def test_what_is_written_is_read_again(name, tmp_path):
    write_released(small(), tmp_path / name)
    assert_equal(read_released(tmp_path / name), small())


def test_the_folder_is_laid_out_as_the_release(tmp_path):
    write_released(small(), tmp_path / "modules")
    for part, name in (("audio_encoder", "AudioConv2DNet"), ("video_encoder", "VideoR2Plus1DNet"), ("head", "FCHead")):
        assert json.loads((tmp_path / "modules" / part / "config.json").read_text())["_class_name"] == name
        weights = torch.load(tmp_path / "modules" / part / "diffusion_pytorch_model.bin", weights_only=True)
        assert all(torch.equal(small().state_dict()[f"{part}.{key}"], tensor) for key, tensor in weights.items())
    assert json.loads((tmp_path / "modules" / "head" / "config.json").read_text())["dim"] == 8


@pytest.mark.parametrize("wrap", [lambda tensors: tensors, lambda tensors: {"state_dict": tensors, "epoch": 3}])
def test_a_file_of_tensors_is_read_whatever_is_around_them(wrap, tmp_path):
    torch.save(wrap(small().state_dict()), tmp_path / "classifier.pth")
    assert_equal(read_released(tmp_path / "classifier.pth"), small())


def test_a_checkpoint_of_a_run_is_read(tmp_path):
    names = {f"classifier.{name}": tensor for name, tensor in small().state_dict().items()}
    content = {"state_dict": names | {"other.weight": torch.zeros(1)}, "global_step": 5}
    torch.save(content, tmp_path / "step_000005.ckpt")
    assert_equal(read_released(tmp_path / "step_000005.ckpt"), small())


def test_a_missing_release_says_where_it_comes_from(tmp_path):
    with pytest.raises(WeightsError, match=r"modules is missing.*lzhangbj/ASVA.*experiments/sync_classifier\.yaml"):
        read_released(tmp_path / "modules")


def avid_cma(classifier, path, network=("audio_model", "video_model")):
    names = {"audio_encoder": network[0], "video_encoder": network[1]}
    tensors = {
        f"module.{names[name.split('.')[0]]}.{name.split('.', 1)[1]}": tensor
        for name, tensor in classifier.state_dict().items()
        if not name.startswith("head.")
    }
    torch.save({"model": tensors | {"module.video_proj.projection.0.weight": torch.zeros(2, 2)}, "epoch": 1}, path)
    return path


def test_training_begins_from_avid_cma(tmp_path):
    source, target = small(seed=1), small(seed=2)
    head = {name: tensor.clone() for name, tensor in target.head.state_dict().items()}
    taken = load_avid_cma(target, avid_cma(source, tmp_path / "avid_cma.pth.tar"))
    for part in ("audio_encoder", "video_encoder"):
        theirs = source.get_submodule(part).state_dict()
        assert all(
            torch.equal(tensor, theirs[name]) for name, tensor in target.get_submodule(part).state_dict().items()
        )
    assert all(torch.equal(tensor, head[name]) for name, tensor in target.head.state_dict().items())
    assert (taken.misfits, taken.absent) == ((), ())
    assert str(taken) == f"{len(taken.taken)} tensors taken"


def test_what_does_not_fit_is_left_and_reported(tmp_path):
    source, target = small(seed=1), small(seed=2, frame_differences=True, blocks=2)
    stem = target.video_encoder.conv1[0].weight.clone()
    taken = load_avid_cma(target, avid_cma(source, tmp_path / "avid_cma.pth.tar"))
    assert taken.misfits == ("video_encoder.conv1.0.weight",)
    assert torch.equal(target.video_encoder.conv1[0].weight, stem)
    assert "video_encoder.conv2x.1.spt_conv1.weight" in taken.absent
    assert "1 of another shape (video_encoder.conv1.0.weight)" in str(taken)
    assert "not there (video_encoder.conv2x.1" in str(taken)


@pytest.mark.parametrize(
    ("source", "network", "found"),
    [
        ({"widths": (10, 12, 14)}, ("audio_model", "video_model"), "none of the right shape"),
        ({}, ("ear", "eye"), "no tensor of module.video_model or module.audio_model"),
    ],
)
def test_a_checkpoint_of_which_nothing_fits_is_refused(source, network, found, tmp_path):
    path = avid_cma(small(**source), tmp_path / "other.pth.tar", network)
    with pytest.raises(WeightsError, match=f"{found}.*random weights"):
        load_avid_cma(small(), path)


def test_a_missing_avid_cma_says_where_it_comes_from(tmp_path):
    with pytest.raises(WeightsError, match=r"is missing.*facebookresearch/AVID-CMA.*leave .* out"):
        load_avid_cma(small(), tmp_path / "avid_cma.pth.tar")
