import pytest
import torch

from asva_lightning.encoders import LogMelEncoder

TOKEN = 640  # samples: 40 ms at 16 kHz


@pytest.fixture
def encoder():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        encoder = LogMelEncoder(channels=16, layers=2)
        torch.nn.init.normal_(encoder.nothing.weight)
    return encoder


def noise(samples, clips=1):
    return 0.1 * torch.randn(clips, samples, generator=torch.Generator().manual_seed(0))


@torch.no_grad()
@pytest.mark.parametrize(
    ("samples", "tokens"), [(400, 1), (640, 1), (641, 2), (8_000, 13), (12_345, 20), (32_000, 50), (48_000, 75)]
)
def test_tokens_lie_on_the_grid(encoder, samples, tokens):
    grid = encoder.grid(samples)
    assert (grid.leading, grid.rows, grid.columns) == (0, 1, tokens)
    assert encoder(noise(samples, clips=2)).shape == (2, tokens, encoder.channels)
    assert encoder.null(samples).shape == (1, tokens, encoder.channels)


@torch.no_grad()
@pytest.mark.parametrize("second", [0.02, 0.5, 1.0, 1.9])
def test_an_event_moves_the_tokens_near_it_and_no_others(encoder, second):
    quiet = 0.01 * noise(32_000)
    struck = quiet.clone()
    start = round(second * 16_000)
    struck[:, start : start + 160] += noise(160)
    moved = (encoder(struck) - encoder(quiet)).abs().amax(dim=(0, 2))
    own = start // TOKEN
    # Two layers hear two tokens to each side; the stem 1.5, and the windows of the spectrogram are 25 ms long.
    near = torch.zeros(50, dtype=torch.bool)
    near[max(0, own - 6) : own + 7] = True
    assert moved[own] > 0.1
    assert moved[~near].max() < 1e-3


@torch.no_grad()
def test_more_layers_hear_further(encoder):
    quiet = 0.01 * noise(32_000)
    struck = quiet.clone()
    struck[:, 16_000:16_160] += noise(160)
    reach = []
    for layers in (0, 1, 3):
        one = LogMelEncoder(channels=16, layers=layers)
        reach.append(int(((one(struck) - one(quiet)).abs().amax(dim=(0, 2)) > 1e-3).sum()))
    assert reach[0] < reach[1] < reach[2]


def test_gradients_reach_every_parameter(encoder):
    (encoder(noise(8_000))[..., :8].sum() + encoder.null(8_000).sum()).backward()
    idle = [name for name, p in encoder.named_parameters() if p.grad is None or not p.grad.any()]
    assert idle == []


def test_no_sound_is_the_learned_token(encoder):
    null = encoder.null(8_000)
    assert torch.equal(null, encoder.nothing.weight.expand(1, 13, -1))
    null.sum().backward()
    assert torch.equal(encoder.nothing.weight.grad, torch.full((1, 16), 13.0))


@torch.no_grad()
def test_works_in_half_precision(encoder):
    exact, tokens = encoder(noise(8_000)), encoder.bfloat16()(noise(8_000))
    assert tokens.dtype == encoder.null(8_000).dtype == torch.bfloat16
    assert (tokens.float() - exact).abs().mean() < 0.05
