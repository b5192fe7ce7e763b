"""Stemlens: which stem makes a mix sound like something, measured.

    >>> from stemlens import Session, analyze
    >>> analysis = analyze(Session.read("stems/"))         # doctest: +SKIP
    >>> analysis.to_dict()["tags"][0]["attributions"]      # doctest: +SKIP

The way through, in the order of the imports: `tagging` (a tagger's linear half adds stems up, its
network scores sums), `audio` and `material` (files made ready for a tagger, with `mix`, `master`
and `correlation`: what the bus does, and which stems belong together), `separation` and
`separating` (stems out of a lone mix, and how far to trust them), `scorecache` and `game` (the
score of any coalition, asked for once), `attribution` (values of a game), `opening` (a session
ready to be analysed), `result` (an Analysis and its plain form), `analysis` (where the stages
meet), `edits` (changes of stems, tried and suggested), `live` (moving faders), `validation` (is it
true?), `service` (jobs over OSC), `cli`. Definitions that a DAW side shares (sessions, options,
messages, errors) are in `stemlens_bridge`.

Importing this package does not import torch; the names below are loaded when they are used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stemlens_bridge import __version__
from stemlens_bridge.errors import StemlensError
from stemlens_bridge.protocol import Options
from stemlens_bridge.session import Session, Stem

if TYPE_CHECKING:
    from stemlens.analysis import Analysis, analyze

__all__ = ["Analysis", "Options", "Session", "Stem", "StemlensError", "__version__", "analyze"]


def __getattr__(name: str) -> Any:
    if name in ("Analysis", "analyze"):
        from stemlens import analysis

        return getattr(analysis, name)
    raise AttributeError(f"module 'stemlens' has no attribute {name!r}")
