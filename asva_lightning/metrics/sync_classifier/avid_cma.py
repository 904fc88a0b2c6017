"""Beginning the training of a classifier from the networks of AVID-CMA."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from asva_lightning.errors import WeightsError
from asva_lightning.metrics.sync_classifier.classifier import SyncClassifier
from asva_lightning.weights import missing, read_tensors

BACKBONES = {"audio_model": "audio_encoder", "video_model": "video_encoder"}
"""AVID-CMA's name of a network, and ours; what is inside has the same names."""


@dataclass(frozen=True)
class Taken:
    """What was taken from a checkpoint.

    Args:
        taken: Tensors of ours that were filled.
        misfits: Tensors that the checkpoint has in another shape.
        absent: Tensors that the checkpoint does not have.
    """

    taken: tuple[str, ...]
    misfits: tuple[str, ...]
    absent: tuple[str, ...]

    def __str__(self) -> str:
        rest = [
            f"{len(names)} {reason} ({', '.join(names[:3])}{', ...' if len(names) > 3 else ''})"
            for names, reason in ((self.misfits, "of another shape"), (self.absent, "not there"))
            if names
        ]
        return "; ".join([f"{len(self.taken)} tensors taken", *rest])


def load_avid_cma(classifier: SyncClassifier, path: str | Path) -> Taken:
    """Fill the audio and the video network from AVID-CMA, as the original begins; the head stays as it is.

    Args:
        classifier: The classifier to fill.
        path: AVID-CMA's checkpoint (Morgado et al., "Audio-Visual Instance Discrimination with Cross-Modal Agreement",
            CVPR 2021), whose tensors are called ``module.video_model.*`` and ``module.audio_model.*``.

    Returns:
        Which tensors were taken, and which were not.

    Raises:
        WeightsError: If the file is missing or damaged, or nothing in it fits.
    """
    path = Path(path)
    if not path.exists():
        without = "Or leave --model.init_args.avid_cma out to start from random weights."
        raise missing(f"{path} is missing.", "avid_cma", otherwise=without)
    theirs = _renamed(read_tensors(path, "AVID-CMA's video and audio networks"))
    own = classifier.state_dict()
    known = [name for name in own if name in theirs]
    fitting = {name: theirs[name] for name in known if theirs[name].shape == own[name].shape}
    if not any(name.endswith("weight") for name in fitting):
        met = next(iter(theirs), None)
        found = "no tensor of module.video_model or module.audio_model" if met is None else "none of the right shape"
        raise WeightsError(
            f"{path} has {found} for this classifier, so training would start from random weights. Give AVID-CMA's "
            "checkpoint and the classifier's released sizes, or leave --model.init_args.avid_cma out."
        )
    classifier.load_state_dict(fitting, strict=False)
    misfits = tuple(name for name in known if name not in fitting)
    absent = tuple(name for name in own if name not in theirs and not name.startswith("head."))
    return Taken(tuple(fitting), misfits, absent)


def _renamed(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Those of the two networks, under our names."""
    renamed = {}
    for name, tensor in tensors.items():
        network, _, rest = name.removeprefix("module.").partition(".")
        if network in BACKBONES:
            renamed[f"{BACKBONES[network]}.{rest}"] = tensor
    return renamed
