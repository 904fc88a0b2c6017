"""Miniature networks in the layout of Stable Diffusion's folder."""

import json
import string

import pytest
import torch

TEXT_CHANNELS = 8


@pytest.fixture(scope="session")
def stable_diffusion(tmp_path_factory):
    """A folder in diffusers layout with ``vae``, ``text_encoder`` and ``tokenizer``, all tiny and random."""
    folder = tmp_path_factory.mktemp("stable_diffusion")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        save_autoencoder(folder)
        save_text_encoder(folder, save_tokenizer(folder))
    return folder


def save_autoencoder(folder):
    from diffusers import AutoencoderKL

    AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        block_out_channels=(4, 8, 8),
        norm_num_groups=2,
        latent_channels=5,
        scaling_factor=0.3,
    ).save_pretrained(folder / "vae")


def save_tokenizer(folder):
    """A tokenizer that knows letters, and "dog" as one word; returns the size of its vocabulary."""
    letters = [letter + end for end in ("", "</w>") for letter in string.ascii_lowercase]
    words = [*letters, "do", "dog</w>", "<|startoftext|>", "<|endoftext|>"]
    (folder / "tokenizer").mkdir()
    (folder / "tokenizer" / "vocab.json").write_text(json.dumps({word: place for place, word in enumerate(words)}))
    (folder / "tokenizer" / "merges.txt").write_text("#version: 0.2\nd o\ndo g</w>\n")
    return len(words)


def save_text_encoder(folder, words):
    from transformers import CLIPTextConfig, CLIPTextModel

    config = CLIPTextConfig(
        vocab_size=words,
        hidden_size=TEXT_CHANNELS,
        intermediate_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        bos_token_id=words - 2,
        eos_token_id=words - 1,
        pad_token_id=words - 1,
    )
    CLIPTextModel(config).save_pretrained(folder / "text_encoder")
