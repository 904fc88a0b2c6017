"""The sync classifier: the original's function under the original's names, in several sizes."""

import pytest
import torch

from asva_lightning.errors import ConfigurationError, WeightsError
from asva_lightning.metrics.sync_classifier import SyncClassifier
from asva_lightning.metrics.sync_classifier.video import DIFFERENCE_GAIN, with_differences

SMALL = {"widths": (4, 6, 8), "blocks": 1}


@pytest.fixture(scope="module")
def original(reference):
    return reference("sync_classifier", "sync")


def inputs(count=2, frames=12, side=16, seed=0):
    generator = torch.Generator().manual_seed(seed)
    mel = torch.randn(count, 1, 128, 204, generator=generator)
    return mel, torch.randn(count, 3, frames, side, side, generator=generator)


def small(**changes):
    torch.manual_seed(1)
    return SyncClassifier(**(SMALL | changes)).eval()


@torch.no_grad()
def test_the_classifier_equals_the_reference(original):
    classifier = SyncClassifier.from_original(original.weights)
    given = original.tensors
    for name, ours in {
        "audio_embedding": classifier.embed_audio(given["audio_mel"]),
        "video_embedding": classifier.embed_video(given["video"]),
        "score": classifier(given["audio_mel"], given["video"]),
    }.items():
        assert ours.shape == given[name].shape, name
        assert (ours - given[name]).abs().max() <= 2e-4 * given[name].std(), name


def test_the_defaults_have_the_sizes_and_names_of_the_release(original):
    own = {name: list(tensor.shape) for name, tensor in SyncClassifier().state_dict().items()}
    assert own == original.facts["state_dict_shapes"]


@torch.no_grad()
def test_all_pairs_are_scored_as_single_pairs_are():
    classifier = small()
    audio, video = torch.randn(2, 3, 8), torch.randn(2, 5, 8)
    together = classifier.score_all(audio, video)
    assert together.shape == (2, 3, 5)
    for sound in range(3):
        for seen in range(5):
            single = classifier.score(audio[:, sound], video[:, seen])
            assert torch.allclose(together[:, sound, seen], single, atol=1e-6)
    assert together.std() > 1e-3


@pytest.mark.parametrize("frame_differences", [False, True])
@torch.no_grad()
def test_the_sizes_are_read_from_the_tensors(frame_differences):
    classifier = small(frame_differences=frame_differences, blocks=2)
    again = SyncClassifier.from_original(classifier.state_dict())
    assert torch.equal(again(*inputs()), classifier(*inputs()))
    assert not again.training


def test_differences_are_what_changed_since_the_frame_before():
    video = torch.tensor([1.0, 4.0, 6.0]).view(1, 1, 3, 1, 1).expand(1, 3, 3, 2, 2)
    both = with_differences(video)
    assert torch.equal(both[:, :3], video)
    assert both[0, 3, :, 0, 0].tolist() == [0.0, 3 * DIFFERENCE_GAIN, 2 * DIFFERENCE_GAIN]


@torch.no_grad()
def test_with_differences_a_still_video_and_a_moving_one_differ_only_there():
    """The stem's weights on the differences alone decide whether the option has an effect."""
    classifier = small(frame_differences=True)
    mel, video = inputs()
    before = classifier(mel, video)
    classifier.video_encoder.conv1[0].weight[:, 3:] = 0
    assert not torch.allclose(before, classifier(mel, video))
    plain = small()
    weights = classifier.state_dict()
    weights["video_encoder.conv1.0.weight"] = weights["video_encoder.conv1.0.weight"][:, :3]
    plain.load_state_dict(weights)
    assert torch.allclose(plain(mel, video), classifier(mel, video), atol=1e-5)


def test_every_parameter_is_trained():
    classifier = small(frame_differences=True).train()
    classifier(*inputs()).square().sum().backward()
    still = [name for name, value in classifier.named_parameters() if value.grad is None or not value.grad.any()]
    assert still == []


def test_a_missing_tensor_is_named(original):
    weights = dict(original.weights)
    del weights["audio_encoder.block2.conv1.weight"]
    with pytest.raises(WeightsError, match=r"'audio_encoder.block2.conv1.weight' is missing.*folder `modules`"):
        SyncClassifier.from_original(weights)


def test_a_tensor_of_another_shape_is_named(original):
    weights = dict(original.weights) | {"head.fc.3.weight": torch.zeros(2, 2)}
    with pytest.raises(WeightsError, match=r"(?s)no whole sync classifier.*head\.fc\.3\.weight"):
        SyncClassifier.from_original(weights)


def test_other_weights_are_no_classifier():
    with pytest.raises(WeightsError, match="not the weights of a sync classifier"):
        SyncClassifier.from_original({"unet.weight": torch.zeros(1)})


@pytest.mark.parametrize("changes", [{"widths": []}, {"widths": [1, 4]}, {"blocks": 0}])
def test_sizes_that_cannot_be_are_refused(changes):
    with pytest.raises(ConfigurationError, match=r"The released sizes are \[64, 128, 256, 512\] and 2"):
        SyncClassifier(**(SMALL | changes))
