"""Trials and suggestions as plain data, schema `stemlens.trials/1` (docs/edits.md), with the
sentences that tell them.

Scores, changes and gains are 0 to 1 here; sentences are in points of 100.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stemlens.attribution.shares import Shares
from stemlens.edits import bootstrap, terms
from stemlens.edits.goals import Goal
from stemlens.edits.suggest import Suggestion, Suggestions
from stemlens.edits.trials import Trial, TrialSession, Tried
from stemlens_bridge import __version__, schemas
from stemlens_bridge.wording import counted

DIGITS = 7
DB_DIGITS = 2
TOLD = 3  # tags in a sentence
WORTH_TELLING = 0.005


def of_trial(session: TrialSession, trial: Trial, seed: int = 0) -> dict[str, Any]:
    """The document of what was asked for by hand: one trial."""
    return {
        **_head(session, "try"),
        "goal": None,
        "suggestion": None,
        "trials": [_trial(session, trial, 0, seed)],
        "warnings": _warnings([trial]),
    }


def of_suggestions(session: TrialSession, found: Suggestions, seed: int = 0) -> dict[str, Any]:
    """The document of a search."""
    return {
        **_head(session, "suggest"),
        "goal": {
            "text": found.goal.text,
            "words": found.goal.words(),
            "weights": _weights(session, found.goal),
        },
        "suggestion": {
            "sentence": _answer(found),
            "trials": len(found.found),
            "tried": found.tried,
            "taggings": found.taggings,
            "seconds": round(found.seconds, 2),
        },
        "trials": [
            _trial(session, one.trial, rank, seed, found.goal, one)
            for rank, one in enumerate(found.found, 1)
        ],
        "warnings": [
            *_warnings([one.trial for one in found.found]),
            *({"code": "plugin_failed", "message": why} for why in found.failed),
        ],
    }


def _head(session: TrialSession, kind: str) -> dict[str, Any]:
    material = session.opened.material
    return {
        "schema": schemas.TRIALS,
        "kind": kind,
        "session": {
            "project": material.session.project,
            "session_gain_db": round(material.session_gain_db, 4),
            "segments": session.segments,
            "stems": [{"id": stem.id, "name": stem.name} for stem in session.stems],
        },
        "tagger": session.game.tagger.name,
        "versions": {"stemlens": __version__},
    }


def _weights(session: TrialSession, goal: Goal) -> list[dict[str, Any]]:
    return [
        {"tag": tag.name, "weight": round(float(weight), 4), "keep": round(float(keep), 4)}
        for tag, weight, keep in zip(
            session.game.tagger.tags, goal.raise_lower, goal.keep, strict=True
        )
        if weight or keep
    ]


def _trial(
    session: TrialSession,
    trial: Trial,
    rank: int,
    seed: int,
    goal: Goal | None = None,
    one: Suggestion | None = None,
) -> dict[str, Any]:
    low, high = bootstrap.interval(
        bootstrap.means(trial.change, bootstrap.draws(session.segments, seed))
    )
    order = _order(trial.mean, goal)
    tags = [_tag(session, trial, k, low, high) for k in order]
    return {
        "rank": rank,
        "edits": [_edit(session, edit) for edit in trial.edits],
        "words": words(session, trial),
        "sentence": _sentence(tags, trial),
        "loudness_db": round(trial.audible.loudness_db, DB_DIGITS),
        "spectrum_db": round(trial.audible.spectrum_db, 2),
        "audible": trial.audible.word,
        "segments": trial.heard_in,
        "gain": None
        if one is None
        else {"value": _digits(one.gain), "low": _bound(one.low), "high": _bound(one.high)},
        "tags": tags,
        "shares": None if trial.shares is None else _shares(session, *trial.shares),
        "before_path": _path(trial.before_path),
        "after_path": _path(trial.after_path),
    }


def _order(mean: NDArray[np.float64], goal: Goal | None) -> list[int]:
    """The tags of the goal, then what moves most."""
    wanted = np.zeros(len(mean)) if goal is None else np.abs(goal.raise_lower) + goal.keep
    return sorted(range(len(mean)), key=lambda k: (-float(wanted[k]), -abs(float(mean[k]))))


def _tag(
    session: TrialSession,
    trial: Trial,
    k: int,
    low: NDArray[np.float64],
    high: NDArray[np.float64],
) -> dict[str, Any]:
    tag = session.game.tagger.tags[k]
    change = float(trial.mean[k])
    return {
        "tag": tag.name,
        "kind": tag.kind,
        "before": _digits(trial.before[k]),
        "after": _digits(trial.before[k] + change),
        "change": _digits(change),
        "low": _bound(float(low[k])),
        "high": _bound(float(high[k])),
    }


def _edit(session: TrialSession, tried: Tried) -> dict[str, Any]:
    plan, stem = tried.plan, session.stems[tried.plan.stem]
    return {
        "stem": stem.id,
        "name": stem.name,
        "preset": plan.preset.name,
        "title": plan.preset.title,
        "amount": plan.edit.amount,
        "parameters": dict(plan.edit.parameters),
        "words": tried.words,
        "chain": [setting.to_plain() for setting in tried.chain],
        "actions": terms.actions(tried.chain, tried.match_db),
        "loudness_match": plan.loudness_match,
        "match_db": round(tried.match_db, 3),
        "before_lufs": _lufs(tried.before_lufs),
        "after_lufs": _lufs(tried.after_lufs),
        "heard": tried.heard,
        "unheard": tried.unheard,
        "verify": tried.verify,
        "path": _path(tried.path),
    }


def words(session: TrialSession, trial: Trial) -> str:
    """What to do, in a DAW's terms: "Guitar: −3 dB at 2.5 kHz, Q 0.7; level −1.5 dB"."""
    return " + ".join(f"{session.stems[one.plan.stem].name}: {one.words}" for one in trial.edits)


def _sentence(tags: Sequence[dict[str, Any]], trial: Trial) -> str:
    """What a trial does, in points."""
    if not any(one.heard for one in trial.edits):
        return trial.edits[0].unheard
    moved = [tag for tag in tags if abs(tag["change"]) >= WORTH_TELLING]
    told = ", ".join(_moved(tag) for tag in moved[:TOLD]) or "No tag moves by half a point"
    return f"{told}; {_sound(trial)}."


def _moved(tag: dict[str, Any]) -> str:
    """ "metal +6 points (3 to 9), now 21"."""
    between = ""
    if tag["low"] is not None and tag["high"] is not None:
        between = f" ({_points(tag['low'])} to {_points(tag['high'])})"
    return f"{tag['tag']} {_points(tag['change'])}{between}, now {100 * tag['after']:.0f}"


def _points(value: float) -> str:
    rounded = f"{100 * value:+.1f}"
    return "0" if float(rounded) == 0 else rounded.replace("-", "−")


def _sound(trial: Trial) -> str:
    """How much of it is heard in the mix."""
    db = round(trial.audible.loudness_db, DB_DIGITS)  # as the document tells it beside
    louder = f", {terms.signed_db(db)}" if abs(db) >= terms.SMALLEST_DB else ""
    return f"in the mix it is {trial.audible.word}{louder}"


def _answer(found: Suggestions) -> str:
    tried = f"{counted(found.tried, 'edit')} tried"
    if found.found:
        best = found.found[0]
        return (
            f"The best of {tried} brings the mix {_points(best.gain)} points "
            f"({_points(best.low)} to {_points(best.high)}) towards {found.goal.words()}."
        )
    if found.best_refused is not None:
        best = found.best_refused
        return (
            f"Nothing that was tried certainly helps towards {found.goal.words()}: the best of "
            f"{tried} changes {_points(best.gain)} points, and over the song it may be anything "
            f"from {_points(best.low)} to {_points(best.high)}."
            if math.isfinite(best.low)
            else f"The session is too short to tell whether anything helps towards "
            f"{found.goal.words()}: it has one segment of 3 s. Bounce a longer passage."
        )
    return f"Nothing that was tried helps towards {found.goal.words()} ({tried})."


def _shares(session: TrialSession, before: Shares, after: Shares) -> list[dict[str, Any]]:
    """Every stem's share of every tag before and after; the tag with the highest score first."""
    was, now = before.attributions.mean(axis=0), after.attributions.mean(axis=0)
    off = after.half_width
    return [
        {
            "tag": session.game.tagger.tags[k].name,
            "attributions": [
                {
                    "stem": stem.id,
                    "before": _digits(was[i, k]),
                    "after": _digits(now[i, k]),
                    "low": _digits(now[i, k] - off[i, k]),
                    "high": _digits(now[i, k] + off[i, k]),
                }
                for i, stem in enumerate(session.stems)
            ],
        }
        for k in after.best(now.shape[1])
    ]


def _warnings(trials: Sequence[Trial]) -> list[dict[str, str]]:
    unheard = {one.unheard for trial in trials for one in trial.edits if one.unheard}
    verify = {one.verify for trial in trials for one in trial.edits if one.verify}
    return [
        *({"code": "edit_unheard", "message": text} for text in sorted(unheard)),
        *({"code": "verify_by_bounce", "message": text} for text in sorted(verify)),
    ]


def _digits(value: Any) -> float:
    return round(float(value), DIGITS)


def _bound(value: float) -> float | None:
    """An end of an interval; None where nothing is known."""
    return round(value, DIGITS) if math.isfinite(value) else None


def _lufs(value: float | None) -> float | None:
    return None if value is None else round(value, 2)


def _path(path: Path | None) -> str | None:
    return None if path is None else str(path)
