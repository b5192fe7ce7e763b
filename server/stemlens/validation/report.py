"""The experiments run one after the other, and the page that tells of them.

At the top a table of what was asked, what should be found, and what was; then a section for each
experiment; then how it was made. What could not be run is told, in the table and in its section.
"""

from __future__ import annotations

import dataclasses
import os
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from types import ModuleType
from typing import Any

from stemlens import __version__
from stemlens.validation import EXPERIMENTS, module_of
from stemlens.validation.experiment import LACKING, Check, Progress, Settings, table
from stemlens_bridge.errors import StemlensError

SCHEMA = "stemlens.validation/1"
PACKAGES = ("torch", "numpy", "scipy", "demucs")


@dataclass(frozen=True, slots=True)
class Ran:
    """One experiment: its figures and how long they took, or why it was not run."""

    name: str
    figures: Any = None
    section: tuple[str, ...] = ()
    seconds: float = 0.0
    missing: str | None = None

    @property
    def checks(self) -> tuple[Check, ...]:
        """What should hold."""
        return () if self.missing is not None else tuple(self.figures.checks)


@dataclass(frozen=True, slots=True)
class Report:
    """All that was run."""

    settings: Settings
    ran: tuple[Ran, ...]

    @property
    def missed(self) -> list[Check]:
        """The targets that were not met."""
        return [check for one in self.ran for check in one.checks if check.holds is False]

    def markdown(self) -> str:
        """The page."""
        lines = [
            "# Is it true?",
            "",
            "An explanation that cannot be wrong explains nothing. These experiments could have "
            "shown that Stemlens' explanations are; each section says what would make it fail. "
            f"Made by `{self._command()}`, which anyone can run, on stems of their own with "
            "`--stems`.",
            "",
            *table(["what was asked", "target", "found", "holds?"], self._rows()),
            "",
        ]
        if self.missed:
            count = len(self.missed)
            lines += [f"**{count} target{'s' * (count > 1)} missed.**", ""]
        for one in self.ran:
            lines += [f"## {EXPERIMENTS[one.name]}", ""]
            if one.missing is not None:
                lines += [f"**Not run.** {one.missing}", ""]
            else:
                lines += [*one.section, ""]
        return "\n".join([*lines, *self._made()]) + "\n"

    def _rows(self) -> list[list[str]]:
        rows = []
        if self.settings.unheard:
            rows.append(["All experiments, on a song of LMMS too", "–", "–", "not run"])
        for one in self.ran:
            if one.missing is not None:
                rows.append([EXPERIMENTS[one.name], "–", "–", "not run"])
            for check in one.checks:
                verdict = {True: "yes", False: "**no**", None: "–"}[check.holds]
                rows.append([check.asked, check.target, check.found, verdict])
        return rows

    def _command(self) -> str:
        named = [one.name for one in self.ran]
        some = [] if named == list(EXPERIMENTS) else named
        quick = ["--quick"] if self.settings.quick else []
        seed = [f"--seed {self.settings.seed}"] if self.settings.seed else []
        return " ".join(["stemlens validate", *some, *self.settings.asked, *quick, *seed])

    def _made(self) -> list[str]:
        took = ", ".join(
            f"{one.name} {one.seconds:.0f} s" for one in self.ran if one.missing is None
        )
        sessions = ", ".join(session.project for session in self.settings.sessions)
        versions = ", ".join(f"{name} {own}" for name, own in made_with().items())
        return [
            "## How it was made",
            "",
            f"Heard by {self.settings.tagger.name} ({self.settings.tagger.identity}); sessions: "
            f"{sessions}{self._lacking()}; seed {self.settings.seed}"
            f"{'; quick: fewer passages and repetitions' * self.settings.quick}. Every score was "
            "tagged anew in this run. With the same seed, versions and kind of machine the figures "
            "come out the same but for the times.",
            "",
            f"Versions: {versions}. Machine: {machine()}. Time: {took or 'none'}.",
        ]

    def _lacking(self) -> str:
        unheard = self.settings.unheard
        return f" (one that was asked for is lacking: {unheard})" if unheard else ""

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain data."""
        return {
            "schema": SCHEMA,
            "command": self._command(),
            "tagger": self.settings.tagger.name,
            "sessions": [session.project for session in self.settings.sessions],
            "seed": self.settings.seed,
            "quick": self.settings.quick,
            "holds": not self.missed,
            "experiments": [
                {
                    "name": one.name,
                    "not_run": one.missing,
                    "seconds": round(one.seconds, 1),
                    "figures": None if one.missing else plain(dataclasses.asdict(one.figures)),
                }
                for one in self.ran
            ],
            "versions": made_with(),
        }


def run(
    names: Sequence[str],
    settings: Settings,
    on_progress: Progress,
    module: Callable[[str], ModuleType] = module_of,
) -> Report:
    """Runs the experiments of these names, in their order."""
    ran = []
    for name in names:
        started = time.perf_counter()
        own = module(name)

        def show(stage: str, fraction: float, title: str = name) -> None:
            on_progress(f"{title}: {stage}", fraction)

        try:
            figures = own.run(settings, show)
        except StemlensError as error:
            if error.code not in LACKING:
                raise
            ran.append(Ran(name, missing=error.message))
            continue
        section = tuple(own.told(figures))
        ran.append(Ran(name, figures, section, time.perf_counter() - started))
    return Report(settings, tuple(ran))


def made_with() -> dict[str, str]:
    """The versions of all that scores and figures depend on."""
    found = {"stemlens": __version__, "Python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def machine() -> str:
    """The kind of machine, without its name."""
    return f"{platform.system()}, {platform.machine()}, {os.cpu_count()} cores"


def plain(data: Any) -> Any:
    """Data that JSON can hold: no NaN, no tuples, nothing of numpy, texts for all else."""
    if isinstance(data, dict):
        return {str(key): plain(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [plain(value) for value in data]
    if hasattr(data, "item"):
        return plain(data.item())
    if isinstance(data, float) and data != data:
        return None
    return data if data is None or isinstance(data, bool | int | float | str) else str(data)
