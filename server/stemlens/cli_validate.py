"""The command `stemlens validate`: experiments that could show that explanations are wrong."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from stemlens import separation
from stemlens.cli_common import (
    DEFAULTS,
    DEVICES,
    Device,
    TaggerName,
    choice,
    loaded_tagger,
    progress_bars,
)
from stemlens.validation import EXPERIMENTS
from stemlens_bridge import jsontext
from stemlens_bridge.errors import StemlensError
from stemlens_bridge.session import Session
from stemlens_bridge.writing import require_writable, written


def add(app: typer.Typer) -> None:
    """Defines the command."""
    app.command()(validate)


def validate(
    experiments: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="EXPERIMENT",
            help=f"Some of {', '.join(EXPERIMENTS)}; all without.",
            show_default=False,
        ),
    ] = None,
    stems: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="STEMS",
            help="A folder of stems or a session.json to look into; may be given several times.",
            show_default="the demo session",
        ),
    ] = None,
    songs: Annotated[
        bool, typer.Option("--songs", help="Also a song that comes with LMMS, rendered by it.")
    ] = False,
    quick: Annotated[
        bool, typer.Option("--quick", help="Fewer passages and repetitions: under a minute.")
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE.md", help="Write the report here."),
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write all figures.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of all that is drawn.")] = 0,
    tagger: TaggerName = DEFAULTS.tagger,
    separator: Annotated[
        str,
        typer.Option(
            help="What is tried on known stems, where its weights are here.",
            callback=separation.typed,
        ),
    ] = DEFAULTS.separator,
    device: Device = "auto",
) -> None:
    """Find out whether explanations are right. Exit code 1: a target was missed.

    The report goes to standard output, in Markdown (docs/validation.md is one).
    """
    for name in experiments or ():
        choice(name, tuple(EXPERIMENTS), "EXPERIMENT")
    choice(device, DEVICES, "--device")
    require_writable(output, json_file)
    from stemlens.validation import material, report
    from stemlens.validation.experiment import Settings

    named = [Session.read(place) for place in stems or ()] or [material.demo()]
    for session in named:
        if not session.stems:
            raise StemlensError(
                "session_invalid",
                f"{session.project} is a mix without stems; --stems needs stems that are known.",
            )
    with progress_bars() as show:
        unheard = _with_song(named, show) if songs else ""
        loaded = loaded_tagger(tagger, device, show)
        asked = ["--stems …"] * bool(stems) + ["--songs"] * songs
        if tagger != DEFAULTS.tagger:
            asked.append(f"--tagger {tagger}")
        settings = Settings(
            loaded, tuple(named), quick, seed, separator, device, tuple(asked), unheard
        )
        with settings.kept:
            wanted = [name for name in EXPERIMENTS if not experiments or name in experiments]
            found = report.run(wanted, settings, show)
    try:
        if output is not None:
            with written(output) as part:
                part.write_text(found.markdown(), encoding="utf-8")
        if json_file is not None:
            jsontext.write(json_file, found.to_dict())
    finally:  # what took minutes is shown even where the disk is full
        if output is None:
            print(found.markdown(), end="")
    for check in found.missed:
        told = f"Missed: {check.asked}: {check.found}, and it should be {check.target}."
        print(told, file=sys.stderr)
    if found.missed:
        raise typer.Exit(1)


def _with_song(sessions: list[Session], show: Callable[[str, float], None]) -> str:
    """Adds the song of LMMS; returns why not, where LMMS is not installed."""
    from stemlens.validation.songs import lmms_song

    try:
        sessions.append(Session.read(lmms_song(show)))
    except StemlensError as error:
        if error.code != "extra_missing":
            raise
        return error.message
    return ""
