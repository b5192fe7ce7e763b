"""A session on disk, opened for trials with a tagger that needs no weights."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from support.meter import Meter
from support.sounds import sounds

from stemlens.edits.trials import TrialSession
from stemlens.opening import open_game
from stemlens_bridge.protocol import Options
from stemlens_bridge.session import Session, Stem

RATE = 44_100
SECONDS = 6.0


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four stems of 6 s in stereo at 44.1 kHz: the noise with sides of its own, the lead only
    from 3.2 s on."""
    folder = tmp_path_factory.mktemp("stems")
    made = sounds(SECONDS, RATE)
    made[3, : round(3.2 * RATE)] = 0
    for name, samples in zip(("kick", "chord", "noise", "lead"), made, strict=True):
        sides = np.stack([samples, samples], axis=1)
        if name == "noise":
            sides[:, 1] = np.roll(samples, 1_000)
        soundfile.write(folder / f"{name}.wav", sides, RATE, subtype="FLOAT")
    return folder


def session_of(files: Path) -> Session:
    names = ("kick", "chord", "noise", "lead")
    stems = [
        Stem(
            f"id-{name}",
            name.capitalize(),
            files / f"{name}.wav",
            facts={"sidechains": ["id-chord"]} if name == "kick" else {},
        )
        for name in names
    ]
    return Session("song", "test", tuple(stems))


@pytest.fixture
def session(files: Path) -> Iterator[TrialSession]:
    opened = open_game(session_of(files), Meter(), Options(session_loudness="off"))
    with TrialSession(opened, Options(session_loudness="off")) as trials:
        yield trials
