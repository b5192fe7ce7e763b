"""The command `stemlens highlight`: the passage in which a song is most what it is, as a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from stemlens.audio import MAX_DURATION_S
from stemlens.cli_common import (
    DEFAULTS,
    DEVICES,
    Device,
    Fresh,
    MaxMinutes,
    TaggerName,
    analysed,
    choice,
    kept_scores,
    loaded_tagger,
    progress_bars,
    session_at,
)
from stemlens_bridge import jsontext, schemas
from stemlens_bridge.annotations import points
from stemlens_bridge.errors import StemlensError
from stemlens_bridge.protocol import LEAST_HOP_S, Options
from stemlens_bridge.session import Session
from stemlens_bridge.writing import require_writable


def add(app: typer.Typer) -> None:
    """Defines the command."""
    app.command()(highlight)


def highlight(
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="WAV", help="The audio file to write.")
    ],
    places: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Audio files, one folder of stems, a session.json, or a saved result; none with "
            "--mix."
        ),
    ] = None,
    mix: Annotated[
        Path | None, typer.Option(help="The bounce of the master; it is what is heard then.")
    ] = None,
    tagger: TaggerName = DEFAULTS.tagger,
    hop: Annotated[
        float | None,
        typer.Option(min=LEAST_HOP_S, help="Look each so many seconds.", show_default="a segment"),
    ] = None,
    device: Device = "auto",
    fresh: Fresh = False,
    max_minutes: MaxMinutes = MAX_DURATION_S / 60,
) -> None:
    """Write the 15 to 30 s in which a song is most what it is, at the level of its bounce."""
    choice(device, DEVICES, "--device")
    require_writable(output)
    if output.suffix.lower() not in (".wav", ".rf64"):
        raise typer.BadParameter(
            f"it will be a WAV file: call it {output.stem}.wav.", param_hint="--output"
        )
    given = places or []
    if mix is None and len(given) == 1 and _is_result(given[0]):
        document = schemas.load(given[0], schemas.RESULT)
        stems, mix_file = document["session"]["stems"], document["session"]["mix"]
        _require_other(output, [stem["path"] for stem in stems], mix_file and mix_file["path"])
    else:
        options = Options(tagger=tagger, hop_s=hop, budget=0)  # which the sum of all is spared
        # A lone mix is heard as it is: no stems are made of it.
        if not given and mix is not None:
            given, mix = [mix], None
        session = session_at(given, mix, max_minutes)
        _require_other(output, [stem.path for stem in session.stems], session.mix)
        document = _heard(session, options, device, fresh, max_minutes)
    if "highlight" not in document:
        raise StemlensError(
            "result_invalid",
            f"{given[0]} was written before there were highlights. Analyse the session again.",
        )
    found = document["highlight"]
    if found is None:
        raise StemlensError(
            "nothing_to_analyse",
            "There is no highlight, because no tag is clearly above silence. Is the bounce right?",
        )
    from stemlens.explain import excerpt
    from stemlens_bridge.wording import clock

    samples, rate = excerpt.excerpt(
        document, found["start_s"], found["end_s"], max_duration_s=60 * max_minutes
    )
    excerpt.write(output, samples, rate)
    print(f"{clock(found['start_s'])} to {clock(found['end_s'])} is in {output}.")
    for tag in found["tags"]:
        print(
            f"  {tag['tag']:<20} {points(tag['score']):3d} of 100 points there, "
            f"{points(tag['song'])} in the whole song"
        )


def _is_result(path: Path) -> bool:
    """Whether a file is a saved result, of whatever version, and no session.json."""
    if path.suffix.lower() != ".json":
        return False
    try:
        document = jsontext.read(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False  # Session.read says what is wrong with it
    family = schemas.RESULT.rpartition("/")[0]
    return isinstance(document, dict) and str(document.get("schema")).startswith(f"{family}/")


def _require_other(output: Path, stems: Sequence[Path | str], mix: Path | str | None) -> None:
    """Raises `output_failed` where the file to write is one that the session is made of."""
    for source in map(Path, [*stems, *([] if mix is None else [mix])]):
        if output.exists() and source.exists() and output.samefile(source):
            raise StemlensError(
                "output_failed",
                f"{output} is a part of the session, which is never changed. Choose another name.",
            )


def _heard(
    session: Session, options: Options, device: str, fresh: bool, max_minutes: float
) -> dict[str, Any]:
    """The result of an analysis that hears the sum of all stems and nothing else."""
    with progress_bars() as show, kept_scores(fresh) as kept:
        loaded = loaded_tagger(options.tagger, device, show)
        found = analysed(
            session, options, loaded, show, kept, device=device, max_minutes=max_minutes
        )
        return found.to_dict()
