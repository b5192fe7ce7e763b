"""Heard as it is meant? A verdict for each intended word, and what speaks for and against it.

A word (see `intended`) is heard where the mix scores clearly more than silence does, and has not
much less above silence than the best tag of its kind: what silence scores by itself speaks neither
for a word nor for its rivals. Both are measured on the score itself, which is never an estimate, by
the two rows of `THRESHOLDS`; the worse of the two answers is the verdict. Between "heard" and "not
heard" lies "weak", so wide that neither becomes the other where no score moves by more than
`SURE_OF`. The same rule, applied to single segments, says where in the song a word is lost.

A mixture's score is the weighted mean of its tags' scores. It is held to the same thresholds times
the weight of its heaviest tag: a mixture is heard where its heaviest tag would be heard alone, and
where lighter ones together make up for it.

What stems do for a word are their shares of its score, told where it is certain that they add to it
or take from it. A mixture's share is the weighted mean of the shares of its tags, and its interval
the widest that those allow.

Scores are 0 to 1 (of mixtures with opposites possibly below 0), times seconds of project time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from stemlens.explain.intended import Word
from stemlens.over_time import OverTime
from stemlens.tagging.vocabulary import Tag
from stemlens.wording import silence
from stemlens.wording.told import brief_names, listed, small, unit_of
from stemlens_bridge.annotations import points
from stemlens_bridge.wording import clock

Score = TypeVar("Score", float, NDArray[np.float64])

HEARD, WEAK, NOT_HEARD = VERDICTS = ("heard", "weak", "not heard")


@dataclass(frozen=True, slots=True)
class Threshold:
    """One thing that is asked of a word: from where on it is heard, below what it is not, and why
    there."""

    asks: str
    heard: float
    lost: float
    why: str


ABOVE_SILENCE = Threshold(
    "the score less what silence scores",
    heard=silence.HEARD,
    lost=silence.LEAST,
    why="Silence moves by nothing, real mixes by a point or two when they are bounced again. These "
    "networks score low: in a song that is plainly rock the tag may have no more than 20 points, "
    "so more than 5 above silence would call real hits lost.",
)
OF_THE_BEST = Threshold(
    "what it has above silence, as a part of what the best other tag of its kind has",
    heard=0.5,
    lost=0.25,
    why="A listener who is told two genres names the one that is at least half as strong as the "
    "other. Below a quarter the word would stand beside ten others in any list.",
)
THRESHOLDS = (ABOVE_SILENCE, OF_THE_BEST)
SURE_OF = 0.02  # above silence: where neither the word nor its rivals move by more, none that is
# heard becomes one that is not heard. It follows from the four numbers above.

LEAST_SHARE = 0.01  # of a stem that is named: a point
LEAST_LEAD = 0.01  # of the tag to which a stem pulls over its next
NAMED = 3  # stems to a side, tags and passages in a sentence
PULLING = 5  # stems of which the sentence on the whole says to what they pull


def verdict(above: float, part: float) -> str:
    """The verdict for a tag's score that is `above` what silence scores, and that is the `part` of
    what the best other tag of its kind has; it never gets worse where either rises."""
    given = ((above, ABOVE_SILENCE), (part, OF_THE_BEST))
    if any(value < threshold.lost for value, threshold in given):
        return NOT_HEARD
    return HEARD if all(value >= threshold.heard for value, threshold in given) else WEAK


def part_of(above: float, best: float) -> float:
    """What a score has above silence as a part of the `best` other one's; infinite where that has
    nothing."""
    return above / best if best > 0 else np.inf


def judged(
    words: Sequence[Word], document: Mapping[str, Any], over_time: OverTime, tags: Sequence[Tag]
) -> list[dict[str, Any]]:
    """A verdict for each word, as `docs/result.md` has them under `intent`.

    `document` is the result (its tags and session), `tags` what the tagger knows.
    """
    return [_Judged(word, document, over_time, tags).to_plain() for word in words]


def whole(intent: Sequence[Mapping[str, Any]], document: Mapping[str, Any]) -> dict[str, Any]:
    """All verdicts together, as `docs/result.md` has it under `intended`: a sentence, and to which
    of the tags that were intended, or are heard instead, each stem pulls."""
    pulls = _pulls(intent, document)
    names = brief_names(document)
    sentences = []
    for one in VERDICTS:
        said = [word["plain"] for word in intent if word["verdict"] == one]
        if said:
            sentences.append(f"{_capital(one)}: {', '.join(said)}.")
    instead = _instead(intent, document)
    if instead:
        sentences.append(f"Heard instead: {_listed(instead)}.")
    if pulls:
        first, *rest = [f"{names[pull['stem']]} {{}}{_to(pull)}" for pull in pulls[:PULLING]]
        told = [first.format("pulls "), *(one.format("") for one in rest)]
        sentences.append(f"{', '.join(told)}.")
    if unit_of(document) != "points":
        sentences.append(
            "The shares of this result are log-odds, which are no points of a score: for the stems "
            "that speak for and against each word analyse it with the unit points."
        )
    if any(stem.get("trust", 1.0) < 1 for stem in document["session"]["stems"]):
        sentences.append(
            "The stems were made out of the mix: the verdicts hold, and what is said of single "
            "stems only as far as those can be trusted."
        )
    return {"sentence": " ".join(sentences), "pulls": pulls}


@dataclass(frozen=True, slots=True)
class _Share:
    """A stem's share of a word, with its interval."""

    stem: str
    value: float
    low: float
    high: float

    @property
    def certain(self) -> bool:
        """Whether it is certain that the stem adds, or that it takes."""
        return self.low > 0 or self.high < 0


class _Judged:
    """One word, held against a result."""

    def __init__(
        self,
        word: Word,
        document: Mapping[str, Any],
        over_time: OverTime,
        tags: Sequence[Tag],
    ) -> None:
        self._word, self._document = word, document
        self._tags = {tag.name: tag for tag in tags}
        self._found = {tag["tag"]: tag for tag in document["tags"]}
        self.score, self.baseline = self._mixed("score"), self._mixed("baseline")
        for_it = {tag for tag, weight in word.weights.items() if weight > 0}
        self.kinds = sorted({self._tags[tag].kind for tag in for_it})
        self._rivals = [
            tag.name for tag in tags if tag.kind in self.kinds and tag.name not in for_it
        ]
        self._above = self._in_full(self.score - self.baseline)
        heard = [(silence.above(self._found[name]), name) for name in self._rivals]
        best, self._best_of = max(heard, default=(0.0, ""))
        self.part = part_of(self._above, best)
        self.verdict = verdict(self._above, self.part)
        self._spans = over_time.spans_s
        self._series = self._over_time(over_time.scores, over_time.tags)
        above = over_time.scores - over_time.baseline
        rivals = [over_time.tags.index(name) for name in self._rivals]
        own = self._in_full(self._over_time(above, over_time.tags))
        others = above[:, rivals].max(axis=1, initial=0.0)
        self._segments = [
            verdict(one, part_of(one, other)) for one, other in zip(own, others, strict=True)
        ]

    def to_plain(self) -> dict[str, Any]:
        shares = self._shares()
        adds = [asdict(share) for share in shares if share.value > 0]
        takes = [asdict(share) for share in reversed(shares) if share.value < 0]
        top = int(np.argmax(self._series))
        fails = self._fails()
        plain = {
            "tag": self._word.name,
            "plain": self._word.plain,
            "weights": {tag: round(weight, 4) for tag, weight in self._word.weights.items()},
            "verdict": self.verdict,
            "score": self.score,
            "baseline": self.baseline,
            "of_best": None if np.isinf(self.part) else round(self.part, 4),
            "instead": self._instead(),
            "for": adds,
            "against": takes,
            "fails": [{"start_s": start_s, "end_s": end_s} for start_s, end_s in fails],
            "clearest": {
                "start_s": self._spans[top][0],
                "end_s": self._spans[top][1],
                "score": round(float(self._series[top]), 7),
            },
        }
        return {**plain, "sentence": self._sentence(plain)}

    def _in_full(self, score: Score) -> Score:
        """Parts of the word's score, as the heaviest of its tags alone would have to have them."""
        return score / self._word.heaviest

    def _mixed(self, key: str) -> float:
        """A number of the tags, mixed by the word's weights."""
        of = self._word.weights.items()
        return round(sum(weight * float(self._found[tag][key]) for tag, weight in of), 7)

    def _over_time(self, values: NDArray[np.float64], tags: Sequence[str]) -> NDArray[np.float64]:
        """Values `[segments, tags]`, mixed: `[segments]`."""
        columns = [tags.index(tag) for tag in self._word.weights]
        return values[:, columns] @ np.array(list(self._word.weights.values()))

    def _shares(self) -> list[_Share]:
        """Those of the stems that have something to say, the largest first; of log-odds none, for
        they do not add up to a word's score."""
        if unit_of(self._document) != "points":
            return []
        found = []
        for i, stem in enumerate(self._document["session"]["stems"]):
            parts = [
                (weight, self._found[tag]["attributions"][i])
                for tag, weight in self._word.weights.items()
            ]
            value = sum(weight * part["value"] for weight, part in parts)
            low = sum(weight * part["low" if weight > 0 else "high"] for weight, part in parts)
            high = sum(weight * part["high" if weight > 0 else "low"] for weight, part in parts)
            found.append(_Share(stem["id"], *(round(float(x), 7) for x in (value, low, high))))
        least = LEAST_SHARE * self._word.heaviest
        told = (share for share in found if share.certain and abs(share.value) >= least)
        return sorted(told, key=lambda share: -share.value)

    def _instead(self) -> list[dict[str, Any]]:
        """The tags of its kind that have more above silence than it has, and more than nothing, the
        best first; none of a word that is heard with nothing before it."""
        more = [
            self._found[name]
            for name in self._rivals
            if silence.above(self._found[name]) > self._above
            and silence.above(self._found[name]) >= silence.LEAST
        ]
        return [
            {
                "tag": tag["tag"],
                "plain": self._tags[tag["tag"]].plain,
                "score": tag["score"],
                "baseline": tag["baseline"],
            }
            for tag in sorted(more, key=silence.above, reverse=True)
        ]

    def _fails(self) -> list[tuple[float, float]]:
        """The spans in which it is not heard, those that touch as one."""
        spans: list[tuple[float, float]] = []
        lost_before = False
        for said, (start_s, end_s) in zip(self._segments, self._spans, strict=True):
            lost = said == NOT_HEARD
            if lost and lost_before:
                spans[-1] = (spans[-1][0], end_s)
            elif lost:
                spans.append((start_s, end_s))
            lost_before = lost
        return spans

    def _sentence(self, plain: Mapping[str, Any]) -> str:
        names = brief_names(self._document)
        told = f"{_capital(plain['plain'])} is {self.verdict}: {points(self.score)} of 100 points, "
        sentences = [f"{told}{self._because(plain['instead'])}."]
        if self.verdict != HEARD and plain["instead"]:
            more = "Heard instead" if self.verdict == NOT_HEARD else "More plainly heard"
            sentences.append(f"{more}: {_listed(plain['instead'])}.")
        sides = []
        for what, side in (("for it", plain["for"]), ("against it", plain["against"])):
            stems = [f"{names[s['stem']]} ({small(s['value'], 'points')})" for s in side[:NAMED]]
            sides += [f"{what}: {listed(stems)}"] if stems else []
        if sides:
            sentences.append(f"{_capital('; '.join(sides))}.")
        elif unit_of(self._document) == "points":
            sentences.append("No stem speaks for or against it for certain.")
        return " ".join([*sentences, *self._when(plain)])

    def _because(self, instead: Sequence[Mapping[str, Any]]) -> str:
        """Why it is the verdict that it is."""
        quiet = points(self.baseline)
        if self._above < ABOVE_SILENCE.lost:
            return f"{silence.next_to_nothing(self._above)} ({quiet})"
        if self.verdict == NOT_HEARD:
            return f"less than a quarter of what {self._best()} has above silence"
        if self._above < ABOVE_SILENCE.heard:
            return f"little more than silence ({quiet})"
        if self.verdict == WEAK:
            return f"less than half of what {self._best()} has above silence"
        if not instead:
            other = f"no other {' or '.join(self.kinds)}"
            return f"silence {quiet}, and {other} is heard more"
        return f"silence {quiet}, behind {_listed(instead)}"

    def _best(self) -> str:
        """The best other tag of its kind, with its score."""
        return silence.named(self._tags[self._best_of].plain, self._found[self._best_of])

    def _when(self, plain: Mapping[str, Any]) -> list[str]:
        """Where it is lost and where it is clearest, where the song is longer than a segment."""
        if len(self._segments) < 2:
            return []
        best = plain["clearest"]
        top = f"{clock(best['start_s'])} ({points(best['score'])})"
        if all(said == NOT_HEARD for said in self._segments):
            return [f"It is heard nowhere; nearest at {top}."]
        longest = sorted(plain["fails"], key=lambda span: span["start_s"] - span["end_s"])[:NAMED]
        spans = [f"{clock(s['start_s'])} to {clock(s['end_s'])}" for s in
                 sorted(longest, key=lambda span: span["start_s"])]  # fmt: skip
        more = len(plain["fails"]) - len(spans)
        spans += [f"{more} more"] if more else []
        lost = f"It is lost from {listed(spans)}; clearest" if spans else "It is clearest"
        return [f"{lost} at {top}."]


def _listed(tags: Sequence[Mapping[str, Any]]) -> str:
    """The first of some tags that are heard instead, with their scores."""
    return listed([silence.named(tag["plain"], tag) for tag in tags[:NAMED]])


def _instead(
    intent: Sequence[Mapping[str, Any]], document: Mapping[str, Any]
) -> list[Mapping[str, Any]]:
    """What is heard instead of the words that are not plainly heard, each tag once, the best first;
    not what was itself intended. Where no word is heard and nothing else of their kinds: what is
    heard of any kind."""
    meant = {word["tag"] for word in intent}
    found = {
        tag["tag"]: tag
        for word in intent
        if word["verdict"] != HEARD
        for tag in word["instead"]
        if tag["tag"] not in meant
    }
    if not found and intent and all(word["verdict"] == NOT_HEARD for word in intent):
        found = {
            tag["tag"]: {**tag, "plain": tag["tag"]}
            for tag in document["tags"]
            if silence.above(tag) >= silence.HEARD and tag["tag"] not in meant
        }
    return sorted(found.values(), key=silence.above, reverse=True)


def _pulls(
    intent: Sequence[Mapping[str, Any]], document: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """For each stem with something to say, to which word it does most: what it has of that, and of
    the next.

    The words are those intended and the best tag that is heard instead of each. A stem that does as
    much for two of them pulls to neither.
    """
    if unit_of(document) != "points":
        return []
    found = {tag["tag"]: tag for tag in document["tags"]}
    shares: dict[str, list[tuple[str, float]]] = {
        stem["id"]: [] for stem in document["session"]["stems"]
    }
    for word in intent:
        for share in word["for"]:
            shares[share["stem"]].append((word["plain"], share["value"]))
    for tag in {word["instead"][0]["tag"]: word["instead"][0] for word in intent
                if word["verdict"] != HEARD and word["instead"]}.values():  # fmt: skip
        if any(tag["tag"] == word["tag"] for word in intent):
            continue
        for share in found[tag["tag"]]["attributions"]:
            if share["low"] > 0 and share["value"] >= LEAST_SHARE:
                shares[share["stem"]].append((tag["plain"], share["value"]))
    pulls = []
    for stem, own in shares.items():
        (first, most), (second, next_) = [
            *sorted(own, key=lambda one: -one[1]), ("", 0.0), ("", 0.0)
        ][:2]  # fmt: skip
        if most - next_ >= LEAST_LEAD:
            pulls.append({"stem": stem, "to": first, "value": most, "next": second or None,
                          "next_value": next_ if second else None})  # fmt: skip
    return sorted(pulls, key=lambda pull: -pull["value"])


def _to(pull: Mapping[str, Any]) -> str:
    """To what a stem pulls, in words."""
    beside = ""
    if pull["next"] is not None:
        beside = f", {pull['next']} {small(pull['next_value'], 'points')}"
    return f"towards {pull['to']} ({small(pull['value'], 'points')}{beside})"


def _capital(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}"
