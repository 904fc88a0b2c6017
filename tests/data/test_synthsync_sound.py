"""The sound of synthetic clips, measured apart from the code that made it."""

import numpy as np
import pytest

from asva_lightning.data.synthsync import SynthSync
from asva_lightning.data.synthsync.track import LONGEST_GAP, SHORTEST_GAP
from asva_lightning.media.format import ClipFormat

RATE = ClipFormat.sample_rate
DISCRETE = ["ball", "drum", "hammer", "lamp", "firework", "frog"]
CONTINUOUS = ["mouth", "bow"]


@pytest.fixture(scope="module")
def clips():
    made = {}
    for kind in DISCRETE + CONTINUOUS:
        data = SynthSync(kinds=[kind], height=24, width=24)
        made[kind] = [data.render("train", index) for index in range(8)]
    return made


@pytest.mark.parametrize("kind", DISCRETE)
def test_onsets_are_irregular_and_never_far_apart(clips, kind):
    means = []
    for clip in clips[kind]:
        onsets = np.array(clip.track.onsets)
        gaps = np.diff(onsets)
        assert gaps.min() >= SHORTEST_GAP == 0.62
        assert gaps.std() / gaps.mean() > 0.1
        assert np.abs(np.diff(gaps)).min() > 0.05
        assert max(onsets[0], clip.seconds - onsets[-1]) < 1.5
        assert gaps.max() <= LONGEST_GAP == 1.25
        assert onsets[0] - clip.lead > 0
        means.append(gaps.mean())
    assert max(means) > 1.1 * min(means)


@pytest.mark.parametrize("kind", DISCRETE)
def test_energy_rises_within_five_milliseconds_of_each_onset_and_only_there(clips, kind):
    for clip in clips[kind]:
        wave = clip.waveform.numpy().astype(np.float64)
        step = RATE // 200
        power = (wave[: len(wave) // step * step].reshape(-1, step) ** 2).mean(axis=1)
        for onset in clip.track.onsets:
            first = round(onset * RATE)
            before, after = wave[first - 160 : first], wave[first : first + 80]
            assert (after**2).mean() > 4 * (before**2).mean(), (clip.key, onset)
        loud = np.flatnonzero(power[1:] > 20 * np.maximum(power[:-1], 1e-4)) + 1
        distances = np.abs(loud[:, None] * step / RATE - np.array(clip.track.onsets)).min(axis=1)
        assert (distances < 0.011).all(), clip.key


@pytest.mark.parametrize("kind", DISCRETE)
def test_peaks_follow_the_strengths(clips, kind):
    for clip in clips[kind]:
        wave = np.abs(clip.waveform.numpy())
        peaks = [wave[round(onset * RATE) :][: RATE // 10].max() for onset in clip.track.onsets]
        assert np.corrcoef(peaks, clip.track.strengths)[0, 1] > 0.9
        assert all(0 < strength <= 1 for strength in clip.track.strengths)


def test_level_and_noise_are_as_promised(clips):
    for kind, mine in clips.items():
        for clip in mine:
            wave = clip.waveform.numpy()
            assert 0.45 < np.abs(wave).max() < 0.95
            if kind in DISCRETE:
                quiet = wave[: round((clip.track.onsets[0] - 0.01) * RATE)]
                assert -53 < 20 * np.log10(quiet.std()) < -47


def test_kinds_sound_different(clips):
    """A nearest mean spectrum finds the kind of clips that it has not seen."""

    def spectrum(clip):
        wave = clip.waveform.numpy()
        rows = np.abs(np.fft.rfft(wave[: len(wave) // 1024 * 1024].reshape(-1, 1024) * np.hanning(1024)))
        bands = np.add.reduceat((rows**2).sum(axis=0), np.unique(np.geomspace(1, 480, 24).astype(int)))
        return np.log(bands / bands.sum())

    means = {kind: np.mean([spectrum(clip) for clip in mine[:5]], axis=0) for kind, mine in clips.items()}
    right = [
        min(means, key=lambda other: np.square(means[other] - spectrum(clip)).sum()) == kind
        for kind, mine in clips.items()
        for clip in mine[5:]
    ]
    assert np.mean(right) > 0.9


def test_the_pitch_of_the_voice_follows_the_control_curve(clips):
    for clip in clips["mouth"]:
        wave, control = clip.waveform.numpy(), np.array(clip.track.control)
        frames = np.arange(2, len(control) - 2)
        pitches = [pitch(wave[round(frame / clip.fps * RATE) - 512 :][:1024]) for frame in frames]
        assert np.corrcoef(np.log(pitches), control[frames])[0, 1] > 0.95, clip.key


def pitch(window):
    """Pitch in Hz by autocorrelation: the shortest lag that is nearly as good as the best."""
    spectrum = np.fft.rfft(window * np.hanning(len(window)), 4096)
    similar = np.fft.irfft(np.abs(spectrum) ** 2)[: RATE // 120]
    similar[: RATE // 900] = 0
    near = np.flatnonzero((similar[1:-1] > similar[:-2]) & (similar[1:-1] >= similar[2:])) + 1
    return RATE / near[similar[near] > 0.8 * similar[near].max()][0]


def test_the_loudness_of_the_bow_follows_the_control_curve(clips):
    for clip in clips["bow"]:
        wave, control = clip.waveform.numpy(), np.array(clip.track.control)
        frames = np.arange(2, len(control) - 2)
        loudness = [wave[round(frame / clip.fps * RATE) - 200 :][:400].std() for frame in frames]
        assert np.corrcoef(loudness, control[frames])[0, 1] > 0.95, clip.key


@pytest.mark.parametrize("kind", CONTINUOUS)
def test_control_curves_move_within_each_second_smoothly_and_irregularly(clips, kind):
    for clip in clips[kind]:
        control = np.array(clip.track.control)
        assert clip.track.onsets == ()
        assert len(control) == clip.pixels.shape[1]
        assert 0 <= control.min() < control.max() <= 1
        seconds = np.lib.stride_tricks.sliding_window_view(control, 30)
        assert (seconds.max(axis=1) - seconds.min(axis=1)).min() > 0.3
        assert np.abs(np.diff(control)).max() < 0.3
        turns = np.flatnonzero(np.diff(np.sign(np.diff(control))))
        assert np.diff(turns).std() > 1
