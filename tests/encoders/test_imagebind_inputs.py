"""Pictures and texts, made ready for ImageBind."""

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import CLIPTokenizer

from asva_lightning.encoders import ImageBind
from asva_lightning.encoders.imagebind import prepare_pictures, tokenize
from asva_lightning.errors import ConfigurationError

MEAN = np.array([0.48145466, 0.4578275, 0.40821073])
DEVIATION = np.array([0.26862954, 0.26130258, 0.27577711])


@pytest.mark.parametrize("size", [(128, 256), (480, 320), (96, 96)], ids=["squashed", "smaller", "larger"])
def test_pictures_are_resized_as_pillow_does_and_normalised(size):
    generator = torch.Generator().manual_seed(0)
    small = torch.randint(40, 216, (2, 3, 12, 12), generator=generator).float()
    pixels = torch.nn.functional.interpolate(small, size, mode="bilinear").round().to(torch.uint8)
    prepared = prepare_pictures(pixels)
    assert prepared.shape == (2, 3, 224, 224)
    assert prepared.dtype == torch.float32
    for picture, ours in zip(pixels, prepared):
        pillow = Image.fromarray(picture.permute(1, 2, 0).numpy()).resize((224, 224), Image.Resampling.BICUBIC)
        theirs = (np.asarray(pillow) / 255 - MEAN) / DEVIATION
        assert np.abs(ours.permute(1, 2, 0).numpy() - theirs).max() < 1.1 / 255 / DEVIATION.min()


def test_a_picture_of_the_right_size_is_only_normalised():
    pixels = torch.randint(0, 256, (1, 3, 224, 224), dtype=torch.uint8)
    unit = prepare_pictures(pixels)[0].permute(1, 2, 0).numpy() * DEVIATION + MEAN
    assert np.allclose(unit * 255, pixels[0].permute(1, 2, 0).numpy(), atol=1e-3)


@pytest.mark.parametrize(
    "pixels",
    [torch.zeros(3, 8, 8, dtype=torch.uint8), torch.zeros(2, 1, 8, 8, dtype=torch.uint8), torch.zeros(2, 3, 8, 8)],
    ids=["one picture", "grey", "floats"],
)
def test_other_pictures_are_refused(pixels):
    with pytest.raises(ConfigurationError, match=r"takes RGB pictures \(b, 3, h, w\) of uint8, not .*transpose"):
        prepare_pictures(pixels)


@pytest.fixture(scope="module")
def tokenizer(stable_diffusion):
    return CLIPTokenizer.from_pretrained(stable_diffusion, subfolder="tokenizer")


def test_texts_are_padded_and_cut_to_77_tokens(tokenizer):
    texts = ["dog", "a dog", "dog " * 200]
    ids = tokenize(texts, tokenizer)
    assert ids.shape == (3, 77)
    assert ids.dtype == torch.int64
    assert (ids[:, 0] == tokenizer.bos_token_id).all()
    assert ids.argmax(dim=1).tolist() == [2, 3, 76]
    assert torch.equal(ids[0], tokenize(("dog",), tokenizer)[0])


@torch.no_grad()
def test_the_padding_of_the_tokenizer_changes_nothing(tokenizer, reference):
    """ImageBind pads with zeros, Stable Diffusion's tokenizer with the end-of-text token."""
    official = reference("imagebind_small", "imagebind")
    model = ImageBind.from_original(official.weights, {"text": 4}, ["text"])
    ids = tokenize(["a dog"], tokenizer)
    zeros = ids.clone()
    zeros[:, 4:] = 0
    assert not torch.equal(ids, zeros)
    assert torch.equal(model.embed("text", ids), model.embed("text", zeros))
