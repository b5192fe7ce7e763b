"""Edits and what can be asked of trials, as both sides write them: texts, JSON, and their checks.

An edit names a stem, a preset, an amount and perhaps parameters. For people it is one word:

    guitar:less-distorted             the preset as its author meant it
    guitar:less-distorted@0.6         at 60 % of that
    guitar:presence@0.5,gain_db=8     with one of its parameters set
    guitar:muffled@1,2.q=0.9          the q of its second plug-in

Amounts go from 0 (nothing happens) to `MAX_AMOUNT`. What a preset's parameters are called, and how
far they go, is in its file (`presets/edits`), which only the server reads.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from stemlens_bridge import jsontext
from stemlens_bridge.errors import StemlensError
from stemlens_bridge.jsontext import is_number
from stemlens_bridge.protocol import (
    MAX_JOB_ID,
    MAX_TIME_S,
    build_options,
    options_object,
    require_option,
)

MAX_AMOUNT = 2.0
MAX_EDITS = 64

_EDIT = re.compile(
    r"(?P<stem>.+):(?P<preset>[^:@,]+)(?:@(?P<amount>[^:@,]+))?(?P<rest>(?:,[^:,=]+=[^:,]+)*)"
)
_TIME = r"(?:\d+:){0,2}\d+(?:\.\d+)?"
_PASSAGE = re.compile(rf"\s*(?P<start>{_TIME})?\s*[-–]\s*(?P<end>{_TIME})?\s*")


@dataclass(frozen=True, slots=True)
class Edit:
    """A preset on one stem; `stem` is a track's id or its name, `parameters` set some by name."""

    stem: str
    preset: str
    amount: float = 1.0
    parameters: Mapping[str, float | str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not (is_number(self.amount) and 0 <= self.amount <= MAX_AMOUNT):
            raise StemlensError(
                "edit_invalid",
                f"{self.stem}:{self.preset}: the amount is {self.amount!r}; it goes from 0 "
                f"(nothing) to {MAX_AMOUNT:g}, and 1 is the preset as it is meant.",
            )

    @classmethod
    def from_text(cls, text: str) -> Edit:
        """The edit that a person wrote; raises `edit_invalid`."""
        found = _EDIT.fullmatch(text.strip())
        if found is None:
            raise StemlensError(
                "edit_invalid",
                f"{text!r} is no edit. Write STEM:PRESET or STEM:PRESET@AMOUNT, like "
                "guitar:less-distorted@0.6.",
            )
        amount = found["amount"]
        try:
            number = 1.0 if amount is None else float(amount)
        except ValueError:
            raise StemlensError(
                "edit_invalid", f"{text!r}: the amount {amount!r} is no number."
            ) from None
        pairs = [pair.split("=", 1) for pair in found["rest"].split(",") if pair]
        parameters = {key.strip(): _value(value.strip()) for key, value in pairs}
        return cls(found["stem"].strip(), found["preset"].strip(), number, parameters)

    @classmethod
    def from_plain(cls, given: Any) -> Edit:
        """The edit in JSON's dict; raises `edit_invalid`."""
        if not isinstance(given, Mapping):
            raise StemlensError("edit_invalid", "An edit must be a JSON object.")
        unknown = set(given) - {"stem", "preset", "amount", "parameters"}
        if unknown:
            raise StemlensError(
                "edit_invalid",
                f"An edit has no {sorted(map(str, unknown))[0]!r}; it has stem, preset, amount "
                "and parameters.",
            )
        for key in ("stem", "preset"):
            if not isinstance(given.get(key), str) or not given[key]:
                raise StemlensError("edit_invalid", f"An edit lacks its {key}.")
        parameters = given.get("parameters") or {}
        if not isinstance(parameters, Mapping) or not all(
            isinstance(key, str) and (is_number(value) or isinstance(value, str))
            for key, value in parameters.items()
        ):
            raise StemlensError("edit_invalid", "An edit's parameters must be numbers by name.")
        amount = given.get("amount", 1.0)
        return cls(given["stem"], given["preset"], amount, dict(parameters))

    def to_plain(self) -> dict[str, Any]:
        return {**asdict(self), "parameters": dict(self.parameters)}

    def __str__(self) -> str:
        """As a person would write it."""
        amount = "" if self.amount == 1 else f"@{self.amount:g}"
        rest = "".join(
            f",{key}={value if isinstance(value, str) else format(value, 'g')}"
            for key, value in self.parameters.items()
        )
        return f"{self.stem}:{self.preset}{amount or ('@1' if rest else '')}{rest}"


def _value(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def edits_from_json(text: str) -> tuple[Edit, ...]:
    """The edits of a message; raises `edit_invalid`."""
    try:
        given = jsontext.read(text)
    except ValueError as error:
        raise StemlensError("edit_invalid", f"The edits are not JSON: {error}.") from error
    if not isinstance(given, list) or not 1 <= len(given) <= MAX_EDITS:
        raise StemlensError("edit_invalid", f"The edits must be a list of 1 to {MAX_EDITS} edits.")
    return tuple(Edit.from_plain(item) for item in given)


def require_request(request: str) -> None:
    """Raises `bad_message` for what cannot name a request."""
    if not 1 <= len(request) <= MAX_JOB_ID:
        raise StemlensError("bad_message", f"A request's id has 1 to {MAX_JOB_ID} characters.")


@dataclass(frozen=True, slots=True)
class TryOptions:
    """How edits are tried.

    render: whether the mix before and after, and the edited stems, are written as files.
    attributions: whether the change of every stem's share is worked out; that costs as much as an
        analysis.
    loudness_match: whether edited stems are brought back to the loudness they had; null: as each
        preset says.
    tags: how many tags are told, those that move most.
    """

    render: bool = True
    attributions: bool = False
    loudness_match: bool | None = None
    tags: int = 10

    def __post_init__(self) -> None:
        require_option(
            self.loudness_match is None or isinstance(self.loudness_match, bool),
            "loudness_match",
            self.loudness_match,
            "true, false or null",
        )
        require_option(1 <= self.tags <= 1000, "tags", self.tags, "between 1 and 1000")

    @classmethod
    def from_json(cls, text: str) -> TryOptions:
        """Raises `bad_options`."""
        options: TryOptions = build_options(cls, options_object(text))
        return options


@dataclass(frozen=True, slots=True)
class SuggestOptions:
    """How suggestions are looked for.

    stems: ids or names of the stems that may be edited; none: all of them.
    presets: the presets that may be used; none: all that the tagger can hear.
    budget: how many taggings may be spent on the search; null: 2500.
    time_s: for how many seconds may be searched; null: no limit.
    most: how many suggestions are given at most.
    seed: of what is left to chance; the same seed gives the same suggestions.
    render: whether each suggestion's mix and stems are written as files.
    tags: how many tags are told of each, those that move most.
    """

    stems: tuple[str, ...] = ()
    presets: tuple[str, ...] = ()
    budget: int | None = None
    time_s: float | None = None
    most: int = 5
    seed: int = 0
    render: bool = True
    tags: int = 10

    def __post_init__(self) -> None:
        budget = self.budget
        require_option(
            budget is None
            or (isinstance(budget, int) and not isinstance(budget, bool) and budget > 0),
            "budget",
            budget,
            "a whole number above 0",
        )
        require_option(
            self.time_s is None or (is_number(self.time_s) and self.time_s > 0),
            "time_s",
            self.time_s,
            "a time above 0 s",
        )
        require_option(1 <= self.most <= 100, "most", self.most, "between 1 and 100")
        require_option(0 <= self.seed < 2**32, "seed", self.seed, "from 0 to 4294967295")
        require_option(1 <= self.tags <= 1000, "tags", self.tags, "between 1 and 1000")

    @classmethod
    def from_json(cls, text: str) -> SuggestOptions:
        """Raises `bad_options`."""
        given = options_object(text)
        for key in ("stems", "presets"):
            if isinstance(given.get(key), Sequence) and not isinstance(given[key], str):
                given[key] = tuple(given[key])
        options: SuggestOptions = build_options(cls, given)
        return options


@dataclass(frozen=True, slots=True)
class ExplainOptions:
    """How a tag is made audible.

    top: how many stems explain it at most, those with the largest shares; null: all that add to it
        for certain.
    whole: whether the whole session is written too, and not only its best passage.
    start_s: where the passage begins, in project time; null: where the tag is strongest.
    end_s: where it ends; null: the same.
    """

    top: int | None = None
    whole: bool = True
    start_s: float | None = None
    end_s: float | None = None

    def __post_init__(self) -> None:
        top = self.top
        require_option(
            top is None or (isinstance(top, int) and not isinstance(top, bool) and top > 0),
            "top",
            top,
            "a whole number above 0",
        )
        for key, time_s in (("start_s", self.start_s), ("end_s", self.end_s)):
            require_option(
                time_s is None or (is_number(time_s) and abs(time_s) <= MAX_TIME_S),
                key,
                time_s,
                "a time in seconds",
            )
        if self.start_s is not None and self.end_s is not None:
            require_option(self.start_s < self.end_s, "end_s", self.end_s, "after start_s")

    @classmethod
    def from_json(cls, text: str) -> ExplainOptions:
        """Raises `bad_options`."""
        options: ExplainOptions = build_options(cls, options_object(text))
        return options


def passage_from_text(text: str) -> tuple[float | None, float | None]:
    """Where a passage begins and ends, as a person wrote it: "1:02-1:15.5", "62-75.5", "62-" (as
    long as it should be), "" (wherever it is best). Raises `bad_options`."""
    if not text.strip():
        return None, None
    found = _PASSAGE.fullmatch(text)
    if found is None or not (found["start"] or found["end"]):
        raise StemlensError(
            "bad_options",
            f"{text!r} is no passage. Write START-END in seconds or minutes, like 62-75.5 or "
            "1:02-1:15.5.",
        )
    start_s, end_s = _seconds(found["start"]), _seconds(found["end"])
    if start_s is not None and end_s is not None and end_s <= start_s:
        problem = f"The passage {found['start']}-{found['end']}"
        raise StemlensError(
            "bad_options",
            f"{problem} ends before it begins: did you mean {found['end']}-{found['start']}?"
            if end_s < start_s
            else f"{problem} has no length: where should it end?",
        )
    return start_s, end_s


def _seconds(told: str | None) -> float | None:
    if not told:
        return None
    seconds = 0.0
    for part in told.split(":"):
        seconds = 60 * seconds + float(part)
    return seconds
