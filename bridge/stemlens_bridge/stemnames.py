"""Which file of an export is which track: from the names that DAWs give to exported stems.

Every DAW builds file names in its own way: a name that was typed, numbers that count the tracks,
the kind of channel, takes. `RULES` says what is cut off, with the DAWs that write it; what begins
all names alike is cut off too. A cut that would make two names one, or leave a bare number, is not
made: "Synth_01" and "Synth_02" are two tracks.

Where the DAW can be asked for its track names (`match`), a file is compared with them as it is,
then step by step more bared; what fits no track or several is told and never guessed. Names are
compared without case, with characters that file systems refuse taken as blanks, in Unicode's
composed form (macOS writes names decomposed).

Sources: the file names of public projects, and the manuals of Cubase, Logic Pro and Pro Tools.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

from stemlens_bridge.marks import without_label

_CHANNEL = "Audio|Instrument|Group|FX|Input|Output|MIDI|Sampler"

# (what it is, pattern with what remains as "name", whether every file must fit for it to be cut)
RULES: tuple[tuple[str, re.Pattern[str], bool], ...] = tuple(
    (what, re.compile(pattern), every)
    for what, pattern, every in (
        (
            "mixer number and kind of channel (Cubase, Nuendo)",
            rf"(?:\d{{4}}| ?)(?: ?- )?(?:{_CHANNEL}) - (?P<name>.+)",
            True,
        ),
        (
            "a number that counts the tracks (LMMS, Nuendo Live, Mixcraft, REAPER)",
            r"\d{1,4}(?: - |[ _.-]+)(?P<name>.*[^\W\d_].*)",
            True,
        ),
        ("the take (Pro Tools, Nuendo Live)", r"(?P<name>.+?)(?:\.dup\d+)?_\d\d(?:-\d\d)?", True),
        ("bounced in place (Logic Pro)", r"(?P<name>.+)_bip(?:_\d+)?", False),
        ("committed or frozen (Pro Tools)", r"(?P<name>.+)[-._]cm(?:_\d+)?", False),
        ("the word stem", r"(?P<name>.+?)[ _-]+[Ss]tems?", False),
    )
)
SEPARATORS = (" - ", "_", "-", " ")
ROUNDS = 4


@dataclass(frozen=True, slots=True)
class Matched:
    """Which file is which track: `pairs` gives the track's number for each file, `strangers` are
    files that are no track, and `problems` tell what could be several."""

    pairs: dict[Path, int]
    strangers: tuple[Path, ...]
    problems: tuple[str, ...]


def track_names(files: Sequence[Path]) -> list[str]:
    """A readable track name for each file of one export."""
    return _stages(files)[-1]


def match(files: Sequence[Path], tracks: Sequence[str], *, typed: bool = True) -> Matched:
    """Finds the track of each file among the DAW's track names.

    `typed`: something may have been typed in front of the names for this export alone, so that a
    file "Song Bass" is the track "Bass" even where nothing else shows that.
    """
    known = Counter(map(_plain, tracks))
    number = {_plain(name): i for i, name in enumerate(tracks)}
    fits: dict[Path, str] = {}
    strangers, problems = [], []
    for path, *names in zip(files, *_stages(files), strict=True):
        candidates = [_plain(name) for name in names]
        if typed and (longest := _ending(candidates[0], known)):
            candidates.append(longest)
        found = next((name for name in candidates if name in known), None)
        if found is None:
            strangers.append(path)
        elif known[found] > 1:
            same = " and ".join(str(i + 1) for i, t in enumerate(tracks) if _plain(t) == found)
            problems.append(
                f"{path.name} could be track {same}, which have the same name: rename one."
            )
        else:
            fits[path] = found
    wanted = Counter(fits.values())
    for name, count in wanted.items():
        if count > 1:
            rivals = " and ".join(path.name for path, fit in fits.items() if fit == name)
            problems.append(f"{rivals} would both be the track {tracks[number[name]]!r}.")
    pairs = {path: number[name] for path, name in fits.items() if wanted[name] == 1}
    return Matched(pairs, tuple(strangers), tuple(problems))


def same_name(one: str, other: str) -> bool:
    """Whether two names are the same to a person and a file system."""
    return _plain(one) == _plain(other)


def _plain(name: str) -> str:
    text = unicodedata.normalize("NFC", without_label(name)).casefold()
    return " ".join(re.split(r'[\s_/\\:*?"<>|.-]+', text)).strip()


def _ending(name: str, known: Counter[str]) -> str:
    """The longest known name with which a name ends."""
    endings = (track for track in known if track and name.endswith(f" {track}"))
    return max(endings, key=len, default="")


def _stages(files: Sequence[Path]) -> list[list[str]]:
    """The files' names, as they are and after each cut."""
    names = [without_label(unicodedata.normalize("NFC", path.stem)) for path in files]
    stages = [names]
    for _ in range(ROUNDS):
        before = names
        for cut in (_without_prefix, *(_applied(rule) for rule in RULES)):
            shorter = cut(names)
            if shorter != names and _tell_apart(shorter, names):
                names = shorter
                stages.append(names)
        if names == before:
            break
    return stages


def _tell_apart(shorter: Sequence[str], names: Sequence[str]) -> bool:
    """Whether shorter names are still names, and as many different ones."""
    if any(not re.search(r"[^\W\d_]{2}", new) for new, old in zip(shorter, names, strict=True)
           if new != old):  # fmt: skip
        return False
    return len(set(map(str.casefold, shorter))) == len(set(map(str.casefold, names)))


def _without_prefix(names: Sequence[str]) -> list[str]:
    """The names without what begins all of them, up to a separator."""
    if len(names) < 2:
        return list(names)
    first, last = min(names), max(names)  # what these share, all share
    common = "".join(
        a for a, _ in takewhile(lambda pair: pair[0] == pair[1], zip(first, last, strict=False))
    )
    ends = [common.rfind(mark) + len(mark) for mark in SEPARATORS if mark in common]
    return [name[max(ends, default=0) :].lstrip(" _-") for name in names]


def _applied(rule: tuple[str, re.Pattern[str], bool]) -> Callable[[Sequence[str]], list[str]]:
    _, pattern, every = rule

    def cut(names: Sequence[str]) -> list[str]:
        found = [pattern.fullmatch(name) for name in names]
        if every and (len(names) < 2 or not all(found)):
            return list(names)
        return [
            name if hit is None else hit["name"] for name, hit in zip(names, found, strict=True)
        ]

    return cut
