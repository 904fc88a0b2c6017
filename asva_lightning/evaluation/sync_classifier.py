"""A trained sync classifier as a measure that can be put to the shift test."""

from torch import Tensor

from asva_lightning.media import ClipFormat
from asva_lightning.metrics.clip import EvaluatedClip
from asva_lightning.metrics.sync_scorer import SyncScorer
from asva_lightning.metrics.sync_windows import ShiftedWindows


class SyncClassifierScore:
    """The score of a sync classifier for the sound and the frames of the middle of a clip.

    It has no unit and no zero: compare it with that of other sound for the same frames, as the shift test does. RelSync
    compares it with that of the true video, and so says nothing in that test, whose video is the true one. A clip of
    other frames a second gives for each time the nearest frame.

    Args:
        weights: A run folder of ``SyncTask``, for its newest checkpoint; a checkpoint in one; the folder of the
            release; or a file of its tensors.
        picture: Height and width of what the classifier sees; those of the run if it is one, else 224.
        frames: Frames that it sees; those of the run if it is one, else 12.
        fps: Frames a second that it sees; those of the run if it is one, else 6.
        device: Where it runs; if not given, a GPU where there is one, but the CPU in worker processes.

    Raises:
        ConfigurationError: If a checkpoint lies outside its run, and what it sees is not given either.
        WeightsError: If the weights are missing or damaged.
    """

    higher_is_better = True

    def __init__(
        self,
        weights: str,
        picture: int | None = None,
        frames: int | None = None,
        fps: float | None = None,
        device: str | None = None,
    ) -> None:
        self._scorer = SyncScorer.read(weights, picture, frames, fps, device)
        self.picture = self._scorer.picture
        self.window = self._scorer.window or ShiftedWindows(count=1)
        self._scorer.window = self.window

    def score(self, pixels: Tensor, waveform: Tensor, format: ClipFormat) -> Tensor:
        """Score clips.

        Args:
            pixels: RGB clips ``(b, 3, f, h, w)``, uint8.
            waveform: Mono sound in [-1, 1], ``(b, samples)``.
            format: What the clips are.

        Returns:
            ``(b,)``, where the pixels are.

        Raises:
            ConfigurationError: If a clip is shorter than what the classifier sees, or its sound is not of 16 kHz.
        """
        return self._scorer.score(waveform, pixels, format)

    def measure(self, clip: EvaluatedClip, format: ClipFormat) -> float:
        """Judge one clip and keep nothing.

        Args:
            clip: The clip.
            format: What it is.

        Returns:
            The classifier's score.
        """
        return float(self.score(clip.pixels[None], clip.waveform[None], format))
