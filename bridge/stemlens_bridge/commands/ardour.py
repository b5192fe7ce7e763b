"""`stemlens-bridge ardour`: bounce an Ardour session, have it analysed, write the answers on it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from stemlens_bridge.commands.common import (
    Commands,
    apply_arguments,
    option_arguments,
    server_arguments,
)

if TYPE_CHECKING:
    from stemlens_bridge.ardour.osc import Ardour
    from stemlens_bridge.ardour.session_file import SessionFile
    from stemlens_bridge.ardour.wanted import Written
    from stemlens_bridge.commands.playing import Playing
    from stemlens_bridge.findings import Findings
    from stemlens_bridge.session import Session

KINDS = ("comments", "markers", "color")
DEFAULT_KINDS = "comments,markers"
MENU = ("install", "uninstall")


def add(commands: Commands) -> None:
    """Defines the command."""
    ardour = commands.add_parser(
        "ardour",
        help="analyse an Ardour session and write the answers on its tracks",
        description="Bounces the stems of an Ardour session without touching it, has them "
        "analysed, and writes what was found on its tracks: over OSC where Ardour has the session "
        "open (Preferences > Control Surfaces > Open Sound Control), else into its file.",
    )
    ardour.set_defaults(run=_run)
    ardour.add_argument(
        "session",
        metavar="SESSION|install|uninstall",
        help="the session's folder or .ardour file; or: puts Stemlens into Ardour's menu of "
        "scripts, takes it out again",
    )
    ardour.add_argument("--snapshot", metavar="NAME", help="which snapshot of the session")
    ardour.add_argument("--list", action="store_true", help="only tell which tracks are stems")
    ardour.add_argument(
        "--annotate",
        type=_kinds,
        default=_kinds(DEFAULT_KINDS),
        metavar="WHAT",
        help=f"what is written, of {', '.join(KINDS)}, or nothing ({DEFAULT_KINDS})",
    )
    ardour.add_argument(
        "--remove", action="store_true", help="take everything of Stemlens out of the session"
    )
    ardour.add_argument(
        "--result",
        type=Path,
        metavar="FILE",
        help="write what an earlier analysis found, without a new one",
    )
    ardour.add_argument(
        "--explain",
        metavar="TAG",
        help="also put the sounds that explain a tag on tracks of their own, in a snapshot",
    )
    apply_arguments(ardour)
    ardour.add_argument(
        "--follow",
        action="store_true",
        help="then follow the faders and tell what moving them does to the tags",
    )
    ardour.add_argument(
        "--save",
        action="store_true",
        help="save the session in Ardour before and after, as by Ctrl+S",
    )
    for wish, what in (
        ("one", "keep a bus together as one stem"),
        ("open", "take the tracks in a bus as stems of their own"),
        ("skip", "leave a track or bus out"),
    ):
        ardour.add_argument(f"--{wish}", action="append", default=[], metavar="TRACK", help=what)
    ardour.add_argument(
        "--bounce-folder", type=Path, metavar="DIR", help="where the bounce goes; it must be new"
    )
    ardour.add_argument(
        "--program", metavar="PROGRAM", help="Ardour's headless program (ardour7-lua)"
    )
    ardour.add_argument("--for-menu", metavar="SNAPSHOT", help=argparse.SUPPRESS)
    ardour.add_argument("--json", type=Path, metavar="FILE", help="write the whole result here")
    option_arguments(ardour)
    server_arguments(ardour)


def _kinds(text: str) -> frozenset[str]:
    found = frozenset(word.strip() for word in text.split(",") if word.strip())
    if found == {"nothing"}:
        return frozenset()
    if not found <= set(KINDS):
        raise argparse.ArgumentTypeError(f"{text!r} is not made of {', '.join(KINDS)}")
    return found


def _run(given: argparse.Namespace) -> int:
    from stemlens_bridge.ardour import session_file
    from stemlens_bridge.writing import require_writable

    if given.session in MENU:
        return _menu(given.session)
    require_writable(given.json)
    path = session_file.find(Path(given.session), given.snapshot)
    session = session_file.read(path)
    if given.for_menu is not None:
        return _for_menu(path, session, given)
    if given.remove:
        return _remove(path, session)
    if given.apply is not None or given.undo:
        return _apply(path, session, given)
    if given.result is not None:
        return _write_result(path, session, given)
    return _analyse(path, session, given)


def _menu(what: str) -> int:
    from stemlens_bridge.ardour import menu

    for sentence in menu.install() if what == "install" else menu.uninstall():
        print(sentence)
    return 0


def _for_menu(path: Path, session: SessionFile, given: argparse.Namespace) -> int:
    """An analysis that was started from Ardour's menu: the session lies in a snapshot made for it,
    and what was found is written by an action of the menu."""
    from dataclasses import replace

    from stemlens_bridge.ardour import bounce, menu, program
    from stemlens_bridge.ardour.session_file import ENDING
    from stemlens_bridge.ardour.wanted import KINDS, Wanted
    from stemlens_bridge.commands.common import analyse
    from stemlens_bridge.errors import StemlensError

    try:
        menu.tell(session, "running", "Stemlens still bounces and analyses the session.")
        _intend(session, given)
        _require_server(given)
        planned = bounce.plan(session)
        done = bounce.bounce(planned, bounce.new_folder(session), program.find(given.program))
        findings = analyse(replace(done.session, project=given.for_menu), given)
        menu.hand_over(session, Wanted.from_findings(findings, KINDS))
        told = [
            *(verdict.sentence for verdict in findings.verdicts),
            *planned.warnings,
            *done.warnings,
            *(text for _, text in findings.warnings),
        ]
        menu.tell(session, "done", "\n".join(told))
    except BaseException as error:
        known = isinstance(error, StemlensError)
        menu.tell(session, "failed", str(error) if known else "The analysis was stopped.")
        raise
    finally:
        if session.snapshot == menu.SNAPSHOT:
            path.unlink(missing_ok=True)
            path.with_name(f"{menu.SNAPSHOT}{ENDING}.bak").unlink(missing_ok=True)
    return 0


def _remove(path: Path, session: SessionFile) -> int:
    from stemlens_bridge.ardour import annotate
    from stemlens_bridge.ardour.wanted import Wanted

    print(annotate.write(path, [], Wanted(), annotate.opened(session)).told())
    return 0


def _apply(path: Path, session: SessionFile, given: argparse.Namespace) -> int:
    """Carries a trial out in the Ardour that has the session open, or takes it back."""
    from stemlens_bridge.ardour import annotate, applying, running, session_file
    from stemlens_bridge.commands.common import applied_told, steps_to_apply
    from stemlens_bridge.errors import StemlensError

    steps = [] if given.undo else steps_to_apply(given)[1]
    ardour = annotate.opened(session)
    if ardour is None:
        raise StemlensError(
            "daw_unreachable",
            f"No Ardour that has {session.snapshot} open answers over OSC; faders are moved in a "
            "running one. Open the session, and turn on Preferences > Control Surfaces > Open "
            "Sound Control.",
        )
    with ardour:
        if given.save:
            running.save(ardour, session)
            session = session_file.read(path)
        applied = (
            applying.undo(ardour, session) if given.undo else applying.apply(ardour, session, steps)
        )
        if given.save:
            running.save(ardour, session)
    applied_told(applied, given.undo)
    return 0


def _write_result(path: Path, session: SessionFile, given: argparse.Namespace) -> int:
    from stemlens_bridge.ardour import annotate
    from stemlens_bridge.findings import Findings

    findings = Findings.read(given.result)
    print(_written(path, findings, annotate.opened(session), given).told())
    if given.explain:
        _explain(session, findings.job, given)
    return 0


def _analyse(path: Path, session: SessionFile, given: argparse.Namespace) -> int:
    from stemlens_bridge.ardour import annotate, bounce, program, running, session_file
    from stemlens_bridge.commands.common import analyse, progress
    from stemlens_bridge.commands.playing import Playing

    ardour = None if given.list else annotate.opened(session)
    if ardour is not None and given.save:
        running.save(ardour, session)
        session = session_file.read(path)
    _intend(session, given)
    planned = bounce.plan(session, _choices(session, given))
    print(planned.told(), file=sys.stdout if given.list else sys.stderr)
    if given.list:
        return 0
    if ardour is None and (given.follow or given.save):
        _tell("No Ardour with this session open answers over OSC.")
    if ardour is not None:
        for sentence in running.unsaved(ardour, session):
            _tell(sentence)
    _require_server(given)
    done = bounce.bounce(
        planned,
        given.bounce_folder or bounce.new_folder(session),
        program.find(given.program),
        progress(sys.stderr),
    )
    for sentence in done.warnings:
        _tell(sentence)
    findings = analyse(done.session, given)
    if given.annotate:
        print(_written(path, findings, ardour, given).told())
    if given.explain:
        _explain(session, findings.job, given)
    if given.follow and ardour is not None:
        names = {stem.id: stem.name for stem in done.session.stems}
        with Playing(given, findings.job, names) as playing:
            _follow(ardour, session, done.session, playing)
    return 0


def _intend(session: SessionFile, given: argparse.Namespace) -> None:
    """Remembers as what the song is meant, or goes by what was remembered."""
    from stemlens_bridge.ardour import record
    from stemlens_bridge.commands.common import options_from

    if given.intended is not None:
        record.remember_intended(session, given.intended)
    elif not options_from(given).intended:
        given.intended = record.intended(session)


def _explain(session: SessionFile, job: str, given: argparse.Namespace) -> None:
    """Puts the sounds that explain a tag into a snapshot; where they do not fit the session, into a
    folder in it."""
    from stemlens_bridge import whysounds
    from stemlens_bridge.ardour import hearing, record
    from stemlens_bridge.commands.common import progress
    from stemlens_bridge.errors import StemlensError
    from stemlens_bridge.trials import TrialsClient
    from stemlens_bridge.writing import plain_name

    with TrialsClient(given.server, given.transport) as client:
        explained = client.explained(job, given.explain, on_progress=progress(sys.stderr))
    for sound in explained.sounds:
        print(f"{whysounds.name(sound)}: {sound.sentence}")
    try:
        snapshot = hearing.write(session, explained)
    except StemlensError as error:
        if error.code != "audio_not_audio":
            raise
        folder = record.make_folder(session) / plain_name(whysounds.title(explained))
        whysounds.copied(explained, folder)
        print(f"{error} They lie in {folder}: import them in Ardour (Session > Import).")
    else:
        name = hearing.name(session, explained)
        print(
            f"The sounds are on muted tracks in the snapshot {name!r} ({snapshot}): open it in "
            "Ardour, and unmute and solo one of them."
        )


def _require_server(given: argparse.Namespace) -> None:
    """Raises `server_unreachable` or `bad_options` before the user waits for a bounce in vain."""
    from stemlens_bridge.client import Client
    from stemlens_bridge.commands.common import options_from

    options_from(given)
    with Client(given.server, given.transport) as client:
        client.ping()


def _written(
    path: Path, findings: Findings, ardour: Ardour | None, given: argparse.Namespace
) -> Written:
    from stemlens_bridge.ardour import annotate
    from stemlens_bridge.ardour.wanted import Wanted

    wanted = Wanted.from_findings(findings, given.annotate)
    stems = [(stem.id, stem.name) for stem in findings.tracks]
    return annotate.write(path, stems, wanted, ardour, save=given.save)


def _choices(session: SessionFile, given: argparse.Namespace) -> dict[str, str]:
    from stemlens_bridge.errors import StemlensError

    ids = {route.name: route.id for route in session.mixed}
    choices = {}
    for wish in ("one", "open", "skip"):
        for name in getattr(given, wish):
            if name not in ids:
                raise StemlensError(
                    "tracks_unmatched",
                    f"{session.snapshot} has no track {name!r}; it has {', '.join(ids)}.",
                )
            choices[ids[name]] = wish
    return choices


def _follow(ardour: Ardour, session: SessionFile, bounced: Session, playing: Playing) -> None:
    import threading

    from stemlens_bridge.ardour.follow import Follower

    def stale(reason: str) -> None:
        playing.say(f"The result no longer fits: {reason}.")

    _tell("Following the faders; Ctrl-C ends it.")
    Follower(ardour, session, bounced, lambda move: playing.move(move, "the bounce"), stale).run(
        threading.Event()
    )


def _tell(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)
