"""Presets: named edits with ranges, as TOML files, checked when they are read.

    title = "Presence"
    says = "Brings it forward: a wide lift where consonants and picks are"
    suits = { names = ["*vox*", "*guitar*"], tags = ["guitar"] }   # all stems without it
    loudness_match = true       # false where the level is the point
    [[chain]]
    plugin = "PeakFilter"
    cutoff_frequency_hz = { default = 3500, low = 2000, high = 6000, unit = "Hz" }
    gain_db = { default = 4, low = 0, high = 8, unit = "dB" }
    q = { default = 0.8, low = 0.4, high = 2, unit = "" }

What can stand in a chain is in `plugins`; a parameter that is left out has the plug-in's default. A
`Mix` has a chain of its own, `[[chain.chain]]`, which the amount leaves as it is: it only blends. A
`VST3` has a `path` (relative to the file), perhaps `parameters`, and no ranges of ours.

The file's name is the preset's. Those in the user's own folder take the place of ours of that name.
What is wrong in a file is one `preset_invalid` with file, line and what is allowed there.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import platformdirs

from stemlens.edits.chains import Chain, Setting
from stemlens.edits.plugins import LU, PLUGINS, REFUSED, Parameter
from stemlens.edits.tomlfile import TomlFile
from stemlens_bridge import resources
from stemlens_bridge.edits import Edit
from stemlens_bridge.errors import StemlensError
from stemlens_bridge.jsontext import is_number

KEYS = {"title", "says", "suits", "loudness_match", "chain"}
NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


@dataclass(frozen=True, slots=True)
class Ranged:
    """A parameter in a preset: its value, how far it may be set, and its unit."""

    default: float | str
    low: float
    high: float
    unit: str


@dataclass(frozen=True, slots=True)
class Stage:
    """One plug-in of a preset's chain."""

    plugin: str
    parameters: Mapping[str, Ranged]
    inside: tuple[Stage, ...] = ()
    path: Path | None = None
    vst3: Mapping[str, float | str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Preset:
    """A named edit. `names` are patterns of the names of stems that it suits, `tags` are what stems
    that it suits bring to a mix; both empty: all."""

    name: str
    title: str
    says: str
    names: tuple[str, ...]
    tags: tuple[str, ...]
    loudness_match: bool
    chain: tuple[Stage, ...]
    file: Path

    def suits(self, stem: str, tags: Mapping[str, float], least: float = 0.05) -> bool:
        """Whether it is for a stem of that name, with those shares by tag."""
        if not self.names and not self.tags:
            return True
        named = any(fnmatchcase(stem.casefold(), pattern.casefold()) for pattern in self.names)
        return named or any(tags.get(tag, 0.0) >= least for tag in self.tags)

    def settings(self, edit: Edit) -> Chain:
        """The chain at the edit's amount and parameters; raises `edit_invalid`.

        With an amount of 0 nothing is left of it.
        """
        given = dict(edit.parameters)
        chain = tuple(
            _setting(stage, number, edit, given, self) for number, stage in enumerate(self.chain, 1)
        )
        if given:
            name = next(iter(given))
            known = [key for key, _ in self.parameters()]
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"it has {', '.join(known)}."
            raise StemlensError(
                "edit_invalid", f"{edit}: the preset {self.name} has no parameter {name!r}; {hint}"
            )
        return chain if edit.amount else ()

    def parameters(self) -> Iterator[tuple[str, Ranged]]:
        """All parameters by the names that an edit can set them by."""
        every = [
            (number, name, it)
            for number, stage in enumerate(self.chain, 1)
            for name, it in stage.parameters.items()
        ]
        names = [name for _, name, _ in every]
        for number, name, it in every:
            yield name if names.count(name) == 1 else f"{number}.{name}", it


def _setting(
    stage: Stage, number: int, edit: Edit, given: dict[str, float | str], preset: Preset
) -> Setting:
    """A stage at an amount; takes from `given` what it has used."""
    table = PLUGINS[stage.plugin].parameters
    values: dict[str, float | str] = {}
    for name, it in stage.parameters.items():
        for key in (f"{number}.{name}", name):
            if key in given:
                values[name] = _checked(it, given.pop(key), f"{edit}: {key}")
                break
        else:
            values[name] = _scaled(it, table[name], edit.amount)
    if stage.plugin == "VST3":
        values = dict(stage.vst3)
    return Setting(
        stage.plugin,
        values,
        frozenset(name for name, it in stage.parameters.items() if it.unit == LU),
        tuple(_whole(inner) for inner in stage.inside),
        stage.path,
    )


def _whole(stage: Stage) -> Setting:
    """A stage as its preset has it."""
    return Setting(
        stage.plugin,
        dict(stage.vst3) or {name: it.default for name, it in stage.parameters.items()},
        frozenset(name for name, it in stage.parameters.items() if it.unit == LU),
        tuple(_whole(inner) for inner in stage.inside),
        stage.path,
    )


def _scaled(it: Ranged, parameter: Parameter, amount: float) -> float | str:
    """A parameter between doing nothing (0) and the preset's value (1), or beyond, in its range."""
    fixed = parameter.neutral is None or it.unit != parameter.unit
    if isinstance(it.default, str) or fixed or amount == 1:
        return it.default
    neutral, value = float(parameter.neutral or 0), it.default
    if parameter.log and neutral > 0 and value > 0:
        scaled = neutral * (value / neutral) ** amount
    else:
        scaled = neutral + amount * (value - neutral)
    if amount <= 1:
        return scaled
    return min(max(scaled, it.low), it.high)


def _checked(it: Ranged, value: float | str, what: str) -> float | str:
    if isinstance(it.default, str) or isinstance(value, str):
        raise StemlensError("edit_invalid", f"{what} is {value!r}; it must be a number.")
    if not it.low <= value <= it.high:
        raise StemlensError(
            "edit_invalid",
            f"{what} is {value:g}; it goes from {it.low:g} to {it.high:g} {it.unit}".rstrip() + ".",
        )
    return value


# ------------------------------------------------------------------------------------ the folders


def folders() -> list[Path]:
    """Where presets of edits are: ours, then the user's."""
    return [resources.folder("presets") / "edits", user_folder()]


def user_folder() -> Path:
    """The user's own presets; it need not exist."""
    return Path(platformdirs.user_config_dir("stemlens")) / "presets" / "edits"


class Presets(Mapping[str, Preset]):
    """All presets by name, the user's before ours. Raises `preset_invalid` for the first file that
    is not what it must be."""

    def __init__(self, places: list[Path] | None = None) -> None:
        files: dict[str, Path] = {}
        for place in folders() if places is None else places:
            files |= {path.stem: path for path in sorted(place.glob("*.toml"))}
        self._presets = {name: read(path) for name, path in sorted(files.items())}

    def __getitem__(self, name: str) -> Preset:
        if name not in self._presets:
            near = difflib.get_close_matches(name, self._presets, n=1, cutoff=0.5)
            hint = f" The nearest is {near[0]}." if near else ""
            raise StemlensError(
                "preset_unknown",
                f"There is no preset {name!r}.{hint} 'stemlens presets' lists them; your own go "
                f"into {user_folder()}.",
            )
        return self._presets[name]

    def __contains__(self, name: object) -> bool:
        return name in self._presets

    def __iter__(self) -> Iterator[str]:
        return iter(self._presets)

    def __len__(self) -> int:
        return len(self._presets)


# --------------------------------------------------------------------------------- reading a file


def read(path: Path) -> Preset:
    """The preset in a TOML file; raises `preset_invalid`."""
    file = TomlFile.read(path, "preset_invalid")
    return _Reader(path, file.text).preset(file.data)


class _Reader:
    """Checks what a file says, and knows in which line it said it."""

    def __init__(self, path: Path, text: str) -> None:
        self._path = path
        self._lines = text.splitlines()

    def preset(self, given: Mapping[str, Any]) -> Preset:
        if not NAME.fullmatch(self._path.stem):
            raise self._error("", 0, "its name must be of small letters, digits and hyphens")
        self._only(given, KEYS, "a preset", 0)
        for key in ("title", "says"):
            if not isinstance(given.get(key), str) or not given[key]:
                raise self._error(key, 0, f"a preset needs {key}, a text")
        match = given.get("loudness_match", True)
        if not isinstance(match, bool):
            raise self._error("loudness_match", 0, "loudness_match must be true or false")
        suits = given.get("suits", {})
        if not isinstance(suits, Mapping):
            raise self._error("suits", 0, 'suits must be like { names = ["*vocal*"] }')
        self._only(suits, {"names", "tags"}, "suits", 0)
        lists = [suits.get(key, []) for key in ("names", "tags")]
        if not all(isinstance(it, list) and all(isinstance(x, str) for x in it) for it in lists):
            raise self._error("suits", 0, "suits has lists of texts: names, tags")
        chain = given.get("chain")
        if not isinstance(chain, list) or not chain:
            raise self._error("chain", 0, "a preset needs at least one [[chain]]")
        headers = self._headers()
        return Preset(
            self._path.stem,
            given["title"],
            given["says"],
            tuple(lists[0]),
            tuple(lists[1]),
            match,
            tuple(self._stage(stage, headers, False) for stage in chain),
            self._path,
        )

    def _stage(self, given: Any, headers: Iterator[int], inside: bool) -> Stage:
        line = next(headers, 0)
        if not isinstance(given, Mapping):
            raise self._error("chain", line, "a chain is a list of tables, [[chain]]")
        plugin = given.get("plugin")
        if plugin in REFUSED:
            raise self._error("plugin", line, f"{plugin} cannot be used: {REFUSED[plugin]}")
        if plugin not in PLUGINS:
            near = difflib.get_close_matches(str(plugin), PLUGINS, n=1)
            hint = f"did you mean {near[0]}? " if near else ""
            raise self._error(
                "plugin", line, f"there is no plug-in {plugin!r}; {hint}known: {', '.join(PLUGINS)}"
            )
        facts = PLUGINS[plugin]
        if plugin == "VST3":
            return self._vst3(given, line)
        if facts.has_chain and inside:
            raise self._error("plugin", line, "the chain of a Mix must be without a Mix in it")
        allowed = {"plugin", *facts.parameters, *(("chain",) if facts.has_chain else ())}
        self._only(given, allowed, plugin, line)
        inner = given.get("chain", [])
        if facts.has_chain and (not isinstance(inner, list) or not inner):
            raise self._error("plugin", line, f"a {plugin} needs a [[chain.chain]]")
        ranged = {
            name: self._ranged(name, given[name], parameter, plugin, line)
            if name in given
            else Ranged(parameter.default, parameter.low, parameter.high, parameter.units[0])
            for name, parameter in facts.parameters.items()
        }
        return Stage(plugin, ranged, tuple(self._stage(one, headers, True) for one in inner))

    def _ranged(
        self, name: str, given: Any, parameter: Parameter, plugin: str, line: int
    ) -> Ranged:
        what = f"{plugin}.{name}"
        if parameter.choices:
            if given not in parameter.choices:
                choices = ", ".join(parameter.choices)
                raise self._error(name, line, f"{what} is {given!r}; it must be one of {choices}")
            return Ranged(given, 0.0, 0.0, "")
        if not isinstance(given, Mapping):
            raise self._error(
                name, line, f"{what} must be like {{ default = 1, low = 0, high = 2, unit = … }}"
            )
        self._only(given, {"default", "low", "high", "unit"}, what, line)
        for key in ("default", "low", "high"):
            if not is_number(given.get(key)):
                raise self._error(name, line, f"{what} needs {key}, a number")
        unit = given.get("unit", "")
        if unit not in parameter.units:
            units = " or ".join(repr(it) for it in parameter.units)
            raise self._error(name, line, f"{what} has the unit {unit!r}; it must be {units}")
        value, low, high = (float(given[key]) for key in ("default", "low", "high"))
        if not low <= value <= high:
            raise self._error(
                name, line, f"{what}: {value:g} does not lie between {low:g} and {high:g}"
            )
        if not parameter.low <= low <= high <= parameter.high:
            raise self._error(
                name,
                line,
                f"{what} goes from {low:g} to {high:g}; it can go from {parameter.low:g} to "
                f"{parameter.high:g} {unit}".rstrip(),
            )
        return Ranged(value, low, high, unit)

    def _vst3(self, given: Mapping[str, Any], line: int) -> Stage:
        self._only(given, {"plugin", "path", "parameters"}, "VST3", line)
        if not isinstance(given.get("path"), str):
            raise self._error("path", line, "a VST3 needs path, that of its bundle")
        parameters = given.get("parameters", {})
        if not isinstance(parameters, Mapping) or not all(
            is_number(value) or isinstance(value, str) for value in parameters.values()
        ):
            raise self._error("parameters", line, "parameters of a VST3 are numbers or texts")
        path = self._path.parent / Path(given["path"]).expanduser()
        return Stage("VST3", {}, (), path, dict(parameters))

    def _only(self, given: Mapping[str, Any], allowed: set[str], what: str, line: int) -> None:
        for key in given:
            if key not in allowed:
                near = difflib.get_close_matches(key, allowed, n=1)
                hint = f"did you mean {near[0]}? " if near else ""
                known = ", ".join(sorted(allowed - {"plugin"})) or "nothing"
                raise self._error(key, line, f"{what} has no {key!r}; {hint}It has {known}")

    def _headers(self) -> Iterator[int]:
        """The lines with which the plug-ins of chains begin."""
        return (
            number
            for number, line in enumerate(self._lines, 1)
            if re.match(r"\s*\[\[\s*chain", line)
        )

    def _error(self, key: str, after: int, why: str) -> StemlensError:
        """The error for a key that stands in some line after another."""
        for number, line in enumerate(self._lines[after:], after + 1):
            if key and re.search(rf"\b{re.escape(key)}\b", line.partition("#")[0]):
                return self._told(number, why)
        return self._told(after, why)

    def _told(self, line: int, why: str) -> StemlensError:
        where = f"{self._path}, line {line}" if line else str(self._path)
        return StemlensError("preset_invalid", f"{where}: {why}.")
