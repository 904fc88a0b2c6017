import pytest
import torch
from torch import nn
from transformers import CLIPTextModel, CLIPTokenizer

from asva_lightning.encoders import ClassText, ClipText
from asva_lightning.errors import ConfigurationError, WeightsError


def test_class_text_is_one_learned_token():
    encoder = ClassText(["dog barking", "hammering"], channels=5)
    tokens = encoder(["hammering", "", "hammering"])
    assert tokens.shape == (3, 1, 5)
    assert encoder.channels == 5
    assert torch.equal(tokens[:, 0], encoder.embedding.weight[[2, 0, 2]])
    tokens.sum().backward()
    assert encoder.embedding.weight.grad[:, 0].tolist() == [1.0, 0.0, 2.0]


def test_an_unknown_class_text_is_refused():
    encoder = ClassText(["dog barking", "hammering"])
    message = "The text 'cat' was not trained. Use one of 'dog barking', 'hammering', or no text"
    with pytest.raises(ConfigurationError, match=message):
        encoder(["hammering", "cat"])


@pytest.fixture
def clip(stable_diffusion):
    return ClipText(str(stable_diffusion))


def network(clip):
    return clip._model.on(torch.device("cpu"))


@torch.no_grad()
def test_clip_text_equals_transformers(clip, stable_diffusion):
    texts = ["dog barks", "", "hammering", "lions roaring " * 30]
    tokens = clip(texts)
    assert tokens.shape == (4, 77, clip.channels)
    tokenizer = CLIPTokenizer.from_pretrained(stable_diffusion / "tokenizer")
    model = CLIPTextModel.from_pretrained(stable_diffusion / "text_encoder").eval()
    words = tokenizer(texts, padding="max_length", max_length=77, truncation=True, return_tensors="pt").input_ids
    assert words[1].tolist() == [tokenizer.bos_token_id] + [tokenizer.eos_token_id] * 76
    assert tokenizer.eos_token_id not in words[3, :-1]
    # Stable Diffusion attends to the padding as to any other token: no attention mask.
    torch.testing.assert_close(tokens, model(words).last_hidden_state)
    torch.testing.assert_close(clip(["hammering"])[0], tokens[2])


def test_clip_encodes_each_distinct_text_once(clip):
    calls = []
    network(clip).register_forward_hook(lambda *_: calls.append(1))
    first = clip(["dog", "", "dog"])
    assert len(calls) == 2
    assert torch.equal(first[0], first[2])
    assert torch.equal(clip(["", "dog"]), first[:2].flip(0))
    assert len(calls) == 2
    clip(["hammering", "dog"])
    assert len(calls) == 3


def test_clip_is_frozen_and_out_of_reach(clip):
    parent = nn.Sequential(clip).train()
    assert not any(module.training for module in network(clip).modules())
    assert list(parent.parameters()) == []
    assert parent.state_dict() == {}
    assert not clip(["dog"]).requires_grad


@pytest.mark.parametrize("part", ["text_encoder", "tokenizer"])
def test_a_missing_folder_is_named_with_source_and_licence(stable_diffusion, tmp_path, part):
    for other in {"text_encoder", "tokenizer"} - {part}:
        (tmp_path / other).symlink_to(stable_diffusion / other)
    with pytest.raises(WeightsError, match=rf"{tmp_path} has no folder {part}.*stable-diffusion-v1-5.*OpenRAIL-M"):
        ClipText(str(tmp_path))
