"""Wide exports taken apart into stems."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from stemlens_bridge.ardour import wave64


@settings(max_examples=25)
@given(
    stems=st.integers(1, 9),
    width=st.integers(1, 2),
    frames=st.integers(1, 3000),
    seed=st.integers(),
)
def test_stems_come_out_as_they_went_in(
    tmp_path_factory: pytest.TempPathFactory, stems: int, width: int, frames: int, seed: int
) -> None:
    folder = tmp_path_factory.mktemp("wide")
    random = np.random.RandomState(seed % 2**32)
    samples = random.standard_normal((frames, stems * width)).astype(np.float32)
    soundfile.write(folder / "wide.w64", samples, 44_100, subtype="FLOAT", format="W64")
    targets = [folder / f"{stem}.wav" for stem in range(stems)]
    parts = wave64.split(folder / "wide.w64", width, targets)
    assert [part.path for part in parts] == targets
    for stem, target in enumerate(targets):
        own, rate = soundfile.read(target, dtype="float32", always_2d=True)
        assert rate == 44_100
        assert np.array_equal(own, samples[:, stem * width : (stem + 1) * width])


def test_blocks_do_not_show(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    samples = np.random.RandomState(0).standard_normal((1000, 6)).astype(np.float32)
    soundfile.write(tmp_path / "wide.w64", samples, 48_000, subtype="FLOAT", format="W64")
    monkeypatch.setattr(wave64, "BLOCK_BYTES", 1000)
    seen: list[float] = []
    targets = [tmp_path / f"{stem}.wav" for stem in range(3)]
    wave64.split(tmp_path / "wide.w64", 2, targets, seen.append)
    assert np.array_equal(soundfile.read(targets[1], dtype="float32")[0], samples[:, 2:4])
    assert len(seen) > 10 and seen == sorted(seen) and seen[-1] == 1.0


def test_silence_and_twins_are_told(tmp_path: Path) -> None:
    samples = np.zeros((500, 8), np.float32)
    samples[:, 2:4] = 0.5
    samples[:, 4:6] = 0.5
    samples[:, 6:8] = 1e-7  # −140 dB: what a reverb leaves of nothing
    soundfile.write(tmp_path / "wide.w64", samples, 48_000, subtype="FLOAT", format="W64")
    parts = wave64.split(tmp_path / "wide.w64", 2, [tmp_path / f"{stem}.wav" for stem in range(4)])
    assert [part.silent for part in parts] == [True, False, False, True]
    assert parts[1].fingerprint == parts[2].fingerprint != parts[0].fingerprint


def test_a_stem_that_is_loud_only_downwards_is_no_silence(tmp_path: Path) -> None:
    samples = np.full((10, 2), -0.5, np.float32)
    soundfile.write(tmp_path / "wide.w64", samples, 48_000, subtype="FLOAT", format="W64")
    (part,) = wave64.split(tmp_path / "wide.w64", 2, [tmp_path / "a.wav"])
    assert not part.silent


@pytest.mark.parametrize("kept", [0, 10, 60, 120, 500])
def test_an_export_that_was_cut_off_is_no_export(tmp_path: Path, kept: int) -> None:
    wide = tmp_path / "wide.w64"
    soundfile.write(wide, np.ones((300, 2), np.float32), 48_000, subtype="FLOAT", format="W64")
    wide.write_bytes(wide.read_bytes()[:kept])
    with pytest.raises(ValueError):
        wave64.layout(wide)


def test_other_samples_and_other_files_are_refused(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.w64", np.ones((9, 2)), 48_000, subtype="PCM_16", format="W64")
    soundfile.write(tmp_path / "b.wav", np.ones((9, 2)), 48_000, subtype="FLOAT")
    soundfile.write(tmp_path / "c.w64", np.ones((9, 2)), 48_000, subtype="FLOAT", format="W64")
    for name in ("a.w64", "b.wav"):
        with pytest.raises(ValueError):
            wave64.layout(tmp_path / name)
    with pytest.raises(ValueError, match="channels"):
        wave64.split(tmp_path / "c.w64", 2, [tmp_path / "1.wav", tmp_path / "2.wav"])
