"""A network that says where it is, and in which type."""

import torch
from torch import nn


class Placed(nn.Module):
    """What a pipeline of diffusers asks of every component, and a plain module does not know."""

    @property
    def device(self) -> torch.device:
        """Where its first parameter or buffer is; the CPU where there is none."""
        for tensor in (*self.parameters(), *self.buffers()):
            return tensor.device
        return torch.device("cpu")

    @property
    def dtype(self) -> torch.dtype:
        """The floating-point type of its first parameter or buffer that has one; fp32 where there is none."""
        for tensor in (*self.parameters(), *self.buffers()):
            if tensor.is_floating_point():
                return tensor.dtype
        return torch.float32
