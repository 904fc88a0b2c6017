"""What every test may use."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def golden() -> Path:
    """The folder of reference numbers."""
    return ROOT / "tests" / "golden"
