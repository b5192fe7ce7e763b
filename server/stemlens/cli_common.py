"""What several commands of `stemlens` share: options, progress bars, the tagger."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import platformdirs
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from stemlens import audio, scorecache, separation, tagging
from stemlens.scorecache import ScoreCache
from stemlens.service.settings import Settings
from stemlens.tagging import Tagger, weights
from stemlens_bridge.protocol import MASTERS, SEPARATIONS, UNITS, VALUES, Options
from stemlens_bridge.session import Session

if TYPE_CHECKING:  # it would bring torch
    from stemlens.analysis import Analysis

DEVICES = ("auto", "cpu", "cuda", "mps")
DEFAULTS = Options()
SERVING = Settings(Path())
"""What a server does unless it is told otherwise."""

Places = Annotated[
    list[Path] | None,
    typer.Argument(help="Audio files, one folder of stems, or a session.json; none with --mix."),
]
MixFile = Annotated[
    Path | None, typer.Option(help="The bounce of the master; alone, it is separated.")
]
TaggerName = Annotated[str, typer.Option(help="A name of 'stemlens models list'.")]
SeparatorName = Annotated[
    str,
    typer.Option(
        help="What makes stems of a lone mix (docs/separation.md).", callback=separation.typed
    ),
]
Separate = Annotated[str, typer.Option(help=f"What is separated: {', '.join(SEPARATIONS)}.")]
ValueName = Annotated[str, typer.Option(help=f"What a share is: {', '.join(VALUES)}.")]
UnitName = Annotated[str, typer.Option(help=f"One of {', '.join(UNITS)}.")]
Budget = Annotated[
    int | None,
    typer.Option(min=0, help="How many combinations may be tagged.", show_default="16384"),
]
TimeLimit = Annotated[
    float | None, typer.Option("--time", min=0, help="For how many seconds may be tagged.")
]
Seed = Annotated[int, typer.Option(help="Of the choice of combinations.")]
MasterBus = Annotated[
    str, typer.Option(help=f"What is done about the master bus: {', '.join(MASTERS)}.")
]
SessionLoudness = Annotated[
    str, typer.Option(help="Bring the sum to this loudness in LUFS, or 'off'.")
]
Silence = Annotated[
    float | None, typer.Option(help="Power below which a stem is silent, in the tagger's unit.")
]
Fresh = Annotated[
    bool, typer.Option("--fresh", help="Tag everything anew, whatever is known from before.")
]
Device = Annotated[str, typer.Option(help=f"Where the network runs: {', '.join(DEVICES)}.")]
DataFolder = Annotated[
    Path | None, typer.Option("--data", metavar="DIR", help="Where jobs and results are kept.")
]
LogFolder = Annotated[
    Path | None,
    typer.Option(
        "--log-dir",
        metavar="DIR",
        help="Where the log is kept.",
        show_default="'logs' below --data where that is given, else where the system keeps logs",
    ),
]
ServerPort = Annotated[int, typer.Option(min=0, max=65_535, help="UDP and TCP; 0: any.")]
SettleSeconds = Annotated[
    float, typer.Option(min=0.1, help="Dropped files are taken when quiet for so many seconds.")
]
MaxMinutes = Annotated[
    float, typer.Option(min=0.1, help="Longer files are refused, minutes.", show_default=True)
]


@contextmanager
def progress_bars() -> Iterator[Callable[[str, float], None]]:
    """A bar for each stage on standard error, gone at the end; nothing off a terminal."""
    console = Console(stderr=True)
    bar = Progress(
        TextColumn("{task.description:<22}"),
        BarColumn(bar_width=30),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    with bar:
        tasks: dict[str, Any] = {}

        def show(stage: str, fraction: float) -> None:
            if stage not in tasks:
                tasks[stage] = bar.add_task(stage, total=1.0)
            bar.update(tasks[stage], completed=fraction)

        yield show


def session_at(places: list[Path] | None, mix: Path | None, max_minutes: float) -> Session:
    """The session, its files looked at before the tagger is loaded, which takes seconds; raises
    the errors of `audio.probe`."""
    session = Session.read(*(places or ()), mix=mix)
    for path in (*(stem.path for stem in session.stems), session.mix):
        if path is not None:
            audio.probe(path, max_duration_s=60 * max_minutes)
    return session


def loaded_tagger(name: str, device: str, show: Callable[[str, float], None]) -> Tagger:
    """The tagger, its weights fetched first where need be."""
    if name in weights.MODELS and not weights.is_there(name):
        weights.pull(name, progress=partial(show, "fetching weights"))
    show("loading the tagger", 0.0)  # importing torch takes seconds
    tagger = tagging.load(name, device)
    show("loading the tagger", 1.0)
    return tagger


def kept_scores(fresh: bool) -> ScoreCache:
    """The scores of earlier analyses, to be opened; none where it is to begin `fresh`."""
    return ScoreCache(None if fresh else scorecache.default_path())


def analysed(
    session: Session,
    options: Options,
    tagger: Tagger,
    show: Callable[[str, float], None],
    kept: ScoreCache,
    *,
    device: str,
    max_minutes: float,
) -> Analysis:
    """The analysis of a session; what is asked of its game later is kept too, while `kept` is
    open."""
    from stemlens.analysis import analyze

    return analyze(
        session,
        options,
        tagger=tagger,
        on_progress=show,
        max_duration_s=60 * max_minutes,
        kept=kept,
        device=device,
    )


def choice(value: str, allowed: tuple[str, ...], option: str) -> str:
    """One of the allowed values of an option; raises typer's own error."""
    if value not in allowed:
        raise typer.BadParameter(
            f"{value!r} is not one of {', '.join(allowed)}.", param_hint=option
        )
    return value


def loudness(text: str) -> float | str:
    """The option `session_loudness` as it was typed."""
    try:
        return float(text)
    except ValueError:
        return text


def data_folder(given: Path | None) -> Path:
    """The server's folder: the one given, or the user's."""
    return (given or Path(platformdirs.user_data_dir("stemlens"))).absolute()
