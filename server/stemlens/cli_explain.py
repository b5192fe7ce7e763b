"""The command `explain` of `stemlens`: what makes a session sound like a tag, to listen to.

It analyses the session first, as `analyze` does, so that both say the same; scores that are kept
from there make that quick. The table at the end is the one that the bridge shows of a server's
answer.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stemlens.audio import MAX_DURATION_S
from stemlens.cli_common import (
    DEFAULTS,
    DEVICES,
    Budget,
    Device,
    Fresh,
    MasterBus,
    MaxMinutes,
    MixFile,
    Places,
    Seed,
    Separate,
    SeparatorName,
    SessionLoudness,
    Silence,
    TaggerName,
    TimeLimit,
    UnitName,
    ValueName,
    analysed,
    choice,
    kept_scores,
    loaded_tagger,
    loudness,
    progress_bars,
    session_at,
)
from stemlens.service.delivery import explanation_messages
from stemlens_bridge import jsontext, terminal
from stemlens_bridge.edits import ExplainOptions, passage_from_text
from stemlens_bridge.errors import StemlensError
from stemlens_bridge.explainedtable import explained_table
from stemlens_bridge.protocol import Explanation, Options
from stemlens_bridge.writing import require_folder, require_writable


def add(app: typer.Typer) -> None:
    """Defines the command."""
    app.command()(explain)


def explain(
    places: Places = None,
    tags: Annotated[
        list[str] | None,
        typer.Option("--tag", metavar="TAG", help="Such as rock.", show_default="the best tag"),
    ] = None,
    top: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="K",
            help="So many stems at most.",
            show_default="all that add to it for certain",
        ),
    ] = None,
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="FOLDER", help="Where the sounds go.")
    ] = Path("explained"),
    passage: Annotated[
        str,
        typer.Option(
            metavar="START-END",
            help="Like 1:02-1:15, in project time.",
            show_default="where the tag is strongest",
        ),
    ] = "",
    whole: Annotated[
        bool, typer.Option("--whole/--no-whole", help="The whole song, beside the passage.")
    ] = True,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write what they are.")
    ] = None,
    mix: MixFile = None,
    separator: SeparatorName = DEFAULTS.separator,
    separate: Separate = DEFAULTS.separate,
    tagger: TaggerName = DEFAULTS.tagger,
    value: ValueName = DEFAULTS.value,
    unit: UnitName = DEFAULTS.unit,
    budget: Budget = None,
    time_s: TimeLimit = None,
    seed: Seed = DEFAULTS.seed,
    master: MasterBus = DEFAULTS.master,
    session_loudness: SessionLoudness = str(DEFAULTS.session_loudness),
    silence: Silence = None,
    device: Device = "auto",
    fresh: Fresh = False,
    max_minutes: MaxMinutes = MAX_DURATION_S / 60,
) -> None:
    """Make audible what the tagger heard: the stems that make a tag, and the mix without them.

    Of each tag: those stems alone, the mix without them, and a crossfade from the one to the other,
    equally loud; for the passage where that is heard best, and for the whole song.
    """
    choice(device, DEVICES, "--device")
    wanted = ExplainOptions(top, whole, *passage_from_text(passage))
    require_writable(json_file)
    require_folder(output)
    options = Options.from_dict(
        {
            "tagger": tagger,
            "value": value,
            "unit": unit,
            "budget": budget,
            "time_s": time_s,
            "seed": seed,
            "master": master,
            "session_loudness": loudness(session_loudness),
            "silence": silence,
            "separator": separator,
            "separate": separate,
        }
    )
    session = session_at(places, mix, max_minutes)
    with progress_bars() as show, kept_scores(fresh) as kept:
        loaded = loaded_tagger(options.tagger, device, show)
        from stemlens.explain import listening
        from stemlens.explain import passage as passages

        known = [tag.name for tag in loaded.tags]
        asked = [passages.require_tag(tag, known) for tag in tags or ()]
        analysis = analysed(
            session, options, loaded, show, kept, device=device, max_minutes=max_minutes
        )
        result, over = analysis.to_dict(), analysis.over_time
        explanations, refused = [], []
        for tag in dict.fromkeys(asked or [result["tags"][0]["tag"]]):
            try:
                explanations.append(
                    listening.explain(analysis.opened, result, over, tag, wanted, output, show)
                )
            except StemlensError as error:  # the other tags can be heard all the same
                if error.code != "nothing_explains":
                    raise
                refused.append(error)
    if not explanations:
        raise refused[0]
    document = listening.document(analysis.opened, result, explanations)
    try:
        if json_file is not None:
            jsontext.write(json_file, document)
    finally:
        messages = explanation_messages("", "", document)
        sounds = [message for message in messages if isinstance(message, Explanation)]
        terminal.write(explained_table(sounds, width=terminal.width()))
    if refused:
        raise refused[0]
