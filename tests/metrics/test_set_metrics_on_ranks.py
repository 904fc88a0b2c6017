"""Sets of clips, and means over clips, on two ranks with uneven shares, against one rank."""

import pytest
import torch
import torch.multiprocessing as processes
from judged_clips import FORMAT, SmallPictureNetwork, SmallVideoNetwork, clips
from torch import distributed

from asva_lightning.metrics.fid import FID
from asva_lightning.metrics.fvd import FVD
from asva_lightning.metrics.judge import Judge
from asva_lightning.metrics.kid import KID
from asva_lightning.metrics.kvd import KVD
from asva_lightning.metrics.psnr import PSNR
from asva_lightning.metrics.ssim import SSIM

SETS = {
    "fid": (FID, SmallPictureNetwork),
    "kid": (KID, SmallPictureNetwork),
    "fvd": (FVD, SmallVideoNetwork),
    "kvd": (KVD, SmallVideoNetwork),
}
CLASSES, TRUE_CLASSES = torch.tensor([0, 1, 0, 1, 1]), torch.tensor([1, 0, 1, 0])
# Batches of generated and of true clips. The first rank has no true clip at all.
SHARES = [([slice(0, 2), slice(2, 4)], []), ([slice(4, 5)], [slice(0, 1), slice(1, 4)])]
WHOLE = ([slice(0, 5)], [slice(0, 4)])


def brightness(audio, video, format):
    return video.float().mean(dim=(1, 2, 3, 4))


def outcome(name, share):
    make, network = SETS[name]
    metric, generated, reference = make(network()), clips(5, seed=0), clips(4, seed=1)
    for batch in share[0]:
        metric.update(generated[batch], FORMAT, real=False, classes=CLASSES[batch])
    for batch in share[1]:
        metric.update(reference[batch], FORMAT, real=True, classes=TRUE_CLASSES[batch])
    return [float(metric.compute()), *metric.compute_per_class().values()]


def mean_outcomes(share, rank):
    """Of the measures of single clips; the last has met no clip on the first rank."""
    samples, truth, sound = clips(5, seed=0), clips(5, seed=1), torch.zeros(5, FORMAT.samples)
    psnr, ssim, judge, alone = PSNR(), SSIM(), Judge(brightness, higher_is_better=None), PSNR()
    for batch in share[0]:
        psnr.update(samples[batch], truth[batch], CLASSES[batch])
        ssim.update(samples[batch], truth[batch], CLASSES[batch])
        judge.update(sound[batch], samples[batch], FORMAT, CLASSES[batch])
    if rank == 1:
        alone.add(torch.tensor([1.0, 4.0, torch.nan]), [4, 2, 4])
    metrics = {"psnr": psnr, "ssim": ssim, "judge": judge, "alone": alone}
    return {name: [float(one.compute()), *one.compute_per_class().values()] for name, one in metrics.items()}


def rank_main(rank, folder):
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    found = {name: outcome(name, SHARES[rank]) for name in SETS} | mean_outcomes(SHARES[rank], rank)
    torch.save(found, f"{folder}/{rank}.pt")
    distributed.destroy_process_group()


@pytest.mark.slow
def test_two_ranks_give_the_numbers_of_one(tmp_path):
    processes.spawn(rank_main, args=(str(tmp_path),), nprocs=2)
    expected = {name: outcome(name, WHOLE) for name in SETS} | mean_outcomes(WHOLE, rank=1)
    assert all(len(values) == 3 for values in expected.values())
    assert all(len({round(value, 4) for value in values}) == 3 for values in expected.values()), "they must differ"
    for rank in range(2):
        found = torch.load(tmp_path / f"{rank}.pt")
        for name, values in expected.items():
            assert found[name] == pytest.approx(values, rel=1e-5), name
