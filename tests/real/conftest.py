"""Fixtures of tests that drive real programs: Ardour's sessions are dear, so tests share them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray
from support.ardour import Made, RunningArdour, Vca, make_session, own_name
from support.programs import needs

DEMO = Path(__file__).parents[2] / "examples" / "demo"
RATE = 48_000
DEMO_S = 7.0  # two segments of the tagger
START_S, SECONDS = 0.25, 3.0


@pytest.fixture(scope="session")
def ardour_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where real Ardours keep settings and logs."""
    needs("ardour7-lua", "ardour")
    return tmp_path_factory.mktemp("ardour-home")


def noise(seed: int, channels: int = 1) -> NDArray[np.float32]:
    """Three seconds of noise at −20 dB, `[n]` or `[n, 2]`."""
    shape = (round(SECONDS * RATE), channels)
    samples = 0.1 * np.random.RandomState(seed).standard_normal(shape)
    return samples.astype(np.float32)[:, 0] if channels == 1 else samples.astype(np.float32)


ROUTED = (
    Made("Guitar", noise(1), fader_db=-6.0, sends={"Verb": -3.0}, comment="the user's words"),
    Made("Bass", noise(2), pan=-0.6),
    Made("Drums", noise(3, 2), pan=0.2, sends={"Verb": -9.0}),
    Made("Fade", noise(4), automation=((0.0, 1.0), (2.0, 0.1)), flexible=True),
    Made("Keys", notes=((60, 2), (67, 2))),
    Made("Strings", noise(5), output="Orchestra", plugins=("urn:ardour:a-reverb",)),
    Made("Brass", noise(6, 2), pan=0.3, fader_db=-2.0, output="Orchestra"),
    Made("Synth", noise(7, 2), output="Folder", sends={"Verb": 0.0}),
    Made("Metronome", noise(8), muted=True),
    Made("Nothing"),
    Made("Silence", np.zeros(RATE, np.float32)),
    Made("Orchestra", bus=True, fader_db=-3.0, pan=0.1, color=0x112233FF),
    Made("Folder", bus=True, output="Outer"),
    Made("Outer", bus=True),
    Made("Verb", bus=True, plugins=("urn:ardour:a-reverb",), comment="two\nlines <&> äöü"),
    Made("Master", bus=True, plugins=("urn:ardour:a-comp#stereo",)),
)


@pytest.fixture(scope="session")
def routed_made(ardour_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A session with everything that a mix has; tests that change it take a copy."""
    folder = tmp_path_factory.mktemp("ardour") / own_name("Routed")
    vcas = {"Rhythm": Vca(("Bass", "Keys"), fader_db=-4.0, soloed=True)}
    return make_session(folder, ROUTED, ardour_home, RATE, SECONDS, START_S, vcas)


@pytest.fixture(scope="session")
def demo_made(ardour_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A session with a part of the demo in which all of its five stems sound."""
    made = []
    for name in ("Drums", "Bass", "Guitar", "Keys", "Pad"):
        samples, rate = soundfile.read(DEMO / f"{name.lower()}.flac", dtype="float32")
        made.append(Made(name, samples[5 * rate :][: round(DEMO_S * rate)]))
    folder = tmp_path_factory.mktemp("ardour") / own_name("Demo")
    return make_session(folder, made, ardour_home, rate, DEMO_S)


@pytest.fixture(scope="session")
def open_demo(demo_made: Path, ardour_home: Path) -> Iterator[RunningArdour]:
    """A real Ardour that has the demo open."""
    with RunningArdour(demo_made, ardour_home) as running:
        yield running
