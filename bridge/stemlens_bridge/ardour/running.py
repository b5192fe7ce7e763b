"""Writes annotations to a session that is open in a running Ardour, over OSC.

Over OSC a track has a place and a name but no id. So the tracks that Ardour tells must be those of
the saved session file, name by name in the same order, before anything is written; otherwise there
are changes that were not saved, and which track is which cannot be known. Each write is sent
together with a query of the track's name before and after it; where the name is another one, what
was there is put back.

Markers are made at the playhead, so only while the transport stands still, and the playhead is
put back. Removing one needs Ardour's window (its headless program does not do it). Colours cannot
be set over OSC. Nothing is saved unless asked for: in Ardour, the session shows as changed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from stemlens_bridge import marks
from stemlens_bridge.ardour import record
from stemlens_bridge.ardour.osc import (
    GLOBAL,
    TRACKS_AND_BUSES,
    Ardour,
    Exchange,
    Sent,
    Strip,
    fader_db,
    surface,
)
from stemlens_bridge.ardour.session_file import SessionFile
from stemlens_bridge.ardour.wanted import COLOR, COMMENTS, MARKERS, Wanted, Written
from stemlens_bridge.errors import StemlensError

ROUNDS = 5
LOCATE_S = 10.0
FIND_S = 2.5
RESEND_S = 0.25
ANSWER_S = 0.05
REMOVE_S, TOLD_S = 20.0, 1.5
SAVE_S = 20.0
STAYS = 8  # answers in a row that must agree
AWAY = 4_801  # samples: how far off the playhead is put before a marker is looked for


def save(ardour: Ardour, session: SessionFile) -> None:
    """Has Ardour save the session, as by Ctrl+S; returns when the file has changed.

    Raises `daw_failed`.
    """
    before = session.path.stat().st_mtime_ns
    started = time.monotonic()
    while time.monotonic() - started < SAVE_S:
        ardour.send([("/save_state", ())])
        until = time.monotonic() + 2.0
        while time.monotonic() < until:
            if session.path.stat().st_mtime_ns != before:
                return
            time.sleep(0.05)
    raise StemlensError(
        "daw_failed", f"Ardour did not save {session.snapshot}. Save it there and try again."
    )


def same_tracks(strips: Sequence[Strip], session: SessionFile) -> None:
    """Raises `tracks_unmatched` where Ardour's tracks are not those of the session file."""
    live = [strip.name for strip in strips if strip.kind in TRACKS_AND_BUSES]
    saved = [route.name for route in session.mixed if "Hidden" not in route.flags]
    if live == saved:
        return
    new = [name for name in live if name not in saved]
    gone = [name for name in saved if name not in live]
    parts = [f"new: {', '.join(new)}"] if new else []
    parts += [f"gone: {', '.join(gone)}"] if gone else []
    raise StemlensError(
        "tracks_unmatched",
        f"Tracks in Ardour have changed since {session.snapshot} was saved "
        f"({'; '.join(parts) or 'another order'}), so Stemlens cannot tell which is which and "
        "wrote nothing. Save the session (Ctrl+S) and try again, or add --save.",
    )


def write(ardour: Ardour, session: SessionFile, wanted: Wanted) -> Written:
    """Makes the open session show what is wanted, and nothing else of ours.

    Raises `tracks_unmatched`, `daw_unreachable`.
    """
    strips = all_strips(ardour)
    same_tracks(strips, session)
    own_id = {route.name: route.id for route in session.mixed}
    mixed = [strip for strip in strips if strip.kind in TRACKS_AND_BUSES]
    problems: list[str] = []
    commented = marked = left = 0
    if COMMENTS in wanted.kinds:
        texts = {own_id[strip.name]: strip for strip in mixed}
        here = {own: text for own, text in wanted.comments.items() if own in texts}
        problems += [
            f"{route.name!r} is hidden in Ardour, where OSC does not reach it; nothing was written "
            "on it."
            for route in session.mixed
            if route.id in wanted.comments and route.id not in texts
        ]

        def wished(own: str, comment: str) -> str:
            return marks.put(comment, here[own]) if own in here else marks.taken_out(comment)

        by_strip = {strip: own_id[strip.name] for strip in mixed}
        commented = len(here) - len(comments(ardour, by_strip, wished, problems))
    if MARKERS in wanted.kinds:
        marking = _Marking(ardour, session, problems)
        marked, left = marking.write(wanted.marks), marking.left
    if COLOR in wanted.kinds and (wanted.colors or record.read(session).colors):
        problems.append(
            "Colours cannot be set from outside while Ardour has the session open: use Stemlens "
            "in Ardour's menu Edit > Lua Scripts, or close the session and run this again."
        )
    return Written("in Ardour", commented, marked, 0, left, tuple(problems))


def all_strips(ardour: Ardour) -> list[Strip]:
    """The strips, with each name asked for by its place: lists come in pieces."""
    strips = ardour.strips()
    answers = ardour.exchange([Exchange((f"/strip/{s.ssid}/name",)) for s in strips])
    return [
        Strip(strip.ssid, strip.kind, str(answer[f"/strip/{strip.ssid}/name"][0]))
        for strip, answer in zip(strips, answers, strict=True)
    ]


def comments(
    ardour: Ardour,
    strips: Mapping[Strip, str],
    wished: Callable[[str, str], str],
    problems: list[str],
) -> list[Strip]:
    """Makes each strip's comment what is wished of its route's id and the comment that is there;
    returns the strips of which Ardour does not take it. Raises `tracks_unmatched`."""
    users: dict[Strip, str] = {}
    for _ in range(ROUNDS):
        there = _read(ardour, list(strips))
        moved = [strip for strip, (name, _) in there.items() if name != strip.name]
        if moved:
            raise changed(moved)
        writes = {}
        for strip, (_, comment) in there.items():
            users.setdefault(strip, comment)
            text = wished(strips[strip], comment)
            if text != comment:
                writes[strip] = text
        if not writes:
            return []
        exchanges = [_written(strip, text) for strip, text in writes.items()]
        for strip, answers in zip(writes, ardour.exchange(exchanges), strict=True):
            name = answers[_name(strip)][0]
            if name != strip.name:
                ardour.exchange([_written(strip, users[strip])])
                raise changed([strip])
    problems += [
        f"The comment of {strip.name!r} could not be written; Ardour keeps another."
        for strip in writes
    ]
    return list(writes)


def _name(strip: Strip) -> str:
    return f"/strip/{strip.ssid}/name"


def _comment(strip: Strip) -> str:
    return f"/strip/{strip.ssid}/comment"


def _written(strip: Strip, text: str) -> Exchange:
    return Exchange((_name(strip), _comment(strip)), ((_comment(strip), (text,)),))


def _read(ardour: Ardour, strips: list[Strip]) -> dict[Strip, tuple[str, str]]:
    """Name and comment of each strip."""
    answers = ardour.exchange([Exchange((_name(s), _comment(s))) for s in strips])
    return {
        strip: (str(answer[_name(strip)][0]), str(answer[_comment(strip)][0]))
        for strip, answer in zip(strips, answers, strict=True)
    }


def changed(strips: list[Strip]) -> StemlensError:
    names = ", ".join(repr(strip.name) for strip in strips)
    return StemlensError(
        "tracks_unmatched",
        f"Tracks were moved or renamed in Ardour while Stemlens wrote ({names}). Nothing was left "
        "on a wrong track; save the session and try again.",
    )


class _Marking:
    """Our markers in a running Ardour."""

    def __init__(self, ardour: Ardour, session: SessionFile, problems: list[str]) -> None:
        self.ardour = ardour
        self.session = session
        self.problems = problems
        self.left = 0

    def write(self, wanted: tuple[tuple[float, str], ...]) -> int:
        """Removes our markers that are not wanted and adds those that are not there."""
        before = record.read(self.session)
        saved = {mark.name: mark.start_s for mark in self.session.marks}
        former = dict.fromkeys(
            [*before.marks, *(name for name in saved if name.startswith(marks.MARKER_PREFIX))]
        )
        if not wanted and not former:
            return 0
        if self._number("/transport_speed") != 0:
            self.problems.append(
                "The transport is rolling, so the markers were left as they are. Stop it and run "
                "this again."
            )
            self.left = len(former)
            return 0
        home = self._number("/transport_frame")
        try:
            return self._write(wanted, list(former), before)
        finally:
            self._locate(int(home))

    def _write(
        self, wanted: tuple[tuple[float, str], ...], former: list[str], before: record.Record
    ) -> int:
        rate = self.session.rate
        taken = {
            round(mark.start_s * rate)
            for mark in self.session.marks
            if not mark.name.startswith(marks.MARKER_PREFIX)
        }
        places: dict[str, int] = {}
        for time_s, name in wanted:
            at = max(0, round(time_s * rate))
            while at in taken:  # Ardour removes all markers of one place at once
                at += 1
            taken.add(at)
            places[name] = at
        there: set[str] = set()
        stuck: list[str] = []
        for name in former:
            found = self._find(name, places.get(name))
            if found is None:
                continue
            if places.get(name) == found:
                there.add(name)
            elif stuck or not self._remove(name, found):
                stuck.append(name)
        self.left = len(stuck)
        if stuck:
            self.problems.append(
                f"This Ardour does not remove markers over OSC; {len(stuck)} of ours are left. "
                "Close the session and run this again."
            )
        missing = [name for name in places if name not in there]
        for _ in range(ROUNDS):
            for name in missing:
                at = places[name]
                if self._locate(at) and self._stays(at):
                    self.ardour.send([("/add_marker", (name,))])
                    self._stays(at)
            missing = [name for name in missing if self._find(name, places[name]) != places[name]]
            if not missing:
                break
        if missing:
            self.problems.append(f"Ardour did not take {len(missing)} of the markers.")
        written = [name for name in places if name not in missing]
        record.write(self.session, replace(before, marks=(*written, *stuck)))
        return len(written)

    def _number(self, path: str) -> float:
        """The answer to a query whose path cannot have a tail."""
        started = time.monotonic()
        while time.monotonic() - started < LOCATE_S:
            self.ardour.receive(0)  # what came before can be no answer
            self.ardour.send([(path, ())])
            until = time.monotonic() + ANSWER_S
            while (left := until - time.monotonic()) > 0:
                for heard, given in self.ardour.receive(left):
                    if heard == path and given and isinstance(given[0], int | float):
                        return float(given[0])
        raise StemlensError(
            "daw_unreachable",
            "Ardour does not answer any more, so not all markers were dealt with. Run this again "
            "when it does, or when the session is closed.",
        )

    def _locate(self, sample: int) -> bool:
        return self._moved(("/locate", (sample, 0)), lambda frame: frame == sample) == sample

    def _stays(self, sample: int) -> bool:
        """Whether the playhead stays where it is while what a network held up still arrives: an
        old locate, or the same marker once more, which would land wherever the playhead is."""
        return all(int(self._number("/transport_frame")) == sample for _ in range(STAYS))

    def _moved(
        self, message: Sent, arrived: Callable[[int], bool], limit_s: float = LOCATE_S
    ) -> int:
        """Sends what moves the playhead until it has arrived; returns where it is."""
        started = time.monotonic()
        sent = 0.0
        while True:
            now = time.monotonic()
            if now - sent > RESEND_S:
                sent = now
                self.ardour.send([message])
            frame = int(self._number("/transport_frame"))
            # an answer may be an old one that was held up on its way: two must agree
            if arrived(frame) and int(self._number("/transport_frame")) == frame:
                return frame
            if now - started > limit_s:
                return frame
            time.sleep(0.005)

    def _find(self, name: str, expected: int | None) -> int | None:
        """Where the marker of that name is; None where there is none."""
        away = AWAY if expected is None else expected + AWAY
        if not self._locate(away):
            return None
        at = self._moved(("/marker", (name,)), lambda frame: frame != away, FIND_S)
        return None if at == away else at

    def _remove(self, name: str, at: int) -> bool:
        """Removes the marker that the playhead is on; whether it is gone.

        Ardour's window removes it some time later, and what the playhead is on then; so it stays
        where it is until the marker's name is no longer told there.
        """
        self.ardour.send([("/remove_marker", ())])
        started = time.monotonic()
        gone = 0
        while time.monotonic() - started < REMOVE_S and gone < 2:
            # has it tell everything anew: at once a place that is none, and then where it is
            self.ardour.send(surface(GLOBAL))
            told = self._markers(TOLD_S, 2)
            unmarked = bool(told) and told[-1] != name
            gone = gone + 1 if unmarked and self._number("/transport_frame") == at else 0
            if not unmarked:
                self._markers(TOLD_S, 1)  # comes when it changes; asking all the time slows it down
        self.ardour.send(surface())
        return gone == 2

    def _markers(self, wait_s: float, count: int) -> list[str]:
        """What Ardour tells of the marker at the playhead, up to `count` times."""
        until = time.monotonic() + wait_s
        told: list[str] = []
        while len(told) < count and (left := until - time.monotonic()) > 0:
            heard = self.ardour.receive(left)
            told += [str(given[0]) for path, given in heard if path == "/marker" and given]
        return told


def unsaved(ardour: Ardour, session: SessionFile) -> list[str]:
    """Sentences about faders and mutes in Ardour that are not those of the saved session, since
    what is bounced is what was saved."""
    strips = [strip for strip in all_strips(ardour) if strip.kind in TRACKS_AND_BUSES]
    routes = {route.name: route for route in session.mixed}
    exchanges = [Exchange((f"/strip/{s.ssid}/fader", f"/strip/{s.ssid}/mute")) for s in strips]
    changed = [strip.name for strip in strips if strip.name not in routes]
    for strip, answers in zip(strips, ardour.exchange(exchanges), strict=True):
        route = routes.get(strip.name)
        fader, mute = (given[:1] for given in answers.values())
        if (
            route is not None
            and fader
            and mute
            and (
                abs(fader_db(float(fader[0])) - route.fader_db) > 0.05
                or (bool(mute[0]) and not route.muted)
            )
        ):
            changed.append(strip.name)
    if not changed:
        return []
    return [
        f"{', '.join(changed)} {'is' if len(changed) == 1 else 'are'} not as saved; the bounce is "
        "of the saved session. Save it in Ardour, or add --save."
    ]
