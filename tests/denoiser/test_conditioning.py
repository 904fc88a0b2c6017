"""Attention over the tokens that a frame sees equals masked attention over all of them."""

import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention

from asva_lightning.denoiser.attention import Attention, KeysValues
from asva_lightning.denoiser.conditioning import TokensOfFrames

CLIPS, HEADS, FRAMES, PIXELS, TOKENS, WIDTH = 3, 2, 5, 4, 9, 6


def random_mask(*shape, seed=0):
    """Rows of unequal numbers of tokens, at least one."""
    generator = torch.Generator().manual_seed(seed)
    mask = torch.rand(shape, generator=generator) < torch.rand(*shape[:-1], 1, generator=generator)
    mask[..., 0] |= ~mask.any(dim=-1)
    return mask


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("shape", [(FRAMES, TOKENS), (1, FRAMES, TOKENS), (CLIPS, FRAMES, TOKENS)], ids=str)
def test_gathered_attention_equals_masked_attention(shape, seed):
    mask = random_mask(*shape, seed=seed)
    assert len(set(mask.sum(dim=-1).flatten().tolist())) > 1
    queries = torch.randn(CLIPS, FRAMES, HEADS, PIXELS, WIDTH)
    context = KeysValues(torch.randn(CLIPS, HEADS, TOKENS, WIDTH), torch.randn(CLIPS, HEADS, TOKENS, WIDTH))
    tokens = TokensOfFrames.from_mask(mask)
    few = tokens.gather(context)
    assert few.keys.shape == (CLIPS * FRAMES, HEADS, mask.sum(dim=-1).max(), WIDTH)
    attended = scaled_dot_product_attention(queries.flatten(0, 1), *few, attn_mask=tokens.padding(CLIPS))
    masks = mask.expand(CLIPS, FRAMES, TOKENS)
    for clip in range(CLIPS):
        for frame in range(FRAMES):
            everything = KeysValues(context.keys[clip], context.values[clip])
            expected = scaled_dot_product_attention(
                queries[clip, frame], *everything, attn_mask=masks[clip, frame].expand(PIXELS, -1)
            )
            torch.testing.assert_close(attended[clip * FRAMES + frame], expected, rtol=0, atol=1e-5)


def test_rows_of_equal_length_need_no_padding():
    mask = torch.zeros(3, 6, dtype=torch.bool)
    mask[[0, 0, 1, 1, 2, 2], [0, 2, 0, 3, 4, 5]] = True
    tokens = TokensOfFrames.from_mask(mask)
    assert tokens.index.tolist() == [[[0, 2], [0, 3], [4, 5]]]
    assert tokens.seen is None
    assert tokens.padding(batch=4) is None


def test_rows_of_unequal_length_are_filled_up_with_unseen_tokens():
    tokens = TokensOfFrames.from_mask(torch.tensor([[False, True, False], [True, False, True]]))
    assert tokens.index[0, :, 0].tolist() == [1, 0]
    assert tokens.seen.tolist() == [[[True, False], [True, True]]]
    assert tokens.padding(batch=2)[:, 0, 0].tolist() == [[True, False], [True, True]] * 2


@torch.no_grad()
def test_attention_equals_that_of_torch():
    ours = Attention(channels=8, heads=2, context_channels=5)
    theirs = torch.nn.MultiheadAttention(8, 2, kdim=5, vdim=5, batch_first=True)
    theirs.q_proj_weight.copy_(ours.to_q.weight)
    theirs.k_proj_weight.copy_(ours.to_k.weight)
    theirs.v_proj_weight.copy_(ours.to_v.weight)
    theirs.out_proj.load_state_dict(ours.to_out[0].state_dict())
    queries, context = torch.randn(2, 6, 8), torch.randn(2, 7, 5)
    mask = random_mask(2, 1, 1, 7)
    expected = theirs(queries, context, context, key_padding_mask=~mask[:, 0, 0])[0]
    torch.testing.assert_close(ours(queries, ours.keys_values(context), mask), expected, rtol=0, atol=1e-5)
