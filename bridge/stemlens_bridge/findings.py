"""What an analysis found, as a DAW side writes it, whether it came over OSC or from a file.

Scores, shares and effects are 0 to 1, times are seconds of project time. As plain data (schema
`stemlens.findings/1`) it is what REAPER's scripts are handed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

from stemlens_bridge import schemas
from stemlens_bridge.client import Results
from stemlens_bridge.jsontext import is_number
from stemlens_bridge.protocol import (
    MAX_TIME_S,
    UNKNOWN,
    Annotation,
    Attributions,
    Marker,
    TagScore,
    Verdict,
)
from stemlens_bridge.session import Session
from stemlens_bridge.tempo import TempoMap

SCHEMA = "stemlens.findings/1"
REST_NAME = "Master bus (rest)"  # the stem that plays what the mix has beyond the stems
COLOUR = re.compile("#[0-9A-Fa-f]{6}")

Record = TypeVar("Record")


@dataclass(frozen=True, slots=True)
class StemName:
    """A stem: the DAW's id and name of its track, and its kind."""

    id: str
    name: str
    kind: str


@dataclass(frozen=True, slots=True)
class StemShare:
    """A stem's share of a tag with its interval, and what muting or soloing it does (None: that was
    not measured)."""

    stem: str
    value: float
    low: float
    high: float
    mute: float | None
    solo: float | None


@dataclass(frozen=True, slots=True)
class TagFinding:
    """A tag that was shown: its score, the score of silence, and every stem's share."""

    tag: str
    kind: str
    score: float
    baseline: float
    shares: tuple[StemShare, ...]


@dataclass(frozen=True, slots=True)
class TrackNote:
    """What to write on a track: in words, as a short label, as a colour (`#RRGGBB`)."""

    track: str
    text: str
    label: str
    color: str


@dataclass(frozen=True, slots=True)
class TimeNote:
    """A named span of project time that belongs to a track, or with track "" to the whole mix."""

    track: str
    start_s: float
    end_s: float
    text: str


@dataclass(frozen=True, slots=True)
class TagVerdict:
    """Whether the mix is heard as a tag that was intended: "heard", "weak" or "not heard"; in words
    with what speaks for it and against it."""

    tag: str
    verdict: str
    score: float
    sentence: str


@dataclass(frozen=True, slots=True)
class Findings:
    """What was found in one job: tags best first, notes for tracks, markers, warnings, verdicts on
    what was intended.

    `kind` of a tag is "" where it came over OSC alone; warnings are (code, sentence).
    """

    job: str
    project: str
    daw: str
    start_s: float
    tempo: TempoMap | None
    stems: tuple[StemName, ...]
    tags: tuple[TagFinding, ...]
    notes: tuple[TrackNote, ...]
    markers: tuple[TimeNote, ...]
    warnings: tuple[tuple[str, str], ...] = ()
    verdicts: tuple[TagVerdict, ...] = ()

    @property
    def tracks(self) -> tuple[StemName, ...]:
        """The stems that are tracks in the DAW: all but what the master bus adds."""
        return tuple(stem for stem in self.stems if stem.kind != "rest")

    @property
    def heard_as_meant(self) -> str:
        """The verdicts in few words: "meant as rock (heard), sad (not heard)"; "" without any."""
        told = ", ".join(f"{verdict.tag} ({verdict.verdict})" for verdict in self.verdicts)
        return f"meant as {told}" if told else ""

    @property
    def timeline(self) -> tuple[TimeNote, ...]:
        """What belongs on a time line: the markers, before them the verdicts on the whole mix."""
        told = self.heard_as_meant
        whole = (TimeNote("", self.start_s, self.start_s, told),) if told else ()
        return (*whole, *self.markers)

    @classmethod
    def read(cls, path: Path) -> Findings:
        """The findings in a result file (`stemlens.analysis/1`); raises `result_invalid`."""
        known = schemas.load(path, schemas.RESULT)
        try:
            return cls.from_document(known)
        except KeyError as error:
            raise schemas.invalid(
                path, f"is incomplete: it lacks {error}", schemas.RESULT
            ) from error
        except (TypeError, ValueError, AttributeError) as error:
            raise schemas.invalid(path, f"is damaged: {error}", schemas.RESULT) from error

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Findings:
        """The findings in a result's JSON; raises KeyError, TypeError, AttributeError or ValueError
        where that is not what it should be."""
        session = document["session"]
        return cls(
            job=_text("id", session["id"]),
            project=_text("project", session["project"]),
            daw=_text("daw", session["daw"]),
            start_s=_number("start_s", session["start_s"]),
            tempo=TempoMap.from_plain(session["tempo"]),
            stems=tuple(_record(StemName, stem) for stem in session["stems"]),
            tags=tuple(
                _record(
                    TagFinding,
                    tag,
                    shares=tuple(_record(StemShare, share) for share in tag["attributions"]),
                )
                for tag in document["tags"]
            ),
            notes=tuple(_record(TrackNote, note) for note in document["annotations"]),
            markers=tuple(_record(TimeNote, marker) for marker in document["markers"]),
            warnings=tuple(
                (_text("code", warning["code"]), _text("message", warning["message"]))
                for warning in document["warnings"]
            ),
            verdicts=tuple(_record(TagVerdict, item) for item in document.get("intent", ())),
        )

    @classmethod
    def from_results(cls, results: Results, session: Session) -> Findings:
        """The findings in what came over OSC for a session."""
        shares: dict[str, list[StemShare]] = {}
        for part in results.of(Attributions):
            shares.setdefault(part.tag, []).extend(
                StemShare(s.track, s.value, s.low, s.high, _measured(s.mute), _measured(s.solo))
                for s in part.shares
            )
        stems = [StemName(stem.id, stem.name, stem.kind) for stem in session.stems]
        beyond = {share.stem for of_tag in shares.values() for share in of_tag}
        beyond -= {stem.id for stem in stems}
        return cls(
            job=results.job,
            project=session.project,
            daw=session.daw,
            start_s=session.start_s,
            tempo=session.tempo,
            stems=(*stems, *(StemName(own, REST_NAME, "rest") for own in sorted(beyond))),
            tags=tuple(
                TagFinding(tag.tag, "", tag.score, tag.baseline, tuple(shares.get(tag.tag, ())))
                for tag in results.of(TagScore)
            ),
            notes=tuple(
                TrackNote(a.track, a.text, a.label, a.color) for a in results.of(Annotation)
            ),
            markers=tuple(
                TimeNote(m.track, m.start_s, m.end_s, m.text) for m in results.of(Marker)
            ),
            warnings=tuple((w.code, w.message) for w in results.warnings),
            verdicts=tuple(
                TagVerdict(v.tag, v.verdict, v.score, v.sentence) for v in results.of(Verdict)
            ),
        )

    def to_dict(self) -> dict[str, Any]:
        """The findings as plain data, schema `stemlens.findings/1`."""
        tempo = None if self.tempo is None else self.tempo.to_plain()
        warnings = [{"code": code, "message": message} for code, message in self.warnings]
        return {"schema": SCHEMA, **asdict(self), "tempo": tempo, "warnings": warnings}


def _record(kind: type[Record], given: Mapping[str, Any], **known: Any) -> Record:
    """A record of texts and numbers from the keys of its name; raises KeyError or ValueError."""
    values = dict(known)
    for spec in fields(kind):  # type: ignore[arg-type]  # all kinds here are dataclasses
        if spec.name in known:
            continue
        value = given[spec.name]
        checked = _CHECKED[str(spec.type)]
        values[spec.name] = checked(spec.name, value)
        if spec.name == "color" and not COLOUR.fullmatch(value):
            raise ValueError(f"color is {value!r}; it must be #RRGGBB")
    return kind(**values)


def _number(key: str, value: Any) -> float:
    if not (is_number(value) and abs(value) <= MAX_TIME_S):
        raise ValueError(f"{key} is {value!r}; it must be a number")
    return float(value)


def _number_or_none(key: str, value: Any) -> float | None:
    return None if value is None else _number(key, value)


def _measured(effect: float) -> float | None:
    return None if effect == UNKNOWN else effect


def _text(key: str, value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{key} is {value!r}; it must be a text")
    return value


_CHECKED: dict[str, Callable[[str, Any], Any]] = {
    "float": _number,
    "float | None": _number_or_none,
    "str": _text,
}
