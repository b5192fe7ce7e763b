"""`stemlens-bridge dawproject annotate` and `remove`: results in copies of DAWproject files."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from stemlens_bridge.commands.common import Commands


def add(commands: Commands) -> None:
    """Defines both commands."""
    group = commands.add_parser(
        "dawproject", help="write a result into a copy of a DAWproject file (Bitwig, Studio One …)"
    )
    group_commands = group.add_subparsers(metavar="COMMAND", required=True)

    annotate = group_commands.add_parser(
        "annotate", help="write comments and markers into a copy of a project"
    )
    annotate.set_defaults(run=_annotate)
    annotate.add_argument("song", type=Path, metavar="SONG.dawproject")
    annotate.add_argument("result", type=Path, metavar="RESULT.json")
    annotate.add_argument(
        "--color", "--colour", action="store_true", dest="colour", help="colour the tracks too"
    )

    remove = group_commands.add_parser(
        "remove", help="write a copy of a project without what Stemlens wrote"
    )
    remove.set_defaults(run=_remove)
    remove.add_argument("song", type=Path, metavar="SONG.dawproject")

    for command in (annotate, remove):
        command.add_argument(
            "-o", "--output", type=Path, required=True, metavar="COPY.dawproject",
            help="the copy; the project itself is never changed",
        )  # fmt: skip
        command.add_argument("--replace", action="store_true", help="the copy may exist already")


def _annotate(given: argparse.Namespace) -> int:
    from stemlens_bridge import dawproject
    from stemlens_bridge.findings import Findings

    findings = Findings.read(given.result)
    found = dawproject.annotate_file(
        given.song, findings, given.output, colour=given.colour, replace=given.replace
    )
    for problem in found.problems:
        print(f"stemlens-bridge: {problem}", file=sys.stderr)
    print(
        f"{given.output}: {_counted(found.tracks, 'track')} of {len(findings.notes)} annotated, "
        f"{_counted(found.markers, 'marker')} written."
    )
    return 0


def _remove(given: argparse.Namespace) -> int:
    from stemlens_bridge import dawproject

    count = dawproject.remove_from_file(given.song, given.output, replace=given.replace)
    print(f"{given.output}: {_counted(count, 'annotation')} taken out.")
    return 0


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
