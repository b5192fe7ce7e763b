"""Separators: networks that make stems out of a mix.

The way through: `load(name, device)` → a `Separator`; its `separate` turns a mix into stems.
`demucs_models.py` holds the official Demucs models as data and finds or fetches their files,
`demucs_files.py` opens these files after checking them, `demucs_separator.py` runs a model, and
`query.py` separates what words ask for.

A name is one of
- `htdemucs` and the others of `demucs_models.MODELS`;
- `hf://[NAMESPACE/]NAME`, a Demucs model on the Hugging Face hub;
- a folder with a Demucs model in it, or `FOLDER/NAME` where it holds several;
- `query:WORDS[,WORDS …]`, stems asked for in words (see `query.py`);
- what an installed package provides as an entry point of the group `stemlens.separation`: `NAME` is
  called as `factory(device)` and `NAME:WORDS` as `factory(device, words)`, with device one of cpu,
  cuda, mps; both return a `Separator`.

Neither this module nor `names` and `identity` import torch or demucs; only `load` does.
"""

from __future__ import annotations

import difflib
import logging
from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Protocol

from stemlens.audio import Samples
from stemlens.separation import demucs_models
from stemlens_bridge.errors import StemlensError

GROUP = "stemlens.separation"
QUERY = "query"

OnProgress = Callable[[float], None]
Say = Callable[[str], None]

log = logging.getLogger(__name__)


class Separator(Protocol):
    """What makes stems out of a mix.

    stems: the names of what it makes, in its order; rate: the rate in Hz at which it works.
    """

    @property
    def name(self) -> str: ...
    @property
    def stems(self) -> tuple[str, ...]: ...
    @property
    def rate(self) -> int: ...

    def separate(
        self, samples: Samples, rate: int, on_progress: OnProgress = ...
    ) -> dict[str, Samples]:
        """The stems of a mix `[frames, channels]` at `rate` Hz, by name: each with as many frames,
        at that rate, mono for a mono mix and else stereo (more channels are folded, as Stemlens
        plays them).

        `on_progress` is told the fraction that is done; what it raises ends the work. Raises
        `separation_failed`.
        """
        ...


def names() -> tuple[str, ...]:
    """The names of all separators that are called by a name of their own."""
    return (*demucs_models.MODELS, QUERY, *sorted(_others()))


def typed(text: str) -> str:
    """The separator that a person means: a name as it is, a place as a whole path.

    A place is what has a slash in it, or the name of a folder that is there; names go first.
    """
    if text in demucs_models.MODELS or text.partition(":")[0] in (QUERY, *_others()):
        return text
    path = Path(text).expanduser()
    return str(path.absolute()) if demucs_models.is_folder(text) or path.is_dir() else text


def query_network() -> str | None:
    """The network that understands words and is installed, by its name."""
    from stemlens.separation import query

    return query.PACKAGES.get(query.installed() or "")


def load(name: str, device: str = "auto", say: Say = log.warning) -> Separator:
    """The separator `name` on `device`: cpu, cuda, mps, or auto for the fastest that is there.

    `say` is told in a sentence what is fetched, how large it is and under which terms. Raises
    StemlensError: separator_unknown, device_unavailable, weights_missing, weights_damaged.
    """
    kind, _, words = name.partition(":")
    if demucs_models.is_one(name):
        from stemlens.separation.demucs_separator import DemucsSeparator
        from stemlens.tagging import compute_device

        files = demucs_models.located(name, say)
        return DemucsSeparator(name, files, compute_device(device))
    if kind == QUERY:
        from stemlens.separation import query
        from stemlens.tagging import compute_device

        return query.load(words, compute_device(device))
    others = _others()
    if kind not in others:
        raise unknown(name)
    from stemlens.tagging import compute_device

    factory = others[kind].load()
    where = compute_device(device)
    made: Separator = factory(where, words) if words else factory(where)
    return made


def identity(name: str) -> str:
    """What tells a separator from another with other weights under the same name.

    Nothing is loaded. Raises `separator_unknown`, and `weights_missing` for a folder that is not
    there.
    """
    if demucs_models.is_one(name):
        return f"{name} {demucs_models.identity(name)}"
    kind = name.partition(":")[0]
    if kind == QUERY:
        from stemlens.separation import query

        return f"{name} {query.installed()}"
    found = _others().get(kind)
    if found is None:
        raise unknown(name)
    return f"{name} {found.value} {found.dist.version if found.dist else ''}"


def unknown(name: str) -> StemlensError:
    """The error for a separator `name` that there is not; names the nearest."""
    known = names()
    nearest = difflib.get_close_matches(name.partition(":")[0], known, n=1, cutoff=0.5)
    hint = f" The nearest is {nearest[0]}." if nearest else ""
    return StemlensError(
        "separator_unknown",
        f"There is no separator named {name!r}.{hint} Known are {', '.join(known)}, hf://NAME, and "
        "paths of folders with a Demucs model.",
    )


def _others() -> dict[str, EntryPoint]:
    """What other packages provide; they cannot take the name of a built-in one."""
    return {
        point.name: point
        for point in entry_points(group=GROUP)
        if point.name not in (*demucs_models.MODELS, QUERY)
    }
