"""What several commands share: where the server is, a job's options, its progress, its result."""

from __future__ import annotations

import argparse
import sys
import textwrap
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from stemlens_bridge import jsontext, schemas, terminal
from stemlens_bridge.annotations import points
from stemlens_bridge.client import Client, Results, new_job_id
from stemlens_bridge.errors import StemlensError
from stemlens_bridge.findings import Findings
from stemlens_bridge.protocol import PORT, Attributions, Options, TagScore, Verdict, read_policy
from stemlens_bridge.session import Session
from stemlens_bridge.wording import counted

if TYPE_CHECKING:
    from stemlens_bridge.applying import Applied, Step

# What argparse hands to `add` functions; its class is private.
Commands = Any

KNOWN_WELL = 0.1  # what a share is known to within before it is worth a word


def server_arguments(parser: argparse.ArgumentParser) -> None:
    """--server and --transport."""
    parser.add_argument(
        "--server",
        type=address,
        default=("127.0.0.1", PORT),
        metavar="HOST:PORT",
        help=f"where the Stemlens server listens (127.0.0.1:{PORT})",
    )
    parser.add_argument("--transport", choices=("udp", "tcp"), default="udp")
    parser.add_argument(
        "--key",
        type=Path,
        metavar="FILE",
        help="the server's key, for a server on another machine (docs/remote.md)",
    )


def option_arguments(parser: argparse.ArgumentParser) -> None:
    """--options, --upload, --tagger, --value, --intended, --steady, --time and --policy."""
    parser.add_argument(
        "--options", default="{}", metavar="JSON", help="options of the job, e.g. '{\"tags\": 5}'"
    )
    parser.add_argument(
        "--upload",
        action="store_true",
        help="send the files to the server's machine first (docs/remote.md)",
    )
    parser.add_argument("--tagger", help="short for the option tagger")
    parser.add_argument("--value", help="short for the option value")
    parser.add_argument(
        "--intended",
        metavar="TAGS",
        help="short for the option intended: what it is meant to sound like, 'rock, sad'",
    )
    parser.add_argument(
        "--steady",
        action="store_true",
        default=None,
        help="short for the option steady: analyse it a little higher, faster and louder as well",
    )
    parser.add_argument(
        "--time",
        dest="time_s",
        type=float,
        metavar="SECONDS",
        help="short for the option time_s: tag no longer than this, and tell what is known then",
    )
    parser.add_argument(
        "--policy", type=Path, metavar="TOML", help="what is told of tracks, and how"
    )


def apply_arguments(parser: argparse.ArgumentParser) -> None:
    """--apply, --rank and --undo."""
    parser.add_argument(
        "--apply",
        type=Path,
        metavar="FILE",
        help="carry out what 'try' or 'suggest' kept with --json: faders where levels are all of "
        "it, else words on the tracks",
    )
    parser.add_argument("--rank", type=int, metavar="N", help="which trial of that file (the best)")
    parser.add_argument("--undo", action="store_true", help="take back what --apply did")


def steps_to_apply(given: argparse.Namespace) -> tuple[str, list[Step]]:
    """The job and the steps of the trial that was chosen; raises `result_invalid`,
    `trial_unknown`."""
    from stemlens_bridge.applying import steps
    from stemlens_bridge.trials import Tried

    tried = Tried.read(given.apply)
    best = tried.trials[0].rank if tried.trials else 1
    return tried.job, steps(tried.of_rank(best if given.rank is None else given.rank))


def tracks_of(job: str, given: argparse.Namespace) -> list[tuple[str, str]]:
    """The tracks of an analysed job, each (id, name): from the result in `--result`, else from the
    server's; raises `result_invalid`."""
    if given.result is not None:
        findings = Findings.read(given.result)
    else:
        with Client(given.server, given.transport) as client:
            document = document_of(client.follow(job))
        if document is None:
            raise StemlensError(
                "result_invalid",
                f"The result of {job} cannot be read from here. Name its file with --result FILE.",
            )
        findings = Findings.from_document(document)
    if findings.job != job:
        raise StemlensError(
            "result_invalid", f"It was tried on {job}, but the result is of {findings.job}."
        )
    return [(stem.id, stem.name) for stem in findings.tracks]


def applied_told(applied: Applied, undone: bool = False) -> None:
    """Says what was carried out on standard output, what was not on standard error."""
    for problem in applied.problems:
        print(problem, file=sys.stderr)
    for sentence in applied.faders:
        print(f"{sentence}{', as before' if undone else ''}.")
    if undone:
        if applied.notes:
            print(f"What to try was taken off {counted(applied.notes, 'track')}.")
        elif not applied.faders:
            print("There was nothing to take back.")
    elif applied.faders:
        print("Take it back with --undo.")
    else:
        print(
            "No fader was moved: this takes more than levels. What to do is written on "
            f"{counted(applied.notes, 'track')}, and does nothing until you do it."
            if not applied.problems
            else f"What to do is written on {counted(applied.notes, 'track')}."
        )


def address(text: str) -> tuple[str, int]:
    """HOST:PORT as a pair, for argparse."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65_536:
        raise argparse.ArgumentTypeError(f"{text!r} is not HOST:PORT")
    return host.strip("[]"), int(port)


def options_from(given: argparse.Namespace) -> Options:
    """The options of a job as the command line gives them; raises `bad_options`."""
    options = Options.from_json(given.options)
    short = ("tagger", "value", "intended", "steady", "time_s")
    named = {key: getattr(given, key) for key in short if getattr(given, key) is not None}
    options = Options.from_dict({**options.to_dict(), **named})
    if given.policy is not None:
        options = replace(options, annotations=read_policy(given.policy))
    return options


def results_of(
    session: Session, options: Options, given: argparse.Namespace, job: str | None = None
) -> Results:
    """Has the server analyse a session, with progress on standard error; Ctrl-C cancels the job."""
    job = job or new_job_id(session.project)
    with Client(given.server, given.transport) as client:
        try:
            places = {}
            if given.upload:
                from stemlens_bridge.upload import upload

                places = upload(session, given.server, given.transport, progress(sys.stderr))
            client.submit(session, session.options(options), job, places)
            return client.follow(job, progress(sys.stderr), so_far(sys.stderr))
        except KeyboardInterrupt:
            print(f"\nstemlens-bridge: cancelling {job} …", file=sys.stderr)
            with suppress(StemlensError):
                client.cancel(job, patience_s=1.0)
            raise


def analyse(session: Session, given: argparse.Namespace) -> Findings:
    """Has the server analyse a session, keeps the result where `--json` says, shows it, and returns
    what was found."""
    results = results_of(session, options_from(given), given)
    document = document_of(results)
    if given.json is not None:
        jsontext.write(given.json, document or results.to_dict())
    if document is None:
        print(
            f"The result lies in {results.path} on the server's machine; what concerns the tracks "
            "has arrived.",
            file=sys.stderr,
        )
        for warning in results.warnings:
            print(warning.message, file=sys.stderr)
        show_verdicts(results)
        return Findings.from_results(results, session)
    terminal.show(document)
    print(f"The result is kept in {results.path}.", file=sys.stderr)
    return Findings.from_document(document)


def show_verdicts(results: Results) -> None:
    """Prints the verdicts that came over OSC, where the result file cannot be read from here."""
    for verdict in results.of(Verdict):
        terminal.write(textwrap.fill(verdict.sentence, terminal.width()))


def document_of(results: Results) -> dict[str, Any] | None:
    """The server's result file; None where it cannot be read from here."""
    try:
        return schemas.load(Path(results.path), schemas.RESULT)
    except StemlensError:
        return None


def so_far(stream: TextIO) -> Callable[[Results], None]:
    """On a terminal a line that tells what is known already, while the rest is being found out."""

    def show(results: Results) -> None:
        if not stream.isatty():
            return
        best = ", ".join(f"{tag.tag} {points(tag.score)}" for tag in results.of(TagScore)[:3])
        shares = [share for part in results.of(Attributions) for share in part.shares]
        off = max((share.high - share.low for share in shares), default=0.0) / 2
        known = f"shares to ±{points(off)} points" if off < KNOWN_WELL else "shares follow"
        print(f"\r{f'So far: {best} of 100; {known}':<72.72}", file=stream, flush=True)

    return show


def progress(stream: TextIO) -> Callable[[str, float], None]:
    """A line that is drawn over itself on a terminal, and one line a stage elsewhere."""
    last = ""

    def show(stage: str, fraction: float) -> None:
        nonlocal last
        if stream.isatty():
            bar = "█" * round(30 * fraction)
            print(f"\r{stage:<24} {bar:<30} {100 * fraction:3.0f} %", end="", file=stream)
            if fraction >= 1:
                print("\r" + " " * 62 + "\r", end="", file=stream)
            stream.flush()
        elif stage != last:
            print(stage, file=stream, flush=True)
        last = stage

    return show
