"""The cut of a DAW's routing: which tracks are stems, so that they add up to the mix.

A stem is what leaves a track, bus or return at its main output, after fader and pan. The cut begins
at the master and goes against the flow: a bus or folder that only passes on what comes in is opened
and what feeds it is looked at instead; one that does something (effects, automation, a fader off
unity, sound of its own) is one stem with everything inside it. A send cannot be bounced by itself,
so what a send feeds is never opened: a return is a stem of its own, and the tracks that feed it
are stems without it. So the signal that arrives at the master is the sum of the stems, whatever
the routing; `tests/bridge/test_routing.py` plays random routings to prove it.

The DAW side delivers facts (`Track`); this is the one place that decides, for all DAWs.
Levels are dB, pans −1 (left) to 1 (right).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from stemlens_bridge.errors import StemlensError
from stemlens_bridge.jsontext import is_number
from stemlens_bridge.wording import counted

MASTER = ""
CHOICES = ("one", "open", "skip")
RETURNS = ("own", "with source")
UNITY_DB = 0.005  # a fader this near to 0 dB counts as at unity
CENTRE = 0.001


@dataclass(frozen=True, slots=True)
class Send:
    """A send from a track to another one; a sidechain only steers effects there."""

    to: str
    gain_db: float = 0.0
    pre_fader: bool = False
    sidechain: bool = False


@dataclass(frozen=True, slots=True)
class Track:
    """What a DAW knows of one of its tracks, folders, buses or returns.

    output: the id of what its main output feeds; "" for the master, None for nothing.
    sounds: it has sound of its own (recordings, an instrument, frozen audio), not only inputs.
    effects, automation: whether any is active.
    muted: nothing leaves it, by sends before the fader neither (a DAW side whose mute lets those
    through delivers a track without an output instead).
    silent: what it has lies outside the time that is bounced, or is known to be silence.
    """

    id: str
    name: str
    output: str | None = MASTER
    sounds: bool = True
    effects: bool = False
    automation: bool = False
    fader_db: float = 0.0
    pan: float = 0.0
    muted: bool = False
    silent: bool = False
    sends: tuple[Send, ...] = ()

    @classmethod
    def from_plain(cls, given: Mapping[str, Any]) -> Track:
        """A track from JSON's dict with the same keys; raises `bad_message`."""
        if not isinstance(given, Mapping):
            raise StemlensError("bad_message", "A track must be a JSON object.")
        sends = given.get("sends", ())
        if not isinstance(sends, list | tuple):
            raise StemlensError("bad_message", "A track's sends must be a list.")
        values = {**given, "sends": tuple(_plain(Send, send) for send in sends)}
        track: Track = _plain(cls, values)
        return track


def _plain(cls: type[Any], given: Any) -> Any:
    if not isinstance(given, Mapping):
        raise StemlensError("bad_message", f"A {cls.__name__.lower()} must be a JSON object.")
    kinds = {spec.name: str(spec.type) for spec in fields(cls)}
    for key, value in given.items():
        fits = {
            "str": isinstance(value, str),
            "str | None": value is None or isinstance(value, str),
            "float": is_number(value),
            "bool": isinstance(value, bool),
        }.get(kinds.get(key, ""), key == "sends")
        if not fits:
            raise StemlensError(
                "bad_message", f"A {cls.__name__.lower()} cannot have {key} = {value!r}."
            )
    try:
        return cls(**given)
    except TypeError as error:
        raise StemlensError("bad_message", f"A {cls.__name__.lower()} is incomplete.") from error


@dataclass(frozen=True, slots=True)
class CutStem:
    """One stem: the track to bounce, and what is known of its place in the routing.

    inside: ids of the tracks that are part of it. group: the name of the opened folder or bus that
    it lies in. why: why a bus was not opened. sidechains: ids of stems whose effects listen to it.
    feeds: ids of the returns (or other stems) that it feeds by sends, its own or those of an opened
    bus behind it.
    """

    id: str
    name: str
    kind: str
    fader_db: float
    pan: float
    inside: tuple[str, ...] = ()
    group: str | None = None
    why: str = ""
    sidechains: tuple[str, ...] = ()
    feeds: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Skipped:
    """A track that is no stem and in none, and why."""

    id: str
    name: str
    why: str


@dataclass(frozen=True, slots=True)
class Cut:
    """The stems in the DAW's order, what was left out, and what the user should know."""

    stems: tuple[CutStem, ...]
    skipped: tuple[Skipped, ...]
    warnings: tuple[str, ...] = ()

    def told(self) -> str:
        """The cut in one sentence: "2 stems: Drums (a bus of 3), Bass; skipped: Click (muted)"."""
        names = [
            f"{stem.name} (a {stem.kind} of {len(stem.inside)})" if stem.inside else stem.name
            for stem in self.stems
        ]
        text = f"{counted(len(names), 'stem')}: {', '.join(names)}" if names else "no stems"
        if self.skipped:
            text += f"; skipped: {', '.join(f'{s.name} ({s.why})' for s in self.skipped)}"
        return ". ".join([text, *self.warnings])


def cut(
    tracks: Sequence[Track], choices: Mapping[str, str] | None = None, returns: str = "own"
) -> Cut:
    """Which of `tracks` (in the DAW's order) are stems.

    `choices` are the user's wishes by track id: "one" keeps a bus together, "open" opens it, "skip"
    leaves it out with everything inside. With `returns` "with source" a return is no stem, because
    the DAW prints it with each track that feeds it; then a track that is heard through returns
    alone is a stem too. Raises `project_invalid` for a routing that cannot be and `bad_options` for
    an unknown wish.
    """
    choices = choices or {}
    for wish in choices.values():
        if wish not in CHOICES:
            raise StemlensError(
                "bad_options", f"A track cannot be treated as {wish!r}; {', '.join(CHOICES)} can."
            )
    if returns not in RETURNS:
        raise StemlensError("bad_options", f"returns is {returns!r}; {' or '.join(RETURNS)}.")
    return _Cutting(tracks, choices, returns).result()


class _Cutting:
    """One run: from the master against the flow."""

    def __init__(self, tracks: Sequence[Track], choices: Mapping[str, str], returns: str) -> None:
        self.tracks = {track.id: _with_plain_output(track) for track in tracks}
        if len(self.tracks) < len(tracks) or MASTER in self.tracks:
            raise StemlensError("project_invalid", "Two tracks of the project have the same id.")
        self.choices, self.returns = choices, returns
        self.inputs: dict[str, list[str]] = {own: [] for own in [*self.tracks, MASTER]}
        self.fed: dict[str, list[str]] = {own: [] for own in self.tracks}
        for track in self.tracks.values():
            if track.output is not None:
                self._checked(track, track.output, self.inputs).append(track.id)
            for send in track.sends:
                if not send.sidechain:
                    self._checked(track, send.to, self.fed).append(track.id)
        self.stems: dict[str, CutStem] = {}
        self.skipped: dict[str, str] = {}
        self.barred: set[str] = set()  # what no return may bring back
        self.opened: set[str] = set()
        self.printed: list[str] = []  # returns that come with their sources
        self.warnings: list[str] = []

    @staticmethod
    def _checked(track: Track, to: str, table: Mapping[str, list[str]]) -> list[str]:
        if to not in table:
            raise StemlensError(
                "project_invalid", f"The track {track.name!r} feeds {to!r}, which is not there."
            )
        return table[to]

    def result(self) -> Cut:
        for own in self.inputs[MASTER]:
            self._enter(own, None)
        for own in self.printed:  # which grows when a return feeds another one
            for source in sorted(self.fed[own], key=self._hops):
                if source not in self._placed() and source not in self.opened | self.barred:
                    self._enter(source, None)
        placed = self._placed()
        order = list(self.tracks)
        stems = sorted(self.stems.values(), key=lambda stem: order.index(stem.id))
        return Cut(
            tuple(self._with_sends(stem, placed) for stem in stems),
            tuple(
                Skipped(own, self.tracks[own].name, self._why_skipped(own, placed))
                for own in order
                if own not in placed and own not in self.opened
            ),
            tuple(self.warnings),
        )

    def _placed(self) -> dict[str, str]:
        """The stem in which each track is."""
        inside = {track: stem.id for stem in self.stems.values() for track in stem.inside}
        return inside | {own: own for own in self.stems}

    def _hops(self, own: str) -> int:
        """How many tracks lie behind the main output of this one: a bus comes before its inputs."""
        seen = {own}
        while (output := self.tracks[own].output) not in (None, MASTER, *seen):
            own = str(output)
            seen.add(own)
        return len(seen)

    def _enter(self, own: str, group: str | None) -> None:
        """Decides about a track whose sound is part of the mix."""
        track = self.tracks[own]
        wish = self.choices.get(own)
        why = "as you wished" if wish == "skip" else self._not_heard(own)
        if why:
            # What is in a muted bus may still be heard by its sends; what was not wished, may not.
            self.skipped |= dict.fromkeys([own, *self._upstream(own)], f"in {track.name}: {why}")
            self.skipped[own] = why
            self.barred |= {own, *self._upstream(own)} if wish == "skip" else {own}
            return
        inputs, fed = self.inputs[own], self.fed[own]
        if not inputs and fed and self.returns == "with source" and not track.sounds:
            self.skipped[own] = "printed with the tracks that feed it"
            self.barred.add(own)
            self.printed.append(own)
            return
        if not inputs:
            kind = "return" if fed and not track.sounds else "track"
            self._keep(own, kind, group, self._upstream(own))
            return
        closed = self._cannot_open(track)
        active = self._does_something(track)
        if wish == "open" and closed:
            self.warnings.append(f"{track.name} stays one stem, because {closed}")
        if wish == "open" and active and not closed:
            self.warnings.append(f"{track.name} is opened as you wished, though {active}")
        keep = closed or (wish == "one" and "you wished it") or (wish != "open" and active)
        if keep:
            self._keep(own, "bus", group, self._upstream(own), str(keep))
            return
        self.opened.add(own)
        for child in inputs:
            self._enter(child, track.name)

    def _keep(
        self, own: str, kind: str, group: str | None, inside: Sequence[str], why: str = ""
    ) -> None:
        track = self.tracks[own]
        for other in inside:  # it was printed for its own return before
            self.stems.pop(other, None)
        self.stems[own] = CutStem(
            own, track.name, kind, track.fader_db, track.pan, tuple(inside), group, why
        )

    def _upstream(self, own: str) -> list[str]:
        """Everything whose main output ends in this track, in the DAW's order."""
        found: set[str] = set()
        waiting = list(self.inputs[own])
        while waiting:
            track = waiting.pop()
            if track not in found:
                found.add(track)
                waiting += self.inputs[track]
        return [track for track in self.tracks if track in found and track != own]

    def _not_heard(self, own: str) -> str:
        """Why nothing can come out of a track; "" where something can."""
        if self.tracks[own].muted:
            return "muted"
        if self._heard(own, set()):
            return ""
        fed = self.inputs[own] or self.fed[own]
        return "nothing that feeds it sounds" if fed else "nothing on it"

    def _heard(self, own: str, seen: set[str]) -> bool:
        track = self.tracks[own]
        if track.muted or own in seen:
            return False
        seen.add(own)
        if track.sounds and not track.silent:
            return True
        return any(self._heard(source, seen) for source in [*self.inputs[own], *self.fed[own]])

    def _cannot_open(self, track: Track) -> str:
        if track.sounds and not track.silent:
            return "it has sound of its own"
        if self.fed[track.id]:
            return f"{self.tracks[self.fed[track.id][0]].name} sends into it"
        return ""

    @staticmethod
    def _does_something(track: Track) -> str:
        if track.effects:
            return "it has effects"
        if track.automation:
            return "it is automated"
        if abs(track.fader_db) > UNITY_DB:
            return f"its fader is at {track.fader_db:+.1f} dB"
        return "it is panned" if abs(track.pan) > CENTRE else ""

    def _why_skipped(self, own: str, placed: Mapping[str, str]) -> str:
        if own in self.skipped:
            return self.skipped[own]
        track = self.tracks[own]
        if track.muted:
            return "muted"
        through = dict.fromkeys(self.tracks[to].name for to in _sound_to(track))
        return f"heard only through {', '.join(through)}" if through else "not heard in the master"

    def _with_sends(self, stem: CutStem, placed: Mapping[str, str]) -> CutStem:
        """The stem with what listens to it and what it feeds, where those are stems: also by way of
        tracks that are in none, such as an opened bus with a send."""
        steered: set[str] = set()
        fed: set[str] = set()
        waiting = [stem.id, *stem.inside]
        passed = set(waiting)
        while waiting:
            track = self.tracks[waiting.pop()]
            steered |= {send.to for send in track.sends if send.sidechain}
            reached = _sound_to(track)
            if track.output not in (None, MASTER):
                reached.append(str(track.output))
            fed |= {to for to in reached if to in placed}
            onwards = {to for to in reached if to not in placed} - passed
            passed |= onwards
            waiting += onwards

        def stems(found: set[str]) -> tuple[str, ...]:
            others = {placed[own] for own in found if own in placed} - {stem.id}
            return tuple(own for own in self.tracks if own in others)

        return replace(stem, sidechains=stems(steered), feeds=stems(fed))


def _sound_to(track: Track) -> list[str]:
    """Where the sends of a track carry its sound."""
    return [send.to for send in track.sends if not send.sidechain]


def _with_plain_output(track: Track) -> Track:
    """Without a main output, a lone send at unity after the fader is one: how REAPER users route
    tracks into buses."""
    audio = [send for send in track.sends if not send.sidechain]
    if track.output is not None or len(audio) != 1:
        return track
    send = audio[0]
    if send.pre_fader or abs(send.gain_db) > UNITY_DB:
        return track
    return replace(
        track, output=send.to, sends=tuple(other for other in track.sends if other.sidechain)
    )
