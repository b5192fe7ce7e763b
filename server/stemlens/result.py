"""An Analysis, and its form as plain data that every other program reads.

Shares are kept per segment; what is shown for the session is their mean, which for linear values is
the share of the session's score. As plain data (`Analysis.to_dict`, schema `stemlens.analysis/1`,
documented in `docs/result.md`) every tag is there, best score first, with every stem's share,
interval, mute and solo effect, in scores (0 to 1); an exact share of a stem that may be believed
(trust 1) has low = high = value. What the annotation policy tells of tracks is in it too, so that
whoever has it needs no arrays.
"""

from __future__ import annotations

import platform
from dataclasses import asdict, dataclass, replace
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stemlens.attribution import anytime
from stemlens.attribution.overlapping import Course
from stemlens.attribution.shares import Shares
from stemlens.explain import intended, intent, peaks
from stemlens.explain import steadiness as steady
from stemlens.explain.highlight import highlight
from stemlens.explain.moments import moments
from stemlens.explain.steadiness import Steadiness
from stemlens.explain.structure import sections
from stemlens.grouping import grouping
from stemlens.opening import OpenedSession
from stemlens.over_time import OverTime
from stemlens.separation.trust import LOW_TRUST, doubts, margin
from stemlens_bridge import __version__, jsontext, schemas
from stemlens_bridge.annotations import annotate, markers
from stemlens_bridge.protocol import Options
from stemlens_bridge.table import stem_names
from stemlens_bridge.writing import written

SCORE_DIGITS = 7  # what a float32 knows
WORTH_A_WARNING_S = 0.1
PAIRS_TOLD = 5  # of a tag, in `interactions`
EFFECT_WORDS = {"mute": "muted", "solo": "alone"}


@dataclass(frozen=True, slots=True)
class Analysis:
    """One complete revision of what the stems of a session contribute to its tags.

    course: shares over time at a finer hop, where it was asked for and is known.
    tagged: how often the network was asked for it; recalled: how many scores were known before.
    """

    opened: OpenedSession
    options: Options
    shares: Shares
    timings_s: dict[str, float]
    session_id: str
    revision: int = 1
    npz: Path | None = None
    tagged: int = 0
    recalled: int = 0
    course: Course | None = None
    steadiness: Steadiness | None = None

    @property
    def attributions(self) -> NDArray[np.float64]:
        """The session's shares, scores 0 to 1: `[stems, tags]`."""
        mean: NDArray[np.float64] = self.shares.attributions.mean(axis=0)
        return mean

    @property
    def over_time(self) -> OverTime:
        """Scores and shares over time, at the finest hop that it has."""
        game, shares = self.opened.game, self.course or self.shares
        starts = game.start_s if self.course is None else self.course.start_s
        return OverTime(
            start_s=np.asarray(self.options.start_s + starts, dtype=np.float64),
            segment_s=game.tagger.segment_s,
            scores=np.asarray(shares.scores, dtype=np.float64),
            baseline=np.asarray(shares.baseline, dtype=np.float64),
            attributions=shares.attributions,
            stems=tuple(stem.id for stem in self.opened.material.session.stems),
            tags=tuple(tag.name for tag in game.tagger.tags),
            sounds=game.sounding if self.course is None else self.course.sounding,
        )

    def to_dict(self) -> dict[str, Any]:
        """The analysis as plain data, schema `stemlens.analysis/1`."""
        return _plain(self)

    def write_json(self, path: str | PathLike[str]) -> None:
        """Writes `to_dict` as JSON, whole or not at all; raises `output_failed`."""
        jsontext.write(Path(path), self.to_dict())

    def with_npz(self, path: str | PathLike[str]) -> Analysis:
        """Writes the shares over time to an .npz file and returns this Analysis naming it.

        Arrays: attributions, mute, solo `[segments, stems, tags]` (NaN: not measured); off, half
        the width of the 95 % intervals of the attributions; scores, baseline `[segments, tags]`;
        sounding `[segments, stems]`; interactions `[stems, stems, tags]`; start_s `[segments]` in
        project time; stems, tags: names of the axes. With a finer hop also fine_attributions,
        fine_off, fine_scores, fine_baseline, fine_sounding, fine_start_s, of segments that overlap.
        Raises `output_failed`.
        """
        shares, game = self.shares, self.opened.game
        finer: dict[str, Any] = {}
        if self.course is not None:
            finer = {
                "fine_attributions": self.course.attributions,
                "fine_off": self.course.off,
                "fine_scores": self.course.scores,
                "fine_baseline": self.course.baseline,
                "fine_sounding": self.course.sounding,
                "fine_start_s": self.options.start_s + self.course.start_s,
            }
        with written(Path(path)) as part, part.open("wb") as file:
            np.savez_compressed(
                file,
                attributions=shares.attributions,
                off=shares.segment_half_width,
                mute=shares.mute,
                solo=shares.solo,
                scores=shares.scores,
                baseline=shares.baseline,
                sounding=game.sounding,
                interactions=_interaction_values(self),
                start_s=self.options.start_s + game.start_s,
                stems=np.array([stem.id for stem in self.opened.material.session.stems]),
                tags=np.array([tag.name for tag in game.tagger.tags]),
                **finer,
            )
        return replace(self, npz=Path(path).absolute())


def _plain(analysis: Analysis) -> dict[str, Any]:
    """The analysis as JSON's dict, with nothing in it that JSON does not know."""
    game = analysis.opened.game
    result: dict[str, Any] = {
        "schema": schemas.RESULT,
        "revision": analysis.revision,
        "session": _session(analysis),
        "tagger": {
            "name": game.tagger.name,
            "segment_s": game.tagger.segment_s,
            "tags": [tag.name for tag in game.tagger.tags],
        },
        "method": {
            "value": analysis.options.value,
            "unit": analysis.options.unit,
            "exact": analysis.shares.exact,
            "taggings": analysis.tagged,
            "recalled": analysis.recalled,
            "coalitions": analysis.shares.coalitions,
            "segments": len(game.sounding),
            "hop_s": round(_hop_s(analysis), 6),
            "seed": analysis.options.seed,
            **_regression(analysis),
        },
        "tags": _tags(analysis),
        "groups": _groups(analysis),
        "interactions": _interactions(analysis),
        "trials": [],
        "suggestions": [],
        "explanations": [],
        "time": None if analysis.npz is None else str(analysis.npz),
        "warnings": [{"code": code, "message": message} for code, message in _warnings(analysis)],
        "timings_s": {stage: round(s, 3) for stage, s in analysis.timings_s.items()},
        "versions": _versions(),
    }
    over_time = analysis.over_time
    result |= _told(analysis, over_time, result)
    words = intended.words(analysis.options.intended, game.tagger.tags, game.tagger.name)
    result["intent"] = intent.judged(words, result, over_time, game.tagger.tags)
    result["intended"] = intent.whole(result["intent"], result) if words else None
    result["peaks"] = _peaks(analysis, over_time, result)
    result["steadiness"] = _steadiness(analysis, result)
    return result


def _told(analysis: Analysis, over_time: OverTime, result: dict[str, Any]) -> dict[str, Any]:
    """What is told of tracks, and when in the song."""
    policy = analysis.options.annotations
    kinds = {tag["tag"]: tag["kind"] for tag in result["tags"]}
    of_stems = moments(result, over_time, policy)
    of_song = sections(over_time, kinds, policy)
    best = highlight(result, over_time, policy)
    return {
        "policy": {**asdict(policy), "kinds": [*policy.kinds], "moments": [*policy.moments]},
        "annotations": annotate(result, policy),
        "moments": of_stems,
        "sections": of_song,
        "highlight": best,
        "markers": markers(of_stems, of_song, best, policy),
    }


def _hop_s(analysis: Analysis) -> float:
    """Seconds from one value over time to the next."""
    course = analysis.course
    return analysis.opened.game.tagger.segment_s if course is None else course.hop_s


def _told_tags(analysis: Analysis, result: dict[str, Any]) -> list[str]:
    """The tags that are shown, and those that were intended."""
    known = [tag["tag"] for tag in result["tags"]]
    meant = [word["tag"] for word in result["intent"] if word["tag"] in known]
    return list(dict.fromkeys([*known[: analysis.options.tags], *meant]))


def _steadiness(analysis: Analysis, result: dict[str, Any]) -> dict[str, Any] | None:
    if analysis.steadiness is None:
        return None
    names = [tag.name for tag in analysis.opened.game.tagger.tags]
    told = _told_tags(analysis, result)
    found = analysis.steadiness
    found = replace(found, off=_half_width(analysis, found.off, found.attributions))
    return steady.to_plain(found, names, told, stem_names(result), analysis.options.unit)


def _peaks(analysis: Analysis, over_time: OverTime, result: dict[str, Any]) -> list[dict[str, Any]]:
    course = analysis.course
    off = analysis.shares.segment_half_width if course is None else course.off
    names, columns = stem_names(result), {tag: k for k, tag in enumerate(over_time.tags)}

    def half_width(k: int) -> NDArray[np.float64]:
        own = np.asarray(off[:, :, k : k + 1], dtype=np.float64)
        return _half_width(analysis, own, over_time.shares(k)[:, :, None])[:, :, 0]

    return [
        peaks.to_plain(peaks.of(over_time, tag, half_width(columns[tag])), tag, names)
        for tag in _told_tags(analysis, result)
    ]


def _regression(analysis: Analysis) -> dict[str, Any]:
    """What else there is to know of the method of LIME."""
    if analysis.options.value != "lime":
        return {}
    options = analysis.options
    return {"parts": options.parts, "features": options.features, "masks": analysis.shares.masks}


def _session(analysis: Analysis) -> dict[str, Any]:
    material, options = analysis.opened.material, analysis.options
    session = material.session
    active = analysis.opened.game.sounding.mean(axis=0)
    stems = [
        {
            "id": stem.id,
            "name": stem.name,
            "kind": stem.kind,
            "group": stem.group,
            "path": str(stem.path),
            "gain_db": stem.gain_db,
            "loudness_lufs": None if facts.loudness_lufs is None else round(facts.loudness_lufs, 2),
            "active_fraction": round(float(active[i]), 4),
            "mono_loss_db": round(facts.mono_loss_db, 2),
            "duration_s": round(facts.duration_s, 6),
            "trust": round(_trust(analysis, stem.id), 4),
        }
        for i, (stem, facts) in enumerate(zip(session.stems, material.stems, strict=True))
    ]
    mix = None
    if material.mix is not None:
        mix = {
            "path": str(session.mix),
            **material.mix.to_dict(),
            "bypassed": options.mix_bypassed,
        }
    return {
        "id": analysis.session_id,
        "project": session.project,
        "daw": session.daw,
        "source": session.source,
        "sample_rate": material.sample_rate,
        "duration_s": round(material.duration_s, 6),
        "start_s": options.start_s,
        "tempo": None if options.tempo is None else options.tempo.to_plain(),
        "session_gain_db": round(material.session_gain_db, 4),
        "stems": stems,
        "mix": mix,
        "master": material.master,
    }


def _tags(analysis: Analysis) -> list[dict[str, Any]]:
    shares, mix = analysis.shares, analysis.opened.mix_scores
    ids = [stem.id for stem in analysis.opened.material.session.stems]
    scores, baseline = shares.scores.mean(axis=0), shares.baseline.mean(axis=0)
    value, mute, solo = (a.mean(axis=0) for a in (shares.attributions, shares.mute, shares.solo))
    off, total = _half_width(analysis, shares.half_width, value), shares.total.mean(axis=0)
    low, high = value - off, value + off
    tags = []
    for k in np.argsort(-scores, kind="stable"):
        tag = analysis.opened.game.tagger.tags[k]
        tags.append(
            {
                "tag": tag.name,
                "kind": tag.kind,
                "score": _digits(scores[k]),
                "baseline": _digits(baseline[k]),
                "mix_score": None if mix is None else _digits(mix[k]),
                "total": _digits(total[k]),
                "attributions": [
                    {
                        "stem": own,
                        "value": _digits(value[i, k]),
                        "low": _digits(low[i, k]),
                        "high": _digits(high[i, k]),
                        "mute": _known(mute[i, k]),
                        "solo": _known(solo[i, k]),
                    }
                    for i, own in enumerate(ids)
                ],
            }
        )
    return tags


def _trust(analysis: Analysis, stem: str) -> float:
    trust = analysis.opened.trusts.get(stem)
    return 1.0 if trust is None else trust.value


def _half_width(
    analysis: Analysis, off: NDArray[np.float64], value: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Half the width of intervals of shares `[…, stems, tags]` that are told: that of the estimate,
    and what separated stems are in doubt by."""
    return off + margin(value, _doubt(analysis))


def _doubt(analysis: Analysis) -> NDArray[np.float64]:
    """How far the shares of each stem are in doubt `[stems, 1]`; 0 for real stems."""
    ids = [stem.id for stem in analysis.opened.material.session.stems]
    separated = np.array([own in analysis.opened.trusts for own in ids], dtype=np.bool_)
    doubt = doubts(np.array([_trust(analysis, own) for own in ids]))
    return np.where(separated, doubt, 0.0)[:, None]


def _interaction_values(analysis: Analysis) -> NDArray[np.float64]:
    """The interactions `[stems, stems, tags]`, NaN where they are not known."""
    if analysis.shares.interactions is not None:
        return analysis.shares.interactions.value
    stems, tags = analysis.attributions.shape
    return np.full((stems, stems, tags), np.nan)


def _groups(analysis: Analysis) -> list[dict[str, Any]]:
    """The session's groups of stems, and what each does where Owen values were asked for; then the
    groups that are proposed for stems of one source."""
    names, numbers = grouping(analysis.opened.material.session)
    ids = [stem.id for stem in analysis.opened.material.session.stems]
    told = []
    for number, name in enumerate(names):
        members = [own for own, its in zip(ids, numbers, strict=True) if its == number]
        told.append(
            {
                "name": name,
                "why": "session",
                "stems": members,
                "attributions": _of_group(analysis, number),
            }
        )
    proposed = analysis.opened.material.proposed_groups()
    return told + [{**group, "attributions": []} for group in proposed]


def _of_group(analysis: Analysis, number: int) -> list[dict[str, Any]]:
    of = analysis.shares.groups
    if of is None:
        return []
    value, off = of.attributions.mean(axis=0)[number], of.half_width[number]
    tags = analysis.opened.game.tagger.tags
    return [
        {
            "tag": tags[k].name,
            "value": _digits(value[k]),
            "low": _digits(value[k] - off[k]),
            "high": _digits(value[k] + off[k]),
        }
        for k in analysis.shares.best(len(tags))
    ]


def _interactions(analysis: Analysis) -> list[dict[str, Any]]:
    """Of each tag that is shown the pairs of stems that do most together, the largest first."""
    found = analysis.shares.interactions
    if found is None:
        return []
    ids = [stem.id for stem in analysis.opened.material.session.stems]
    one, other = np.triu_indices(len(ids), 1)
    told = []
    for k in analysis.shares.best(analysis.options.tags):
        values, off = found.value[one, other, k], found.half_width[one, other, k]
        for pair in np.argsort(-abs(values), kind="stable")[:PAIRS_TOLD]:
            if values[pair]:
                told.append(
                    {
                        "tag": analysis.opened.game.tagger.tags[k].name,
                        "stems": [ids[one[pair]], ids[other[pair]]],
                        "value": _digits(values[pair]),
                        "low": _digits(values[pair] - off[pair]),
                        "high": _digits(values[pair] + off[pair]),
                        "measured": round(found.measured, 4),
                    }
                )
    return told


def _digits(value: Any) -> float:
    return round(float(value), SCORE_DIGITS)


def _known(value: Any) -> float | None:
    return None if np.isnan(value) else _digits(value)


def _warnings(analysis: Analysis) -> list[tuple[str, str]]:
    material, tagger = analysis.opened.material, analysis.opened.game.tagger
    warnings = list(material.warnings)
    _, dropped_s = tagger.segments(material.waveforms.shape[1])
    if dropped_s < 0:
        warnings.append(
            (
                "session_padded",
                f"The session is shorter than the {tagger.segment_s:.1f} s that the tagger listens "
                "to at a time; silence was added, and the scores mean less.",
            )
        )
    elif dropped_s >= WORTH_A_WARNING_S:
        warnings.append(
            (
                "end_dropped",
                f"The last {dropped_s:.1f} s are not analysed: they do not fill the "
                f"{tagger.segment_s:.1f} s that the tagger listens to at a time.",
            )
        )
    names = {stem.id: stem.name for stem in material.session.stems}
    for own, trust in analysis.opened.trusts.items():
        if own in names and trust.value < LOW_TRUST:
            warnings.append(("low_trust", trust.warning(names[own])))
    return [*warnings, *tagger.notes, *_doubts(analysis)]


def _doubts(analysis: Analysis) -> list[tuple[str, str]]:
    """What is not as it could be in the shares or their keeping, and what to do about it."""
    shares, options = analysis.shares, analysis.options
    warnings = []
    if (problem := analysis.opened.game.not_kept) is not None:
        warnings.append(
            (
                "scores_not_kept",
                f"Scores cannot be kept for the next time ({problem}), so the same session again "
                "will take as long.",
            )
        )
    if options.value == "owen" and not grouping(analysis.opened.material.session)[0]:
        warnings.append(
            (
                "no_groups",
                "No two stems are in one group, so these Owen values are the Shapley values.",
            )
        )
    if shares.bound.any():
        warnings.append(("unfinished", _unfinished(analysis)))
    elif not shares.exact:
        widest = shares.half_width[:, shares.best(options.tags)].max()
        off = f"{100 * widest:.1f} points" if options.unit == "points" else f"{widest:.2f}"
        warnings.append(
            (
                "estimated",
                f"Shares are estimated from {shares.coalitions:,} combinations of the stems; of "
                f"the tags shown they are right to ±{off} (95 %). A larger budget or a smaller "
                "precision narrows that.",
            )
        )
    return warnings


def _unfinished(analysis: Analysis) -> str:
    """What is missing where a budget or the time was spent too soon, and how much would do."""
    value = analysis.options.value
    if value not in anytime.EFFECTS:
        return (
            "The budget or the time was spent before all shares could be estimated: what was "
            "not looked at counts as unknown in the intervals. Allow more taggings (budget) or "
            "more time (time_s)."
        )
    sounding = analysis.opened.game.sounding
    missing = np.asarray(analysis.shares.bound.any(axis=2))
    stems = int(missing.any(axis=0).sum())
    return (
        f"The budget or the time was spent before each stem was heard {EFFECT_WORDS[value]} in "
        f"each segment: {int(missing.sum()):,} of {int(sounding.sum()):,} scores are missing, of "
        f"{stems} of {missing.shape[1]} stems. What those do is not known: what is missing counts "
        "as 0, and their intervals reach as far as it could. Allow at least "
        f"{anytime.cost_of_effects(analysis.opened.game, value):,} taggings (budget) or more time "
        "(time_s)."
    )


def _versions() -> dict[str, str]:
    import torch

    return {
        "stemlens": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "torch": torch.__version__,
    }
