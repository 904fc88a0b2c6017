"""Compiled, checkpointed, with channels last: the same function, computed another way."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from runs_for_tests import checkpoint, fit
from torch._dynamo.testing import CompileCounterWithBackend

from asva_lightning.errors import ConfigurationError
from asva_lightning.training.compute import Compute

LEVELS = torch.tensor([10, 700])


def gradients(unet, sample, levels, conditions):
    unet.zero_grad()
    output = unet(sample, levels, conditions)
    output.square().mean().backward()
    return output.detach(), {name: weight.grad.clone() for name, weight in unet.named_parameters()}


@pytest.mark.slow
def test_the_denoiser_is_one_graph_that_is_kept_from_step_to_step(small):
    unet, sample, conditions = small.unet(trainable="all"), small.sample(), small.conditions()
    expected, of_weights = gradients(unet, sample, LEVELS, conditions)
    torch.compiler.reset()
    counter = CompileCounterWithBackend("aot_eager")
    vars(unet)["predict"] = torch.compile(unet.predict, backend=counter, fullgraph=True, dynamic=False)
    output, compiled = gradients(unet, sample, LEVELS, conditions)
    torch.testing.assert_close(output, expected, rtol=0, atol=1e-5)
    for name, gradient in of_weights.items():
        torch.testing.assert_close(compiled[name], gradient, rtol=1e-4, atol=1e-6, msg=name)
    for step in range(1, 4):
        others = replace(small.conditions(seed=step), audio_mask=conditions.audio_mask)
        gradients(unet, small.sample(seed=step), LEVELS + step, others)
    assert counter.frame_count == 1, "training steps share one graph"
    with torch.no_grad():
        prepared = unet.prepare(conditions, frames=4)
        for level in (900, 500, 100):
            unet(sample, torch.tensor([level]), prepared)
    assert counter.frame_count == 2, "so do the steps of sampling"


def test_activation_checkpointing_changes_no_gradient_and_keeps_less(small):
    unet, sample, conditions = small.unet(trainable="all"), small.sample(), small.conditions()
    kept: list[int] = []

    def pack(tensor):
        kept[-1] += tensor.nbytes
        return tensor

    results = []
    for options in (Compute(), Compute(activation_checkpointing=True)):
        options.apply(unet)
        kept.append(0)
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            output = unet(sample, LEVELS, conditions)
        unet.zero_grad()
        output.square().mean().backward()
        results.append((output.detach(), [weight.grad.clone() for weight in unet.parameters()]))
    (plain, of_plain), (again, of_again) = results
    assert torch.equal(plain, again)
    assert all(torch.equal(one, other) for one, other in zip(of_plain, of_again))
    assert kept[1] < kept[0] / 2


def test_channels_last_is_the_same_function_and_stays_so_between_layers(small):
    unet, sample, conditions = small.unet(trainable="all"), small.sample(), small.conditions()
    expected, of_weights = gradients(unet, sample, LEVELS, conditions)
    Compute(channels_last=True).apply(unet)
    layouts = []
    for level in unet.up_blocks:
        for block in level.resnets:
            block.conv2.register_forward_hook(
                lambda module, inputs, output: layouts.append(output.is_contiguous(memory_format=torch.channels_last))
            )
    output, of_other = gradients(unet, sample, LEVELS, conditions)
    assert layouts
    assert all(layouts)
    torch.testing.assert_close(output, expected, rtol=0, atol=1e-5)
    for name, gradient in of_weights.items():
        torch.testing.assert_close(of_other[name], gradient, rtol=1e-4, atol=1e-6, msg=name)


@pytest.mark.slow
def test_a_recipe_may_ask_for_all_of_it_and_stays_the_same_run(synth_shards, tmp_path):
    quiet = ("--trainer.callbacks=null", "--run.validate_every=null")
    plain = fit(synth_shards, tmp_path / "plain", *quiet)
    compute = "--model.init_args.compute"
    asked = (
        f"{compute}.compile=aot_eager",
        f"{compute}.activation_checkpointing=true",
        f"{compute}.channels_last=true",
    )
    other = fit(synth_shards, tmp_path / "other", *quiet, *asked)
    assert plain.name == other.name
    one, two = checkpoint(plain, 2)["state_dict"], checkpoint(other, 2)["state_dict"]
    for name, weight in one.items():
        torch.testing.assert_close(two[name], weight, rtol=0, atol=1e-4, msg=name)


class Doubles(torch.nn.Module):
    """Has the one method that is compiled."""

    def predict(self, sample):
        return 2 * sample


def test_a_run_may_bring_more_batch_sizes_than_torch_keeps_graphs_for():
    torch.compiler.reset()
    network = Doubles()
    Compute(compile="eager").apply(network)
    for size in range(1, 11):
        assert network.predict(torch.ones(size, 3)).sum() == 2 * size * 3


def test_an_unknown_backend_is_refused():
    with pytest.raises(ConfigurationError, match="such as inductor, not 'indcutor'"):
        Compute(compile="indcutor")


def test_compilation_under_zero_3_is_refused(small):
    strategy = SimpleNamespace(config={"zero_optimization": {"stage": 3}})
    with pytest.raises(ConfigurationError, match="does not go with ZeRO-3.*Use ZeRO-2"):
        Compute(compile="aot_eager").apply(small.unet(), strategy)
    strategy.config["zero_optimization"]["stage"] = 2
    Compute(compile="aot_eager").apply(small.unet(), strategy)
