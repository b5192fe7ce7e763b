"""An explanation that one can hear: the stems that make a tag alone, the mix without them, and a
crossfade from the one to the other (docs/explain.md).

Which stems is for `coalitions` to say and which passage for `passage`; levels and crossfade are in
`pair`. Here the stems' files are summed up in stereo, at the session's rate and at their own gains
(as the DAW plays them, without the session's gain); the curve of a master bus plays on all, and a
rest is what the mix has beyond the stems. What each side scores is asked of the game: coalitions,
at the session's gain, as every share is measured, and never at the level to which a sound was
matched.

As plain data an explanation has the schema `stemlens.explanation/1`. Scores there are 0 to 1, times
project time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stemlens import audio, mixing
from stemlens.explain import passage as passages
from stemlens.explain.coalitions import explaining
from stemlens.explain.pair import MOST_MATCH_DB, TOLD_DB, Levels, Pair, middle_third
from stemlens.explain.passage import Passage
from stemlens.game import Game
from stemlens.material import Material
from stemlens.opening import OpenedSession, Progress, no_progress
from stemlens.over_time import OverTime
from stemlens.wording.shares import tag_of
from stemlens.wording.told import brief_names, few, listed, small, unit_of
from stemlens_bridge import __version__, schemas
from stemlens_bridge.annotations import points
from stemlens_bridge.edits import ExplainOptions
from stemlens_bridge.protocol import SOUNDS
from stemlens_bridge.wording import clock
from stemlens_bridge.writing import failed, plain_name, written

DIGITS = 7

Scores = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Said:
    """What the tagger says of a tag in one span, 0 to 1: of the stems that make it alone, of the
    mix without them, of all together, and of silence."""

    only: float
    without: float
    together: float
    silence: float


def document(
    opened: OpenedSession, result: Mapping[str, Any], explanations: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Explanations of a session as plain data, schema `stemlens.explanation/1`; `result` is that of
    its analysis."""
    session = result["session"]
    return {
        "schema": schemas.EXPLANATION,
        "session": {
            "project": session["project"],
            "source": session["source"],
            "master": session["master"],
            "session_gain_db": session["session_gain_db"],
            "start_s": session["start_s"],
            "duration_s": session["duration_s"],
            "sample_rate": opened.material.sample_rate,
            "stems": [{"id": stem["id"], "name": stem["name"]} for stem in session["stems"]],
        },
        "tagger": opened.game.tagger.name,
        "value": result["method"]["value"],
        "unit": unit_of(result),
        "explanations": list(explanations),
        "versions": {"stemlens": __version__},
    }


def explain(
    opened: OpenedSession,
    result: Mapping[str, Any],
    over: OverTime,
    tag: str,
    options: ExplainOptions,
    folder: Path,
    on_progress: Progress = no_progress,
) -> dict[str, Any]:
    """Makes one tag audible: writes its sounds into a folder, and returns what they are.

    `result` and `over`: the analysis of the session that is open, and its shares over time. Raises
    `bad_options` for a tag that there is not or a passage outside of the session,
    `nothing_explains`, the errors of reading audio, `disk_full` and `output_failed`; what
    `on_progress` raises ends the work.
    """
    tag = passages.require_tag(tag, over.tags)
    both = explaining(result, tag, options.top)
    stems = both.only
    place = _passage(opened, result, over, tag, stems, options)
    whole = Passage(*_session_s(result), 0, len(opened.game.sounding))
    kinds = {"passage": place} | ({"whole": whole} if options.whole else {})
    makes = np.array([stem.id in stems for stem in opened.material.session.stems])
    said = {
        span: _said(opened.game, over.tags.index(tag), one, makes, on_progress)
        for span, one in kinds.items()
    }
    found = tag_of(result, tag)
    assert found is not None
    shares = {share["stem"]: share for share in found["attributions"]}
    sounds: list[dict[str, Any]] = []
    words = _Words(result, tag, stems, [shares[own]["value"] for own in stems])
    try:
        lasts_s = sum(one.end_s - one.start_s for one in kinds.values())
        with _summed(opened.material, makes, folder, lasts_s, on_progress) as pair:
            frames = _frames(place, result, pair)
            pair = Pair(pair.only, pair.without, pair.rate, middle_third(frames))
            for number, (span, one) in enumerate(kinds.items()):
                heard = frames if span == "passage" else pair.whole
                tell = partial(on_progress, "writing the sounds", number / len(kinds))
                levels = pair.levels(heard, heard, tell)
                for kind in SOUNDS:
                    path = folder / f"{plain_name(tag)}-{kind}-{span}.wav"
                    _write(path, pair, kind, heard, levels, tell)
                    sounds.append(
                        _told(words, kind, span, one, said[span], levels, path)
                        | {"stems": list(both.of(kind))}
                    )
    except OSError as error:
        raise failed(folder, error) from error
    return {
        "tag": tag,
        "score": found["score"],
        "baseline": found["baseline"],
        "stems": [
            {"stem": own, **{key: shares[own][key] for key in ("value", "low", "high")}}
            for own in stems
        ],
        "passage": {
            "start_s": round(place.start_s, 6),
            "end_s": round(place.end_s, 6),
            "named": place.named,
            "score": _digits(said["passage"].together),
            "baseline": _digits(said["passage"].silence),
        },
        "crossfade_s": [
            round(words.start_s + frame / pair.rate, 6)
            for frame in (pair.crossfade.start, pair.crossfade.stop)
        ],
        "sounds": sounds,
    }


# ----------------------------------------------------------------------- which passage, what scores


def _session_s(result: Mapping[str, Any]) -> tuple[float, float]:
    """Where the session begins and ends, in project time."""
    start_s = float(result["session"]["start_s"])
    return start_s, start_s + float(result["session"]["duration_s"])


def _passage(
    opened: OpenedSession,
    result: Mapping[str, Any],
    over: OverTime,
    tag: str,
    stems: Sequence[str],
    options: ExplainOptions,
) -> Passage:
    first_s, last_s = _session_s(result)
    starts_s = first_s + opened.game.start_s
    segment_s = opened.game.tagger.segment_s
    if options.start_s is not None or options.end_s is not None:
        return passages.named(options.start_s, options.end_s, starts_s, segment_s, last_s)
    return passages.strongest(result, over, tag, stems, starts_s, segment_s)


def _said(
    game: Game, tag: int, place: Passage, makes: NDArray[np.bool_], on_progress: Progress
) -> Said:
    """The scores of one tag in a passage: the means over its segments."""
    scores = np.zeros((place.last - place.first, 4))
    for number, segment in enumerate(range(place.first, place.last)):
        on_progress("hearing them alone", number / len(scores))
        own = makes[game.players(segment)]
        plays = np.array([own, ~own, own | True, own & False])
        scores[number] = game.scores(segment, plays)[:, tag]
    return Said(*scores.mean(axis=0).tolist())


# ------------------------------------------------------------------------------------ what is heard


@contextmanager
def _summed(
    material: Material,
    makes: NDArray[np.bool_],
    folder: Path,
    lasts_s: float,
    on_progress: Progress,
) -> Iterator[Pair]:
    """What makes the tag (`makes` `[stems]`) and the rest of the mix, on disk in that folder, where
    sounds that last `lasts_s` must have room beside."""
    session, rate = material.session, material.sample_rate
    mix = material.mix
    frames = max(round(material.duration_s * rate), 1)
    rest = len(session.stems) - 1 if material.master == "rest" else None
    files = [stem for number, stem in enumerate(session.stems) if number != rest]
    headers = [audio.probe(stem.path, max_duration_s=math.inf) for stem in files]
    starts_s = audio.offsets([header.time_reference_s for header in headers])
    spare = round(lasts_s * rate) * len(SOUNDS) * mixing.FRAME_BYTES
    with mixing.on_disk(folder, frames, 2 if rest is None else 3, spare) as sums:
        for number, (stem, start_s) in enumerate(zip(files, starts_s, strict=True)):
            tell = partial(on_progress, "summing the stems", number / len(files))
            tell()
            side = sums[0 if makes[number] else 1]
            mixing.add(side, stem.path, stem.gain_db, start_s, rate, tell)
        tell = partial(on_progress, "summing the stems", 1.0)
        if mix is not None and mix.treatment.curve is not None:
            for side in sums:
                mix.treatment.curve.apply(side, rate, tell)
        if rest is not None:
            _add_rest(material, headers, sums, 0 if makes[rest] else 1, tell)
        yield Pair(sums[0], sums[1], rate, slice(0, 0))


def _add_rest(
    material: Material,
    headers: Sequence[audio.Header],
    sums: audio.Samples,
    side: int,
    on_block: Callable[[], None],
) -> None:
    """Adds what the mix has beyond the stems to one of the two sides; the third of the sums is for
    the mix, as `mix.placed` and `mix.rest` would have it. What `on_block` raises ends the work."""
    mix, rate = material.mix, material.sample_rate
    assert mix is not None and material.session.mix is not None
    bounce = audio.probe(material.session.mix, max_duration_s=math.inf)
    *starts_s, own_s = audio.offsets([h.time_reference_s for h in (*headers, bounce)])
    start_s = own_s - min(starts_s) - mix.residual.lag_s
    mixing.add(sums[2], bounce.path, 0.0, start_s, rate, on_block)
    first = max(round(start_s * rate), 0)
    last = min(round(start_s * rate) + round(bounce.duration_s * rate), sums.shape[1])
    gain = np.float32(mix.treatment.gain)
    for part in mixing.spans(first, max(first, last)):
        on_block()
        sums[side, part] += sums[2, part] / gain - (sums[0, part] + sums[1, part])


def _frames(place: Passage, result: Mapping[str, Any], pair: Pair) -> slice:
    """The frames of a passage."""
    first_s, _ = _session_s(result)
    start, stop = (round((at - first_s) * pair.rate) for at in (place.start_s, place.end_s))
    return slice(max(start, 0), min(max(stop, start + 1), len(pair.only)))


def _write(
    path: Path, pair: Pair, kind: str, span: slice, levels: Levels, tell: Callable[[], None]
) -> None:
    def blocks() -> Iterator[audio.Samples]:
        for block in pair.sound(kind, span, levels):
            tell()
            yield block

    with written(path) as part:
        audio.write_blocks(part, blocks(), span.stop - span.start, 2, pair.rate)


# ----------------------------------------------------------------------------------- how it is told


class _Words:
    """What all sentences of a tag have in common."""

    def __init__(
        self, result: Mapping[str, Any], tag: str, stems: Sequence[str], shares: Sequence[float]
    ) -> None:
        names, unit = brief_names(result), unit_of(result)
        self.tag = tag
        self.start_s = float(result["session"]["start_s"])
        self.stems = listed(few([names[own] for own in stems]))
        self.them = "them" if stems[1:] else "it"
        shown = [
            f"{names[own]} ({small(share, unit)})" for own, share in zip(stems, shares, strict=True)
        ]
        self.with_shares = listed(few(shown))


def _told(
    words: _Words, kind: str, span: str, place: Passage, said: Said, levels: Levels, path: Path
) -> dict[str, Any]:
    """A sound as plain data, without its stems."""
    where = "the whole song"
    if span == "passage":
        where = f"{clock(place.start_s)} to {clock(place.end_s)}"
    score = {"only": said.only, "without": said.without}.get(kind)
    gain_db = {"only": levels.only_db, "without": levels.without_db}.get(kind)
    if score is None:
        sentence = f"From {words.stems} alone to the mix without {words.them}, {where}."
    else:
        beside = f"all together {points(said.together)}, silence {points(said.silence)}"
        whose = f"Only {words.with_shares}" if kind == "only" else f"Without {words.stems}"
        sentence = f"{whose}, {where}: {words.tag} {points(score)} of 100 ({beside})."
        sentence += _level(gain_db)
    if levels.down_db >= TOLD_DB:
        sentence += f" All three sounds are turned down by {levels.down_db:.1f} dB, not to clip."
    return {
        "kind": kind,
        "span": span,
        "start_s": round(place.start_s, 6),
        "end_s": round(place.end_s, 6),
        "score": None if score is None else _digits(score),
        "gain_db": None if gain_db is None else round(gain_db, 4),
        "down_db": round(levels.down_db, 4),
        "path": str(path.absolute()),
        "sentence": sentence,
    }


def _level(gain_db: float | None) -> str:
    """How a sound was brought to the loudness of the mix."""
    if gain_db is None:
        return " Nothing is left to be heard there: it is silent."
    if abs(gain_db) < TOLD_DB:
        return ""
    told = f"{abs(gain_db):.1f} dB {'louder' if gain_db > 0 else 'quieter'}"
    if gain_db >= MOST_MATCH_DB:
        return f" It is {told} than in the mix, and still not as loud."
    return f" It is {told} than in the mix, to be as loud."


def _digits(value: float) -> float:
    return round(value, DIGITS)
