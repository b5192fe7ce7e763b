"""The commands of `stemlens` about edits: try, suggest, verify, presets, goals.

They read a session, open it and try edits on it here, without a server; the table at the end is the
one that the bridge shows of a server's answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stemlens.audio import MAX_DURATION_S
from stemlens.cli_common import (
    DEFAULTS,
    DEVICES,
    Device,
    Fresh,
    MaxMinutes,
    MixFile,
    Places,
    SeparatorName,
    TaggerName,
    choice,
    kept_scores,
    loaded_tagger,
    progress_bars,
    session_at,
)
from stemlens.service.delivery import trial_messages
from stemlens_bridge import jsontext, schemas
from stemlens_bridge.edits import Edit, SuggestOptions, TryOptions
from stemlens_bridge.errors import StemlensError
from stemlens_bridge.protocol import Kept, Options, TrialDone, Verified
from stemlens_bridge.session import Session
from stemlens_bridge.trials import Tried
from stemlens_bridge.trialtable import TAGS, trial_table, verified_table
from stemlens_bridge.writing import require_writable

if TYPE_CHECKING:
    from stemlens.edits.trials import TrialSession

JsonFile = Annotated[
    Path | None, typer.Option("--json", metavar="FILE", help="Write the whole result.")
]
RenderFolder = Annotated[
    Path | None,
    typer.Option("--render", metavar="DIR", help="Write the mix before and after, and the stems."),
]


def add(app: typer.Typer) -> None:
    """Defines the commands."""
    app.command("try")(try_edits)
    app.command()(suggest)
    app.command()(verify)
    app.command()(presets)
    app.command()(goals)


@contextmanager
def _opened(
    session: Session, options: Options, device: str, fresh: bool, max_minutes: float
) -> Iterator[tuple[TrialSession, Callable[[str, float], None]]]:
    """A session open for trials, and what shows progress."""
    with progress_bars() as show:
        tagger = loaded_tagger(options.tagger, device, show)
        from stemlens.edits.trials import TrialSession
        from stemlens.opening import open_game

        with kept_scores(fresh) as kept:
            own = session.options(options)
            opened = open_game(
                session,
                tagger,
                own,
                show,
                max_duration_s=60 * max_minutes,
                kept=kept,
                device=device,
            )
            with TrialSession(opened, own, kept=kept, on_progress=show) as trials:
                yield trials, show


def _finish(document: dict[str, Any], json_file: Path | None) -> None:
    """Writes what was asked for, then shows the table."""
    try:
        if json_file is not None:
            jsontext.write(json_file, document)
    finally:
        messages = trial_messages("", "", document, TAGS)
        done = TrialDone("", "", "" if json_file is None else str(json_file), len(messages))
        print(trial_table(Tried.from_messages(done, messages)))


def try_edits(
    places: Places = None,
    edits: Annotated[
        list[str],
        typer.Option(
            "--edit", metavar="STEM:PRESET[@AMOUNT]", help="Like guitar:less-distorted@0.6."
        ),
    ] = [],  # noqa: B006  # typer never changes it
    mix: MixFile = None,
    separator: SeparatorName = DEFAULTS.separator,
    tagger: TaggerName = DEFAULTS.tagger,
    attributions: Annotated[
        bool, typer.Option("--attributions", help="How every stem's share changes, too.")
    ] = False,
    loudness_match: Annotated[
        bool | None,
        typer.Option(
            "--loudness-match/--no-loudness-match",
            help="Whether edited stems stay as loud as they were.",
            show_default="as each preset says",
        ),
    ] = None,
    render: RenderFolder = None,
    json_file: JsonFile = None,
    device: Device = "auto",
    fresh: Fresh = False,
    max_minutes: MaxMinutes = MAX_DURATION_S / 60,
) -> None:
    """Try edits of stems: what would they do to the tags of the mix?

    Several --edit are played together. 'stemlens presets' lists what there is.
    """
    choice(device, DEVICES, "--device")
    require_writable(json_file)
    if not edits:
        raise typer.BadParameter("what should be tried?", param_hint="--edit")
    asked = [Edit.from_text(text) for text in edits]
    session = session_at(places, mix, max_minutes)
    wanted = TryOptions(render is not None, attributions, loudness_match)
    with _opened(
        session, Options(tagger=tagger, separator=separator), device, fresh, max_minutes
    ) as (trials, show):
        from stemlens.edits import document

        trial = trials.trial(asked, wanted, folder=render, on_progress=show)
        found = document.of_trial(trials, trial)
    _finish(found, json_file)


def suggest(
    places: Places = None,
    goal: Annotated[
        str | None, typer.Option(help="Like '+metal =happy', or a name of 'stemlens goals'.")
    ] = None,
    goal_file: Annotated[
        Path | None, typer.Option("--goal-file", metavar="TOML", help="A goal of your own.")
    ] = None,
    mix: MixFile = None,
    separator: SeparatorName = DEFAULTS.separator,
    tagger: TaggerName = DEFAULTS.tagger,
    stems: Annotated[
        list[str] | None, typer.Option(metavar="STEM", help="Only these may be edited.")
    ] = None,
    presets: Annotated[
        list[str] | None, typer.Option(metavar="PRESET", help="Only these may be used.")
    ] = None,
    budget: Annotated[
        int | None, typer.Option(min=1, help="How many taggings to spend.", show_default="2500")
    ] = None,
    time_s: Annotated[
        float | None, typer.Option("--time", min=0.1, help="How many seconds to search.")
    ] = None,
    most: Annotated[int, typer.Option(min=1, help="How many suggestions at most.")] = 5,
    seed: Annotated[int, typer.Option(help="Of what is left to chance.")] = 0,
    render: RenderFolder = None,
    json_file: JsonFile = None,
    device: Device = "auto",
    fresh: Fresh = False,
    max_minutes: MaxMinutes = MAX_DURATION_S / 60,
) -> None:
    """Look for edits that bring the mix nearer to a goal; each one given was tried in full."""
    choice(device, DEVICES, "--device")
    require_writable(json_file)
    if (goal is None) == (goal_file is None):
        raise typer.BadParameter("give one of them.", param_hint="--goal, --goal-file")
    options = SuggestOptions(
        tuple(stems or ()), tuple(presets or ()), budget, time_s, most, seed, render is not None
    )
    session = session_at(places, mix, max_minutes)
    with _opened(
        session, Options(tagger=tagger, separator=separator), device, fresh, max_minutes
    ) as (trials, show):
        from stemlens.edits import document
        from stemlens.edits import suggest as search
        from stemlens.edits.goals import Goal

        heard = trials.game.tagger
        if goal_file is not None:
            wanted = Goal.from_file(goal_file, heard.tags, heard.name)
        else:
            wanted = Goal.from_text(goal or "", heard.tags, heard.name)
        found = search.suggest(trials, wanted, options, folder=render, on_progress=show)
        told = document.of_suggestions(trials, found, seed)
    _finish(told, json_file)


def verify(
    trial: Annotated[Path, typer.Argument(metavar="TRIALS.json", help="Of try or suggest.")],
    places: Places = None,
    rank: Annotated[
        int | None,
        typer.Option(min=0, help="Which suggestion was carried out.", show_default="the first"),
    ] = None,
    device: Device = "auto",
    max_minutes: MaxMinutes = MAX_DURATION_S / 60,
) -> None:
    """Did a promise hold? Compare what a trial promised with a new bounce of the session."""
    choice(device, DEVICES, "--device")
    document = schemas.load(trial, schemas.TRIALS)
    if not document["trials"]:
        raise StemlensError("trial_unknown", f"{trial} has no trial that could be verified.")
    chosen = document["trials"][0]["rank"] if rank is None else rank
    from stemlens.edits import promise

    promise.trial_of(document, chosen)
    session = session_at(places, None, max_minutes)
    with progress_bars() as show:
        tagger = loaded_tagger(document["tagger"], device, show)
        from stemlens.edits.trials import TrialSession
        from stemlens.opening import open_game

        options = session.options(replace(DEFAULTS, tagger=document["tagger"]))
        opened = open_game(
            session,
            tagger,
            options,
            show,
            max_duration_s=60 * max_minutes,
            session_gain_db=document["session"]["session_gain_db"],
        )
        with TrialSession(opened, options, on_progress=show) as heard:
            mean = heard.before.mean(axis=0).tolist()
            scores = dict(zip((tag.name for tag in tagger.tags), mean, strict=True))
    found = promise.promises(document, chosen, tagger.name, scores)
    rows = tuple(Kept(p.tag, p.promised, p.low, p.high, p.real, int(p.held)) for p in found)
    print(verified_table(Verified("", "", "", chosen, promise.sentence(found), rows)))


def presets(
    name: Annotated[str | None, typer.Argument(help="Show this one in full.")] = None,
) -> None:
    """List the presets of edits, or show one with its parameters and their ranges."""
    from stemlens.edits.presets import Presets, user_folder

    known = Presets()
    if name is None:
        width = max(map(len, known))
        for one in known.values():
            print(f"{one.name:<{width}}  {one.says}")
        print(f"\nYour own go into {user_folder()}.")
        return
    one = known[name]
    print(f"{one.title}: {one.says}.\n{one.file}")
    if one.names or one.tags:
        print(f"suits stems named {', '.join(one.names)}, or that bring {', '.join(one.tags)}")
    print("stays as loud as it was" if one.loudness_match else "changes the level on purpose")
    for stage in one.chain:
        print(f"\n{stage.plugin}")
        for key, it in stage.parameters.items():
            if isinstance(it.default, str):
                print(f"  {key:<22} {it.default}")
            else:
                print(f"  {key:<22} {it.default:g} {it.unit}  ({it.low:g} to {it.high:g})")
        for inner in stage.inside:
            print(f"  beside it: {inner.plugin}")


def goals() -> None:
    """List the goals, and the words for mixtures of tags that a goal can use."""
    from stemlens.edits.goals import mixtures, table

    for heading, rows in (("Goals", table()), ("Words for mixtures of tags", mixtures())):
        print(heading)
        width = max(len(row[0]) for row in rows)
        for name, *rest in rows:
            print(f"  {name:<{width}}  {'; '.join(text for text in rest if text)}")
        print()
