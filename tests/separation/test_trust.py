"""Trust in separated stems: stems that are known, made worse in ways that a separator has."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray
from support.meter import Meter
from support.sounds import sounds, stem_folder

from stemlens import Options, Session
from stemlens.analysis import revisions
from stemlens.audio import FLOOR_DB
from stemlens.opening import open_game
from stemlens.separation.trust import (
    LOW_TRUST,
    Measures,
    Trust,
    assess,
    doubts,
    floor,
    islands,
    overall_null_db,
    widened,
)
from stemlens.validation import degrading

DEMO = Path(__file__).resolve().parents[2] / "examples" / "demo"
NAMES = ("bass", "drums", "guitar", "keys")

Sound = NDArray[np.float32]
Stems = dict[str, Sound]


@pytest.fixture(scope="module")
def band() -> tuple[Stems, int]:
    """Four stems of the demo, 7 s of each, and their rate."""
    found, rate = {}, 0
    for name in NAMES:
        found[name], rate = soundfile.read(
            DEMO / f"{name}.flac", start=400_000, frames=310_000, dtype="float32"
        )
    return found, rate


def mixed(stems: Stems) -> Sound:
    total: Sound = np.sum(list(stems.values()), axis=0, dtype=np.float32)
    return total


def trusts(stems: Stems, rate: float, mix: Sound | None = None) -> dict[str, Trust]:
    heard = mixed(stems) if mix is None else mix
    return {trust.stem: trust for trust in assess(heard, stems, rate)}


def values(stems: Stems, rate: float) -> list[float]:
    return [trust.value for trust in trusts(stems, rate).values()]


def test_true_stems_are_trusted(band: tuple[Stems, int]) -> None:
    stems, rate = band
    for trust in trusts(stems, rate).values():
        assert trust.value >= 0.9
        assert trust.reason.startswith("nothing was found")
        assert trust.measures.null_db < -90 and trust.measures.leak_db < -35
    assert overall_null_db(mixed(stems), list(stems.values())) < -120


@pytest.mark.parametrize("victim", NAMES)
def test_trust_falls_with_a_leak_and_names_who_leaks(band: tuple[Stems, int], victim: str) -> None:
    """The stems still add up, so that only the coherence of the copy can tell."""
    stems, rate = band
    other = NAMES[(NAMES.index(victim) + 1) % len(NAMES)]
    fall = [
        trusts(degrading.leak(stems, victim, other, db, rate), rate)[victim]
        for db in (-60, -24, -18, -12, -6)
    ]
    each = [trust.value for trust in fall]
    assert max(np.diff(each)) < 0.03 and each[0] > each[-1] + 0.2
    assert fall[-1].measures.leak_from == other
    assert other in fall[-1].reason


def test_a_leak_is_as_loud_as_it_is_said_to_be() -> None:
    """Two noises, each alone for a while: what is found is what was put there."""
    rate = 44_100
    random = np.random.RandomState(1)
    first, second = random.standard_normal((2, 8 * rate)).astype(np.float32) * 0.1
    second *= np.repeat(np.arange(8) % 2, rate).astype(np.float32)
    first *= np.repeat(np.arange(8) % 3 > 0, rate).astype(np.float32)
    power = float(np.square(second).sum() / np.square(first).sum())
    for db in (-30, -24, -18, -12):
        stems = degrading.leak({"a": first, "b": second}, "a", "b", db, rate)
        found = trusts(stems, rate)
        assert found["a"].measures.leak_db == pytest.approx(db + 10 * np.log10(power), abs=3)
        assert found["a"].measures.leak_db > found["b"].measures.leak_db + 6


@pytest.mark.parametrize("victim", NAMES)
def test_trust_falls_with_holes(band: tuple[Stems, int], victim: str) -> None:
    stems, rate = band
    other = NAMES[(NAMES.index(victim) + 1) % len(NAMES)]
    each = [
        trusts(degrading.holes(stems, victim, other, percent, rate), rate)[victim].value
        for percent in (0.1, 10, 20, 40, 60)
    ]
    assert each == sorted(each, reverse=True) and each[-1] < 0.5


@pytest.mark.parametrize("victim", ["drums", "guitar"])
def test_trust_falls_with_mp3(band: tuple[Stems, int], victim: str) -> None:
    stems, rate = band
    each = [
        trusts(degrading.mp3(stems, victim, "", quality, rate), rate, mixed(stems))[victim]
        for quality in (0, 5, 9.5)
    ]
    assert each[0].value > each[1].value > each[2].value
    assert "the mix has something" in each[2].reason


def test_trust_falls_with_noise_in_silence(band: tuple[Stems, int]) -> None:
    stems, rate = dict(band[0]), band[1]
    stems["guitar"] = stems["guitar"].copy()
    stems["guitar"][len(stems["guitar"]) // 2 :] = 0
    each = [
        trusts(degrading.noise(stems, "guitar", "", db, rate), rate, mixed(stems))["guitar"]
        for db in (-70, -50, -40, -30, -20)
    ]
    found = [trust.value for trust in each]
    assert found == sorted(found, reverse=True) and found[-1] < found[0] - 0.05
    assert "silent" in each[-1].reason


def test_a_part_that_went_elsewhere_is_missed(band: tuple[Stems, int]) -> None:
    stems, rate = band
    found = trusts(degrading.leak(stems, "bass", "guitar", -6, rate), rate)["guitar"]
    assert found.measures.lost_to == "bass"
    assert found.value < LOW_TRUST


def test_what_only_the_mix_has_is_missed_where_it_would_be(band: tuple[Stems, int]) -> None:
    """A missing high sound harms the stem that dominates there, not the bass."""
    stems, rate = band
    hiss = np.random.RandomState(0).standard_normal(stems["drums"].shape).astype(np.float32)
    hiss = 0.05 * np.diff(hiss, axis=0, prepend=0)
    found = trusts(stems, rate, mixed(stems) + hiss)
    assert found["drums"].measures.null_db > found["bass"].measures.null_db + 6


@pytest.mark.parametrize("rate", [8_000, 11_025, 22_050, 48_000, 96_000, 192_000])
def test_any_rate(rate: int) -> None:
    stems = {f"{i}": sound for i, sound in enumerate(sounds(4.0, rate))}
    assert min(values(stems, rate)) > 0.7  # a gliding square wave, which no separator made worse
    worse = degrading.leak(stems, "1", "3", -12, rate)
    assert trusts(worse, rate)["1"].measures.leak_from == "3"


def test_sides_and_level_change_nothing(band: tuple[Stems, int]) -> None:
    stems, rate = band
    worse = degrading.leak(stems, "bass", "drums", -18, rate)
    as_is = values(worse, rate)
    swapped = {name: sound[:, ::-1] for name, sound in worse.items()}
    assert values(swapped, rate) == pytest.approx(as_is, abs=1e-6)
    for gain in (1e-3, 8.0):
        scaled = {name: np.float32(gain) * sound for name, sound in worse.items()}
        assert values(scaled, rate) == pytest.approx(as_is, abs=1e-3)
    assert values(worse, rate) == as_is  # the same again, to the bit


def test_mono_and_stereo_are_judged_alike(band: tuple[Stems, int]) -> None:
    stems, rate = band
    mono = {name: sound.mean(axis=1) for name, sound in stems.items()}
    assert values(mono, rate) == pytest.approx(values(stems, rate), abs=1e-4)


def test_a_silent_stem_is_no_suspect(band: tuple[Stems, int]) -> None:
    stems, rate = band
    found = trusts(stems | {"vocals": np.zeros_like(stems["bass"])}, rate)
    assert found["vocals"].value == 1 and "silent" in found["vocals"].reason
    assert found["bass"] == trusts(stems, rate)["bass"]


def test_a_stem_that_is_only_a_leak_is_not_trusted(band: tuple[Stems, int]) -> None:
    """What separators give as vocals of a song that has none."""
    stems, rate = band
    part = np.float32(0.02) * stems["guitar"]
    found = trusts(stems | {"vocals": part, "guitar": stems["guitar"] - part}, rate)
    assert found["vocals"].value < 0.15 and "guitar leaks" in found["vocals"].reason
    assert found["guitar"].value > 0.9


def test_identical_stems_are_not_trusted(band: tuple[Stems, int]) -> None:
    stems, rate = band
    twin = {"one": stems["keys"], "two": stems["keys"]}
    assert max(values(twin, rate)) < 0.1


def test_odd_material() -> None:
    nothing = np.zeros((0, 2), dtype=np.float32)
    assert assess(nothing, {}, 44_100) == ()
    assert [t.value for t in assess(nothing, {"a": nothing}, 44_100)] == [1.0]
    click = np.zeros((7, 1), dtype=np.float32)
    click[3] = 0.5
    for sound in (click, np.zeros((44_100, 2), dtype=np.float32)):
        for trust in assess(sound, {"a": sound, "b": 0 * sound}, 44_100):
            assert 0 <= trust.value <= 1 and np.isfinite(trust.value)
    alone = sounds(3.0)[1]
    assert assess(alone, {"only": alone}, 16_000)[0].value > 0.9
    with pytest.raises(ValueError, match="length"):
        assess(alone, {"only": alone[:-1]}, 16_000)


def test_specks_are_islands_and_notes_and_hits_are_none() -> None:
    note, hit, speck = np.full((3, 40, 40), 1e-6)
    note[:, 20] = hit[20] = speck[20, 20] = 1.0
    assert islands(speck) == pytest.approx(1.0)
    assert islands(note) == islands(hit) == 0


def test_a_tail_is_silent_and_a_steady_residue_is_not() -> None:
    rate = 16_000
    time = np.arange(6 * rate) / rate
    noise = 0.1 * np.random.RandomState(0).standard_normal(time.size)
    tail = noise * np.where(time < 2, 1, 10 ** (-3 * (time - 2)))
    residue = noise * np.where(time < 2, 1, 10 ** (-40 / 20))
    assert floor(tail.astype(np.float32), rate) == FLOOR_DB
    assert floor(residue.astype(np.float32), rate) == pytest.approx(-40, abs=1.5)
    assert floor(noise.astype(np.float32), rate) == FLOOR_DB


def test_widening_never_narrows() -> None:
    value = np.linspace(-0.5, 0.5, 11)
    low, high = value - 0.01, value + 0.02
    widths = []
    for doubt in (0.0, 0.2, 0.6, 1.0):
        lower, higher = widened(low, high, value, np.full(11, doubt))
        assert (lower <= low).all() and (higher >= high).all()
        widths.append(higher - lower)
    assert (np.diff(widths, axis=0) > 0).all()
    lower, higher = widened(low, high, value, np.zeros(11))
    assert lower.tobytes() == low.tobytes() and higher.tobytes() == high.tobytes()


def test_a_share_is_in_doubt_for_the_others_too() -> None:
    own = doubts(np.array([1.0, 0.4, 0.99]))
    assert own[1] == pytest.approx(0.6) and 0.01 < own[2] == own[0] < 0.1
    assert not doubts(np.ones(3)).any() and not len(doubts(np.ones(0)))


def document(folder: Path, trusts: dict[str, Trust] | None) -> dict[str, Any]:
    options = Options(tagger="meter")
    session = Session.read(folder)
    stems = tuple(
        replace(stem, facts={"trust": trusts[stem.id].value, "doubt": trusts[stem.id].reason})
        if trusts and stem.id in trusts
        else stem
        for stem in session.stems
    )
    opened = open_game(replace(session, stems=stems), Meter(), options)
    *_, last = revisions(opened, options)
    return replace(last, timings_s={}).to_dict()


def test_a_result_widens_only_what_is_not_trusted(tmp_path: Path) -> None:
    folder = stem_folder(tmp_path, stems=3)
    bare, trusted = document(folder, None), document(folder, {"kick": Trust("kick", 1.0, "")})
    assert bare == trusted
    low = Trust("kick", 0.3, "noise leaks into it, about 6 dB below", Measures(leak_db=-6.0))
    told = document(folder, {"kick": low})
    assert [stem["trust"] for stem in told["session"]["stems"]] == [1, 0.3, 1]
    for tag, before in zip(told["tags"], bare["tags"], strict=True):
        for share, was in zip(tag["attributions"], before["attributions"], strict=True):
            if share["stem"] == "kick":
                assert share["low"] < was["low"] and share["high"] > was["high"]
                assert share["value"] == was["value"]
            else:
                assert share == was
    (warning,) = [w for w in told["warnings"] if w["code"] == "low_trust"]
    assert "kick" in warning["message"] and "noise leaks" in warning["message"]
    assert not [w for w in bare["warnings"] if w["code"] == "low_trust"]
