"""How an experiment of `stemlens validate` is asked, and how it answers.

An experiment is a module with two functions: `run(settings, on_progress)` gives its figures, a
frozen dataclass of plain data with `checks`; `told(figures)` gives its section of the report, lines
of Markdown below the heading. Where a part of the installation that it needs is missing, `run`
raises StemlensError with a code of `LACKING`; the report then says that it was not run, and why.

Scores and shares are 0 to 1 in figures; the report tells points.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from stemlens.opening import Progress as Progress
from stemlens.scorecache import ScoreCache
from stemlens.tagging.tagger import Tagger
from stemlens.validation.needs import enough, too_few
from stemlens_bridge.protocol import Options
from stemlens_bridge.session import Session
from stemlens_bridge.wording import number

LACKING = ("extra_missing", "weights_missing", "nothing_to_analyse")


@dataclass(frozen=True, slots=True)
class Settings:
    """What is looked into, and how closely.

    sessions: the material. quick: fewer passages and repetitions. seed: of all that is drawn.
    separator: what separates a mix, where its weights are there.
    asked: options of the command that named the sessions and the tagger, for the page.
    unheard: why a session that was asked for is not among them; "" where none is lacking.
    kept: scores of this run, so that experiments do not tag the same twice; nothing from before.
    """

    tagger: Tagger
    sessions: tuple[Session, ...]
    quick: bool = False
    seed: int = 0
    separator: str = Options().separator
    device: str = "auto"
    asked: tuple[str, ...] = ()
    unheard: str = ""
    kept: ScoreCache = field(default_factory=ScoreCache)


@dataclass(frozen=True, slots=True)
class Check:
    """One row of the table at the top: what was asked, what should be found, and what was.

    holds: None where there is no target, and the figure is only told.
    """

    asked: str
    target: str
    found: str
    holds: bool | None = None


def of_enough(fact: str, count: int, check: Check) -> Check:
    """The check, or where there is less than the fact takes (`needs`), a row that says so."""
    if enough(fact, count):
        return check
    return Check(check.asked, check.target, too_few(fact, count))


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A table in Markdown; what would end a cell is written so that it does not."""
    lines = [head, ["---"] * len(head), *rows]
    return [f"| {' | '.join(_cell(cell) for cell in line)} |" for line in lines]


def _cell(text: str) -> str:
    shown = " ".join(text.split()).replace("\\", "\\\\").replace("|", "\\|")
    return shown.replace("<", "&lt;").replace("`", "\\`")


def points(value: float, digits: int = 1) -> str:
    """A part of a score in points with its sign: "+21.4", "−0.3", "0.0"."""
    return number(100 * value, digits, sign=True)


def tiny(value: float) -> str:
    """A difference that should be next to none: "3e−8", "0"."""
    return "0" if value == 0 else f"{value:.0e}".replace("e-0", "e−").replace("e-", "e−")


def percent(part: float, digits: int = 0) -> str:
    """A part of the whole: "95 %", "−100 %"; a dash for NaN."""
    return "–" if part != part else f"{number(100 * part, digits)} %"


def part(on_progress: Progress, done: int, of: int) -> Progress:
    """What one of several like pieces of work tells of itself, told of all of them."""
    return lambda stage, fraction: on_progress(stage, (done + fraction) / of)
