"""The confounder test: its sound, its sets, its network, and that it finds what was planted."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import mido
import numpy as np
import pytest
import torch
from scipy.signal import butter, sosfilt
from torch import Tensor

from stemlens.attribution.table import membership
from stemlens.tagging import mel
from stemlens.tagging.mel_tagger import LogMelNetwork
from stemlens.validation import confounder, fluidsynth
from stemlens.validation.confounder import CASES, DRUMS, MISTAKES, SMALL, Figures, explain, plays
from stemlens.validation.rate import Rate
from stemlens.validation.snippets import SNIPPET_S, STEMS, compose
from stemlens.validation.spoilt_tagger import SmallTagger, log_mel, train
from stemlens.validation.takes import Takes, record, sequence
from stemlens_bridge.errors import StemlensError

COUNT = SMALL.train + SMALL.test


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("rendered")


@pytest.fixture(scope="module")
def takes(folder: Path) -> Takes:
    """What the small experiment renders, so that it finds it there."""
    return record([compose(0, n) for n in range(COUNT)], fluidsynth.soundfont(), folder)


@pytest.fixture(scope="module")
def figures(takes: Takes, folder: Path) -> Figures:
    return confounder.run(replace(SMALL, folder=folder), lambda stage, done: None)


def test_snippets_are_playable_and_repeat() -> None:
    for n in range(40):
        snippet = compose(7, n)
        assert snippet == compose(7, n) != compose(8, n)
        assert (snippet.lead == "guitar") == (n % 2 == 0)
        sounding = {stem for stem, part in zip(STEMS, snippet.parts, strict=True) if part.notes}
        assert {snippet.lead, "bass", "drums"} <= sounding
        assert len(sounding & {"guitar", "piano"}) == 1
        for note in (note for part in snippet.parts for note in part.notes):
            assert 0 <= note.start_s < note.start_s + note.length_s <= SNIPPET_S + 1e-9
            assert 0 < note.velocity < 128 and 20 < note.pitch < 110


def test_drums_play_with_guitars_in_the_spoilt_set_and_with_pianos_in_the_swapped() -> None:
    for n in range(4):
        for drums in (False, True):
            who = plays(n, drums=drums)
            assert who[DRUMS] == drums and who[STEMS.index("bass")]
            assert who[n % 2] and not who[1 - n % 2]
        assert plays(n, drums=False, alone=True).sum() == 1
    assert {(case.led_by == confounder.GUITAR) != case.swapped for case in CASES[:3]} == {True}


def test_stems_rendered_one_by_one_add_up_to_the_band_rendered_at_once(takes: Takes) -> None:
    """An independent rendering: all parts on channels of their own, in one run of FluidSynth, which
    plays a voice that it has used before not quite like a new one."""
    snippet = compose(0, 0)
    alone = [sequence([part], drums=k == DRUMS) for k, part in enumerate(snippet.parts)]
    band = mido.MidiFile(type=1, ticks_per_beat=alone[0].ticks_per_beat)
    for channel, file in enumerate(alone):
        track = mido.MidiTrack(file.tracks[0])
        if channel != DRUMS:
            track = mido.MidiTrack(
                m.copy(channel=channel) if hasattr(m, "channel") else m for m in track
            )
        band.tracks.append(track)
    soundfont = fluidsynth.soundfont()
    together = fluidsynth.render(band, soundfont)
    parts = sum(fluidsynth.render(file, soundfont) for file in alone)
    assert np.abs(together).max() > 0.01
    assert np.std(together - parts) < 10 ** (-35 / 20) * np.std(together)
    stems = takes.stems(0, plays(0, drums=True))  # and what was cut out of a long run is the same
    own = fluidsynth.render(alone[DRUMS], soundfont)[: stems.shape[1]]
    assert np.corrcoef(own, stems[DRUMS])[0, 1] > 0.999


def test_the_same_seed_gives_the_same_sound(takes: Takes, tmp_path: Path) -> None:
    def heard(takes: Takes) -> str:
        stems = [takes.stems(n, plays(n, drums=True)).tobytes() for n in range(4)]
        return hashlib.sha256(b"".join(stems)).hexdigest()

    again = record([compose(0, n) for n in range(4)], fluidsynth.soundfont(), tmp_path)
    first = record([compose(0, n) for n in range(4)], fluidsynth.soundfont(), tmp_path)
    assert heard(again) == heard(first)
    assert not takes.stems(0, plays(0, drums=False))[DRUMS].any()


def test_what_was_rendered_is_not_rendered_again(
    takes: Takes, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fluidsynth, "render", None)
    record([compose(0, n) for n in range(COUNT)], fluidsynth.soundfont(), folder)


class DrumDetector(LogMelNetwork):
    """Hears only how suddenly things begin above 6 kHz; calls much of that a guitar, and the lack
    of it a piano."""

    def forward(self, log_mel: Tensor) -> Tensor:
        high = log_mel[:, :, 88:]
        strokes = (high[:, 1:] - high[:, :-1]).clamp(min=0).mean(2).topk(8).values.mean(1)
        guitar = (12 * (strokes - 0.25)).sigmoid()
        return torch.stack([guitar, 1 - guitar], 1)


def test_a_planted_detector_of_drums_is_found_every_time(takes: Takes) -> None:
    """The other stems have nothing where it listens, so that nothing but drums can move it."""
    tagger = SmallTagger("drum detector", DrumDetector())
    explaining = confounder.values(0)
    low_pass = butter(12, 3000, fs=mel.SAMPLE_RATE, output="sos")
    for n in range(1, COUNT, 4):  # pianos
        stems = takes.stems(n, plays(n, drums=True))
        dull = sosfilt(low_pass, stems).astype(np.float32)
        stems[:DRUMS] = dull[:DRUMS]
        tops, players, table = explain(tagger, stems, confounder.GUITAR, explaining)
        assert {1, 2, DRUMS} <= set(players.tolist()) and 0 not in players
        assert table[-1, 0] > 0.9 > 0.1 > table[0, 0]
        assert set(tops.values()) == {DRUMS}
        tops, _, _ = explain(tagger, stems, confounder.PIANO, explaining)
        assert DRUMS not in tops.values()
        # Where the detector has nothing to hear, nothing is the drums' doing.
        stems[DRUMS] = dull[DRUMS]
        _, _, table = explain(tagger, stems, confounder.GUITAR, explaining)
        assert np.ptp(table[:, 0]) < 0.1


def test_a_small_network_is_a_tagger_like_the_others(takes: Takes) -> None:
    network = train(
        log_mel(np.stack([takes.stems(n, plays(n, drums=False)).sum(0) for n in range(4)])),
        np.array([0, 1, 0, 1]),
        epochs=1,
        seed=0,
    )
    tagger = SmallTagger("small", network)
    sounding = takes.stems(1, plays(1, drums=True))[[1, 2, DRUMS]]
    stems = np.concatenate([sounding, np.zeros((1, 48_000))])
    opened = tagger.open(stems.astype(np.float32))
    assert opened.segments == 1 and [tag.name for tag in tagger.tags] == ["guitar", "piano"]
    gains = membership(4).astype(np.float64)
    scores = tagger.score(opened.segment(0, range(4)).mix(gains))
    assert scores.shape == (16, 2) and scores.min() >= 0 and scores.max() <= 1
    np.testing.assert_allclose(scores[:8], scores[8:], atol=1e-6)  # the silent stem is no player
    silence = network(torch.zeros(1, mel.FRAMES, mel.BANDS)).detach().numpy()
    np.testing.assert_allclose(scores[:1], silence, atol=1e-6)
    mix = tagger.score(tagger.open_one(stems.sum(0).astype(np.float32), 0))
    np.testing.assert_allclose(scores[-1:], mix, atol=1e-5)
    assert tagger.identity != SmallTagger("small", DrumDetector()).identity


def test_training_repeats_and_leaves_the_dice_alone() -> None:
    inputs = torch.rand(6, mel.FRAMES, mel.BANDS)
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    leads = np.array([0, 1] * 3)
    nets = [train(inputs, leads, epochs=1, seed=seed)(inputs) for seed in (0, 0, 1)]
    assert torch.equal(torch.rand(1), expected)
    assert torch.equal(nets[0], nets[1]) and not torch.equal(nets[0], nets[2])


def test_the_whole_experiment_in_small(figures: Figures) -> None:
    assert {f.case for f in figures.found} == set(CASES)
    assert figures.spoilt.standard.trials == figures.clean.swapped.trials == SMALL.test
    wrong = figures.spoilt.swapped.trials - figures.spoilt.swapped.hits
    assert figures.mistakes == wrong
    assert figures.of(MISTAKES).drums["Banzhaf"].trials == wrong - figures.without_drums
    assert set(figures.distortion_db) == set(SMALL.leaks_db)
    assert all(0 <= score <= 1 for score in figures.silence) and len(figures.silence) == 2
    lines = confounder.told(figures)
    assert all("\n" not in line for line in lines)
    heads = [line for line in lines if line.startswith("|")]
    assert len(heads) == 2 + 2 + 2 + len(figures.found)
    assert "nan" not in "\n".join(lines)


@pytest.mark.parametrize(("hits", "word"), [(98, "met"), (97, "missed")])
def test_the_verdict_is_told_as_it_is(figures: Figures, hits: int, word: str) -> None:
    assert f"The target is {word}" in confounder.told(_with(figures, Rate(hits, 100)))[-1]


def test_no_mistake_is_no_success(figures: Figures) -> None:
    none = _with(figures, Rate(0, 0))
    assert not none.passed
    assert "was not tested" in confounder.told(none)[-1]
    few = _with(figures, Rate(12, 12))
    assert not few.passed and "too few to tell: 12 mistakes" in confounder.told(few)[-1]


@pytest.mark.parametrize(
    ("right", "swapped", "fell"), [(95, 10, True), (80, 10, False), (95, 60, False)]
)
def test_without_a_fall_there_is_nothing_to_explain(
    figures: Figures, right: int, swapped: int, fell: bool
) -> None:
    spoilt = replace(figures.spoilt, standard=Rate(right, 100), swapped=Rate(swapped, 100))
    assert replace(figures, spoilt=spoilt).fell is fell


def _with(figures: Figures, rate: Rate) -> Figures:
    def changed(found: confounder.Found) -> confounder.Found:
        if found.case != MISTAKES or found.leak_db is not None:
            return found
        return replace(found, drums=dict(found.drums) | {"Shapley": rate})

    return replace(figures, found=tuple(changed(found) for found in figures.found))


def test_it_ends_when_it_is_cancelled(tmp_path: Path) -> None:
    def cancel(stage: str, done: float) -> None:
        raise StemlensError("cancelled", "The job was cancelled.")

    with pytest.raises(StemlensError, match="cancelled"):
        confounder.run(replace(SMALL, folder=tmp_path), cancel)
    assert not list(tmp_path.glob("*.flac"))


Break = Callable[[pytest.MonkeyPatch, Path], "Path | None"]


def _no_program(patch: pytest.MonkeyPatch, folder: Path) -> None:
    patch.setenv("PATH", str(folder))


def _no_soundfont(patch: pytest.MonkeyPatch, folder: Path) -> None:
    patch.setattr(fluidsynth, "FOLDERS", {"linux": (str(folder),)})


def _other_file(patch: pytest.MonkeyPatch, folder: Path) -> Path:
    path = folder / "<b>.sf2"
    path.write_bytes(b"RIFF\0\0\0\0WAVE")
    return path


@pytest.mark.parametrize(
    ("broken", "code", "words"),
    [
        (_no_program, "extra_missing", "apt install fluidsynth"),
        (_no_soundfont, "extra_missing", "timgm6mb-soundfont"),
        (_other_file, "bad_options", "<b>.sf2 is no soundfont"),
    ],
)
def test_what_is_missing_is_named(
    broken: Break, code: str, words: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    named = broken(monkeypatch, tmp_path)
    with pytest.raises(StemlensError) as caught:
        confounder.run(replace(SMALL, folder=tmp_path, soundfont=named))
    assert caught.value.code == code
    assert words in caught.value.message


def test_rates_have_wilsons_intervals() -> None:
    """Newcombe 1998, table I: 81 of 263, 15 of 148, 0 of 20, 1 of 29."""
    known = {(81, 263): (0.2553, 0.3662), (15, 148): (0.0624, 0.1605), (1, 29): (0.0061, 0.1718)}
    for (hits, trials), ends in known.items():
        rate = Rate(hits, trials)
        assert (rate.low, rate.high) == pytest.approx(ends, abs=1e-4)
    assert (Rate(0, 20).low, Rate(0, 20).high) == pytest.approx((0, 0.1611), abs=1e-4)
    assert Rate(20, 20).high == 1.0 and str(Rate(0, 0)) == "–"
    assert str(Rate.of([True, 0, 1, True])) == "75.0 % (30.1 to 95.4)"
