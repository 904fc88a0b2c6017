"""A miniature of the published AST: the real class and folder layout, few and narrow blocks, random weights."""

import json
from pathlib import Path

import torch

WIDTH, BLOCKS = 16, 3
HEARS = {
    "feature_extractor_type": "ASTFeatureExtractor",
    "do_normalize": True,
    "feature_size": 1,
    "mean": -4.2677393,
    "std": 4.5689974,
    "num_mel_bins": 128,
    "sampling_rate": 16000,
}


def write_tiny_ast(folder: Path, **changes) -> Path:
    """Write config, classifier and preprocessor as the Hub has them."""
    from transformers import ASTConfig, ASTForAudioClassification

    sizes = {"hidden_size": WIDTH, "num_hidden_layers": BLOCKS, "num_attention_heads": 2, "intermediate_size": 24}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = ASTForAudioClassification(ASTConfig(**(sizes | changes)))
        for parameter in model.parameters():  # transformers begins with zeros, in which nothing can be told apart
            torch.nn.init.normal_(parameter, std=0.3)
    model.save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(HEARS))
    return folder


def edit(folder: Path, file: str, **entries) -> None:
    path = folder / file
    path.write_text(json.dumps(json.loads(path.read_text()) | entries))
