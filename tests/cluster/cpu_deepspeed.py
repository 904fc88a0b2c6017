"""DeepSpeed ZeRO on CPUs: the strategy that users name, without its assumption of CUDA. For tests."""

import os

os.environ.setdefault("DS_ACCELERATOR", "cpu")  # read when deepspeed is imported

import torch
from lightning.fabric.utilities.seed import reset_seed
from lightning.pytorch.strategies import DDPStrategy, DeepSpeedStrategy


class CPUDeepSpeedStrategy(DeepSpeedStrategy):
    """Real partitioning over gloo; needs no compiler.

    Args:
        stage: ZeRO stage.
    """

    def __init__(self, stage: int = 2) -> None:
        super().__init__(stage=stage, overlap_comm=False, process_group_backend="gloo")
        import deepspeed

        # The shared-memory all-reduce would be compiled at the first start.
        deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
        assert isinstance(self.config, dict)
        self.config["zero_force_ds_cpu_optimizer"] = False
        # By default small parameters stay gathered everywhere, and a small network would never be partitioned.
        self.config["zero_optimization"]["stage3_param_persistence_threshold"] = 0

    @property
    def root_device(self) -> torch.device:
        """DeepSpeed wants the number of a device."""
        return torch.device("cpu", self.local_rank)

    def setup_environment(self) -> None:
        """Without the check that the accelerator is CUDA."""
        DDPStrategy.setup_environment(self)

    def setup_distributed(self) -> None:
        """Without the check that ranks and CUDA devices agree."""
        reset_seed()
        self.set_world_ranks()
        self._init_deepspeed_distributed()
