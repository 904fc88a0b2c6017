"""The miniature that tests use is a Stable Diffusion as diffusers and transformers know it."""

import torch
from diffusers import PNDMScheduler, StableDiffusionPipeline


def test_diffusers_draws_a_picture_with_it(stable_diffusion):
    pipeline = StableDiffusionPipeline.from_pretrained(stable_diffusion)
    pipeline.set_progress_bar_config(disable=True)
    picture = pipeline("a lion", num_inference_steps=2, output_type="pt", generator=torch.Generator().manual_seed(0))
    assert picture.images.shape == (1, 3, 64, 64)
    assert picture.images.isfinite().all()
    assert isinstance(pipeline.scheduler, PNDMScheduler)
    assert pipeline.vae_scale_factor == 8


def test_its_tokenizer_knows_every_word(stable_diffusion):
    tokenizer = StableDiffusionPipeline.from_pretrained(stable_diffusion).tokenizer
    assert tokenizer.tokenize("Lion dog, é") == ["lion</w>", "dog</w>", ",</w>", *tokenizer.tokenize("é")]
    tokens = tokenizer("lion", padding="max_length", max_length=77).input_ids
    assert len(tokens) == 77
    assert tokens[0] == tokenizer.bos_token_id
    assert set(tokens[2:]) == {tokenizer.eos_token_id}
    assert tokenizer.unk_token_id not in tokenizer("hammering wörds 火", add_special_tokens=False).input_ids


def test_it_is_small(stable_diffusion):
    assert sum(file.stat().st_size for file in stable_diffusion.rglob("*") if file.is_file()) < 800_000
