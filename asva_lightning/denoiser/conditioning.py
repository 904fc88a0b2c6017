"""Which audio tokens a frame attends to, and the keys and values of text and sound, made once per clip."""

from dataclasses import dataclass

import torch
from torch import Tensor

from asva_lightning.denoiser.attention import KeysValues


@dataclass(frozen=True)
class PreparedConditions:
    """Keys and values of every transformer block, in the order of the blocks' ``index``.

    Args:
        text: One entry a block, made per clip: ``(b, heads, n, channels / heads)``; ``None`` in a network without text.
        audio: One entry a block, made per clip and laid out per frame, each frame with its own tokens only:
            ``(b * f, heads, k, channels / heads)``; ``None`` where the audio layers are skipped.
        audio_padding: Which of the ``k`` places hold a token of that frame, ``(b * f, 1, 1, k)`` bool, True = attend;
            ``None`` where all do.
        frame_times: See :class:`Conditions`.
    """

    text: tuple[KeysValues, ...] | None
    audio: tuple[KeysValues, ...] | None = None
    audio_padding: Tensor | None = None
    frame_times: Tensor | None = None


@dataclass(frozen=True)
class TokensOfFrames:
    """The audio tokens that each frame attends to, as a table of indices instead of a mask.

    Attention over the few tokens that a frame sees gives the same numbers as masked attention over all of them, for
    a fraction of the arithmetic.

    Args:
        index: ``(1 or b, f, k)`` token numbers; rows with fewer than ``k`` tokens are filled up with unseen ones.
        seen: ``(1 or b, f, k)`` bool, False at the filled-up places; ``None`` where every row has ``k`` tokens.
    """

    index: Tensor
    seen: Tensor | None

    @classmethod
    def from_mask(cls, mask: Tensor) -> "TokensOfFrames":
        """Read the table off a mask ``(f, m)`` or ``(b, f, m)``, True = attend."""
        mask = mask if mask.ndim == 3 else mask[None]
        counts = mask.sum(dim=-1)
        width = int(counts.max())
        index = mask.to(torch.uint8).argsort(dim=-1, descending=True, stable=True)[..., :width]
        seen = None if bool((counts == width).all()) else mask.gather(-1, index)
        return cls(index, seen)

    def gather(self, context: KeysValues) -> KeysValues:
        """Lay keys and values ``(b, heads, m, c)`` of clips out per frame, ``(b * f, heads, k, c)``."""
        return KeysValues(self._gather(context.keys), self._gather(context.values))

    def padding(self, batch: int) -> Tensor | None:
        """The attention mask that hides filled-up places, ``(b * f, 1, 1, k)``."""
        return None if self.seen is None else self.seen.expand(batch, -1, -1).flatten(0, 1)[:, None, None]

    def _gather(self, tokens: Tensor) -> Tensor:
        clips = torch.arange(len(tokens), device=tokens.device)[:, None, None]
        of_frames = tokens.transpose(1, 2)[clips, self.index]  # (b, f, k, heads, c)
        return of_frames.flatten(0, 1).transpose(1, 2)
