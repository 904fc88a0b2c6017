"""The command ``shards encode``: what frozen networks say of every clip, computed once and kept in shards."""

import json
import shutil
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import torch

from asva_lightning.data.commands import with_manifest
from asva_lightning.data.encoded_shards import EncodedShards
from asva_lightning.data.encoded_writer import write_encoded_shard
from asva_lightning.data.manifest import Dataset, SampleRecord, write_description, write_split
from asva_lightning.encoders import AudioEncoder, LatentCodec, TextEncoder
from asva_lightning.encoders.cached_text import TEXTS_FILE, texts_file
from asva_lightning.errors import ConfigurationError, ShardsError
from asva_lightning.files import write_bytes
from asva_lightning.media import ClipFormat
from asva_lightning.training.encode_clip import EncodeClip, EncodeItem, encode_frames, network
from asva_lightning.training.encode_fingerprint import (
    audio_fingerprint,
    codec_fingerprint,
    is_trained,
    text_fingerprint,
)
from asva_lightning.training.encode_options import USAGE, EncodeOptions, parse
from asva_lightning.worklist import Outcome, work


def encode_shards(words: list[str]) -> int:
    """Encode the clips of shards with the frozen networks of a recipe.

    Work goes on in ``<output>.partial``, and the output appears at the end, complete; stopped and started again, it
    continues.

    Args:
        words: The words of the command line, see :data:`USAGE`.

    Returns:
        The exit code: 1 if clips had to be left out, 2 if the words cannot be understood, else 0.

    Raises:
        ConfigurationError: If settings contradict each other, or a network is trained and so cannot be asked once.
        ShardsError: If the shards are missing or hold latents already, the output exists, or no clip can be encoded.
    """
    if "-h" in words or "--help" in words:
        sys.stdout.write(USAGE)
        return 0
    if len(words) < 2 or any(word.startswith("-") for word in words[:2]):
        sys.stderr.write(f"error: give the shards to encode and the folder to make.\n{USAGE}")
        return 2
    recipe, options = parse(words[2:])
    source, output = _source(words[0]), Path(words[1])
    if output.exists():
        raise ShardsError(f"{output} exists. Delete it or choose another name; nothing was changed.")
    return _encode(source, output, recipe, options)


def _source(shards: str) -> Dataset:
    """The data set to encode.

    Raises:
        ShardsError: If it holds latents already.
        ConfigurationError: If several are named.
    """
    opened = with_manifest(shards)
    if len(opened.datasets) > 1:
        raise ConfigurationError(f"{shards} names {len(opened.datasets)} data sets. Encode them one by one.")
    dataset = opened.datasets[0]
    if EncodedShards.of(dataset) is not None:
        raise ShardsError(f"{shards} holds latents already. Give the shards that they were made from.")
    return dataset


def _encode(source: Dataset, output: Path, recipe: Mapping[str, Any], options: EncodeOptions) -> int:
    unfinished = output.absolute().with_name(f"{output.name}.partial")
    items = [EncodeItem(split, sample) for split in source.splits for sample in source.samples(split)]
    encode, encoded, text = _plan(source, unfinished / "clips", recipe, options)
    (unfinished / "clips").mkdir(parents=True, exist_ok=True)
    outcome = work(
        items,
        encode,
        key=lambda item: item.sample.key,
        title=f"encoding for {output}",
        journal=unfinished / "journal.jsonl",
        workers=options.workers,
        part=options.part_of,
        settings=encoded.to_json(),
        # Once shards are written, which clips they hold is settled: the files of those that are in them are gone.
        retry_failures=not (unfinished / "result").exists(),
    )
    if options.part is not None:
        sys.stdout.write(
            f"{outcome.summary}\nThis was part {options.part}. When all parts are done, the same command without "
            "--part puts them together.\n"
        )
        return outcome.exit_code
    good = [item for item in items if item.sample.key in outcome.results]
    if not good:
        shutil.rmtree(unfinished)
        raise ShardsError(f"No clip of {len(items)} could be encoded, so nothing was written.\n{outcome.summary}")
    result = unfinished / "result"
    result.mkdir(exist_ok=True)
    _write_shards(result, good, unfinished / "clips")
    if text is not None:
        write_bytes(result / TEXTS_FILE, texts_file(_text_tokens(text, items)))
    write_description(result, _description(source, good, outcome, encoded))
    result.rename(output)
    shutil.rmtree(unfinished)
    counts = ", ".join(f"{count} {split}" for split, count in Counter(item.split for item in good).items())
    sys.stdout.write(f"{output}: {counts} clips.\n{outcome.summary}\n")
    return outcome.exit_code


def _plan(
    source: Dataset, clips: Path, recipe: Mapping[str, Any], options: EncodeOptions
) -> tuple[EncodeClip, EncodedShards, TextEncoder | None]:
    """What to do with every clip, what to say of it, and the text encoder where its tokens can be kept."""
    parts = (recipe["model"]["init_args"].get("conditioner") or {}).get("init_args") or {}
    missing = [name for name in ("codec", "text", "audio") if name not in parts]
    if missing:
        raise ConfigurationError(
            f"The recipe names no {missing[0]} in model.init_args.conditioner, as asva_lightning.encoders.Conditioner "
            "takes it."
        )
    format = ClipFormat(**recipe["data"]["format"])
    device = options.device or ("cuda" if torch.cuda.is_available() else "cpu")
    configs = {name: json.dumps(parts[name]) for name in ("codec", "text", "audio")}
    codec: LatentCodec = network(configs["codec"], LatentCodec, device)
    _refuse_trained(codec, "codec", "Train it from pixels")
    codec.latent_size(format.height, format.width)
    encode_frames(codec, torch.zeros(3, 1, format.height, format.width, dtype=torch.uint8, device=device))
    audio: AudioEncoder | None = None
    if options.audio_step is not None:
        audio = network(configs["audio"], AudioEncoder, device)
        _refuse_trained(audio, "audio encoder", "Leave --audio_step out")
    text: TextEncoder = network(configs["text"], TextEncoder, device)
    kept_text = None if is_trained(text) else text
    encode = EncodeClip(
        configs["codec"], format, clips, device, options.latents, options.sound,
        None if audio is None else configs["audio"], options.audio_step,
    )  # fmt: skip
    encoded = EncodedShards(
        format.height, format.width, format.sample_rate, codec_fingerprint(codec), options.latents, options.sound,
        audio=None if audio is None else audio_fingerprint(audio),
        audio_step=options.audio_step,
        seconds=None if audio is None else format.seconds,
        text=None if kept_text is None else text_fingerprint(kept_text),
        shards=source.folder,
    )  # fmt: skip
    return encode, encoded, kept_text


def _refuse_trained(part: torch.nn.Module, name: str, advice: str) -> None:
    if is_trained(part):
        raise ConfigurationError(
            f"The {name} {type(part).__name__} is trained with the denoiser, so what it says changes with every step "
            f"and cannot be kept. {advice}."
        )


def _write_shards(folder: Path, items: Sequence[EncodeItem], clips: Path) -> None:
    """Tars under the names of the source's, with the same samples in the same order: training meets the same clips."""
    for split, of_split in groupby(items, key=lambda item: item.split):
        records: list[SampleRecord] = []
        for shard, of_shard in groupby(of_split, key=lambda item: item.sample.shard):
            samples = [item.sample for item in of_shard]
            records += write_encoded_shard(folder / shard, samples, clips)
        write_split(folder, split, records)


@torch.no_grad()
def _text_tokens(encoder: TextEncoder, items: Sequence[EncodeItem]) -> dict[str, torch.Tensor]:
    """Tokens of every class text, and of no text."""
    texts = sorted({"", *(item.sample.text for item in items)})
    return dict(zip(texts, encoder(texts)))


def _description(
    source: Dataset, good: Sequence[EncodeItem], outcome: Outcome, encoded: EncodedShards
) -> dict[str, Any]:
    failed = [{"key": key, "reason": reason} for key, reason in outcome.failures]
    return {
        "made_from": source.description["made_from"],  # so that a recipe's generator knows its clips again
        "splits": dict(Counter(item.split for item in good)),
        "texts": source.description.get("texts", {}),
        "left_out": [*source.description.get("left_out", []), *failed],
        "encoded": encoded.to_json(),
    }
