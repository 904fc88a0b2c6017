import pytest
import torch

from asva_lightning.encoders import Conditions
from asva_lightning.errors import ConfigurationError


def conditions(clips=2, mask=None):
    return Conditions(torch.randn(clips, 3, 4), torch.randn(clips, 6, 5), mask)


def test_a_mask_for_other_tokens_is_refused():
    with pytest.raises(ConfigurationError, match="speaks of 7 tokens, but there are 6.*segment_mask"):
        conditions(mask=torch.ones(4, 7, dtype=torch.bool))


@pytest.mark.parametrize("shape", [(4, 6), (2, 4, 6)])
def test_a_frame_that_hears_nothing_is_refused(shape):
    mask = torch.ones(shape, dtype=torch.bool)
    mask[..., 3, :] = False
    with pytest.raises(ConfigurationError, match="A frame sees no audio token at all. Widen the frame windows"):
        conditions(mask=mask)


def test_moving_changes_the_type_of_tokens_but_not_of_the_mask():
    moved = conditions(mask=torch.ones(4, 6, dtype=torch.bool)).to("cpu", torch.bfloat16)
    assert (moved.text.dtype, moved.audio.dtype, moved.audio_mask.dtype) == (torch.bfloat16, torch.bfloat16, torch.bool)
    assert moved.without_audio().to("meta").audio is None


def test_without_audio_keeps_the_text():
    given = conditions(mask=torch.ones(4, 6, dtype=torch.bool))
    silent = given.without_audio()
    assert torch.equal(silent.text, given.text)
    assert silent.audio is None
    assert silent.audio_mask is None


def test_stacked_one_after_the_other_with_the_mask_they_share():
    mask = torch.ones(4, 6, dtype=torch.bool)
    parts = [conditions(mask=mask), conditions(mask=mask)]
    stacked = Conditions.stack(parts)
    assert torch.equal(stacked.text, torch.cat([part.text for part in parts]))
    assert torch.equal(stacked.audio, torch.cat([part.audio for part in parts]))
    assert torch.equal(stacked.audio_mask, mask)
    assert Conditions.stack([conditions(), conditions()]).audio_mask is None
    assert Conditions.stack([part.without_audio() for part in parts]).audio is None


def test_stacked_masks_of_clips_stay_with_their_clips():
    eye = torch.eye(6, dtype=torch.bool)
    parts = [conditions(mask=eye.expand(2, -1, -1)), conditions(mask=eye.flip(0)), conditions(mask=eye[None])]
    stacked = Conditions.stack(parts)
    assert torch.equal(stacked.audio_mask, torch.stack([eye, eye, eye.flip(0), eye.flip(0), eye, eye]))


def test_with_and_without_audio_do_not_stack():
    with pytest.raises(ConfigurationError, match="with and without audio cannot share one batch; run them one by one"):
        Conditions.stack([conditions(), conditions().without_audio()])


def test_with_and_without_a_mask_do_not_stack():
    with pytest.raises(ConfigurationError, match="with and without an audio mask cannot share one batch"):
        Conditions.stack([conditions(), conditions(mask=torch.eye(6, dtype=torch.bool))])
