"""Trials: edits of stems, rendered and heard, so that what is promised has been measured.

A session is opened for trials once. An edit is rendered from the stem's own file, in stereo at its
rate, as a DAW would play it; what the tagger hears of the mix then is the sum of all stems with
that one in the place of the old (mono, at the tagger's rate), and only segments in which it differs
are tagged. An edit that only changes the level, or is a chain of filters and not loudness-matched,
needs no file at all (see `response`).

Scores and changes are 0 to 1: `[segments, tags]` over time, `[tags]` for the session (the mean).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stemlens import audio
from stemlens.attribution import anytime
from stemlens.attribution.shares import Shares
from stemlens.audio import Clip, Samples
from stemlens.edits import chains, terms
from stemlens.edits.audible import Audible, audible, sound
from stemlens.edits.chains import Chain, Setting
from stemlens.edits.hearing import Hearing, changed
from stemlens.edits.presets import Preset, Presets
from stemlens.edits.render import Rendered, render
from stemlens.edits.response import filtered
from stemlens.game import Game
from stemlens.grouping import grouping
from stemlens.opening import OpenedSession, Progress, no_progress
from stemlens.scorecache import ScoreCache
from stemlens_bridge.edits import Edit, TryOptions
from stemlens_bridge.errors import StemlensError
from stemlens_bridge.protocol import Options
from stemlens_bridge.session import Stem
from stemlens_bridge.writing import plain_name, written

UNHEARD_DB = -45.0  # of the stem, below which a change is nothing to the tagger
HARDLY = 0.05  # of a change's energy
CLIPS_KEPT = 4
VST3_PATIENCE_S = 120.0


@dataclass(frozen=True, slots=True)
class Planned:
    """An edit with its stem and its preset found, and its chain at the amount."""

    edit: Edit
    stem: int
    preset: Preset
    chain: Chain
    loudness_match: bool


@dataclass(frozen=True, slots=True)
class Tried:
    """One edited stem of a trial.

    chain: the plug-ins with all values. match_db: the gain at the end that keeps the loudness.
    unheard: why the tagger hears nothing of it, or hardly anything; "" where it does. verify: why
    only a new bounce can tell; "". path: the rendered stem, where it was kept.
    """

    plan: Planned
    chain: Chain
    before_lufs: float | None
    after_lufs: float | None
    match_db: float
    unheard: str
    heard: bool
    verify: str
    path: Path | None = None

    @property
    def words(self) -> str:
        """What to do, in a DAW's terms."""
        return terms.words(self.chain, self.match_db)


@dataclass(frozen=True, eq=False)
class Trial:
    """What edits do to a session.

    before: `[tags]`; change: `[segments, tags]`, 0 where nothing changed; heard_in: in how many
    segments something did. shares: before and after, where they were asked for.
    """

    edits: tuple[Tried, ...]
    before: NDArray[np.float64]
    change: NDArray[np.float64]
    audible: Audible
    heard_in: int
    shares: tuple[Shares, Shares] | None = None
    before_path: Path | None = None
    after_path: Path | None = None

    @property
    def mean(self) -> NDArray[np.float64]:
        """The change of the session's scores `[tags]`."""
        mean: NDArray[np.float64] = self.change.mean(axis=0)
        return mean


class TrialSession:
    """A session opened for trials.

    options: those of its analysis. kept: where scores are kept. overtakes: whether its taggings go
    before a job's.
    """

    def __init__(
        self,
        opened: OpenedSession,
        options: Options,
        presets: Mapping[str, Preset] | None = None,
        kept: ScoreCache | None = None,
        *,
        overtakes: bool = False,
        on_progress: Progress = no_progress,
    ) -> None:
        self.opened, self.options = opened, options
        self.presets = Presets() if presets is None else presets
        self.game = opened.game
        self.stems = opened.material.session.stems
        self.rate = self.game.tagger.sample_rate
        self._kept = ScoreCache() if kept is None else kept
        self.hearing = Hearing(self.game.tagger, self._kept, overtakes)
        self.waveforms = opened.material.waveforms
        self._sum = np.zeros(self.waveforms.shape[1])
        for gain, waveform in zip(self.game.gains, self.waveforms, strict=True):
            self._sum += gain * waveform.astype(np.float64)
        self.mix: NDArray[np.float32] = self._sum.astype(np.float32)
        self.segments = len(self.game.sounding)
        self.before = self.hearing.scores(
            self.mix,
            range(self.segments),
            lambda done: on_progress("hearing the mix", done / self.segments),
        )
        self._sound = sound(self.mix, self.rate)
        self._clips: dict[int, Clip] = {}
        self._before_files: dict[Path, Path] = {}

    def close(self) -> None:
        """Ends its threads."""
        self.hearing.close()

    def __enter__(self) -> TrialSession:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ------------------------------------------------------------------ what is asked for

    def plan(self, edit: Edit, loudness_match: bool | None = None) -> Planned:
        """Finds an edit's stem and preset; raises `edit_invalid`, `preset_unknown`."""
        stem = find_stem(self.stems, edit.stem)
        if not self.is_editable(stem):
            raise StemlensError(
                "edit_invalid",
                f"{self.stems[stem].name} is what the master bus adds: it has no track that could "
                "be edited.",
            )
        preset = self.presets[edit.preset]
        chain = preset.settings(edit)
        match = preset.loudness_match if loudness_match is None else loudness_match
        return Planned(edit, stem, preset, chain, match and bool(chain))

    def is_editable(self, stem: int) -> bool:
        """Whether a stem has audio of its own: not what the master bus adds."""
        return self.stems[stem].id != _rest_id(self.opened)

    def trial(
        self,
        edits: Sequence[Edit],
        options: TryOptions | None = None,
        *,
        folder: Path | None = None,
        name: str = "trial",
        on_progress: Progress = no_progress,
    ) -> Trial:
        """Tries edits together.

        With a `folder` the edited stems and the mix before and after are written there, under names
        that begin with `name`. Raises the errors of `plan` and of rendering; what `on_progress`
        raises ends the work.
        """
        options = options or TryOptions()
        plans = [self.plan(edit, options.loudness_match) for edit in edits]
        rendered: dict[int, Samples] = {}
        tried, after = [], self._sum.copy()
        new: dict[int, NDArray[np.float32]] = {}
        for number, plan in enumerate(plans):
            on_progress("rendering", number / len(plans))
            was = new.get(plan.stem, self.waveforms[plan.stem])
            done, becomes = self._played(plan, was, rendered, write=folder is not None)
            after += self.game.gains[plan.stem] * (becomes.astype(np.float64) - was)
            new[plan.stem] = becomes
            tried.append(done)
        if folder is not None:
            tried = [
                replace(one, path=self._keep_stem(one.plan, rendered, folder, name))
                for one in tried
            ]
        mix = after.astype(np.float32)
        where = changed(self.game.tagger, (after - self._sum).astype(np.float32), self.segments)
        change = np.zeros_like(self.before)
        heard = self.hearing.scores(
            mix, where, lambda count: on_progress("hearing the mix", count / max(len(where), 1))
        )
        change[where] = heard - self.before[where]
        files = (None, None) if folder is None else self._keep_mixes(rendered, folder, name)
        shares = self._shares(new, on_progress) if options.attributions else None
        sounds = audible(self._sound, sound(mix, self.rate))
        return Trial(
            tuple(tried), self.before.mean(axis=0), change, sounds, len(where), shares, *files
        )

    # ------------------------------------------------------------------ one edit

    def _played(
        self,
        plan: Planned,
        was: NDArray[np.float32],
        rendered: dict[int, Samples],
        write: bool,
    ) -> tuple[Tried, NDArray[np.float32]]:
        """A stem as the tagger hears it after an edit; the file as it sounds goes to `rendered`."""
        gain_db, chain = chains.gain_db(plan.chain), plan.chain
        if not write and not plan.loudness_match and plan.stem not in rendered:
            if gain_db is not None:
                becomes = was * np.float32(10 ** (gain_db / 20))
                return self._told(plan, chain, None, None, 0.0, was, becomes, None), becomes
            if chains.is_filter(chain) and not chains.needs_loudness(chain):
                rate = audio.probe(self.stems[plan.stem].path).sample_rate
                becomes = filtered(was, chain, rate, self.rate)
                return self._told(plan, chain, None, None, 0.0, was, becomes, None), becomes
        clip = self._clip(plan.stem)
        first = plan.stem not in rendered
        source = clip.samples if first else rendered[plan.stem]
        before = self.loudness_of(plan.stem) if first else None
        out = render(
            source,
            clip.sample_rate,
            chain,
            loudness_match=plan.loudness_match,
            before_lufs=before,
            host=hosted,
        )
        rendered[plan.stem] = out.samples
        becomes = self._heard(plan.stem, out.samples, clip.sample_rate)
        told = self._told(
            plan,
            out.chain,
            out.before_lufs,
            out.after_lufs,
            out.match_db,
            was,
            becomes,
            lambda: _energy_changed(source, out),
        )
        return told, becomes

    def _told(
        self,
        plan: Planned,
        chain: Chain,
        before_lufs: float | None,
        after_lufs: float | None,
        match_db: float,
        was: NDArray[np.float32],
        becomes: NDArray[np.float32],
        of_file: Callable[[], float] | None,
    ) -> Tried:
        unheard, heard = self._unheard(plan, was, becomes, of_file)
        verify = why_verify(self.stems, plan.stem)
        return Tried(plan, chain, before_lufs, after_lufs, match_db, unheard, heard, verify)

    def _unheard(
        self,
        plan: Planned,
        was: NDArray[np.float32],
        becomes: NDArray[np.float32],
        of_file: Callable[[], float] | None,
    ) -> tuple[str, bool]:
        """Why the tagger hears nothing of an edit, or hardly anything, and whether it hears it.

        of_file: how much of the stem's energy the edit changes, in stereo and at its full width.
        """
        if not plan.chain:
            return "At an amount of 0 nothing is done.", False
        hears = f"mono up to {self.rate / 2000:g} kHz"
        if not chains.is_heard_in_mono(plan.chain):
            return f"The tagger hears {hears}, and this only moves the sides.", False
        energy = float(np.square(was, dtype=np.float64).sum())
        moved = float(np.square(becomes.astype(np.float64) - was).sum())
        part = moved / energy if energy else 0.0
        if part < 10 ** (UNHEARD_DB / 10):
            if not energy:
                return "The stem is silent.", False
            return f"The tagger hears {hears}, and nothing of this edit is there.", False
        # A change has up to four times the stem's energy (polarity); no need to measure it then.
        if of_file is not None and part < 4 * HARDLY and part < HARDLY * of_file():
            return f"The tagger hears {hears}, and hardly anything of this edit is there.", True
        return "", True

    def _heard(self, stem: int, samples: Samples, rate: int) -> NDArray[np.float32]:
        """A stem's audio as the tagger hears it, in the session's time."""
        heard = np.zeros(self.waveforms.shape[1], dtype=np.float32)
        audio.play_at(heard, audio.to_mono(samples), rate, self.rate, self.starts_s[stem])
        mix = self.opened.material.mix
        if mix is not None and mix.treatment.curve is not None:
            mix.treatment.curve.apply(heard, self.rate)
        return heard

    @cached_property
    def starts_s(self) -> list[float]:
        """When each stem starts, in s after the earliest."""
        headers = [audio.probe(stem.path) for stem in self.stems]
        return audio.offsets([header.time_reference_s for header in headers])

    def _clip(self, stem: int) -> Clip:
        if stem not in self._clips:
            while len(self._clips) >= CLIPS_KEPT:
                self._clips.pop(next(iter(self._clips)))
            self._clips[stem] = audio.read(self.stems[stem].path)
        return self._clips[stem]

    def loudness_of(self, stem: int) -> float | None:
        """How loud a stem's file is as it plays, LUFS; None: silent."""
        measured = self.opened.material.stems[stem].loudness_lufs
        return None if measured is None else measured - self.stems[stem].gain_db

    # ------------------------------------------------------------------ shares

    def _shares(
        self, new: Mapping[int, NDArray[np.float32]], on_progress: Progress
    ) -> tuple[Shares, Shares]:
        """All stems' shares before and after."""
        waveforms = self.waveforms.copy()
        for stem, waveform in new.items():
            waveforms[stem] = waveform
        gains_db = self.opened.material.gains_db
        silence, tagger = self.options.silence, self.game.tagger
        before = self.game.at(gains_db, silence, self._kept)
        after = Game(tagger, waveforms, gains_db, silence, self._kept)
        return (
            self._analysed(before, "shares before", on_progress),
            self._analysed(after, "shares after", on_progress),
        )

    def _analysed(self, game: Game, stage: str, on_progress: Progress) -> Shares:
        options = self.options
        *_, last = anytime.revisions(
            game,
            options.value,
            options.unit,
            anytime.Limits(
                anytime.BUDGET if options.budget is None else options.budget,
                options.time_s,
                options.precision,
                options.tags,
            ),
            groups=grouping(self.opened.material.session)[1],
            parts=options.parts,
            features=options.features,
            seed=options.seed,
            on_progress=lambda fraction: on_progress(stage, fraction),
        )
        return last

    # ------------------------------------------------------------------ files

    def _keep_stem(
        self, plan: Planned, rendered: Mapping[int, Samples], folder: Path, name: str
    ) -> Path:
        path = folder / f"{name}-{plain_name(self.stems[plan.stem].name)}.wav"
        _write(path, rendered[plan.stem], self._clip(plan.stem).sample_rate)
        return path

    def _keep_mixes(
        self, rendered: Mapping[int, Samples], folder: Path, name: str
    ) -> tuple[Path, Path]:
        """The mix before and after, at the same loudness."""
        rate, total = self._stereo
        before = folder / "mix-before.wav"
        if folder not in self._before_files or not before.exists():
            _write(before, total, rate)
            self._before_files[folder] = before
        after = total.copy()
        for stem, samples in rendered.items():
            clip = self._clip(stem)
            gain = np.float32(10 ** (self.stems[stem].gain_db / 20))
            for played, sign in ((clip.samples, -gain), (samples, gain)):
                sides = audio.to_stereo(played) * sign
                audio.play_at(after, sides, clip.sample_rate, rate, self.starts_s[stem])
        levels = [audio.loudness(mix, rate) for mix in (total, after)]
        if levels[0] is not None and levels[1] is not None:
            after *= np.float32(10 ** ((levels[0] - levels[1]) / 20))
        path = folder / f"{name}-mix-after.wav"
        _write(path, after, rate)
        return before, path

    @cached_property
    def _stereo(self) -> tuple[int, Samples]:
        """The sum of all stems `[frames, 2]` at the session's rate, and that rate."""
        rate = self.opened.material.sample_rate
        frames = round(self.opened.material.duration_s * rate)
        total = np.zeros((frames, 2), dtype=np.float32)
        for stem, start in zip(self.stems, self.starts_s, strict=True):
            if stem.id == _rest_id(self.opened):
                continue  # it has no file of its own
            clip = audio.read(stem.path)
            sides = audio.to_stereo(clip.samples) * np.float32(10 ** (stem.gain_db / 20))
            audio.play_at(total, sides, clip.sample_rate, rate, start)
        return rate, total


def find_stem(stems: Sequence[Stem], wanted: str) -> int:
    """The stem with that id, or the only one with that name, in any case; raises `edit_invalid`."""
    ids = [stem.id for stem in stems]
    if wanted in ids:
        return ids.index(wanted)
    exact = [stem.name for stem in stems]
    folded = [name.casefold() for name in exact]
    for names, name in ((exact, wanted), (folded, wanted.casefold())):
        found = [number for number, own in enumerate(names) if own == name]
        if len(found) == 1:
            return found[0]
        if found:
            raise StemlensError(
                "edit_invalid",
                f"{len(found)} stems are named {wanted!r}; use the id: "
                f"{', '.join(ids[number] for number in found)}.",
            )
    known = ", ".join(
        stem.name if stem.name == stem.id else f"{stem.name} ({stem.id})" for stem in stems
    )
    raise StemlensError("edit_invalid", f"There is no stem {wanted!r}; there are {known[:400]}.")


def why_verify(stems: Sequence[Stem], edited: int) -> str:
    """Why only a new bounce can tell what an edit of a stem does; "" where stems tell it all."""
    names = {stem.id: stem.name for stem in stems}

    def listed(ids: Iterable[str]) -> str:
        return ", ".join(names.get(own, own) for own in ids)

    stem = stems[edited]
    reasons = []
    if keyed := stem.facts.get("sidechains"):
        reasons.append(f"it keys effects of {listed(keyed)}")
    if fed := stem.facts.get("feeds"):
        reasons.append(f"it feeds {listed(fed)}, which were bounced with it as it was")
    return f"Verify by a new bounce: {' and '.join(reasons)}." if reasons else ""


def _rest_id(opened: OpenedSession) -> str | None:
    """The id of the stem that plays what the master bus adds, if there is one."""
    material = opened.material
    return material.session.stems[-1].id if material.master == "rest" else None


def _energy_changed(source: Samples, out: Rendered) -> float:
    """How much of a file's energy an edit changes, as a part of it."""
    if source.shape[1] > 2:
        source = audio.to_stereo(source)
    was = _energy(source)
    moved = out.samples.copy()
    moved[: len(source)] -= source
    return _energy(moved) / was if was else 0.0


def _energy(samples: Samples) -> float:
    """Σ x², in float64 without a float64 copy."""
    return float(np.einsum("fc,fc->", samples, samples, dtype=np.float64))


def hosted(setting: Setting, samples: Samples, rate: int) -> Samples:
    """A VST3 in a process of its own."""
    from stemlens.edits.vst3 import render_vst3

    assert setting.path is not None
    return render_vst3(setting.path, setting.values, samples, rate, timeout_s=VST3_PATIENCE_S)


def _write(path: Path, samples: Samples, rate: int) -> None:
    """Writes a 32-bit float WAV, whole or not at all; raises `output_failed` or `disk_full`."""
    with written(path) as part:
        os.makedirs(part.parent, exist_ok=True)
        audio.write_float(part, samples, rate)
