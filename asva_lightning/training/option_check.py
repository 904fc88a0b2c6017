"""Settings that contradict each other, told from the configuration alone: no network is built and no file is read."""

from collections.abc import Mapping
from typing import Any

from asva_lightning.denoiser import AVSyncUNet
from asva_lightning.denoiser.anatomy import anatomy_of
from asva_lightning.diffusion import Objective, Sampling
from asva_lightning.encoders.windows import TokenGrid, mask_of
from asva_lightning.media import ClipFormat
from asva_lightning.training.compute import Compute
from asva_lightning.training.doctor.step import audio_encoders_in, bare_grid, windows_in
from asva_lightning.training.doctor.tree import Node, instantiate, walk
from asva_lightning.training.ema import ExponentialMovingAverage
from asva_lightning.training.optimizer_check import check_optimizer_settings
from asva_lightning.training.sync_task import SyncTask
from asva_lightning.training.task import AnimationTask, check_drops
from asva_lightning.training.trainer_check import check_trainer


def check_options(config: Mapping[str, Any]) -> None:
    """Make the parts of an animation task that have no weights, and see whether they go together.

    These are the anatomy, the optimizer with its schedule, the objective, the sampler with the scheduler that follows
    the objective, the frame windows, the average, the way of computing and the shares of dropped conditions. Of a sync
    task the optimizer and its schedule are made; models of other kinds are not looked at. The trainer is not made, but
    what it may not be asked for is refused.

    Args:
        config: A resolved configuration of `fit`: ``trainer``, ``model`` and ``data``, as plain dictionaries, lists and
            values.

    Raises:
        ConfigurationError: If a part refuses its settings, or two do not go together; its own message.
    """
    check_trainer(config.get("trainer") or {})
    nodes = list(walk(config["model"], "model"))
    if nodes and issubclass(nodes[0].owner, AnimationTask | SyncTask):
        check_optimizer_settings(nodes[0].arguments)
    if not nodes or not issubclass(nodes[0].owner, AnimationTask):
        return
    given = nodes[0].arguments
    check_drops(given.get("audio_drop", 0.0), given.get("text_drop", 0.0))
    for node in nodes:
        if issubclass(node.owner, AVSyncUNet):
            anatomy_of(node.arguments.get("anatomy"))
    for name, kind in (("average", ExponentialMovingAverage), ("compute", Compute)):
        _make(given.get(name), kind)
    objective, sampling = _make(given.get("objective"), Objective), _make(given.get("sampling"), Sampling)
    if {"objective", "sampling"} <= given.keys():  # a task of one's own may have others
        (sampling or Sampling()).make_scheduler(objective or Objective())
    _check_windows(nodes, config["data"]["format"])


def _make(config: Any, kind: type) -> Any:
    """A part as a configuration gives it: nothing, a class and its arguments, or the arguments alone."""
    return None if config is None else instantiate(config, kind, subclass="class_path" in config)


def _check_windows(nodes: list[Node], format: Mapping[str, Any]) -> None:
    """Every frame must see sound; where only an encoder that is built tells its tokens, nobody knows yet."""
    windows = windows_in(nodes)
    clip: ClipFormat = instantiate(format, ClipFormat, subclass=False)
    grids: list[TokenGrid] = []
    for encoder in audio_encoders_in(nodes):
        ours = encoder.owner.__module__.startswith("asva_lightning.")  # others may set their sample rate as they begin
        grid = bare_grid(encoder, clip.samples) if ours else None
        if grid is None:
            return
        grids.append(grid)
    if grids:
        mask_of(windows, clip.frames, grids, clip.seconds)
