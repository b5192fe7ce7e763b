"""Taggers: networks that say how well each of a list of tags fits a piece of music.

The way through: `load(name, device)` → a `Tagger` (see `tagger.py` for its two halves).
`Tagger.open` does the linear work per stem; `OpenStems.segment` gives some stems in one segment;
`OpenSegment.mix` turns coalitions and gains into network inputs; `Tagger.score` scores them.

`vocabulary.py` holds the tags as data, `weights.py` fetches and keeps trained weights,
`mel.py` is the linear half of taggers that begin with a mel power spectrogram.
Every file in `families/` is imported on first use and registers the names it provides, so that a
new family of taggers needs nothing outside its own file. Neither this module nor `names` imports
torch; only `load` does.
"""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from collections.abc import Callable, Iterable

from stemlens.tagging.tagger import OpenSegment, OpenStems, Tagger
from stemlens.tagging.vocabulary import Tag
from stemlens_bridge.errors import StemlensError

__all__ = ["OpenSegment", "OpenStems", "Tag", "Tagger", "load", "names", "register", "unknown"]

Factory = Callable[[str], Tagger]

_factories: dict[str, Factory] = {}


def register(name: str, factory: Factory) -> None:
    """Make `factory(device)` the maker of tagger `name`; device is cpu, cuda or mps.

    Raises ValueError when the name is taken: two families cannot share one.
    """
    if name in _factories:
        raise ValueError(f"a tagger named {name!r} is already registered")
    _factories[name] = factory


def names() -> tuple[str, ...]:
    """The names of all taggers, sorted."""
    from stemlens.tagging import families

    for module in pkgutil.iter_modules(families.__path__, families.__name__ + "."):
        importlib.import_module(module.name)
    return tuple(sorted(_factories))


def load(name: str, device: str = "auto") -> Tagger:
    """The tagger `name` on `device`: cpu, cuda, mps, or auto for the fastest that is there.

    Raises StemlensError: tagger_unknown, device_unavailable, weights_missing, weights_damaged.
    """
    known = names()
    if name not in known:
        raise unknown(name, known)
    return _factories[name](compute_device(device))


def unknown(name: str, known: Iterable[str]) -> StemlensError:
    """The error for a tagger `name` that is none of `known`; names the nearest."""
    known = list(known)
    nearest = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f" The nearest is {nearest[0]}." if nearest else ""
    return StemlensError(
        "tagger_unknown",
        f"There is no tagger named {name!r}.{hint} Known taggers: {', '.join(known)}.",
    )


def compute_device(wanted: str) -> str:
    """cpu, cuda or mps; `auto` is the fastest that is there. Raises `device_unavailable`."""
    import torch

    there = ["cpu"]
    if torch.backends.mps.is_available():
        there.insert(0, "mps")
    if torch.cuda.is_available():
        there.insert(0, "cuda")
    if wanted == "auto":
        return there[0]
    if wanted not in there:
        raise StemlensError(
            "device_unavailable",
            f"This machine has no compute device {wanted!r} that PyTorch can use. "
            f"Choose one of: auto, {', '.join(there)}.",
        )
    return wanted
