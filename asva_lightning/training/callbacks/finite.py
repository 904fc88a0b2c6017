"""A training that has diverged ends with an error, and its weights never become a checkpoint."""

from collections.abc import Mapping
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from asva_lightning.errors import RunError
from asva_lightning.runs.folder import RunFolder
from asva_lightning.training.fragments import Fragment, own_fragment

PATIENCE = 100
"""Steps in a row without a finite loss after which a training with a loss scaler ends: its weights stay as they are."""


class StopDiverged(Callback):
    """Ends a training whose loss or weights are no finite numbers, before anything of it is written.

    The loss of every batch is noted on its device. It is read, which waits for the device, only where values are logged
    anyway and before a checkpoint is made; there all ranks tell each other, and the weights are looked at too. Under a
    loss scaler (fp16) a step without finite gradients is skipped and harms nothing, so there the loss may be infinite
    for ``PATIENCE`` steps.

    Args:
        folder: The run folder, whose last checkpoint is named.
    """

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder
        self._since: Tensor | None = None
        """First step of those without a finite loss up to now, on the device; -1 where the last loss was finite."""

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Forget an earlier training."""
        self._since = torch.tensor(-1, device=pl_module.device)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Note the loss, and look at what was noted where values are logged anyway.

        Raises:
            RunError: If the training has diverged; on rank zero. The other ranks leave without a word.
        """
        between = trainer.fit_loop._should_accumulate()
        step = trainer.global_step + int(between)  # the step that this batch is part of
        loss = outputs.get("loss") if isinstance(outputs, dict) else outputs
        if isinstance(loss, Tensor) and self._since is not None:
            begun = torch.where(self._since < 0, step, self._since)
            self._since = torch.where(loss.detach().isfinite().all(), -1, begun)
        every: int = trainer.log_every_n_steps  # type: ignore[attr-defined]
        if not between and every and step % every == 0:
            self._check(trainer, pl_module, step)

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Look at loss and weights before a checkpoint is made, by whomever; all ranks together.

        Raises:
            RunError: As above.
        """
        if trainer.state.fn == "fit":
            finite = weights_are_finite(pl_module, checkpoint.get("state_dict") or {})
            self._check(trainer, pl_module, trainer.global_step, finite)

    def _check(self, trainer: pl.Trainer, module: pl.LightningModule, step: int, finite: bool = True) -> None:
        since = torch.tensor(-1, device=module.device) if self._since is None else self._since
        facts: Any = module.all_gather(torch.stack([since, since.new_tensor(int(not finite))]))
        steps, broken = facts.reshape(-1, 2).T.tolist()
        patience = PATIENCE if str(trainer.precision).startswith("16") else 1
        begun = min((first for first in steps if first >= 0), default=None)
        if begun is not None and (any(broken) or step - begun + 1 >= patience):
            self._stop(trainer, module, f"the loss is no finite number since step {begun}")
        if any(broken):
            self._stop(trainer, module, f"the weights after step {step} are no finite numbers")

    def _stop(self, trainer: pl.Trainer, module: pl.LightningModule, met: str) -> None:
        if not trainer.is_global_zero:
            raise SystemExit(1)
        good = self.folder.latest_checkpoint()
        saved = "No checkpoint was saved before" if good is None else f"The last good checkpoint is {good}"
        clip = "--trainer.gradient_clip_val"
        clip += "" if trainer.gradient_clip_val is None else f" (now {trainer.gradient_clip_val:g})"
        message = f"The training has diverged: {met}. {saved}. Lower the learning rate or set {clip}."
        if good is not None and hasattr(module, "init_from"):
            message += f" To begin anew with the weights of that checkpoint, add --model.init_args.init_from={good}."
        raise RunError(message)


@torch.no_grad()
def weights_are_finite(module: pl.LightningModule, saved: Mapping[str, Tensor]) -> bool:
    """Whether the trained weights that this process owns, and the buffers that are saved, are finite numbers.

    Args:
        module: What is trained.
        saved: What a checkpoint takes of it, by name; a buffer that is not in it, such as a mask, may hold infinity.
    """
    trained = [parameter for parameter in module.parameters() if parameter.requires_grad]
    tensors = [saved[name] for name, _ in module.named_buffers() if name in saved]
    for parameter in trained:
        fragment = own_fragment(parameter) if parameter.is_contiguous() else Fragment(0, parameter.data)
        tensors += [] if fragment is None else [fragment.weights]
    found = [tensor.isfinite().all() for tensor in tensors if tensor.is_floating_point()]
    return not found or bool(torch.stack([flag.to(module.device) for flag in found]).all())
