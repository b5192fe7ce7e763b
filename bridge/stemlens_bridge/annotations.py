"""The policy by which shares become words and colours for tracks, and markers on the time line.

A bare "+21" beside a fader reads as decibels, so the text always says points of what: "rock: 21 of
63 points (muting it: −9)". Only what a musician can rely on is said: the tag itself must score
high enough and above silence, the stem's share must be large enough, and its interval must exclude
zero. Genres and moods are told by default, and so is the song's top tag, the one that it has most
of above silence, of whatever kind; other instruments only when asked for.

The server applies the policy to a result (`stemlens.analysis/1`, scores 0 to 1) and the DAW side
writes what comes out. Of a result in log-odds nothing is told: they are no points. Colours are
those of Okabe and Ito (2008), told apart by colour-blind eyes; a tag keeps its colour within one
result.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

PALETTE = ("#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7")
FOR, AGAINST = "#0072B2", "#D55E00"
TOP = "top"
KINDS = ("genre", "mood", "instrument", "voice", "era", "quality")
MOMENTS = ("peak", "entry", "exit", "section", "highlight")
FIRST = {TOP, "genre", "mood"}
MARKER_KEYS = ("track", "tag", "start_s", "end_s", "text")


@dataclass(frozen=True, slots=True)
class AnnotationPolicy:
    """What is worth writing on a track.

    tags: how many are told of a track at most.
    kinds: which kinds of tags are told: genre, mood, instrument, voice, era, quality; top is the
        tag that the song has most of above silence, whatever its kind.
    min_share: the least share that is told, points.
    min_score: the least score of a tag that is told, points.
    colour: by the strongest "tag", or by the "sign" of its share.
    markers: whether there are markers at all.
    moments: what becomes a marker: peak (of each track's strongest tag), entry and exit of a track,
        section of the song, highlight.
    """

    tags: int = 3
    kinds: tuple[str, ...] = (TOP, "genre", "mood")
    min_share: float = 3.0
    min_score: float = 10.0
    colour: str = "tag"
    markers: bool = True
    moments: tuple[str, ...] = ("peak", "highlight")

    def __post_init__(self) -> None:
        unknown = set(self.kinds) - {TOP, *KINDS}
        if unknown:
            there = ", ".join((TOP, *KINDS))
            raise ValueError(f"kinds has {sorted(unknown)[0]!r}; there are {there}")
        unknown = set(self.moments) - set(MOMENTS)
        if unknown:
            raise ValueError(f"moments has {sorted(unknown)[0]!r}; there are {', '.join(MOMENTS)}")
        if self.colour not in ("tag", "sign"):
            raise ValueError(f"colour is {self.colour!r}; it can be 'tag' or 'sign'")
        if self.tags < 0:
            raise ValueError("tags must not be negative")


def points(score: float) -> int:
    """A score (0 to 1) or a part of one in whole points, as people are told it."""
    return round(100 * score)


def signed(value: float) -> str:
    """A part of a score in points with its sign, minus as a minus sign: "+21", "−9", "0"."""
    whole = points(value)
    return f"−{-whole}" if whole < 0 else f"+{whole}" if whole > 0 else "0"


def sentence(tag: Mapping[str, Any], share: Mapping[str, Any]) -> str:
    """One tag on one track in words: "rock: 21 of 63 points (muting it: −9)".

    An estimate says how far it may be off: "rock: 21 (±2) of 63 points (muting it: −9)".
    """
    own, whole = signed(share["value"]).removeprefix("+"), points(tag["score"])
    off = points((share["high"] - share["low"]) / 2)
    doubt = f" (±{off})" if off else ""
    muted = "" if share["mute"] is None else f" (muting it: {signed(share['mute'])})"
    return f"{tag['tag']}: {own}{doubt} of {whole} points{muted}"


def label(tag: Mapping[str, Any], share: Mapping[str, Any]) -> str:
    """One tag on one track in few plain characters, for names: "rock 21 of 63 points"."""
    return f"{tag['tag']} {points(share['value'])} of {points(tag['score'])} points"


def tellable(tags: Sequence[Mapping[str, Any]], kinds: Collection[str]) -> set[str]:
    """The names of those of a song's tags (`tag`, `kind`, `score`, `baseline`) that are told where
    these kinds are."""
    names = {tag["tag"] for tag in tags if tag["kind"] in kinds}
    if TOP in kinds and tags:
        names.add(max(tags, key=lambda tag: tag["score"] - tag["baseline"])["tag"])
    return names


def told(
    result: Mapping[str, Any], policy: AnnotationPolicy
) -> dict[str, list[tuple[Mapping[str, Any], Mapping[str, Any]]]]:
    """For each stem id the (tag, share) pairs worth telling: genres, moods and the song's top tag
    first, the others after them, and among either the largest share first. Of a rest nothing is
    told: it has no track to write on."""
    chosen: dict[str, list[tuple[Mapping[str, Any], Mapping[str, Any]]]] = {
        stem["id"]: [] for stem in result["session"]["stems"]
    }
    tracks = {stem["id"] for stem in result["session"]["stems"] if stem.get("kind") != "rest"}
    in_points = result["method"].get("unit", "points") == "points"
    names = tellable(result["tags"], policy.kinds)
    first = tellable(result["tags"], FIRST.intersection(policy.kinds))
    for tag in result["tags"] if in_points else ():
        if tag["tag"] not in names or 100 * tag["score"] < policy.min_score:
            continue
        if tag["score"] <= tag["baseline"]:
            continue
        for share in tag["attributions"]:
            certain = share["low"] > 0 or share["high"] < 0
            worth = certain and 100 * abs(share["value"]) >= policy.min_share
            if worth and share["stem"] in tracks:
                chosen[share["stem"]].append((tag, share))
    for pairs in chosen.values():
        pairs.sort(key=lambda pair: (pair[0]["tag"] not in first, -abs(pair[1]["value"])))
        del pairs[policy.tags :]
    return chosen


def annotate(result: Mapping[str, Any], policy: AnnotationPolicy) -> list[dict[str, str]]:
    """The annotations `{"track", "text", "label", "color"}` of a result, one for each stem with
    any."""
    colours: dict[str, str] = {}
    names = tellable(result["tags"], policy.kinds)
    for tag in result["tags"]:
        if tag["tag"] in names:
            colours[tag["tag"]] = PALETTE[len(colours) % len(PALETTE)]
    annotations = []
    for track, pairs in told(result, policy).items():
        if not pairs:
            continue
        strongest, share = pairs[0]
        by_sign = FOR if share["value"] > 0 else AGAINST
        annotations.append(
            {
                "track": track,
                "text": "; ".join(sentence(tag, share) for tag, share in pairs),
                "label": label(strongest, share),
                "color": colours[strongest["tag"]] if policy.colour == "tag" else by_sign,
            }
        )
    return annotations


def markers(
    moments: Sequence[Mapping[str, Any]],
    sections: Sequence[Mapping[str, Any]],
    highlight: Mapping[str, Any] | None,
    policy: AnnotationPolicy,
) -> list[dict[str, Any]]:
    """What the policy wants as markers, `{"track", "tag", "start_s", "end_s", "text"}`: the first
    peak of each track, which is the strongest of its strongest tag, entries and exits, and what
    belongs to no track (track "")."""
    found: list[dict[str, Any]] = []
    peaked: set[str] = set()
    for moment in moments if policy.markers else ():
        again = moment["kind"] == "peak" and moment["track"] in peaked
        if moment["kind"] in policy.moments and not again:
            found.append({key: moment[key] for key in MARKER_KEYS})
        if moment["kind"] == "peak":
            peaked.add(moment["track"])
    of_song = [("section", section) for section in sections if len(sections) > 1]
    of_song += [("highlight", highlight)] if highlight is not None else []
    for kind, one in of_song if policy.markers else ():
        if kind in policy.moments:
            found.append(
                {
                    "track": "",
                    "tag": one["tags"][0]["tag"] if one["tags"] else "",
                    "start_s": one["start_s"],
                    "end_s": one["end_s"],
                    "text": f"{kind}: {one['text']}",
                }
            )
    return found
