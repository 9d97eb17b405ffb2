"""Fixtures that several rooms of the tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """Folder of real data and reference outputs; tests that need it skip where it is absent."""
    default = Path(__file__).resolve().parents[2] / "shared"
    folder = Path(os.environ.get("ALBERT_SHARED", default))
    if not (folder / "goldens").is_dir():
        pytest.skip(f"no folder of reference outputs at {folder} (set ALBERT_SHARED)")
    return folder
