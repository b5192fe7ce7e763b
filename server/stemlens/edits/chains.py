"""A chain with everything settled: the plug-ins of an edit, in order, with the values they get."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from stemlens.edits.plugins import PLUGINS

Values = Mapping[str, float | str]

# Of these a higher value, relative to the stem's loudness, means a lower one relative to full
# scale: it says how far above full scale the loudness is driven.
_DRIVES = ("drive_db",)
_CUTOFFS = ("cutoff_frequency_hz", "cutoff_hz", "centre_frequency_hz")


@dataclass(frozen=True, slots=True)
class Setting:
    """One plug-in with its values.

    relative: the names of those that are in LU, until `absolute` has settled them. inside: what a
    `Mix` plays beside the sound as it was. path: the bundle of a `VST3`.
    """

    plugin: str
    values: Values = field(default_factory=dict)
    relative: frozenset[str] = frozenset()
    inside: tuple[Setting, ...] = ()
    path: Path | None = None

    @property
    def is_filter(self) -> bool:
        """Whether it is known by its impulse response (see `plugins.Plugin`)."""
        if self.plugin == "Mix":
            return all(setting.is_filter for setting in self.inside)
        return PLUGINS[self.plugin].is_filter

    @property
    def tail_s(self) -> float:
        """How long it sounds after its input has ended."""
        inside = sum(setting.tail_s for setting in self.inside)
        return inside + PLUGINS[self.plugin].tail_s(self.values)

    def to_plain(self) -> dict[str, Any]:
        plain: dict[str, Any] = {"plugin": self.plugin, **self.values}
        if self.inside:
            plain["chain"] = [setting.to_plain() for setting in self.inside]
        if self.path is not None:
            plain["path"] = str(self.path)
        return plain


Chain = tuple[Setting, ...]


def absolute(chain: Iterable[Setting], loudness_lufs: float) -> Chain:
    """The chain for a stem of this loudness: levels relative to it become dB of full scale."""

    def settled(name: str, value: float | str) -> float | str:
        if isinstance(value, str):
            return value
        return value - loudness_lufs if name in _DRIVES else value + loudness_lufs

    return tuple(
        replace(
            setting,
            values={
                name: settled(name, value) if name in setting.relative else value
                for name, value in setting.values.items()
            },
            relative=frozenset(),
            inside=absolute(setting.inside, loudness_lufs),
        )
        for setting in chain
    )


def below(chain: Iterable[Setting], highest_hz: float) -> Chain:
    """The chain with no filter above that frequency."""

    def limited(name: str, value: float | str) -> float | str:
        return min(value, highest_hz) if name in _CUTOFFS and not isinstance(value, str) else value

    return tuple(
        replace(
            setting,
            values={name: limited(name, value) for name, value in setting.values.items()},
            inside=below(setting.inside, highest_hz),
        )
        for setting in chain
    )


def needs_loudness(chain: Iterable[Setting]) -> bool:
    """Whether a value in it is relative to the loudness of the stem."""
    return any(setting.relative or needs_loudness(setting.inside) for setting in chain)


def is_filter(chain: Chain) -> bool:
    """Whether the chain is one filter, known by its impulse response."""
    return all(setting.is_filter for setting in chain)


def gain_db(chain: Chain) -> float | None:
    """What the chain does to the level, where that is all it does; else None."""
    if any(setting.plugin != "Gain" for setting in chain):
        return None
    return sum(float(setting.values["gain_db"]) for setting in chain)


def is_heard_in_mono(chain: Chain) -> bool:
    """Whether anything of it is left when the sides are summed, by the nature of its plug-ins."""
    return any(setting.plugin != "Width" for setting in chain)
