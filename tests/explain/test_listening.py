"""An explanation as sounds: they are what they say, whatever the session is."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray
from support.meter import Meter

from stemlens import audio
from stemlens.analysis import Analysis, analyze
from stemlens.explain import listening
from stemlens.explain.pair import EDGE_S, FULL_SCALE, Pair
from stemlens_bridge.edits import ExplainOptions
from stemlens_bridge.errors import StemlensError
from stemlens_bridge.protocol import Options
from stemlens_bridge.session import Session, Stem

RATE = 16_000
SECONDS = 14.0
OFF = Options(session_loudness="off")
Audio = NDArray[np.float32]


def stereo(seconds: float, hz: float, level: float, loud: tuple[float, float]) -> Audio:
    """A tone that is ten times as loud between two times, a little apart on the two sides."""
    time = np.arange(round(seconds * RATE)) / RATE
    swell = np.where((time >= loud[0]) & (time < loud[1]), level, level / 10)
    sides = [np.sin(2 * np.pi * hz * time + phase) * swell for phase in (0.0, 0.4)]
    return np.stack(sides, axis=1).astype(np.float32)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Stems of 14 s: two that are loud from 5 to 11 s, a quiet one, one that never sounds; one of
    them at another rate."""
    folder = tmp_path_factory.mktemp("Größe – 日本")
    made = {
        "bass": stereo(SECONDS, 110, 0.3, (5, 11)),
        "lead": stereo(SECONDS, 660, 0.2, (5, 11)),
        "pad": stereo(SECONDS, 330, 0.03, (0, 14)),
        "mute": np.zeros((1000, 2), np.float32),
    }
    for name, samples in made.items():
        soundfile.write(folder / f"{name}.wav", samples, RATE, subtype="FLOAT")
    half = audio.resample(made["lead"], RATE, 22_050)
    soundfile.write(folder / "lead.wav", half, 22_050, subtype="FLOAT")
    return folder


def session_of(files: Path, *names: str, mix: Path | None = None) -> Session:
    stems = tuple(
        Stem(f"id-{name}", f"{name.capitalize()} <b>ö</b>", files / f"{name}.wav") for name in names
    )
    return Session("Lied", "test", stems, mix=mix)


@pytest.fixture(scope="module")
def analysis(files: Path) -> Analysis:
    session = session_of(files, "bass", "lead", "pad", "mute")
    return analyze(session, replace(OFF, start_s=60.0), tagger=Meter())


def explained(
    analysis: Analysis, folder: Path, tag: str = "loud", **options: Any
) -> tuple[dict[str, Any], dict[tuple[str, str], dict[str, Any]]]:
    """An explanation, and its sounds by kind and span."""
    made = listening.explain(
        analysis.opened, analysis.to_dict(), analysis.over_time, tag,
        ExplainOptions(**options), folder,
    )  # fmt: skip
    return made, {(one["kind"], one["span"]): one for one in made["sounds"]}


def heard(sound: dict[str, Any]) -> Audio:
    samples, rate = soundfile.read(sound["path"], dtype="float32", always_2d=True)
    assert rate == RATE and samples.shape[1] == 2
    return np.asarray(samples)


def bare(sound: dict[str, Any]) -> Audio:
    """A sound as it is in the mix."""
    gain = (sound["gain_db"] or 0.0) - sound["down_db"]
    return heard(sound) / np.float32(10 ** (gain / 20))


def total(files: Path, *names: str) -> Audio:
    """The mix of stems, as a DAW would play it."""
    mix = np.zeros((round(SECONDS * RATE), 2), np.float32)
    for name in names:
        clip = audio.read(files / f"{name}.wav")
        audio.play_at(mix, clip.samples, clip.sample_rate, RATE, 0.0)
    return mix


def test_both_sides_add_up_to_the_mix(analysis: Analysis, files: Path, tmp_path: Path) -> None:
    made, sounds = explained(analysis, tmp_path, top=1)
    assert [one["stem"] for one in made["stems"]] == ["id-bass"]
    for span, first, last in (("passage", 5.0, 11.0), ("whole", 0.0, 14.0)):
        both = bare(sounds["only", span]) + bare(sounds["without", span])
        frames = slice(round(first * RATE), round(last * RATE))
        edge = round(EDGE_S * RATE) if span == "passage" else 0
        wanted = total(files, "bass", "lead", "pad")[frames]
        inside = slice(edge, len(wanted) - edge)
        np.testing.assert_allclose(both[inside], wanted[inside], atol=2e-4)  # of two resamplers
        alone = total(files, "bass")[frames]
        np.testing.assert_allclose(bare(sounds["only", span])[inside], alone[inside], atol=5e-6)


def test_they_are_as_loud_as_the_mix(analysis: Analysis, files: Path, tmp_path: Path) -> None:
    _, sounds = explained(analysis, tmp_path, top=1)
    mix = total(files, "bass", "lead", "pad")
    for span, whole in (("passage", mix[5 * RATE : 11 * RATE]), ("whole", mix)):
        target = audio.loudness(whole, RATE)
        assert target is not None
        for kind in ("only", "without"):
            sound = sounds[kind, span]
            assert audio.loudness(heard(sound), RATE) == pytest.approx(
                target - sound["down_db"], abs=0.1
            )


def test_the_passage_is_where_those_stems_make_the_tag(analysis: Analysis, tmp_path: Path) -> None:
    made, sounds = explained(analysis, tmp_path, whole=False)
    assert set(sounds) == {(kind, "passage") for kind in ("only", "without", "crossfade")}
    assert (made["passage"]["start_s"], made["passage"]["end_s"]) == (65.0, 71.0)
    assert "id-mute" not in {one["stem"] for one in made["stems"]}
    for sound in sounds.values():
        samples = heard(sound)
        assert len(samples) == 6 * RATE
        assert not samples[0].any() and not samples[-1].any()
        # the steepest step is that of a tone of its level, not of a cut
        assert np.abs(np.diff(samples, axis=0)).max() < 0.1


def test_the_crossfade_holds_both_ends_and_passes_through_the_mix(
    analysis: Analysis, tmp_path: Path
) -> None:
    made, sounds = explained(analysis, tmp_path, top=1)
    assert made["crossfade_s"] == [67.0, 69.0]
    for span, start_s in (("passage", 65.0), ("whole", 60.0)):
        only, without, fade = (
            heard(sounds[kind, span]) for kind in ("only", "without", "crossfade")
        )
        first, last = (round((at - start_s) * RATE) for at in made["crossfade_s"])
        np.testing.assert_allclose(fade[:first], only[:first], atol=1e-6)
        np.testing.assert_allclose(fade[last:], without[last:], atol=1e-6)
        half = (first + last) // 2
        half_way = (only[half] + without[half]) * np.sqrt(0.5)
        np.testing.assert_allclose(fade[half], half_way, atol=1e-4)


def test_what_is_said_is_what_the_tagger_says_of_the_files(
    analysis: Analysis, tmp_path: Path
) -> None:
    made, sounds = explained(analysis, tmp_path, top=1)
    meter = Meter()
    for kind in ("only", "without"):
        mono = audio.resample(audio.to_mono(bare(sounds[kind, "whole"])), RATE, meter.sample_rate)
        scores = meter.score(mono[: 14 * 16_000].reshape(14, 16_000).astype(np.float64))[:, 0]
        assert sounds[kind, "whole"]["score"] == pytest.approx(scores.mean(), abs=1e-4)
        assert sounds[kind, "passage"]["score"] == pytest.approx(scores[5:11].mean(), abs=1e-4)
    points = f"loud {100 * sounds['only', 'passage']['score']:.0f} of 100"
    assert points in sounds["only", "passage"]["sentence"]
    assert sounds["crossfade", "passage"]["score"] is None
    assert "Bass <b>ö</b>" in sounds["only", "passage"]["sentence"]
    assert made["passage"]["score"] > sounds["only", "passage"]["score"]


def test_nothing_clips(files: Path, tmp_path: Path) -> None:
    loud = tmp_path / "loud"
    loud.mkdir()
    for name, level in (("bass", 0.9), ("lead", 0.8)):
        samples = level * stereo(8.0, 110 if name == "bass" else 115, 1.0, (0, 8))
        soundfile.write(loud / f"{name}.wav", samples, RATE, subtype="FLOAT")
    analysis = analyze(session_of(loud, "bass", "lead"), OFF, tagger=Meter())
    _, sounds = explained(analysis, tmp_path, top=1, whole=False)
    down = {sound["down_db"] for sound in sounds.values()}
    assert len(down) == 1 and down.pop() > 0.5, "all together"
    assert max(np.abs(heard(sound)).max() for sound in sounds.values()) == pytest.approx(
        FULL_SCALE, abs=1e-3
    )
    assert "turned down" in sounds["only", "passage"]["sentence"]


def test_of_one_stem_the_rest_is_silence(files: Path, tmp_path: Path) -> None:
    analysis = analyze(session_of(files, "bass"), OFF, tagger=Meter())
    _, sounds = explained(analysis, tmp_path, whole=False)
    without = sounds["without", "passage"]
    assert without["stems"] == [] and without["gain_db"] is None and without["score"] == 0
    assert not heard(without).any() and "it is silent" in without["sentence"]
    assert sounds["only", "passage"]["gain_db"] == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize(
    ("asked", "place"),
    [
        ({"start_s": 61.5, "end_s": 62.1}, (61.5, 62.1)),
        ({"start_s": 72.0}, (72.0, 74.0)),
        ({"end_s": 67.0}, (61.0, 67.0)),
        ({"start_s": 0.0, "end_s": 500.0}, (60.0, 74.0)),
    ],
)
def test_the_passage_can_be_named(
    analysis: Analysis, tmp_path: Path, asked: dict[str, float], place: tuple[float, float]
) -> None:
    made, sounds = explained(analysis, tmp_path, whole=False, **asked)
    assert (made["passage"]["start_s"], made["passage"]["end_s"]) == place
    assert made["passage"]["named"]
    length = round((place[1] - place[0]) * RATE)
    assert abs(len(heard(sounds["only", "passage"])) - length) <= 1


def test_the_master_bus_plays_its_part(files: Path, tmp_path: Path) -> None:
    """With a rest both sides add up to the mix itself, be it late; a curve plays on both."""
    mix = total(files, "bass", "lead")
    more = stereo(SECONDS, 1000, 0.2, (0, 14))
    late = np.pad(0.5 * (mix + more), [(RATE // 4, 0), (0, 0)])
    soundfile.write(tmp_path / "mix.wav", late, RATE, subtype="FLOAT")
    session = session_of(files, "bass", "lead", mix=tmp_path / "mix.wav")
    rest = analyze(session, replace(OFF, master="rest"), tagger=Meter())
    _, sounds = explained(rest, tmp_path, top=1)
    both = bare(sounds["only", "whole"]) + bare(sounds["without", "whole"])
    gain = rest.opened.material.mix.treatment.gain  # type: ignore[union-attr]
    np.testing.assert_allclose(both * gain, 0.5 * (mix + more), atol=1e-4)
    assert sounds["only", "whole"]["stems"] == ["master-rest"]
    swell = np.linspace(0.3, 1.0, len(mix), dtype=np.float32)[:, None]
    soundfile.write(tmp_path / "mix.wav", mix * swell, RATE, subtype="FLOAT")
    curve = analyze(session, replace(OFF, master="curve"), tagger=Meter())
    _, sounds = explained(curve, tmp_path, top=1)
    both = bare(sounds["only", "whole"]) + bare(sounds["without", "whole"])
    inside = slice(RATE, -RATE)
    ratio = float((both[inside] * (mix * swell)[inside]).sum() / np.square(both[inside]).sum())
    np.testing.assert_allclose(ratio * both[inside], (mix * swell)[inside], atol=5e-3)


@pytest.mark.parametrize("master", ["rest", "curve"])
def test_the_master_bus_can_be_given_up(files: Path, tmp_path: Path, master: str) -> None:
    """Its own work is told of piece by piece, and what is raised then ends it."""
    swell = np.linspace(0.3, 1.0, round(SECONDS * RATE), dtype=np.float32)[:, None]
    mix = (total(files, "bass", "lead") + stereo(SECONDS, 1000, 0.2, (0, 14))) * swell
    soundfile.write(tmp_path / "mix.wav", mix, RATE, subtype="FLOAT")
    session = session_of(files, "bass", "lead", mix=tmp_path / "mix.wav")
    analysis = analyze(session, replace(OFF, master=master), tagger=Meter())
    result, over = analysis.to_dict(), analysis.over_time
    reached = 0

    class Enough(Exception):
        pass

    def tell(stage: str, fraction: float, most: int) -> None:
        nonlocal reached
        if (stage, fraction) == ("summing the stems", 1.0):
            reached += 1
            if reached == most:
                raise Enough

    for most in (1, 2):
        reached = 0
        with pytest.raises(Enough):
            listening.explain(
                analysis.opened, result, over, "loud", ExplainOptions(), tmp_path / "out",
                partial(tell, most=most),
            )  # fmt: skip
        assert not list((tmp_path / "out").iterdir())


@pytest.mark.parametrize(
    ("tag", "options", "code", "says"),
    [
        ("loudd", {}, "bad_options", "did you mean loud"),
        ("<b>", {}, "bad_options", "there are loud, bright"),
        ("loud", {"start_s": 100.0, "end_s": 110.0}, "bad_options", "from 60 to 74 s"),
    ],
)
def test_what_cannot_be(
    analysis: Analysis, tmp_path: Path, tag: str, options: dict[str, Any], code: str, says: str
) -> None:
    with pytest.raises(StemlensError, match=says) as caught:
        explained(analysis, tmp_path, tag, **options)
    assert caught.value.code == code and not list(tmp_path.iterdir())


def test_a_tag_that_no_stem_makes(files: Path, tmp_path: Path) -> None:
    analysis = analyze(session_of(files, "mute"), OFF, tagger=Meter())
    with pytest.raises(StemlensError, match="nothing to play") as caught:
        explained(analysis, tmp_path)
    assert caught.value.code == "nothing_explains"


def test_a_folder_that_is_a_file(analysis: Analysis, tmp_path: Path) -> None:
    place = tmp_path / "file"
    place.write_text("")
    with pytest.raises(StemlensError) as caught:
        explained(analysis, place)
    assert caught.value.code == "output_failed"


def test_work_can_be_given_up_at_any_stage(analysis: Analysis, tmp_path: Path) -> None:
    class Enough(Exception):
        pass

    for wanted in ("hearing them alone", "summing the stems", "writing the sounds"):

        def stop(stage: str, fraction: float, wanted: str = wanted) -> None:
            if stage == wanted:
                raise Enough

        with pytest.raises(Enough):
            listening.explain(
                analysis.opened, analysis.to_dict(), analysis.over_time, "loud",
                ExplainOptions(), tmp_path, stop,
            )  # fmt: skip
    assert not list(tmp_path.iterdir()), "nothing half is left"


def test_the_loudness_stays_as_it_is_through_the_crossfade() -> None:
    """Of two sides that are unlike each other, as different stems are."""
    noise = np.random.RandomState(3).standard_normal((2, 6 * RATE, 2)).astype(np.float32) * 0.1
    pair = Pair(noise[0], noise[1], RATE, slice(2 * RATE, 4 * RATE))
    levels = pair.levels(pair.whole, pair.whole, lambda: None)
    fade = np.concatenate(list(pair.sound("crossfade", pair.whole, levels)))
    powers = [np.square(fade[at * RATE : (at + 1) * RATE]).mean() for at in range(6)]
    assert 10 * np.log10(max(powers) / min(powers)) < 0.2, "a linear one dips by 3 dB"
