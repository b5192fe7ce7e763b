"""What can be heard on the page: clips of stems, of all of them, of the mix, and of what makes a
tag, as MP3 within so many bytes.

Clips play at the levels that the stems have among each other, `REDUCED_DB` below what was analysed;
but what makes a tag, and all but that, are brought to the loudness (ITU-R BS.1770-4) of all stems,
so that they can be compared. The mix is brought to the level of the sum by the gain that was
measured between them. Where one of them would clip, all clips of the page are turned down together,
so that they can still be compared; but by no more than `MOST_DOWN_DB`, or one loud click would make
the page too quiet to be heard.

A clip is of one span of the session: the passage (`passage`), or the whole where that is short; the
whole song comes besides where it fits. Clips of the same stems at the same level are the same clip.

Files are read where the result says they lie, one after the other, and only where they are as long
as they were. A rest that the master bus adds has no file. Conventions: seconds from the start of
the session, dB, stereo float32 `[frames, 2]`; MP3 with a constant rate, by LAME in pedalboard.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from stemlens import audio, mixing
from stemlens.explain.coalitions import coalitions
from stemlens.explain.pair import fade, match_db
from stemlens.loudness import integrated
from stemlens.over_time import OverTime
from stemlens.report.addresses import address
from stemlens.report.heatmap import shown_tags
from stemlens.report.taggram import Outline
from stemlens.report.trialtext import title
from stemlens.wording.told import shown_names
from stemlens_bridge.errors import StemlensError
from stemlens_bridge.wording import clock

REDUCED_DB = 6.0
FULL_SCALE = 0.97  # an MP3 goes a little beyond what it was made of
MAX_RATE = 48_000  # that MP3 knows
KBPS = (96, 80)  # that are tried, the best first (benchmarks/report.py measures them)
PASSAGE_S = 20.0
SHORT_S = 30.0  # a session so short is heard whole
FIRST_TAGS = 3  # are explained before all else, and must have their sounds
COLUMNS = 500  # of the outline
THINNED = 8  # of so many samples the outline looks at one
SAME_LENGTH_S = 0.001
MIX = "\0mix"  # which no stem's id is
SIDES = {"a": "before_path", "b": "after_path"}
SAID = {"only": "Only what makes it", "without": "All but what makes it"}
NAMED = {"only": "what makes it", "without": "all but what makes it"}
BROKEN = "Some is missing, because its files broke off while they were read."
BASE64 = 4 / 3
SPARE_S = 0.2  # that an MP3 has more than what it is of
TOLD_DB = 0.05
MOST_DOWN_DB = 6.0

Check = Callable[[str], object]
"""Raises a StemlensError for a path that must not be read."""

Tried = Sequence[tuple[str, Mapping[str, Any]]]
"""What was tried: requests, and their documents (docs/edits.md)."""


def anything(path: str) -> None:
    """For those who may read what they name."""


@dataclass(frozen=True, slots=True)
class Recording:
    """A file as it plays in the session: at a gain, from a time on."""

    path: Path
    gain_db: float
    start_s: float

    def played(self, rate: int) -> Iterator[tuple[int, audio.Samples]]:
        """Its blocks at `rate` Hz, each with the frame at which it plays."""
        return mixing.played(self.path, self.gain_db, self.start_s, rate)


@dataclass(frozen=True, slots=True)
class Recordings:
    """What of a session can be read: its stems by their ids, its mix, and sentences about what
    cannot. `whole`: whether all stems are there, so that their sum can be heard. trials: by the
    addresses of their sides what each is and its file."""

    stems: Mapping[str, Recording]
    mix: Recording | None
    rate: int
    duration_s: float
    whole: bool
    missing: tuple[str, ...] = ()
    trials: Mapping[str, tuple[str, Recording]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Clip:
    """What plays, from when to when: ids of stems, or alone `MIX` or the key of a trial's side.
    matched: whether it is brought to the loudness of all stems."""

    parts: frozenset[str]
    start_s: float
    end_s: float
    matched: bool = False

    @property
    def seconds(self) -> float:
        return self.end_s - self.start_s


@dataclass(frozen=True, slots=True)
class Wanted:
    """A sound that a button plays: its address, what it is in words, and the clip that it is.
    `named`: what it is called where it is left out; `must`: whether all is made smaller for it."""

    address: str
    said: str
    clip: Clip
    named: str
    must: bool


@dataclass(frozen=True, slots=True)
class Heard:
    """The sounds of a page by their addresses, the clips as MP3, and what is to be known.

    outline: the lowest and highest sample of `COLUMNS` equal parts of the sum, () where that could
    not be read. left_out: what there was no room for, in words. kbps: 0 without any sound. down_db:
    how far all were turned down, so that none clips.
    """

    wanted: Mapping[str, Wanted]
    clips: Mapping[Clip, bytes]
    outline: Outline
    kbps: int
    left_out: tuple[str, ...]
    missing: tuple[str, ...]
    down_db: float = 0.0


def recordings(
    document: Mapping[str, Any], tried: Tried = (), check: Check = anything
) -> Recordings:
    """The files that a result and what was `tried` name, where they can be read and are as long as
    they were."""
    session, names = document["session"], shown_names(document)
    headers: dict[str, audio.Header] = {}
    missing = []
    stems = [stem for stem in session["stems"] if stem["kind"] != "rest"]
    for stem in stems:
        try:
            headers[stem["id"]] = _header(Path(stem["path"]), stem.get("duration_s"), check)
        except StemlensError:
            missing.append(names[stem["id"]])
    of_mix = None
    if session["mix"] is not None:
        try:
            of_mix = _header(Path(session["mix"]["path"]), None, check)
        except StemlensError:
            missing.append("the mix")
    starts = _starts_s(headers, of_mix)
    whole = len(headers) == len(stems)
    ends = [starts[stem] + header.duration_s for stem, header in headers.items()]
    if whole and abs(max(ends, default=0.0) - session["duration_s"]) > SAME_LENGTH_S:
        headers, of_mix, whole = {}, None, False
        missing = ["the stems"]
    session_db = session["session_gain_db"] - REDUCED_DB
    gains = {stem["id"]: session_db + stem["gain_db"] for stem in stems}
    mix = None
    if of_mix is not None:
        facts = session["mix"]
        start_s = starts[MIX] - facts["lag_s"]
        mix = Recording(of_mix.path, session_db - _fitted_db(facts), start_s)
    why = "because the files are gone or have changed"
    told = (f"Not to be heard, {why}: {', '.join(missing)}.",) if missing else ()
    return Recordings(
        {one: Recording(header.path, gains[one], starts[one]) for one, header in headers.items()},
        mix,
        _rate(session["sample_rate"]),
        float(session["duration_s"]),
        whole,
        told,
        _sides(session["id"], tried, check),
    )


def _sides(job: str, tried: Tried, check: Check) -> dict[str, tuple[str, Recording]]:
    """The mix before and after each trial, at one loudness, where both were rendered."""
    found = {}
    for request, trial in ((request, one) for request, told in tried for one in told["trials"]):
        try:
            headers = [_header(Path(trial[key] or ""), None, check) for key in SIDES.values()]
        except StemlensError:
            continue
        for (side, said), header in zip((("a", "before"), ("b", "after")), headers, strict=True):
            where = address(job, "trial", request, str(trial["rank"]), side)
            words = f"{side.upper()}: {said}, both at the same loudness: {title(trial)}"
            found[where] = words, Recording(header.path, -REDUCED_DB, 0.0)
    return found


def _key(side: Recording) -> str:
    """What a trial's side is called among the parts of clips."""
    return f"\0{side.path}"


def _header(path: Path, duration_s: float | None, check: Check) -> audio.Header:
    check(str(path))
    header = audio.probe(path, max_duration_s=math.inf)
    if duration_s is not None and abs(header.duration_s - duration_s) > SAME_LENGTH_S:
        raise StemlensError("files_changed", f"{path} is another than was analysed.")
    return header


def _starts_s(headers: Mapping[str, audio.Header], mix: audio.Header | None) -> dict[str, float]:
    """When each file starts, by the time stamps in them; the first stem starts at 0."""
    known = {**headers, **({} if mix is None else {MIX: mix})}
    starts = audio.offsets([header.time_reference_s for header in known.values()])
    found = dict(zip(known, starts, strict=True))
    first = min((start for one, start in found.items() if one != MIX), default=0.0)
    return {one: start - first for one, start in found.items()}


def _fitted_db(mix: Mapping[str, Any]) -> float:
    """How much louder the mix is than its stems; 0 where the two have too little in common for the
    measured gain to mean anything."""
    return float(mix["gain_db"]) if mix["residual_db"] < -3.0 else 0.0


def _rate(rate: int) -> int:
    while rate > MAX_RATE:
        rate //= 2
    return next(known for known in (32_000, 44_100, 48_000) if rate <= known)


def passage(document: Mapping[str, Any], over_time: OverTime | None) -> tuple[float, float]:
    """What is heard of a long session, in seconds from its start: its highlight where the result
    has one, else the 20 s in which its best tags score most, or where that is not known the
    middle."""
    session = document["session"]
    duration_s, start_s = session["duration_s"], session["start_s"]
    if duration_s <= SHORT_S:
        return 0.0, duration_s
    highlight = document.get("highlight")
    if highlight:
        return (
            max(highlight["start_s"] - start_s, 0.0),
            min(highlight["end_s"] - start_s, duration_s),
        )
    at = (duration_s - PASSAGE_S) / 2
    if over_time is not None:
        tags = [over_time.tags.index(tag["tag"]) for tag in document["tags"][:FIRST_TAGS]]
        scores = over_time.scores[:, tags].mean(axis=1)
        starts = over_time.start_s - start_s
        sums = np.concatenate([[0.0], np.cumsum(scores)])
        first = np.flatnonzero(starts + PASSAGE_S <= duration_s)
        last = np.searchsorted(starts + over_time.segment_s, starts[first] + PASSAGE_S, "right")
        if len(first):
            means = (sums[last] - sums[first]) / (last - first)
            at = float(starts[first[np.argmax(means.round(9))]])
    return at, at + PASSAGE_S


def all_wanted(
    document: Mapping[str, Any], found: Recordings, span: tuple[float, float]
) -> list[Wanted]:
    """Every sound that there could be, those first that matter most: all stems, the mix, what makes
    the first tags, each stem; then what makes the other tags, and the whole song."""
    job, names = document["session"]["id"], shown_names(document)
    everything = frozenset(found.stems)
    song = (0.0, found.duration_s)
    tags = shown_tags(document)
    playing = {stem["id"] for stem in document["session"]["stems"] if stem["kind"] != "rest"}

    def explained(kind: str, some: Sequence[Mapping[str, Any]], must: bool) -> Iterator[Wanted]:
        for tag in some:
            name = tag["tag"]
            both = coalitions(document, name).among(playing)
            parts = frozenset(both.of(kind))
            if both.only and both.without and parts <= everything:
                listed = ", ".join(names[stem] for stem in names if stem in parts)
                said = f"{SAID[kind]} {name}: {listed}"
                where = address(job, "explained", name, kind)
                clip = Clip(parts, *span, matched=found.whole)
                yield Wanted(where, said, clip, f"{NAMED[kind]} {name}", must)

    def whole() -> Iterator[tuple[str, str, frozenset[str]]]:
        if found.whole:
            yield "sum", "All stems", everything
        if found.mix is not None:
            yield "mix", "The mix, at the level of all stems", frozenset({MIX})

    listed = [
        Wanted(address(job, kind), said, Clip(parts, *span), said, True)
        for kind, said, parts in whole()
    ]
    for kind in SAID:
        listed += explained(kind, tags[:FIRST_TAGS], True)
    for stem in found.stems:
        said = f"{names[stem]}, at its level among all stems"
        clip = Clip(frozenset({stem}), *span)
        listed.append(Wanted(address(job, "stem", stem), said, clip, names[stem], True))
    for where, (said, recording) in found.trials.items():
        clip = Clip(frozenset({_key(recording)}), *span)
        listed.append(Wanted(where, said, clip, "trials", False))
    for kind in SAID:
        listed += explained(kind, tags[FIRST_TAGS:], False)
    if span != song:
        listed += [
            Wanted(
                address(job, kind, "whole"),
                f"{said}, the whole song",
                Clip(parts, *song),
                "the whole song",
                False,
            )
            for kind, said, parts in whole()
        ]
    return listed


def planned(wanted: Sequence[Wanted], room: float) -> tuple[list[Wanted], int]:
    """What fits into so many bytes of a page, and at how many kbit/s.

    The best rate is taken at which all that must be there fits; then what else has room, and at the
    lowest rate what comes last is left out. What is the same clip as another costs nothing.
    """
    must = {one.clip for one in wanted if one.must}
    rates = (kbps for kbps in KBPS if sum(size(clip, kbps) for clip in must) <= room)
    kbps = next(rates, KBPS[-1])
    kept: list[Wanted] = []
    taken: set[Clip] = set()
    for one in wanted:
        cost = 0.0 if one.clip in taken else size(one.clip, kbps)
        if cost <= room:
            room -= cost
            taken.add(one.clip)
            kept.append(one)
    return kept, kbps


def size(clip: Clip, kbps: int) -> float:
    """The bytes that a clip takes on the page."""
    return (clip.seconds + SPARE_S) * kbps * 125 * BASE64


def blank(found: Recordings, wanted: Sequence[Wanted]) -> Heard:
    """All that is wanted, without a sound in it: what a page needs besides its clips."""
    return Heard(
        {one.address: one for one in wanted},
        {one.clip: b"" for one in wanted},
        ((-1.0, 1.0),) * COLUMNS,
        KBPS[0],
        _left_out(wanted, ()),
        (*found.missing, BROKEN),
        MOST_DOWN_DB,
    )


def heard(found: Recordings, wanted: Sequence[Wanted], room: float) -> Heard:
    """The sounds of a page in so many bytes, made now. What is part of a file that breaks while it
    is read is missing."""
    kept, kbps = planned(wanted, room)
    played, outline, broken = _played(found, dict.fromkeys(one.clip for one in kept))
    missing = found.missing
    if broken:
        missing = (*missing, BROKEN)
    there = {one.address: one for one in kept if one.clip in played}
    over_db = {clip: _over_db(samples) for clip, samples in played.items()}
    down_db = min(max(over_db.values(), default=0.0), MOST_DOWN_DB)
    clips = {}
    for clip in [*played]:
        gain_db = -max(over_db[clip], down_db)
        clips[clip] = mp3(played.pop(clip) * np.float32(10 ** (gain_db / 20)), found.rate, kbps)
    for where, one in there.items():
        more_db = over_db[one.clip] - down_db
        if more_db >= TOLD_DB:
            said = f"{one.said}; {more_db:.1f} dB quieter than that, so that it does not clip"
            there[where] = replace(one, said=said)
    left_out = _left_out(wanted, kept)
    return Heard(there, clips, outline, kbps if there else 0, left_out, missing, down_db)


def _over_db(samples: audio.Samples) -> float:
    """By how much samples would clip, at least 0."""
    peak = float(np.abs(samples).max(initial=0.0))
    return max(20 * math.log10(peak / FULL_SCALE), 0.0) if peak > 0 else 0.0


def _left_out(wanted: Sequence[Wanted], kept: Sequence[Wanted]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(one.named for one in wanted if one not in kept))


def _played(
    found: Recordings, clips: Iterable[Clip]
) -> tuple[dict[Clip, audio.Samples], Outline, bool]:
    """What plays in clips `[frames, 2]`, the outline of the sum, and whether a file could not be
    read to its end: clips of it are missing."""
    totals = {
        clip: np.zeros((round(clip.seconds * found.rate), 2), dtype=np.float32) for clip in clips
    }
    thin = np.zeros((math.ceil(found.duration_s * found.rate / THINNED) + 1, 2), dtype=np.float32)
    broken = False
    everything = {**found.stems, **({} if found.mix is None else {MIX: found.mix})}
    everything |= {_key(side): side for _, side in found.trials.values()}
    for one, recording in everything.items():
        own = [clip for clip in totals if one in clip.parts]
        try:
            for at, block in recording.played(found.rate):
                for clip in own:
                    audio.add_at(totals[clip], block, at - round(clip.start_s * found.rate))
                if one in found.stems:
                    first = -at % THINNED
                    audio.add_at(thin, block[first::THINNED], (at + first) // THINNED)
        except StemlensError:
            broken = True
            for clip in own:
                del totals[clip]
    together = {  # how loud all stems are, by the span
        (clip.start_s, clip.end_s): _loudness(samples, found.rate)
        for clip, samples in totals.items()
        if clip.parts == found.stems.keys()
    }
    for clip, samples in totals.items():
        if clip.matched:
            _match(samples, together.get((clip.start_s, clip.end_s)), found.rate)
        # where it begins or ends amid the session it would click
        if clip.start_s > 0:
            fade(samples, found.rate)
        if clip.end_s < found.duration_s - SAME_LENGTH_S:
            fade(samples[::-1], found.rate)
    return totals, outline(thin) if found.whole and not broken else (), broken


def _loudness(samples: audio.Samples, rate: int) -> float | None:
    return integrated(lambda part: samples[part], len(samples), rate)


def _match(samples: audio.Samples, target: float | None, rate: int) -> None:
    """Brings samples to a loudness in LUFS, in place, as far as an explanation's sounds are."""
    gain_db = match_db(target, _loudness(samples, rate)) or 0.0
    samples *= np.float32(10 ** (gain_db / 20))


def outline(samples: audio.Samples) -> Outline:
    """The lowest and highest sample of equal parts of `[frames, 2]`."""
    edges = np.linspace(0, len(samples), min(COLUMNS, len(samples)) + 1).astype(int)[:-1]
    lows = np.minimum.reduceat(samples.min(axis=1), edges)
    highs = np.maximum.reduceat(samples.max(axis=1), edges)
    return [(float(low), float(high)) for low, high in zip(lows, highs, strict=True)]


def mp3(samples: audio.Samples, rate: int, kbps: int) -> bytes:
    """Samples as MP3, which must not go beyond `FULL_SCALE`."""
    from pedalboard.io import AudioFile

    file = io.BytesIO()
    with AudioFile(file, "w", rate, 2, quality=kbps, format="mp3") as made:
        made.write(np.ascontiguousarray(samples.T))
    return file.getvalue()


def told(found: Heard, document: Mapping[str, Any]) -> list[str]:
    """What the page says about its sounds, a sentence each."""
    left_out: tuple[str, ...] = ()
    if found.left_out:
        left_out = (f"Left out to keep the page small: {', '.join(found.left_out)}.",)
    if not found.wanted:
        return ["This page has no sounds.", *left_out, *found.missing]
    first = next(iter(found.wanted.values())).clip
    whole = first.seconds >= document["session"]["duration_s"] - SAME_LENGTH_S
    start_s = document["session"]["start_s"]
    of = (
        "the whole session"
        if whole
        else f"the passage from {clock(start_s + first.start_s)} to {clock(start_s + first.end_s)}"
    )
    what = (
        f"Sounds are of {of}, at the levels that the stems have in the mix, as MP3 with "
        f"{found.kbps} kbit/s."
    )
    if any(clip.matched for clip in found.clips):
        what += " What makes a tag, and all but that, are as loud as all stems together."
    if found.down_db >= TOLD_DB:
        what += f" All are turned down by {found.down_db:.1f} dB, so that none of them clips."
    return [what, *left_out, *found.missing]
