"""What can be heard of a job: each stem, all of them, the mix, what explains a tag, and trials.

Only files that the job names are read, and only while they are what was frozen at submit: of a stem
that was bounced again the old sound is gone, and the others play on. Stems that were separated lie
in the server's own folder. Every sound has the length of the session and
begins where it begins, so that one place in one of them is the same place in all.

Stems play at their levels in the sum, which is the session's gain and their own, less `REDUCED_DB`
in all sounds alike, so that few must be turned down because they would clip. The mix is brought to
the loudness of the sum. What the master bus does is heard in the mix alone.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from stemlens import audio
from stemlens.explain import passage as passages
from stemlens.explain.coalitions import explaining
from stemlens.over_time import OverTime
from stemlens.service.freezing import is_unchanged
from stemlens.service.panel.explainedtext import explanation_of, scored
from stemlens.service.panel.library import Library
from stemlens.service.panel.rendering import Part, Rendered, Sound, playing_rate
from stemlens.service.places import Places
from stemlens.service.store import JobFile
from stemlens.wording.shares import tag_of
from stemlens.wording.told import few, isolated, listed, shown_names
from stemlens_bridge.errors import StemlensError
from stemlens_bridge.protocol import SOUNDS

REDUCED_DB = 6.0
TOLD_DB = 0.05
SIDES = {"a": "before_path", "b": "after_path"}


@dataclass(frozen=True, slots=True)
class Heard:
    """A sound and what it is, in a sentence. span_s: the part of it that is meant, if not all."""

    sound: Sound
    said: str
    span_s: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class _Scene:
    """A job as it can be heard: its result, the files of its stems by id, and its mix.

    A rest that the master bus adds is part of the result and has no file.
    """

    document: Mapping[str, Any]
    stems: Mapping[str, JobFile]
    mix: JobFile | None

    @property
    def names(self) -> dict[str, str]:
        return shown_names(self.document)


class Sounds:
    """The sounds of the jobs of one data folder. All methods block, for they read audio.

    They raise `job_unknown`, `track_unknown`, `audio_missing` for what there is not (yet),
    `files_changed`, the errors of `is_unchanged` and `audio.read`, `disk_full` and
    `output_failed`. `places` are the folders that the server may read.
    """

    def __init__(self, data: Path, places: Places) -> None:
        self._places = places
        self._library = Library(data)
        self._data = Path(os.path.realpath(data))
        self._separated = Path(os.path.realpath(data / "separated"))
        self._rendered = Rendered(data / "panel" / "sounds")
        self._frozen: dict[tuple[object, ...], bool] = {}
        self._stamps: dict[tuple[str, str], float | None] = {}

    def stem(self, job: str, track: str) -> Heard:
        """One stem, at its level in the sum."""
        scene = self._scene(job)
        if track not in scene.names:
            raise StemlensError("track_unknown", f"The job has no stem {track[:64]!r}.")
        name = scene.names[track]
        if track not in scene.stems:
            raise StemlensError(
                "audio_missing",
                f"{name} is what the mix has beyond the stems; it has no file to be played.",
            )
        return _heard(self._together(scene, [track]), f"{name}, at its level among all stems")

    def sum(self, job: str) -> Heard:
        """All stems together."""
        scene = self._scene(job)
        return _heard(self._together(scene, scene.stems), "All stems together")

    def explained(self, job: str, tag: str, kind: str) -> Heard:
        """What explains a tag (docs/explain.md): "only" the stems that make it, the mix "without"
        them, or a "crossfade", equally loud in the passage in which that is heard best. All are as
        long as the session, as every sound is."""
        scene = self._scene(job)
        document = scene.document
        if tag_of(document, tag) is None or kind not in SOUNDS:
            raise StemlensError("audio_missing", f"The result has no tag {tag[:64]!r}.")
        making = explaining(document, tag)
        playing = making.among(scene.stems)
        if not playing.only:
            raise StemlensError("audio_missing", f"What makes it {tag} has no file to be played.")
        measured = explanation_of(document, tag)
        span_s = self._span_s(document, tag, making.only)
        sounds = self._rendered.pair(
            self._parts(scene, playing.only),
            self._parts(scene, playing.without),
            *_shape(scene),
            span_s,
        )
        told = listed(few([scene.names[stem] for stem in playing.only]))
        them = "them" if playing.only[1:] else "it"
        said = {
            "only": f"Only what makes it {tag}: {told}",
            "without": f"Without {told}",
            "crossfade": f"From {told} alone to the mix without {them}",
        }[kind]
        if measured is not None:
            said += scored(measured, kind)
        return replace(_heard(sounds[kind], said + _louder(sounds[kind])), span_s=span_s)

    def _span_s(
        self, document: Mapping[str, Any], tag: str, stems: Sequence[str]
    ) -> tuple[float, float]:
        """The passage in which a tag is heard best, in s from the session's start; all of the
        session while shares over time are not known."""
        session, segment_s = document["session"], document["tagger"]["segment_s"]
        if document["time"] is None:
            return 0.0, float(session["duration_s"])
        over = OverTime.read(Path(document["time"]), segment_s)
        segments = max(int(session["duration_s"] / segment_s), 1)
        starts_s = session["start_s"] + np.arange(segments) * segment_s
        place = passages.strongest(document, over, tag, stems, starts_s, segment_s)
        return place.start_s - session["start_s"], place.end_s - session["start_s"]

    def mix(self, job: str) -> Heard:
        """The bounce of the master, in the stems' time and as loud as their sum, while that can be
        heard."""
        scene = self._scene(job)
        facts = scene.document["session"]["mix"]
        if scene.mix is None or facts is None:
            raise StemlensError("audio_missing", "The session brought no mix.")
        self._require_frozen([scene.mix])
        loudness = self._loudness_lufs(scene)
        *starts_s, mix_s = self._starts_s([*scene.stems.values(), scene.mix]).values()
        late_s = mix_s - min(starts_s, default=mix_s) - facts["lag_s"]
        part = Part(*_content(scene.mix), -REDUCED_DB, late_s)
        sound = self._rendered.sound([part], *_shape(scene), loudness_lufs=loudness)
        if loudness is None:
            return _heard(sound, "The mix; how loud all stems together were is not known any more")
        changed = f"{sound.gain_db - REDUCED_DB:+.1f}".replace("-", "−")
        return _heard(sound, f"The mix, {changed} dB to be as loud as all stems together")

    def _loudness_lufs(self, scene: _Scene) -> float | None:
        """How loud all stems together are; None where some were bounced again or are gone."""
        try:
            return self._together(scene, scene.stems).loudness_lufs
        except StemlensError as error:
            if error.code not in ("files_changed", "audio_missing"):
                raise
            return None

    def trial(self, job: str, request: str, rank: int, side: str) -> Heard:
        """The mix before ("a") or after ("b") a trial, at one loudness, in the session's time."""
        scene = self._scene(job)
        path = self._trial_file(job, request, rank, side)
        if path is None:
            raise StemlensError("audio_missing", "The trial was not rendered, or its file is gone.")
        content = f"{path.stat().st_size} {path.stat().st_mtime_ns}"
        sound = self._rendered.sound([Part(str(path), content, -REDUCED_DB, 0.0)], *_shape(scene))
        told = {"a": "A: before", "b": "B: after"}[side]
        return _heard(sound, f"{told}, both at the same loudness")

    def check(self, job: str) -> Callable[[str], None]:
        """What raises for every path but those of the job's files as they were submitted, and of
        stems and trials that the server made itself."""
        _, files = self._library.job(job)
        known = {file.path: file for file in files}
        trials = [trial for _, told in self._library.trials(job) for trial in told["trials"]]
        rendered = {trial[side] for trial in trials for side in SIDES.values()}

        def check(path: str) -> None:
            real = Path(os.path.realpath(path))
            own = self._data if path in rendered else self._separated
            if path in known:
                self._require_frozen([known[path]])
            elif not real.is_relative_to(own):
                raise StemlensError("path_not_allowed", f"{path} is no file of the job.")

        return check

    def _trial_file(self, job: str, request: str, rank: int, side: str) -> Path | None:
        """Where the record of a trial names a file that lies below the server's folder, after
        following links, and is there still."""
        document = self._library.trial(job, request)
        for trial in document.get("trials", ()) if document and side in SIDES else ():
            if trial["rank"] == rank and trial[SIDES[side]]:
                path = Path(os.path.realpath(trial[SIDES[side]]))
                if path.is_relative_to(self._data) and path.is_file():
                    return path
        return None

    def _scene(self, job: str) -> _Scene:
        _, files = self._library.job(job)
        document = self._library.result(job)
        if document is None:
            raise StemlensError("audio_missing", "There is no result yet; it comes in a moment.")
        there = {file.track: file for file in files if not file.is_mix}
        stems = {}
        for stem in document["session"]["stems"]:
            file = there.get(stem["id"]) or self._made(stem)
            if file is not None:
                stems[stem["id"]] = file
        return _Scene(document, stems, next((file for file in files if file.is_mix), None))

    def _made(self, stem: Mapping[str, Any]) -> JobFile | None:
        """The file of a stem that the server made itself."""
        path = Path(os.path.realpath(stem["path"]))
        if not path.is_relative_to(self._separated):
            return None
        return JobFile(stem["id"], stem["name"], str(path), stem["gain_db"], "{}")

    def _require_frozen(self, files: Iterable[JobFile]) -> None:
        """Raises `files_changed` where some are not what was submitted, `path_not_allowed` for one
        that leads out of the allowed folders by now."""
        changed = [file for file in files if not self._is_frozen(file)]
        if not changed:
            return
        names = " and ".join("The mix" if one.is_mix else isolated(one.name) for one in changed)
        told = (
            "were bounced again since, so these versions of them can no longer be heard; analyse "
            "the new ones."
            if changed[1:]
            else "was bounced again since, so this version of it can no longer be heard; analyse "
            "the new one."
        )
        raise StemlensError("files_changed", f"{names} {told}")

    def _is_frozen(self, file: JobFile) -> bool:
        """Whether a file is what was submitted; what the server made itself always is.

        A file that was only touched is read whole to find that out, so that is remembered.
        """
        if not file.sha256:
            return True
        self._places.check(file.path)
        now = _state(file)
        if now not in self._frozen:
            self._frozen[now] = is_unchanged(file, self._places)
        return self._frozen[now]

    def _starts_s(self, files: Sequence[JobFile]) -> dict[str, float]:
        """When each track starts, by the time stamps that are known: of files that are what they
        were, or were so when they were last looked at."""
        for file in files:
            if _content(file) not in self._stamps and self._can_be_read(file):
                facts = audio.probe(file.path, max_duration_s=math.inf)
                self._stamps[_content(file)] = facts.time_reference_s
        known = [file for file in files if _content(file) in self._stamps]
        starts_s = audio.offsets([self._stamps[_content(file)] for file in known])
        return {file.track: start for file, start in zip(known, starts_s, strict=True)}

    def _can_be_read(self, file: JobFile) -> bool:
        try:
            return self._is_frozen(file)
        except StemlensError:  # it does not play, so nobody need be told
            return False

    def _together(self, scene: _Scene, playing: Iterable[str]) -> Sound:
        return self._rendered.sound(self._parts(scene, playing), *_shape(scene))

    def _parts(self, scene: _Scene, playing: Iterable[str]) -> list[Part]:
        """Stems at their levels in the sum; raises `files_changed`."""
        playing = list(playing)
        self._require_frozen(scene.stems[stem] for stem in playing)
        starts = self._starts_s(list(scene.stems.values()))
        session_db = scene.document["session"]["session_gain_db"] - REDUCED_DB
        return [
            Part(*_content(scene.stems[stem]), session_db + scene.stems[stem].gain_db, starts[stem])
            for stem in playing
        ]


def _shape(scene: _Scene) -> tuple[int, float]:
    """The rate and the length of all sounds of a job."""
    session = scene.document["session"]
    return playing_rate(session["sample_rate"]), float(session["duration_s"])


def _content(file: JobFile) -> tuple[str, str]:
    """A file's path, and what tells its content: separated stems lie in folders named by theirs."""
    return file.path, file.sha256 or ""


def _state(file: JobFile) -> tuple[object, ...]:
    """What a file looks like from outside, and what it must hold."""
    try:
        status = os.stat(file.path)
    except OSError:
        return ()
    return file.path, file.sha256, status.st_size, status.st_mtime_ns


def _louder(sound: Sound) -> str:
    """How a sound was brought to the loudness of all stems."""
    if abs(sound.gain_db) < TOLD_DB:
        return ""
    more = "louder" if sound.gain_db > 0 else "quieter"
    return f"; {abs(sound.gain_db):.1f} dB {more}, to be as loud as all stems there"


def _heard(sound: Sound, said: str) -> Heard:
    if sound.down_db >= TOLD_DB:
        said += f"; {sound.down_db:.1f} dB quieter than that, so that it does not clip"
    return Heard(sound, f"{said}.")
