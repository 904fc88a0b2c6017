"""The command ``animate``: pictures and sounds in, videos out."""

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from asva_lightning.data.randomness import check_seed
from asva_lightning.diffusion import AnimationPipeline, FilmOptions, SoundFile, enlargement, film
from asva_lightning.diffusion.film import SOUND_RATE, Watch, explained_file
from asva_lightning.diffusion.guidance import Guidance
from asva_lightning.diffusion.long import OVERLAP
from asva_lightning.diffusion.scheduler_steps import check_steps
from asva_lightning.errors import ConfigurationError
from asva_lightning.media import ClipWriter, PlacedPicture, is_silent
from asva_lightning.training.animate_jobs import Job, Pictures
from asva_lightning.training.animate_outputs import check_output, panel_files, prepare_outputs
from asva_lightning.training.animate_pairs import forget_outdated, read_pairs
from asva_lightning.training.checkpoints import Which
from asva_lightning.training.pipeline_digest import pipeline_digest
from asva_lightning.training.sources import STABLE_DIFFUSION, open_pipeline
from asva_lightning.worklist import work

logger = logging.getLogger(__name__)


def animate(
    checkpoint: str,
    audio: str | list[str] | None = None,
    image: str | None = None,
    video: str | None = None,
    text: str | None = None,
    pairs: str | None = None,
    output: str = "animation.mp4",
    start: float = 0.0,
    seconds: float | None = None,
    fit: Literal["crop", "pad"] = "crop",
    size: Literal["model", "source"] = "model",
    explain: bool = False,
    audio_guidance: float | None = None,
    text_guidance: float | None = None,
    sync_guidance: float | None = None,
    steps: int | None = None,
    scheduler: str | None = None,
    overlap: int = OVERLAP,
    seed: int = 0,
    text_to_image: str | None = None,
    weights: Which = "ema",
    stable_diffusion: str = STABLE_DIFFUSION,
) -> int:
    """Animate a picture with a sound of any length.

    Args:
        checkpoint: A run folder or a checkpoint in one, an exported folder or the Hub id of one, or a checkpoint folder
            of the original.
        audio: A file with sound, or a list of them: one video each, and one that shows them side by side, each moving
            when its sound is heard. A video is at least one clip long, with silence after a shorter sound.
        image: A picture.
        video: A video whose first frame is the picture and whose sound is the sound, where these are not given.
        text: Class text; that of the run's own picture, or none, if not given.
        pairs: Many at once: a folder in which a picture and a sound share a name, or a CSV file with the columns
            ``image``, ``audio``, and if wanted ``text`` and ``output``; a folder with a ``pairs.csv`` means that file.
            ``--output`` is then a folder; started again, it goes on where it stopped, and makes again what is gone or
            whose picture, sound or text has changed.
        output: The mp4 to write, or a folder for pairs. Missing folders are made; what is read is never replaced.
        start: Where in the sound to begin, in seconds.
        seconds: How much of the sound to use; all of it if not given.
        fit: Crop the picture to the model's shape, or show all of it with its edges drawn out.
        size: Write at the model's size, or scale back to the picture's own.
        explain: Also write a film of where the sound acts: how much the prediction changes without it.
        audio_guidance: How strongly to follow the sound; as the model samples if not given. 1 and less switch it off.
        text_guidance: How strongly to follow the text. 1 and less switch it off.
        sync_guidance: Weight of audio sync guidance (Syncphony); 0 switches it off.
        steps: Number of sampling steps.
        scheduler: A scheduler class of diffusers in place of the model's.
        overlap: Frames that a window of a long sound shares with the one before.
        seed: Seed of the noise.
        text_to_image: Where there is no picture: folder or Hub id of a text-to-image model of diffusers that paints it.
        weights: For runs, the averaged weights (``ema``) or those of the last step (``raw``).
        stable_diffusion: Folder or Hub id of Stable Diffusion 1.5, which the original's checkpoints stand on.

    Returns:
        0, or 1 if some of many pairs failed.

    Raises:
        ConfigurationError: If settings contradict each other.
        RunError: If the checkpoint is nothing that can be opened, or there is no picture.
        MediaError: If picture or sound cannot be read.
    """
    _check(audio, video, image, pairs)
    check_seed(seed)
    target = check_output(output, many=pairs is not None)
    jobs = [] if pairs is None else read_pairs(pairs, text)
    heard = [job.audio for job in jobs] or (audio if isinstance(audio, list) else [audio or video or ""])
    sounds = [SoundFile(path, start, seconds) for path in heard]
    if pairs is None:  # of many pairs, those that cannot be heard are told at the end
        for sound in sounds:
            _ = sound.length
    seen = [job.image for job in jobs] or [path for path in (image, video) if path]
    prepare_outputs(_films(target, jobs, heard), [*heard, *seen], explain)
    opened = open_pipeline(checkpoint, weights, stable_diffusion)
    pipeline = opened.pipeline.to("cuda" if torch.cuda.is_available() else "cpu")
    if scheduler is not None:
        pipeline.use_scheduler(scheduler)
    if steps is not None:
        check_steps(pipeline.scheduler, steps)
    guidance = _guidance(pipeline, audio_guidance, text_guidance, sync_guidance)
    options = FilmOptions(seed, overlap, guidance, steps, explain, size == "source")
    maker = _Films(pipeline, options, start, seconds)
    pictures = Pictures(pipeline.format, fit, opened.run, text_to_image, seed)
    if pairs is not None:
        settings = {"checkpoint": checkpoint, "weights": weights, "fit": fit, "scheduler": scheduler}
        return maker.of_pairs(jobs, pictures, target, settings)
    placed, text = pictures.of(image or video, text)
    if len(sounds) == 1:
        maker.of_one(placed, sounds[0], target, text)
    else:
        maker.side_by_side(placed, sounds, target, text)
    return 0


def _check(audio: Any, video: str | None, image: str | None, pairs: str | None) -> None:
    if audio == []:
        raise ConfigurationError("--audio [] names no sound. Give one file or several, or leave it out.")
    if pairs is not None and (audio or video or image):
        raise ConfigurationError("--pairs names pictures and sounds itself; leave --audio, --image and --video out.")
    if pairs is None and not audio and not video:
        raise ConfigurationError("There is no sound. Give --audio FILE, or --video FILE for its sound.")


def _films(output: Path, jobs: Sequence[Job], sounds: Sequence[str]) -> list[Path]:
    """All that will be written."""
    if jobs:
        return [output / f"{job.name}.mp4" for job in jobs]
    return [output, *(panel_files(output, sounds) if len(sounds) > 1 else [])]


def _guidance(pipeline: AnimationPipeline, audio: float | None, text: float | None, sync: float | None) -> Guidance:
    own = pipeline.guidance
    return Guidance(
        own.audio if audio is None else audio, own.text if text is None else text, own.sync if sync is None else sync
    )


@dataclass(frozen=True)
class _Films:
    """Makes films.

    Args:
        pipeline: What animates.
        options: How.
        start: Where in a sound to begin, in seconds.
        seconds: How much of a sound to use; all of it if ``None``.
    """

    pipeline: AnimationPipeline
    options: FilmOptions
    start: float
    seconds: float | None

    def sound(self, path: str) -> SoundFile:
        """The stretch of a file's sound that is used."""
        return SoundFile(path, self.start, self.seconds)

    def of_one(
        self, placed: PlacedPicture, sound: SoundFile, output: Path, text: str, watch: Watch | None = None
    ) -> None:
        """One picture, one sound, one film."""
        clip = self.pipeline.format
        if is_silent(sound.read(0, min(sound.length, 60), clip.sample_rate)):
            logger.warning("%s: the sound is silent, so hardly anything will move.", sound.path)
        if sound.length < clip.seconds:
            logger.info("%s lasts %.2f s; silence follows up to %g s.", sound.path, sound.length, clip.seconds)
        frames = film(self.pipeline, placed, sound, output, text, self.options, watch)
        logger.info("%s: %g s at %g frames a second, text %r", output, frames / clip.fps, clip.fps, text or "none")

    def side_by_side(self, placed: PlacedPicture, sounds: list[SoundFile], output: Path, text: str) -> None:
        """A film for each sound, and one of all: while one panel moves with its sound, the others stand still."""
        files = panel_files(output, [str(sound.path) for sound in sounds])
        clip, still = self.pipeline.format, placed.pixels[:, None]
        width = clip.width * len(sounds)
        large = enlargement(clip.height, width)
        with ClipWriter(output, clip.fps, clip.height, width, SOUND_RATE, enlarge=large) as together:
            for place, (sound, file) in enumerate(zip(sounds, files)):

                def show(pixels: Tensor, waveform: Tensor, place: int = place) -> None:
                    panels = [still.expand_as(pixels)] * len(sounds)
                    panels[place] = pixels
                    together.write(torch.cat(panels, dim=-1), waveform)

                self.of_one(placed, sound, file, text, show)

    def of_pairs(self, jobs: Sequence[Job], pictures: Pictures, folder: Path, settings: dict[str, Any]) -> int:
        """A list of films, resumable; the networks are loaded once, so the films are made one after the other."""
        settings = {
            **settings, "digest": pipeline_digest(self.pipeline), "start": self.start, "seconds": self.seconds,
            **asdict(self.options), "steps": self.options.steps or self.pipeline.steps,
        }  # fmt: skip

        def make(job: Job) -> dict[str, Any]:
            origin, film = job.origin, folder / f"{job.name}.mp4"
            placed, text = pictures.of(job.image, job.text)
            self.of_one(placed, self.sound(job.audio), film, text)
            files = [film, *([explained_file(film)] if self.options.explain else [])]
            return {"files": [str(file.relative_to(folder)) for file in files], "origin": origin}

        journal = folder / "journal.jsonl"
        forget_outdated(journal, jobs, folder)
        done = work(jobs, make, key=lambda job: job.name, title="animate", journal=journal, settings=settings)
        for name, reason in done.failures:
            logger.error("%s: %s", name, reason)
        return 1 if done.failures else 0
