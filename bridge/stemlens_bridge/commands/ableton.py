"""`stemlens-bridge ableton`: analyses what Live exports and writes the answers on its tracks."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from stemlens_bridge.ableton import DEFAULT_SET
from stemlens_bridge.ableton.addresses import PORT, REPLY_PORT
from stemlens_bridge.commands.common import (
    Commands,
    apply_arguments,
    option_arguments,
    server_arguments,
)
from stemlens_bridge.errors import StemlensError
from stemlens_bridge.wording import counted

if TYPE_CHECKING:
    from stemlens_bridge.ableton.export import Planned
    from stemlens_bridge.ableton.link import LiveLink
    from stemlens_bridge.ableton.live_set import LiveSet
    from stemlens_bridge.ableton.memory import Memory
    from stemlens_bridge.ableton.writing import Report
    from stemlens_bridge.commands.playing import Playing
    from stemlens_bridge.findings import Findings

ANNOTATIONS = ("name", "color", "locators")
WISHES = {
    "one": "keep a group together as one stem",
    "open": "open a group whatever it does",
    "skip": "leave a track out, with all that is in it",
}
FOLLOW_STEP_S = 0.5


def add(commands: Commands) -> None:
    """Defines the command."""
    parser = commands.add_parser(
        "ableton", help="analyse what Ableton Live exports and write it on Live's tracks"
    )
    parser.set_defaults(run=run)
    parser.add_argument(
        "--export-folder",
        type=Path,
        metavar="DIR",
        help="the folder into which Live exports all individual tracks (Music/Stemlens Live)",
    )
    parser.add_argument(
        "--list", action="store_true", help="only tell which tracks are stems, before any export"
    )
    for wish, what in WISHES.items():
        parser.add_argument(
            f"--{wish}",
            action="append",
            default=[],
            metavar="TRACK",
            help=f"{what}; may be repeated",
        )
    parser.add_argument(
        "--annotate",
        type=_annotations,
        default=("name",),
        metavar="LIST",
        help="what is written: name, color, locators, or none (name)",
    )
    parser.add_argument(
        "--remove", action="store_true", help="take everything back that was written in Live"
    )
    parser.add_argument(
        "--follow",
        action="store_true",
        help="then follow the faders and tell what moving them does to the tags",
    )
    apply_arguments(parser)
    parser.add_argument("--once", action="store_true", help="end after one export")
    parser.add_argument(
        "--set", default=DEFAULT_SET, metavar="NAME", help="the set, for what is remembered of it"
    )
    parser.add_argument(
        "--start", type=float, default=0.0, metavar="SECONDS",
        help="where the export begins in the arrangement, for locators (0)",
    )  # fmt: skip
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the whole result here")
    parser.add_argument(
        "--result", type=Path, metavar="FILE", help="write an earlier result, without an export"
    )
    parser.add_argument(
        "--live", type=_live, default=("127.0.0.1", PORT, REPLY_PORT), metavar="HOST:PORT[:REPLY]",
        help=f"where AbletonOSC listens, and its port of answers (127.0.0.1:{PORT}:{REPLY_PORT})",
    )  # fmt: skip
    option_arguments(parser)
    server_arguments(parser)


def run(given: argparse.Namespace) -> int:
    """Runs the command; returns its exit code."""
    from stemlens_bridge.ableton import addresses
    from stemlens_bridge.ableton.link import LiveLink
    from stemlens_bridge.ableton.memory import Memory
    from stemlens_bridge.commands.common import options_from
    from stemlens_bridge.findings import Findings
    from stemlens_bridge.writing import require_writable

    options_from(given)  # a mistake in them is told before the export, not after
    require_writable(given.json)
    host, port, reply_port = given.live
    with LiveLink(host, port, reply_port) as link:
        version = link.find()
        memory = Memory(given.set)
        if given.remove:
            return _remove(link, memory)
        if given.apply is not None or given.undo:
            return _apply(given, link, memory)
        if given.result:
            tempo = float(link.ask(addresses.TEMPO)[0] or 0.0)
            _write(given, link, memory, Findings.read(given.result), tempo)
            return 0
        return _work(given, link, memory, version)


def _work(
    given: argparse.Namespace, link: LiveLink, memory: Memory, version: tuple[int, int]
) -> int:
    from stemlens_bridge.ableton import live_set
    from stemlens_bridge.ableton.export import choices, plan
    from stemlens_bridge.commands.common import analyse
    from stemlens_bridge.commands.playing import Playing
    from stemlens_bridge.routing import cut

    wishes = {wish: getattr(given, wish) for wish in WISHES}
    live = live_set.read(link, version)
    stems = cut(live.routing(), choices(live, wishes))
    _say(f"Live {version[0]}.{version[1]}: {stems.told()}.")
    if given.list:
        return 0
    folder = _folder(given.export_folder)
    project = folder.name if given.set == DEFAULT_SET else given.set
    since_s = None
    while True:
        files, since_s = _export(folder, since_s)
        live = live_set.read(link, version)  # the set may have changed until the export began
        try:
            planned = plan(live, files, project, given.start, choices(live, wishes))
        except StemlensError as error:
            if given.once or error.code not in ("tracks_unmatched", "export_incomplete"):
                raise
            _say(str(error))
            continue
        _say(planned.told + ".")
        for warning in planned.warnings:
            _say(warning)
        findings = analyse(planned.session, given)
        _write(given, link, memory, findings, live.tempo)
        if given.follow:
            names = {stem.id: stem.name for stem in planned.session.stems}
            with Playing(given, findings.job, names) as playing:
                _follow(link, live, planned, playing)
        if given.once or given.follow:
            return 0


def _export(folder: Path, since_s: float | None) -> tuple[list[Path], float]:
    """The files of the next finished export, and the time from which the one after it counts."""
    from stemlens_bridge.ableton.export import wait
    from stemlens_bridge.stemfolder import audio_files

    there = since_s is None and bool(audio_files(folder))
    told = there
    if there:
        _say(f"Taking the export that is in {folder} already, once it is quiet.")

    def on_wait() -> None:
        nonlocal told
        if not told:
            _say(
                f"Waiting for an export into {folder}. In Live: Export Audio/Video, Rendered "
                "Track: All Individual Tracks, Include Return and Main Effects: off, Normalize: "
                "off."
            )
        told = True

    files = wait(folder, since_s, on_wait=on_wait)
    return files, max(path.stat().st_mtime for path in files) + 0.001


def _write(
    given: argparse.Namespace, link: LiveLink, memory: Memory, findings: Findings, bpm: float
) -> None:
    from stemlens_bridge.ableton import locators
    from stemlens_bridge.ableton.writing import Writer
    from stemlens_bridge.tempo import TempoMap

    writer = Writer(link, memory)
    try:
        report = writer.annotate(findings, given.annotate)
        if "locators" in given.annotate:
            tempo = TempoMap.from_plain(bpm)
            assert tempo is not None
            locators.write(link, findings.timeline, tempo, report)
    except KeyboardInterrupt:
        _say("Taking back what was written …")
        try:
            report = writer.take_back()
            if "locators" in given.annotate:
                locators.remove(link, report)
        except StemlensError as error:
            raise StemlensError(
                error.code,
                f"{error} When Live answers again, 'stemlens-bridge ableton --remove' takes back "
                "what was written.",
            ) from error
        except KeyboardInterrupt:
            _say("Stopped halfway: 'stemlens-bridge ableton --remove' takes back the rest.")
            raise
        _problems(report)
        _show(link, "Stemlens: stopped, everything is as it was")
        raise
    _problems(report)
    if report.tracks or report.steps:
        _say(
            f"{counted(report.tracks, 'track')} annotated: {counted(report.steps, 'change')} in "
            "Live, each one step of its undo history. Before you deliver stems: "
            "stemlens-bridge ableton --remove"
        )
    done = (
        f"Stemlens: {counted(report.tracks, 'track')} annotated "
        f"({counted(report.steps, 'undo step')})"
    )
    _show(link, f"{done}; {findings.heard_as_meant}" if findings.verdicts else done)


def _remove(link: LiveLink, memory: Memory) -> int:
    from stemlens_bridge.ableton import locators
    from stemlens_bridge.ableton.writing import Writer

    report = Writer(link, memory).remove()
    locators.remove(link, report)
    _problems(report)
    _say(
        f"{counted(report.tracks, 'track')} as before: {counted(report.steps, 'change')} in "
        "Live, each one step of its undo history."
    )
    _show(link, f"Stemlens: {counted(report.tracks, 'track')} as before")
    return 1 if report.problems else 0


def _apply(given: argparse.Namespace, link: LiveLink, memory: Memory) -> int:
    """Carries a trial out, or takes it back."""
    from stemlens_bridge.ableton import applying
    from stemlens_bridge.commands.common import applied_told, steps_to_apply, tracks_of

    if given.undo:
        applied = applying.undo(link, memory)
    else:
        job, steps = steps_to_apply(given)
        applied = applying.apply(link, memory, tracks_of(job, given), steps)
    applied_told(applied, given.undo)
    return 0


def _follow(link: LiveLink, live: LiveSet, planned: Planned, playing: Playing) -> None:
    from stemlens_bridge.ableton.follow import Follower

    def on_stale(why: str) -> None:
        playing.say(f"{why} The result may no longer fit; export again.")

    stems = [stem.id for stem in planned.session.stems]
    follower = Follower(link, live, stems, lambda move: playing.move(move, "the export"), on_stale)
    _say("Following the faders; Ctrl-C ends it.")
    try:
        follower.start()
        while True:
            follower.step(FOLLOW_STEP_S)
    except KeyboardInterrupt:
        _say("No longer following.")
    finally:
        follower.stop()


def _show(link: LiveLink, text: str) -> None:
    """Shows a text in Live's status bar; nothing tells whether it came, so it is sent twice."""
    from stemlens_bridge.ableton import addresses

    for _ in range(2):
        link.tell(addresses.SHOW_MESSAGE, text)
        link.pause(1)


def _folder(given: Path | None) -> Path:
    folder = given or Path.home() / "Music" / "Stemlens Live"
    if given is None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StemlensError(
                "output_failed", f"{folder} cannot be made: {error.strerror}. Name another with "
                "--export-folder."
            ) from error  # fmt: skip
    if not os.path.isdir(folder):
        raise StemlensError("audio_missing", f"There is no folder {folder}.")
    return folder


def _problems(report: Report) -> None:
    for problem in report.problems:
        _say(problem)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _annotations(text: str) -> tuple[str, ...]:
    wanted = tuple(part.strip().replace("colour", "color") for part in text.split(","))
    if wanted == ("none",):
        return ()
    for part in wanted:
        if part not in ANNOTATIONS:
            raise argparse.ArgumentTypeError(f"{part!r} is none of {', '.join(ANNOTATIONS)}, none")
    return wanted


def _live(text: str) -> tuple[str, int, int]:
    from stemlens_bridge.commands.common import address

    parts = text.split(":")
    if len(parts) not in (2, 3):
        raise argparse.ArgumentTypeError(f"{text!r} is not HOST:PORT or HOST:PORT:REPLY")
    host, port = address(":".join(parts[:2]))
    _, reply = address(f"{host}:{parts[2]}") if len(parts) == 3 else ("", REPLY_PORT)
    return host, port, reply
