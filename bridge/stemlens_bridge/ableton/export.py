"""From the files of an export to a session: which file is which track, and which are the stems.

Live exports a file for each track, group and return. A group's file holds its children, so a group
and its children are never both taken: the cut of the routing decides (`routing.cut`), by what
AbletonOSC tells of groups, devices, faders and outputs. Returns cannot be asked for; a file that is
no track and begins with a letter as returns do ("A-Reverb") is one. A file that is named like the
main track ("Main", "Master") is the mix.

Nothing is guessed: a file that could be two tracks, or two files that could be one, stop the work
with a sentence that says so by name. A stem that has no file is told, and a file that is no stem.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stemlens_bridge import routing
from stemlens_bridge.ableton import DAW, RETURN
from stemlens_bridge.ableton.live_set import LiveSet
from stemlens_bridge.ableton.peaks import normalised
from stemlens_bridge.errors import StemlensError
from stemlens_bridge.marks import without_label
from stemlens_bridge.routing import Cut, CutStem
from stemlens_bridge.session import Session, Stem
from stemlens_bridge.stemfolder import SETTLE_S, Settling, named_like_a_mix
from stemlens_bridge.stemnames import match, same_name, track_names
from stemlens_bridge.tempo import TempoMap
from stemlens_bridge.wording import counted

RETURN_FILE = re.compile(r"[A-L]-(?=\S)")  # Live has at most 12 returns
POLL_S = 0.25
ROUNDS = 8
NORMALISED = (
    "All stems peak at full scale: was Normalize on in the export? Then they no longer add up to "
    "your mix, and the shares are those of another mix. Export again with Normalize off."
)


@dataclass(frozen=True, slots=True)
class Planned:
    """A session of an export, in words what it is made of, and what the user should know."""

    session: Session
    told: str
    warnings: tuple[str, ...]


def wait(
    folder: Path,
    since_s: float | None = None,
    settle_s: float | None = None,
    on_wait: Callable[[], None] = lambda: None,
) -> list[Path]:
    """Waits for an export into `folder` that is complete and has been quiet for `settle_s` seconds
    (two without it).

    `since_s`: files that were last changed before that time are left alone (seconds since 1970);
    None takes what is there. `on_wait` is called again and again. Raises `audio_missing` or
    `audio_unreadable` where the folder is not there or cannot be read.
    """
    settling = Settling(folder, SETTLE_S if settle_s is None else settle_s, since_s)
    while True:
        files = settling.look(time.monotonic())
        if files:
            return files
        on_wait()
        time.sleep(POLL_S)


def choices(live: LiveSet, wishes: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """The user's wishes ("one", "open", "skip": names of tracks) as choices for the cut.

    Raises `bad_options` for a name that no track has, or more than one.
    """
    found = {}
    for wish, names in wishes.items():
        for name in names:
            alike = [track.id for track in live.tracks if same_name(track.name, name)]
            if len(alike) != 1:
                raise StemlensError(
                    "bad_options",
                    f"{'Several tracks are' if alike else 'No track is'} called {name!r} in Live.",
                )
            found[alike[0]] = wish
    return found


def plan(
    live: LiveSet,
    files: Sequence[Path],
    project: str,
    start_s: float = 0.0,
    wished: Mapping[str, str] | None = None,
) -> Planned:
    """The session that `files`, one export of the set, make; `wished`: see `choices`.

    Raises `tracks_unmatched` where a file could be several tracks or several files one track, and
    `export_incomplete` where none of the files is a stem.
    """
    given = _told_apart(live, files)
    cut, warnings = _cut(live, given.by_track, wished or {})
    chosen = [stem for stem in cut.stems if stem.id in given.by_track]
    if not chosen and not given.returns:
        raise StemlensError(
            "export_incomplete",
            f"{_counted(files, live)}, but none of the files is a track that is heard. "
            f"The set has {cut.told()}.",
        )
    lacking = [repr(stem.name) for stem in cut.stems if stem.id not in given.by_track]
    if lacking:
        warnings.append(
            f"The export has no file for {', '.join(lacking)}: analysed without. For the whole mix "
            "choose 'All Individual Tracks' as the rendered track."
        )
    warnings += [f"{path.name} is no track of the project." for path in given.strangers]
    stems = [_stem(stem, given.by_track[stem.id]) for stem in chosen]
    stems += [
        Stem(f"{RETURN}{name}", name, path.absolute(), kind="return")
        for path, name in given.returns.items()
    ]
    if normalised([stem.path for stem in stems]):
        warnings.append(NORMALISED)
    session = Session(
        project=project,
        daw=DAW,
        stems=tuple(stems),
        mix=None if given.mix is None else given.mix.absolute(),
        start_s=start_s,
        tempo=TempoMap.from_plain(live.tempo),
    )
    used = {stem.id for stem in chosen}
    parts = {
        "returns": list(given.returns.values()),
        "the mix": [] if given.mix is None else [given.mix.name],
        "not needed": [path.name for own, path in given.by_track.items() if own not in used],
    }
    told = [f"{what}: {', '.join(names)}" for what, names in parts.items() if names]
    return Planned(session, "; ".join([_counted(files, live), cut.told(), *told]), tuple(warnings))


@dataclass(frozen=True, slots=True)
class _Files:
    """What the files of an export are: tracks by their ids, returns with their names, the mix, and
    files that are none of these."""

    by_track: dict[str, Path]
    returns: dict[Path, str]
    mix: Path | None
    strangers: tuple[Path, ...]


def _told_apart(live: LiveSet, files: Sequence[Path]) -> _Files:
    names = [track.name for track in live.tracks]
    matched = match(files, names)
    plain = _plain_names(files, {path: names[index] for path, index in matched.pairs.items()})
    if matched.problems:
        raise StemlensError(
            "tracks_unmatched",
            f"{_counted(files, live)}. {' '.join(matched.problems)} Then export once more, into an "
            "empty folder.",
        )
    mixes = [path for path in matched.strangers if named_like_a_mix(plain[path])]
    if len(mixes) > 1:
        told = " and ".join(path.name for path in mixes)
        raise StemlensError("tracks_unmatched", f"{told} are both named like the mix; leave one.")
    others = [path for path in matched.strangers if path not in mixes]
    returns = {path: plain[path] for path in others if RETURN_FILE.match(plain[path])}
    return _Files(
        by_track={live.tracks[index].id: path for path, index in matched.pairs.items()},
        returns=returns,
        mix=mixes[0] if mixes else None,
        strangers=tuple(path for path in others if path not in returns),
    )


def _plain_names(files: Sequence[Path], known: Mapping[Path, str]) -> dict[Path, str]:
    """What the files are called without what was typed in front of all of them: that is what stands
    before the track's name in those whose tracks are known."""
    stems = {path: without_label(path.stem) for path in files}
    typed = Counter(
        stems[path].removesuffix(name) for path, name in known.items() if stems[path].endswith(name)
    )
    found = dict(zip(files, track_names(files), strict=True))
    if typed:
        prefix = typed.most_common(1)[0][0]
        found |= {
            path: stem.removeprefix(prefix)
            for path, stem in stems.items()
            if stem.startswith(prefix) and stem != prefix
        }
    return found


def _cut(
    live: LiveSet, by_track: Mapping[str, Path], wished: Mapping[str, str]
) -> tuple[Cut, list[str]]:
    """The cut of the routing, held to what there are files of: a group without a file of its own
    has to be opened, one whose children have none has to stay whole."""
    tracks = live.routing()
    taken = dict(wished)
    warnings: list[str] = []
    cut = routing.cut(tracks, taken)
    for _ in range(ROUNDS):
        wanted = dict(taken)
        for stem in cut.stems:
            inside = [own for own in stem.inside if own in by_track]
            if stem.id not in by_track and inside and stem.id not in taken:
                wanted[stem.id] = "open"
                warnings.append(
                    f"The export has no file for the group {stem.name!r}; its tracks are taken, "
                    f"without what the group does ({stem.why or 'nothing'})."
                )
        opened = {track.group for track in live.tracks if track.group is not None}
        stems = {stem.id for stem in cut.stems}
        for index in opened:
            own = live.tracks[index].id
            children = [track.id for track in live.tracks if track.group == index]
            lost = [child for child in children if child in stems and child not in by_track]
            whole = own in by_track and own not in stems and own not in taken
            if whole and lost and not any(child in by_track for child in children):
                wanted[own] = "one"
        if wanted == taken:
            break
        taken = wanted
        cut = routing.cut(tracks, taken)
    return cut, warnings + list(cut.warnings)


def _stem(stem: CutStem, path: Path) -> Stem:
    facts: dict[str, Any] = {"fader_db": stem.fader_db, "pan": stem.pan}
    if stem.inside:
        facts["inside"] = list(stem.inside)
    return Stem(
        id=stem.id,
        name=stem.name,
        path=path.absolute(),
        kind=stem.kind,
        group=stem.group,
        facts=facts,
    )


def _counted(files: Sequence[Path], live: LiveSet) -> str:
    return f"{counted(len(files), 'file')}, {counted(len(live.tracks), 'track')}"
