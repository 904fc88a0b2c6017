"""A clip as one picture: frames, sound, onsets and motion on a common axis of time."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

PAPER, INK, FAINT, GRID = "#ffffff", "#20242b", "#6b7280", "#e3e6eb"
WAVE, ONSET, SAMPLE, TRUTH = "#8fa3bd", "#d9480f", "#1c6fd6", "#2b9348"

FRAME = 96  # width of a frame in pixels; less if there are many
WIDEST = 2400  # of all frames together
MARGIN, GUTTER, PANEL, GAP = 14, 74, 84, 10
SMOOTH = 3  # curves are drawn this much larger and reduced, since Pillow draws hard edges


@dataclass(frozen=True)
class _Axis:
    """Time across the picture: frame ``f`` spans ``f / fps`` to ``(f + 1) / fps``."""

    frames: int
    fps: float
    cell: int

    @property
    def width(self) -> int:
        return self.frames * self.cell

    @property
    def seconds(self) -> float:
        return self.frames / self.fps

    def x(self, seconds: float) -> float:
        """Pixels from the left end of the first frame."""
        return seconds * self.fps * self.cell


def strip(
    pixels: Tensor,
    waveform: Tensor,
    fps: float,
    sample_rate: int,
    onsets: Sequence[float],
    motion: Sequence[float] | Tensor,
    title: str,
    reference: Tensor | None = None,
    reference_motion: Sequence[float] | Tensor | None = None,
) -> Image.Image:
    """Draw a clip so that the eye can judge whether picture and sound happen together.

    Args:
        pixels: The clip, ``(3, f, h, w)``, uint8.
        waveform: Its sound, ``(samples,)``, in [-1, 1].
        fps: Frames a second.
        sample_rate: Samples of sound a second.
        onsets: When the sound has an event, in seconds after the start.
        motion: Change from each frame to the next, ``(f - 1,)``; entry ``i`` is drawn at ``(i + 1) / fps``, when the
            new frame appears.
        title: A line of text above.
        reference: The true clip, drawn as a second row; same shape as ``pixels``.
        reference_motion: The true clip's motion, in the same unit as ``motion``.

    Returns:
        An RGB picture.

    Raises:
        ValueError: If a shape does not fit ``pixels``.
    """
    _check(pixels, motion, reference, reference_motion)
    frames = pixels.shape[1]
    axis = _Axis(frames, fps, min(FRAME, max(24, WIDEST // frames)))
    rows = [("frames", pixels)] if reference is None else [("sample", pixels), ("truth", reference)]
    curves = [(SAMPLE, _curve(motion))]
    if reference_motion is not None:
        curves.insert(0, (TRUTH, _curve(reference_motion)))
    cell_height = max(1, round(axis.cell * pixels.shape[2] / pixels.shape[3]))
    height = 40 + len(rows) * (cell_height + 4) + 2 * (PANEL + GAP) + 34
    picture = Image.new("RGB", (GUTTER + axis.width + MARGIN + 10, height), PAPER)
    draw = ImageDraw.Draw(picture)
    known = [(ONSET, "sound onset")] if onsets else []
    _draw_title(draw, title, picture.width, [*known, (SAMPLE, "motion")], reference_motion is not None)
    y = 40
    for name, clip in rows:
        _label(draw, name, y + cell_height // 2)
        picture.paste(_frames(clip, axis.cell, cell_height), (GUTTER, y))
        y += cell_height + 4
    y += GAP - 4
    peak = float(waveform.abs().max()) if waveform.numel() else 0.0
    _label(draw, "sound", y + PANEL // 2 - 7, f"peak {peak:.2f}")
    picture.paste(_sound_panel(waveform, sample_rate, onsets, axis), (GUTTER, y))
    y += PANEL + GAP
    top = max((float(curve.max()) for _, curve in curves if curve.size), default=0.0)
    _label(draw, "motion", y + PANEL // 2 - 7, f"max {top:.3g}")
    picture.paste(_motion_panel(curves, top, onsets, axis), (GUTTER, y))
    _draw_ticks(draw, axis, y + PANEL)
    return picture


def _check(pixels: Tensor, motion: object, reference: Tensor | None, reference_motion: object) -> None:
    if pixels.ndim != 4 or pixels.shape[0] != 3:
        raise ValueError(f"pixels must be (3, f, h, w), not {tuple(pixels.shape)}")
    if reference is not None and reference.shape != pixels.shape:
        raise ValueError(f"reference must be {tuple(pixels.shape)} like pixels, not {tuple(reference.shape)}")
    for name, curve in (("motion", motion), ("reference_motion", reference_motion)):
        if curve is not None and _curve(curve).shape != (pixels.shape[1] - 1,):
            raise ValueError(f"{name} must have {pixels.shape[1] - 1} values, not {_curve(curve).shape}")


def _curve(values: object) -> np.ndarray:
    return np.asarray(values, dtype=np.float64)


def _frames(clip: Tensor, width: int, height: int) -> Image.Image:
    """All frames side by side, a hair apart."""
    row = Image.new("RGB", (clip.shape[1] * width, height), PAPER)
    way = Image.Resampling.NEAREST if clip.shape[3] <= width else Image.Resampling.BOX
    for index, frame in enumerate(clip.permute(1, 2, 3, 0).contiguous().numpy()):
        row.paste(Image.fromarray(frame).resize((width - 2, height), way), (index * width + 1, 0))
    return row


def _panel(axis: _Axis) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    """An empty panel at drawing size, with a faint line wherever a frame begins."""
    panel = Image.new("RGB", (axis.width * SMOOTH, PANEL * SMOOTH), "#f8f9fb")
    draw = ImageDraw.Draw(panel)
    for frame in range(axis.frames + 1):
        x = frame * axis.cell * SMOOTH
        draw.line([(x, 0), (x, panel.height)], GRID, SMOOTH)
    return panel, draw


def _draw_onsets(draw: ImageDraw.ImageDraw, onsets: Sequence[float], axis: _Axis) -> None:
    for onset in onsets:
        if 0 <= onset <= axis.seconds:
            x = axis.x(onset) * SMOOTH
            draw.line([(x, 0), (x, PANEL * SMOOTH)], ONSET, round(1.6 * SMOOTH))


def _sound_panel(waveform: Tensor, sample_rate: int, onsets: Sequence[float], axis: _Axis) -> Image.Image:
    """The range of the waveform in every column, scaled to its peak."""
    panel, draw = _panel(axis)
    sound = waveform.numpy().astype(np.float64)
    scale = 0.46 * panel.height / max(float(np.abs(sound).max(initial=0.0)), 1e-3)
    middle = panel.height / 2
    draw.line([(0, middle), (panel.width, middle)], WAVE, SMOOTH)
    edges = np.linspace(0, axis.seconds * sample_rate, axis.width + 1).astype(int)
    for column, (first, last) in enumerate(zip(edges[:-1], edges[1:])):
        part = sound[first : max(last, first + 1)]
        if part.size:
            x = (column + 0.5) * SMOOTH
            draw.line([(x, middle - part.max() * scale), (x, middle - part.min() * scale)], WAVE, SMOOTH)
    _draw_onsets(draw, onsets, axis)
    return panel.resize((axis.width, PANEL), Image.Resampling.LANCZOS)


def _motion_panel(
    curves: Sequence[tuple[str, np.ndarray]], top: float, onsets: Sequence[float], axis: _Axis
) -> Image.Image:
    """Motion curves from 0 to their common maximum."""
    panel, draw = _panel(axis)
    _draw_onsets(draw, onsets, axis)
    for colour, curve in curves:
        heights = curve / top if top > 0 else curve
        points = [
            (axis.x((index + 1) / axis.fps) * SMOOTH, panel.height * (0.94 - 0.86 * float(value)))
            for index, value in enumerate(heights)
        ]
        if len(points) > 1:
            draw.line(points, colour, round(2.2 * SMOOTH), joint="curve")
        for x, y in points:
            radius = 3.2 * SMOOTH
            draw.ellipse([x - radius, y - radius, x + radius, y + radius], colour)
    return panel.resize((axis.width, PANEL), Image.Resampling.LANCZOS)


def _font(size: int) -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    return ImageFont.load_default(size)


def _draw_title(
    draw: ImageDraw.ImageDraw, title: str, width: int, legend: list[tuple[str, str]], with_truth: bool
) -> None:
    """The title on the left, the colours of the curves on the right."""
    legend = [*legend, (TRUTH, "true motion")] if with_truth else legend
    x = width - MARGIN - 10 - sum(draw.textlength(name, _font(13)) + 34 for _, name in legend) + 12
    room = x - MARGIN - 10
    while title and draw.textlength(title, _font(17)) > room:
        title = title.removesuffix("…")[:-1].rstrip() + "…" if len(title) > 2 else ""
    draw.text((MARGIN, 20), title, INK, _font(17), anchor="lm")
    for colour, name in legend:
        draw.line([(x, 20), (x + 16, 20)], colour, 3)
        draw.text((x + 21, 20), name, FAINT, _font(13), anchor="lm")
        x += draw.textlength(name, _font(13)) + 34


def _label(draw: ImageDraw.ImageDraw, name: str, y: int, note: str = "") -> None:
    draw.text((GUTTER - 10, y), name, INK, _font(13), anchor="rm")
    if note:
        draw.text((GUTTER - 10, y + 16), note, FAINT, _font(11), anchor="rm")


def _draw_ticks(draw: ImageDraw.ImageDraw, axis: _Axis, y: int) -> None:
    """Seconds below the panels, as dense as the labels allow."""
    step = next((s for s in (0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0) if axis.x(s) >= 80), 30.0)
    for index in range(int(axis.seconds / step + 1e-6) + 1):
        x = GUTTER + axis.x(index * step)
        draw.line([(x, y), (x, y + 5)], FAINT)
        draw.text((x, y + 8), f"{index * step:g} s", FAINT, _font(12), anchor="ma")
