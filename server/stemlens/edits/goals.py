"""Goals: what a mix should sound more and less like, as weights over the tagger's tags.

For people a goal is a few words, each with a sign, and perhaps with how much it counts:

    +metal =happy                 more metal, keep happy
    -electronic, +acoustic*2      less electronic, and twice as important, more acoustic
    +"classic rock" =hip_hop      quotes, or a dot, underscore or dash, for the blank in a tag
    calmer                        a goal's file in presets/goals, by its name

A word is a tag of the tagger in use, or a mixture of its tags (`presets/words.toml`). Mixtures add
up; a tag that is named itself means exactly what is said of it, whatever mixtures it is also part
of. Goals and words in the user's presets folder replace those of the same name.

Units: a goal's gain is in scores, 0 to 1. The sizes of `raise_lower` add up to 1, so that for a
goal of one tag the gain is the change of that tag's score, and for more their weighted mean. Of
what is kept, `KEEP` times the size of its change is taken off.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs
from numpy.typing import NDArray

from stemlens.edits.tomlfile import TomlFile, nearest
from stemlens.tagging.vocabulary import Tag
from stemlens.tagging.weights import MODELS
from stemlens_bridge.errors import StemlensError
from stemlens_bridge.jsontext import is_number
from stemlens_bridge.resources import folder

KEEP = 0.5
"""How much a change of a kept tag costs, relative to as much towards the goal."""
MAX_FACTOR = 100.0

TABLES = {"raise": "+", "lower": "-", "keep": "="}
MEANT = {"+": "more", "-": "less", "=": "keep"}
_LISTS = {"msd": "msd-musicnn", "mtt": "mtt-musicnn"}  # a mixture's tag list → a tagger that has it

_TOKEN = re.compile(
    r"""(?P<sign>[-+=])\s*(?:"(?P<quoted>[^"]*)"|(?P<bare>[^\s,"*]+))(?:\*(?P<factor>[^\s,]+))?"""
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """One word of a goal: its sign (+, − as "-", =), the word as it is spelt where it is defined,
    how much it counts, and what it is called for people."""

    sign: str
    word: str
    factor: float = 1.0
    plain: str = ""

    def __str__(self) -> str:
        """As a person would write it."""
        bare = re.fullmatch(r'[^\s,"*]+', self.word)
        factor = "" if self.factor == 1 else f"*{self.factor!r}".removesuffix(".0")
        return f"{self.sign}{self.word if bare else chr(34) + self.word + chr(34)}{factor}"


@dataclass(frozen=True, slots=True)
class Mixture:
    """A word as a mixture of tags: per tag list (msd, mtt) the weights, whose sizes add up to 1."""

    word: str
    says: str
    why: str
    lists: Mapping[str, Mapping[str, float]]


@dataclass(frozen=True, eq=False)
class Goal:
    """What is wanted of the tags of one tagger.

    text: the goal as a person would write it. raise_lower: float64 `[tags]`, above 0 what is to
    rise, below what is to fall, sizes adding up to 1. keep: float64 `[tags]`, at least 0; never
    above 0 where raise_lower is not 0.
    """

    text: str
    raise_lower: NDArray[np.float64]
    keep: NDArray[np.float64]
    wanted: tuple[Wanted, ...]

    @classmethod
    def from_text(cls, text: str, tags: Sequence[Tag], tagger: str) -> Goal:
        """The goal that a person wrote, or that has that name; raises `goal_invalid`."""
        if not re.search(r"(^|[\s,])[-+=]", text):
            return cls.from_file(_file(text), tags, tagger)
        return _resolved(parsed(text), tags, tagger)

    @classmethod
    def from_file(cls, path: Path, tags: Sequence[Tag], tagger: str) -> Goal:
        """The goal of a TOML file; raises `goal_invalid` naming file and line."""
        file = TomlFile.read(path, "goal_invalid")
        wanted = _wanted(file)
        words = _Words(tags, tagger)
        for one in wanted:
            try:
                words.resolve(one)
            except StemlensError as error:
                file.fail(error.message, *_place(file, one))
        try:
            return _resolved(wanted, tags, tagger)
        except StemlensError as error:
            raise StemlensError("goal_invalid", f"{path}: {error.message}") from error

    def gain(self, change: NDArray[np.floating]) -> NDArray[np.float64]:
        """How far changes of the scores `[..., tags]` go towards the goal, in scores `[...]`."""
        towards = change @ self.raise_lower - KEEP * (np.abs(change) @ self.keep)
        return np.asarray(towards, dtype=np.float64)

    def words(self) -> str:
        """For people: "more metal, keep happy"."""
        return ", ".join(
            f"{MEANT[one.sign]} {one.plain}" + ("" if one.factor == 1 else f" (×{one.factor:g})")
            for one in self.wanted
        )


def parsed(text: str) -> tuple[Wanted, ...]:
    """The words of a goal, not yet looked up in any list; raises `goal_invalid`."""
    wanted, at = [], 0
    text = text.strip()
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None or (found.end() < len(text) and text[found.end()] not in " \t\n\r,"):
            raise StemlensError(
                "goal_invalid",
                f"The goal {text!r} cannot be read from {text[at:]!r} on. Write each word with its "
                "sign, + for more, - for less, = to keep, like +metal =happy; quote what has "
                'blanks: +"classic rock"; *2 after a word counts it twice.',
            )
        word = found["quoted"] or found["bare"] or ""
        wanted.append(Wanted(found["sign"], word, _factor(found["factor"])))
        at = found.end()
        while at < len(text) and text[at] in " \t\n\r,":
            at += 1
    return tuple(wanted)


def _factor(text: str | None) -> float:
    try:
        number = 1.0 if text is None else float(text)
    except ValueError:
        number = math.nan
    if not 0 < number <= MAX_FACTOR:
        raise StemlensError(
            "goal_invalid",
            f"A word cannot count {text!r} times: write a number above 0, at most {MAX_FACTOR:g}.",
        )
    return number


class _Words:
    """The words that one tagger knows: its tags, and the mixtures of them."""

    def __init__(self, tags: Sequence[Tag], tagger: str) -> None:
        self.tagger = tagger
        self._tags = {tag.name: place for place, tag in enumerate(tags)}
        own = [(tag, (Wanted("", tag.name, 1.0, tag.plain), {tag.name: 1.0})) for tag in tags]
        # What comes later wins: a tag's own name, then a mixture's, then a tag's name for people.
        self._known: dict[str, tuple[Wanted, Mapping[str, float]]]
        self._known = {_spelling(tag.plain): entry for tag, entry in own}
        for spelling, mixture in read_words().items():
            for weights in mixture.lists.values():
                if all(tag in self._tags for tag in weights):
                    self._known[spelling] = (Wanted("", mixture.word, 1.0, mixture.word), weights)
                    break
        self._known |= {_spelling(tag.name): entry for tag, entry in own}

    def __contains__(self, word: str) -> bool:
        return _spelling(word) in self._known

    def resolve(self, wanted: Wanted) -> tuple[Wanted, Mapping[str, float]]:
        """The word as it is spelt where it is defined, and its weights over tags (their sizes add
        up to 1); raises `goal_invalid` for a word that this tagger does not know."""
        found = self._known.get(_spelling(wanted.word))
        if found is None:
            raise self._unknown(wanted.word)
        known, weights = found
        return Wanted(wanted.sign, known.word, wanted.factor, known.plain), weights

    def vector(self, weights: Mapping[str, float]) -> NDArray[np.float64]:
        """The weights as `[tags]`."""
        vector = np.zeros(len(self._tags))
        for tag, weight in weights.items():
            vector[self._tags[tag]] = weight
        return vector

    def _unknown(self, word: str) -> StemlensError:
        others = [
            name
            for name, model in MODELS.items()
            if name != self.tagger
            and not {tag.name for tag in model.tags} <= set(self._tags)
            and word in _Words(model.tags, name)
        ]
        if others:
            says = (
                f"{self.tagger} has no tag and no mixture of tags {word!r}; {' and '.join(others)} "
                "have it: choose one with --tagger."
            )
        else:
            says = (
                f"{word!r} is no tag of {self.tagger} and no mixture of its tags."
                f"{nearest(_spelling(word), self._known)} `stemlens goals` lists all words."
            )
        return StemlensError("goal_invalid", says)


def _resolved(wanted: Sequence[Wanted], tags: Sequence[Tag], tagger: str) -> Goal:
    words = _Words(tags, tagger)
    found = [words.resolve(one) for one in wanted]
    signs: dict[str, str] = {}
    for one, _ in found:
        if one.word in signs:
            both = f"{MEANT[signs[one.word]]} and {MEANT[one.sign]}"
            twice = f"is both {both}" if signs[one.word] != one.sign else "stands there twice"
            raise StemlensError("goal_invalid", f"{one.plain!r} {twice}: say it once.")
        signs[one.word] = one.sign
    if "+" not in signs.values() and "-" not in signs.values():
        raise StemlensError(
            "goal_invalid",
            "The goal says nothing to reach: give a word with + for more or - for less, "
            "like +metal =happy.",
        )
    itself = {one.word for one, weights in found if one.word in weights}
    move, keep = np.zeros(len(tags)), np.zeros(len(tags))
    for one, weights in found:
        mixed = one.word not in weights
        mine = {tag: w for tag, w in weights.items() if not (mixed and tag in itself)}
        vector = one.factor * words.vector(mine)
        if one.sign == "=":
            keep += np.abs(vector)
        else:
            move += vector if one.sign == "+" else -vector
    move[np.abs(move) < 1e-12] = 0.0  # mixtures that cancel, up to rounding
    if not move.any():
        raise StemlensError(
            "goal_invalid", "The words of the goal cancel each other: nothing is left to reach."
        )
    for one, weights in found:
        if one.sign == "=" and not (keep * (move == 0))[words.vector(weights) != 0].any():
            raise StemlensError(
                "goal_invalid",
                f"{one.plain!r} cannot be kept: the goal moves every tag that it is made of.",
            )
    keep[move != 0] = 0.0
    known = tuple(one for one, _ in found)
    return Goal(" ".join(map(str, known)), move / np.abs(move).sum(), keep, known)


def looked_up(
    words: Iterable[str], tags: Sequence[Tag], tagger: str
) -> list[tuple[Wanted, Mapping[str, float]]]:
    """Words without signs, each as it is spelt where it is defined, with its weights over tags
    (their sizes add up to 1); raises `goal_invalid` for a word that this tagger does not know."""
    known = _Words(tags, tagger)
    return [known.resolve(Wanted("", word)) for word in words]


def _spelling(word: str) -> str:
    """What words are compared by: neither case nor the kind of blank counts."""
    return " ".join(re.split(r"[\s._-]+", word.casefold())).strip()


def _wanted(file: TomlFile) -> tuple[Wanted, ...]:
    """The words of a goal's file; raises `goal_invalid`."""
    file.check_keys(file.data, ("title", "says", *TABLES))
    _sentences(file, file.data, "", ("title", "says"))
    wanted = []
    for table, sign in TABLES.items():
        words = file.data.get(table, {})
        if not isinstance(words, Mapping):
            file.fail(f"{table} must be a table of words: [{table}], then metal = 1.0.", "", table)
        for word, factor in words.items():
            if not (is_number(factor) and 0 < factor <= MAX_FACTOR):
                file.fail(
                    f"{word} = {factor!r} must be a number above 0, at most {MAX_FACTOR:g}.",
                    table,
                    word,
                )
            wanted.append(Wanted(sign, word, float(factor)))
    return tuple(wanted)


def _place(file: TomlFile, one: Wanted) -> tuple[str, str]:
    return next(table for table, sign in TABLES.items() if sign == one.sign), one.word


def _sentences(file: TomlFile, given: Mapping[str, Any], table: str, keys: Iterable[str]) -> None:
    for key in keys:
        if not isinstance(given.get(key), str) or not given[key].strip():
            where = key if key in given else None
            file.fail(f"{key} must be there, a text in quotes.", table, where)


def folders() -> tuple[Path, Path]:
    """Where presets are: the shipped folder and the user's, which need not exist and wins."""
    return folder("presets"), Path(platformdirs.user_config_dir("stemlens")) / "presets"


def files() -> dict[str, Path]:
    """Every goal's file by its name, sorted."""
    found = {path.stem: path for place in folders() for path in sorted(place.glob("goals/*.toml"))}
    return dict(sorted(found.items()))


def _file(name: str) -> Path:
    known = files()
    slug = _spelling(name).replace(" ", "-")
    if slug in known:
        return known[slug]
    if not slug:
        raise StemlensError(
            "goal_invalid", "The goal is empty: write words with signs, like +metal =happy."
        )
    raise StemlensError(
        "goal_invalid",
        f"There is no goal named {name.strip()!r}.{nearest(slug, known)} `stemlens goals` lists "
        "them. Words need a sign, + for more, - for less, = to keep, like +metal =happy.",
    )


def read_words() -> dict[str, Mixture]:
    """All mixtures by their word, the user's instead of shipped ones; raises `goal_invalid`."""
    mixtures: dict[str, Mixture] = {}
    for place in folders():
        path = place / "words.toml"
        if path.is_file():
            mixtures |= {_spelling(one.word): one for one in _mixtures(path)}
    return mixtures


def _mixtures(path: Path) -> list[Mixture]:
    file = TomlFile.read(path, "goal_invalid")
    mixtures = []
    for word, given in file.data.items():
        if not isinstance(given, Mapping):
            file.fail(f"{word} must be a table: [{word}].", "", word)
        file.check_keys(given, ("says", "why", *_LISTS), word)
        _sentences(file, given, word, ("says", "why"))
        lists = {name: _weights(file, word, name, given[name]) for name in _LISTS if name in given}
        if not lists:
            file.fail(f"a word needs tags: give it {' or '.join(_LISTS)}.", word)
        mixtures.append(Mixture(word, given["says"], given["why"], lists))
    return mixtures


def _weights(file: TomlFile, word: str, name: str, given: Any) -> dict[str, float]:
    """A mixture's weights over the tags of one list, scaled so that their sizes add up to 1."""
    if not isinstance(given, Mapping) or not given:
        file.fail(f"{name} must be tags with weights, like {{ rock = 2, sad = -1 }}.", word, name)
    known = [tag.name for tag in MODELS[_LISTS[name]].tags]
    for tag, weight in given.items():
        if tag not in known:
            file.fail(
                f"the list {name} has no tag {tag!r}.{nearest(tag, known)} It has: "
                f"{', '.join(known)}.",
                word,
                name,
            )
        if not is_number(weight) or weight == 0 or abs(weight) > MAX_FACTOR:
            file.fail(
                f"{tag} = {weight!r} must be a number, not 0, at most {MAX_FACTOR:g} in size.",
                word,
                name,
            )
    size = sum(abs(weight) for weight in given.values())
    return {tag: weight / size for tag, weight in given.items()}


def table() -> list[tuple[str, str, str]]:
    """Every goal for people: its name, what it says, and its words."""
    rows = []
    for name, path in files().items():
        file = TomlFile.read(path, "goal_invalid")
        text = " ".join(map(str, _wanted(file)))
        rows.append((name, file.data["says"], text))
    return rows


def mixtures() -> list[tuple[str, str, str, str, str]]:
    """Every mixture for people: the word, what it says, the list (msd or mtt), its tags with their
    shares in percent, and why."""
    return [
        (
            one.word,
            one.says,
            name,
            ", ".join(f"{tag} {100 * weight:+.0f}" for tag, weight in weights.items()),
            one.why,
        )
        for one in sorted(read_words().values(), key=lambda one: one.word)
        for name, weights in one.lists.items()
    ]
