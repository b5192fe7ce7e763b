"""What explains a tag, as stems: those that make it, and all others, by the shares of a result.

Whoever plays, scores or tells an explanation takes these (docs/explain.md): "only" the first, the
mix "without" them, and a "crossfade" from the one to the other.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass
from typing import Any

from stemlens.wording.shares import makers, tag_of
from stemlens_bridge.errors import StemlensError

NAMED = 3  # tags that can be explained where one cannot


@dataclass(frozen=True, slots=True)
class Coalitions:
    """Ids of stems. only: those that make a tag, the largest shares first; without: all others, in
    the order of the result."""

    only: tuple[str, ...]
    without: tuple[str, ...]

    def of(self, kind: str) -> tuple[str, ...]:
        """The stems that a sound is of; those of a crossfade are the ones that make the tag."""
        return self.without if kind == "without" else self.only

    def among(self, there: Container[str]) -> Coalitions:
        """The same of the stems that are there."""
        only, without = (
            tuple(stem for stem in side if stem in there) for side in (self.only, self.without)
        )
        return Coalitions(only, without)


def coalitions(document: Mapping[str, Any], tag: str, top: int | None = None) -> Coalitions:
    """What explains a tag of a result: all stems that add to it for certain, or `top` of them, and
    the others. Nothing, where there is none."""
    found = tag_of(document, tag)
    only = () if found is None else tuple(makers(document, found)[:top])
    stems = (stem["id"] for stem in document["session"]["stems"])
    return Coalitions(only, tuple(stem for stem in stems if stem not in only))


def explaining(document: Mapping[str, Any], tag: str, top: int | None = None) -> Coalitions:
    """The same; raises `nothing_explains` where no stem makes the tag."""
    found = coalitions(document, tag, top)
    if not found.only:
        able = [one["tag"] for one in document["tags"] if makers(document, one)]
        told = f"Stems do make {', '.join(able[:NAMED])}." if able else "So it is with every tag."
        more = "" if document["method"]["exact"] else " A larger budget makes shares more certain."
        raise StemlensError(
            "nothing_explains",
            f"No stem adds to {tag} for certain and by half a point or more, so there is nothing "
            f"to play that would explain it. {told}{more}",
        )
    return found
