"""`stemlens-bridge als annotate` and `remove`: results in copies of Ableton Live's sets."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from stemlens_bridge.commands.common import Commands


def add(commands: Commands) -> None:
    """Defines both commands."""
    group = commands.add_parser("als", help="write a result into a copy of an Ableton Live set")
    group_commands = group.add_subparsers(metavar="COMMAND", required=True)

    annotate = group_commands.add_parser(
        "annotate", help="write info texts into the tracks of a copy of a set"
    )
    annotate.set_defaults(run=_annotate)
    annotate.add_argument("set", type=Path, metavar="SET.als")
    annotate.add_argument("result", type=Path, metavar="RESULT.json")
    annotate.add_argument(
        "--color", "--colour", action="store_true", dest="colour", help="colour the tracks too"
    )

    remove = group_commands.add_parser(
        "remove", help="write a copy of a set without what Stemlens wrote into its info texts"
    )
    remove.set_defaults(run=_remove)
    remove.add_argument("set", type=Path, metavar="SET.als")

    for command in (annotate, remove):
        command.add_argument(
            "-o", "--output", type=Path, required=True, metavar="COPY.als",
            help="the copy; the set itself is never changed",
        )  # fmt: skip
        command.add_argument("--replace", action="store_true", help="the copy may exist already")


def _annotate(given: argparse.Namespace) -> int:
    from stemlens_bridge import als
    from stemlens_bridge.findings import Findings

    findings = Findings.read(given.result)
    changed = als.annotate_file(
        given.set, findings, given.output, colour=given.colour, replace=given.replace
    )
    for problem in changed.problems:
        print(f"stemlens-bridge: {problem}", file=sys.stderr)
    _tell_place(given)
    tracks = "1 track" if changed.tracks == 1 else f"{changed.tracks} tracks"
    print(f"{given.output}: {tracks} changed. Live shows the texts in its info view.")
    return 0


def _remove(given: argparse.Namespace) -> int:
    from stemlens_bridge import als

    changed = als.remove_from_file(given.set, given.output, replace=given.replace)
    _tell_place(given)
    texts = "1 text" if changed.tracks == 1 else f"{changed.tracks} texts"
    print(f"{given.output}: {texts} taken out.")
    return 0


def _tell_place(given: argparse.Namespace) -> None:
    if given.output.absolute().parent != given.set.absolute().parent:
        print(
            "stemlens-bridge: the copy lies in another folder than the set; Live may not find "
            "samples there.",
            file=sys.stderr,
        )
