"""What the experiments are tried on: four sounds, heard by a meter."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.meter import Meter
from support.sounds import stem_folder

from stemlens.validation.experiment import Settings
from stemlens_bridge.session import Session


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A session of four stems, three seconds long; the stems are called `<b>` and so on."""
    folder = stem_folder(tmp_path / "Four | <b>", stems=4)
    return Settings(Meter(), (Session.read(folder),), quick=True)
