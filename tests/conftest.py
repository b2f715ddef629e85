"""Fixtures that several folders of tests share."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def lucency_data() -> Path:
    """The folder of real radiographs; a test that asks for it is skipped where it is missing."""
    folder = Path(os.environ.get("LUCENCY_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real data: {folder} is missing; set LUCENCY_DATA")
    return folder


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the checkout."""
    return ROOT
