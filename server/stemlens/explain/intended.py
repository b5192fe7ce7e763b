"""The words as which a mix is meant to be heard: "rock, sad", as typed and as weights over tags.

A word is a tag of the tagger in use or a mixture of its tags (`presets/words.toml`), spelt as in
goals (`edits.goals`): neither case nor the kind of blank counts. Commas part the words. As in goals
the sizes of a mixture's weights add up to 1, so that its score is a weighted mean of scores.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stemlens.edits import goals
from stemlens.tagging.vocabulary import Tag
from stemlens.tagging.weights import MODELS
from stemlens_bridge.errors import StemlensError
from stemlens_bridge.protocol import Options


@dataclass(frozen=True, slots=True)
class Word:
    """What a mix is meant to be heard as: the word as it is spelt where it is defined, for people,
    and its weights over tags, whose sizes add up to 1; below 0: the tag speaks against it."""

    name: str
    plain: str
    weights: Mapping[str, float]

    @property
    def heaviest(self) -> float:
        """The size of its largest weight: 1 for a tag, less for a mixture."""
        return max(map(abs, self.weights.values()))


def words(text: str, tags: Sequence[Tag], tagger: str) -> tuple[Word, ...]:
    """The words that a person typed, each once; raises `bad_options` for one that the tagger does
    not know, naming the nearest."""
    parts = [part.strip().strip('"').strip() for part in re.findall(r'"[^"]*"|[^,]+', text)]
    try:
        found = goals.looked_up(filter(None, parts), tags, tagger)
    except StemlensError as error:
        raise StemlensError("bad_options", f"The option intended: {error.message}") from error
    once = {wanted.word: (wanted, weights) for wanted, weights in found}
    return tuple(Word(wanted.word, wanted.plain, weights) for wanted, weights in once.values())


def require_known(options: Options) -> None:
    """Raises `bad_options` where the tagger that the options name is known not to know a word."""
    model = MODELS.get(options.tagger)
    if model is not None:
        words(options.intended, model.tags, options.tagger)
