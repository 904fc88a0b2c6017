"""The quickstart under DeepSpeed ZeRO on two CPU ranks: the same numbers as DDP, and exact resume."""

import json

import pytest
import torch
from safetensors.torch import load_file
from training.runs_for_tests import ROOT, assert_same, checkpoint, launch, only_run, words

from asva_lightning.cli import main

pytest.importorskip("deepspeed")

STEPS = 4
MORE = ("--trainer.devices=2", "--trainer.log_every_n_steps=1", "--run.save_every=2", "--run.keep=5")


def start(shards, root, stage: int | None, *more: str) -> None:
    """``fit`` on two ranks: under DDP, or under a ZeRO stage."""
    strategy = ["--trainer.strategy=ddp"] if stage is None else [f"--config={overlay(root, stage)}"]
    launch_on_cpus(words("fit", shards, root / "runs", f"--trainer.max_steps={STEPS}", *MORE, *strategy, *more))


def overlay(root, stage: int):
    """A file of settings that chooses a ZeRO stage."""
    path = root / "zero.yaml"
    root.mkdir(exist_ok=True)
    path.write_text(
        "trainer:\n  strategy:\n    class_path: cluster.cpu_deepspeed.CPUDeepSpeedStrategy\n"
        f"    init_args: {{stage: {stage}}}\n"
    )
    return path


def launch_on_cpus(arguments) -> None:
    launch(arguments, DS_ACCELERATOR="cpu", PYTHONPATH=f"{ROOT / 'tests'}:{ROOT / 'tests' / 'training'}")


@pytest.fixture(scope="module")
def ddp(synth_shards, tmp_path_factory):
    root = tmp_path_factory.mktemp("ddp")
    start(synth_shards, root, None)
    return only_run(root / "runs")


@pytest.fixture(scope="module", params=[2, 3])
def zero(request, synth_shards, tmp_path_factory):
    """Stopped after two steps, then continued to four by the same command."""
    root = tmp_path_factory.mktemp(f"zero{request.param}")
    start(synth_shards, root, request.param, "--trainer.max_steps=2")
    start(synth_shards, root, request.param)
    return request.param, only_run(root / "runs")


def average(run, step: int) -> dict[str, torch.Tensor]:
    """The average of a sharded checkpoint: rank zero holds it in full."""
    folder = run / "checkpoints" / f"step_{step:06d}.ckpt" / "checkpoint"
    for file in sorted(folder.glob("*model_states.pt")):
        state = torch.load(file, weights_only=False)
        if state.get("average", {}).get("parameters"):
            return state["average"]["parameters"]
    raise AssertionError(f"no average in {folder}")


def weights(run, step: int) -> dict[str, torch.Tensor]:
    from deepspeed.utils.zero_to_fp32 import get_fp32_state_dict_from_zero_checkpoint

    return get_fp32_state_dict_from_zero_checkpoint(str(run / "checkpoints" / f"step_{step:06d}.ckpt"), "checkpoint")


def losses(run, name: str) -> dict[int, float]:
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return {row["step"]: row[name] for row in rows if name in row}


def difference(one: dict, other: dict) -> float:
    return max(float((one[name] - other[name].to(one[name])).abs().max()) for name in one)


@pytest.mark.slow
def test_sharded_training_equals_ddp(ddp, zero):
    _, run = zero
    reference = checkpoint(ddp, STEPS)
    assert difference(reference["average"]["parameters"], average(run, STEPS)) < 1e-5
    trained = {name: value for name, value in weights(run, STEPS).items() if name in reference["average"]["parameters"]}
    assert trained.keys() == reference["average"]["parameters"].keys()
    assert difference(trained, reference["state_dict"]) < 1e-5
    for name in ("train/loss", "validation/loss"):
        one, other = losses(ddp, name), losses(run, name)
        assert one.keys() == other.keys()
        assert max(abs(one[step] - other[step]) for step in one) < 1e-5


@pytest.mark.slow
def test_samples_and_scores_agree_with_ddp(ddp, zero):
    _, run = zero
    for name in ("sync/motion_correlation", "sync/onset_motion_correlation"):
        one, other = losses(ddp, name), losses(run, name)
        assert sorted(one) == [2, 4]
        assert max(abs(one[step] - other[step]) for step in one) < 0.02  # a rounded pixel may differ
    videos = {path.relative_to(ddp / "samples") for path in (ddp / "samples").rglob("*.mp4")}
    assert videos == {path.relative_to(run / "samples") for path in (run / "samples").rglob("*.mp4")}
    assert len(videos) == 8  # two clips at steps 0, 2 and 4, and the truth of both


@pytest.mark.slow
def test_resumed_sharded_training_equals_uninterrupted(synth_shards, tmp_path, zero):
    stage, resumed = zero
    start(synth_shards, tmp_path, stage)
    whole = only_run(tmp_path / "runs")
    assert_same(weights(whole, STEPS), weights(resumed, STEPS))
    assert_same(average(whole, STEPS), average(resumed, STEPS))


@pytest.mark.slow
def test_weights_in_bf16_train_as_those_in_float32(ddp, synth_shards, tmp_path):
    """DeepSpeed casts the networks and tells the module nothing of it."""
    start(synth_shards, tmp_path, 2, "--trainer.precision=bf16-mixed", "--trainer.callbacks=null")
    run = only_run(tmp_path / "runs")
    for name in ("train/loss", "validation/loss"):
        one, other = losses(ddp, name), losses(run, name)
        assert one.keys() == other.keys()
        assert 0 < max(abs(one[step] - other[step]) for step in one) < 0.05


@pytest.mark.slow
@pytest.mark.parametrize("which", ["ema", "raw"])
def test_a_sharded_checkpoint_is_exported_as_one_file(zero, tmp_path, which):
    _, run = zero
    main(["export", str(run), str(tmp_path / "model"), "--weights", which])
    written = load_file(tmp_path / "model" / "unet" / "diffusion_pytorch_model.safetensors")
    trained = average(run, STEPS) if which == "ema" else weights(run, STEPS)
    for name, tensor in written.items():
        assert torch.equal(tensor, trained[f"denoiser.{name}"].to(tensor)), name
    one, other = (average(run, STEPS)["denoiser.conv_in.weight"], weights(run, STEPS)["denoiser.conv_in.weight"])
    assert not torch.equal(one, other)
