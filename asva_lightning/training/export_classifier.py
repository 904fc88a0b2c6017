"""``export`` of a sync classifier: from a run of ``SyncTask`` to the folders of the release."""

from pathlib import Path

from asva_lightning import __version__
from asva_lightning.errors import ConfigurationError
from asva_lightning.evaluation.results import Results
from asva_lightning.files import write_text
from asva_lightning.metrics.sync_classifier import write_released
from asva_lightning.training.restore import OpenedRun, open_classifier_run
from asva_lightning.training.sync_task import SyncTask

CARD = """# {name}

An audio-visual synchronisation classifier: which sound belongs to which moment of a video? (ECCV 2024; trained with \
asva-lightning {version}, recipe {recipe}, {step} optimizer steps. {start})

It sees {frames} frames, {fps:g} a second, {picture}x{picture} px, and hears as long. A judge has to be told so:

    judges:
      relsync:
        class_path: asva_lightning.metrics.relsync.RelSync
        init_args: {{classifier: {name}/modules, picture: {picture}, frames: {frames}, fps: {fps:g}}}
"""


def export_classifier(source: str, folder: Path, name: str, layout: str) -> str:
    """Write the classifier of a run, with a card that says what it sees and how it did.

    Args:
        source: A run folder, for its newest checkpoint; or a checkpoint in one (ZeRO folders included).
        folder: The folder to make: ``modules/audio_encoder``, ``modules/video_encoder``, ``modules/head`` and the card.
        name: What the folder will be called.
        layout: Must be that of the original.

    Returns:
        What was written, in words.

    Raises:
        ConfigurationError: If another layout is asked for.
        RunError: If the run has no checkpoint.
        WeightsError: If the checkpoint is damaged, or does not fit the run's configuration.
    """
    if layout != "original":
        raise ConfigurationError(f"{source} is a run of the sync classifier, which has one layout: --layout original.")
    opened = open_classifier_run(source)
    write_released(opened.task.classifier, folder / "modules")
    write_text(folder / "README.md", _card(opened, name))
    return f"{opened.config['run']['name']}, step {opened.step}"


def _card(opened: OpenedRun[SyncTask], name: str) -> str:
    task = opened.task
    start = "Training began from AVID-CMA." if task.avid_cma else "Training began from random weights."
    card = CARD.format(
        name=name, version=__version__, recipe=opened.config["run"]["name"], step=opened.step, start=start,
        frames=task.windows.frames, fps=task.windows.fps, picture=task.picture,
    )  # fmt: skip
    tested = opened.folder.path / "sync_accuracy.json"
    if tested.is_file() and (results := Results.read(tested)).facts.get("step") == opened.step:
        card += f"\n## Its test\n\n{results.table()}\n"
    return card
