"""The command `stemlens report`, and the options by which `analyze` writes the same.

A page to be sent around, plots and a table are made of a result that was saved, or of one just
found. Neither needs a tagger; matplotlib is imported only where plots are asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stemlens_bridge import jsontext, schemas
from stemlens_bridge.writing import require_folder, require_writable, written

if TYPE_CHECKING:
    from stemlens.over_time import OverTime
    from stemlens.report.sounds import Tried

MOST_MB = 8.0

ReportMb = Annotated[
    float, typer.Option("--report-mb", min=0, help="How large that page may be, with its sounds.")
]
PlotsFolder = Annotated[
    Path | None,
    typer.Option("--plots", metavar="DIR", help="Write plots there, as PNG and SVG."),
]
CsvFile = Annotated[
    Path | None, typer.Option("--csv", metavar="FILE", help="Write all shares as a table.")
]


def add(app: typer.Typer) -> None:
    """Defines the command."""
    app.command()(report)


def report(
    result: Annotated[Path, typer.Argument(metavar="RESULT.json", help="A saved result.")],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help="The page, HTML.")
    ] = None,
    trials: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="What 'try' or 'suggest' wrote with --json."),
    ] = None,
    report_mb: ReportMb = MOST_MB,
    plots: PlotsFolder = None,
    csv: CsvFile = None,
) -> None:
    """Make one page of a saved result that can be sent around: what, why, when, with sounds in it.

    The stems are heard where their files are still there (docs/report.md).
    """
    from stemlens.over_time import saved

    if output is None and plots is None and csv is None:
        raise typer.BadParameter(
            "say what to make: -o FILE.html, --plots DIR or --csv FILE.", param_hint="--output"
        )
    require_outputs(output, plots, csv)
    _, over_time = saved(result)
    document = jsontext.read(result.read_text(encoding="utf-8"))
    tried = [(path.name, schemas.load(path, schemas.TRIALS)) for path in trials or ()]
    write(
        document, over_time, output, report_mb, plots, csv, tried_so_far=tried if trials else None
    )


def require_outputs(page: Path | None, plots: Path | None, csv: Path | None) -> None:
    """Raises `output_failed` for what could not be written; to be asked before long work."""
    require_writable(page, csv)
    if plots is not None:
        require_folder(plots)


def write(
    document: Mapping[str, Any],
    over_time: OverTime | None,
    page: Path | None,
    page_mb: float,
    plots: Path | None,
    csv: Path | None,
    *,
    tried_so_far: Tried | None = None,
) -> None:
    """Writes what is asked for; raises `output_failed`."""
    if csv is not None:
        from stemlens.report import csvfile

        csvfile.write(csv, document)
    if plots is not None:
        from stemlens.report import plots as drawn

        drawn.write(plots, document, over_time)
    if page is not None:
        from stemlens.report.page import report as made

        told = made(document, over_time, max_mb=page_mb, tried_so_far=tried_so_far)
        with written(page) as part:
            part.write_text(told, encoding="utf-8")
