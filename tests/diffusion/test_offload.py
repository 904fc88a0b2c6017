"""Moving networks to the GPU for their turn only. Here the device is the CPU, but the hooks are the real ones."""

import pytest
import torch

from asva_lightning.diffusion import AnimationPipeline

pytest.importorskip("accelerate")


def video(pipeline):
    picture = torch.randint(0, 256, (3, 16, 24), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    generator = torch.Generator().manual_seed(1)
    return pipeline(picture, torch.ones(8000) * 0.1, "a drum", generator=generator, output_type="pt").frames


def test_every_network_comes_for_its_turn(pipeline, tmp_path, monkeypatch):
    pipeline.save_pretrained(tmp_path)
    offloaded = AnimationPipeline.from_pretrained(tmp_path)
    offloaded.enable_model_cpu_offload(device="cpu")
    came = []
    for name, network in offloaded.components.items():
        hook = getattr(network, "_hf_hook", None)
        if hook is not None:
            before = hook.pre_forward
            monkeypatch.setattr(
                hook, "pre_forward", lambda *given, n=name, b=before, **more: (came.append(n), b(*given, **more))[1]
            )
    assert torch.equal(video(offloaded), video(pipeline))
    assert {"unet", "audio_encoder", "text_encoder"} <= set(came)
    # Keys and values are prepared outside of ``forward``, and need the network there as well.
    assert came.index("unet") > came.index("audio_encoder")
    assert came.count("unet") > len(offloaded.scheduler.timesteps)


def test_an_offloaded_network_is_not_moved_by_hand(pipeline, tmp_path):
    pipeline.save_pretrained(tmp_path)
    offloaded = AnimationPipeline.from_pretrained(tmp_path)
    offloaded.enable_model_cpu_offload(device="cpu")
    assert offloaded._execution_device == torch.device("cpu:0")
    offloaded.remove_all_hooks()
    assert torch.equal(video(offloaded), video(pipeline))
