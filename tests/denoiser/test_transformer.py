"""What a token of the transformer block can see, layer by layer."""

import dataclasses

import pytest
import torch

from asva_lightning.denoiser.conditioning import PreparedConditions, TokensOfFrames
from asva_lightning.denoiser.transformer import AudioVideoBlock, VideoTransformer
from asva_lightning.encoders import Conditions

FRAMES, PIXELS, CHANNELS = 4, 5, 8


@pytest.fixture
def block(fill):
    made = AudioVideoBlock(CHANNELS, heads=2, text_channels=6, audio_channels=7, index=0)
    made.load_state_dict(fill(made.state_dict(), "unet"))
    return made


@pytest.fixture
def frames_apart(block):
    """The same block with its temporal attention switched off, so that frames meet in the first one only."""
    with torch.no_grad():
        for parameter in block.attn_temp.to_out.parameters():
            parameter.zero_()
    return block


@pytest.fixture
def conditions():
    generator = torch.Generator().manual_seed(0)
    mask = torch.eye(FRAMES, dtype=torch.bool)
    mask[:, 0] = True  # everybody hears the first token, and frames 1, 2, 3 one more
    text, audio = torch.randn(2, 3, 6, generator=generator), torch.randn(2, FRAMES, 7, generator=generator)
    return Conditions(text, audio, mask)


def prepare(block, conditions):
    tokens = TokensOfFrames.from_mask(conditions.audio_mask)
    audio = tokens.gather(block.attn_audio.keys_values(conditions.audio))
    return PreparedConditions((block.attn2.keys_values(conditions.text),), (audio,), tokens.padding(2))


@torch.no_grad()
def changed(block, conditions, tokens, other_conditions=None, other_tokens=None):
    """Which frames ``(2, f)`` another input changes."""
    before = block(tokens, prepare(block, conditions))
    other_tokens = tokens if other_tokens is None else other_tokens
    after = block(other_tokens, prepare(block, other_conditions or conditions))
    return ((after - before).abs().amax(dim=(2, 3)) > 1e-5).tolist()


@pytest.fixture
def tokens():
    return torch.randn(2, FRAMES, PIXELS, CHANNELS, generator=torch.Generator().manual_seed(1))


def test_a_frame_hears_its_own_tokens_only(frames_apart, conditions, tokens):
    audio = conditions.audio.clone()
    audio[1, 2] += 1
    heard = changed(frames_apart, conditions, tokens, dataclasses.replace(conditions, audio=audio))
    assert heard == [[False] * 4, [False, False, True, False]]


def test_all_frames_look_at_the_first_one(frames_apart, conditions, tokens):
    for frame, seen in ((0, [True] * 4), (2, [False, False, True, False])):
        other = tokens.clone()
        other[0, frame, 1] = tokens[0, frame, 1].flip(-1)
        assert changed(frames_apart, conditions, tokens, other_tokens=other) == [seen, [False] * 4]


def test_temporal_attention_joins_all_frames_at_the_same_pixel(block, conditions, tokens):
    other = tokens.clone()
    other[0, 2, 1] = tokens[0, 2, 1].flip(-1)
    prepared = prepare(block, conditions)
    with torch.no_grad():
        difference = (block(other, prepared) - block(tokens, prepared)).abs().amax(dim=3)
    reached = torch.zeros(2, FRAMES, PIXELS, dtype=torch.bool)
    reached[0, :, 1] = True
    assert torch.equal(difference > 1e-5, reached)


def test_temporal_attention_knows_the_order_of_frames(block, conditions, tokens):
    alike = tokens[:, :1].expand(-1, FRAMES, -1, -1)
    silent = PreparedConditions((block.attn2.keys_values(conditions.text),))
    with torch.no_grad():
        output = block(alike, silent)
    assert (output[:, 1:] - output[:, :-1]).abs().amax(dim=(0, 2, 3)).min() > 1e-3


@torch.no_grad()
def test_the_entrance_is_normalised_frame_by_frame(frames_apart, conditions):
    transformer = VideoTransformer(CHANNELS, 2, frames_apart)
    images = torch.randn(2 * FRAMES, CHANNELS, 3, 5)
    louder = images.clone()
    louder[2] = 10 * louder[2] + 5
    prepared = prepare(frames_apart, conditions)
    difference = transformer(louder, prepared, FRAMES) - transformer(images, prepared, FRAMES)
    assert (difference.abs().amax(dim=(1, 2, 3)) > 1e-5).tolist() == [False, False, True] + [False] * 5
