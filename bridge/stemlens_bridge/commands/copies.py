"""What the commands share that write a result into a copy of another program's file."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from stemlens_bridge.commands.common import Commands

Run = Callable[[argparse.Namespace], int]


def add(
    commands: Commands,
    name: str,
    original: str,
    *,
    about: str,
    annotate: tuple[str, Run],
    remove: tuple[str, Run],
) -> None:
    """Defines `name annotate` and `name remove` with the arguments of both.

    `original`: what the file is called in the help; each command comes as (help, what runs it).
    The parsed arguments are `original`, `result`, `colour`, `output` and `replace`.
    """
    group = commands.add_parser(name, help=about)
    kinds = group.add_subparsers(metavar="COMMAND", required=True)
    annotating = kinds.add_parser("annotate", help=annotate[0])
    annotating.set_defaults(run=annotate[1])
    removing = kinds.add_parser("remove", help=remove[0])
    removing.set_defaults(run=remove[1])
    for command in (annotating, removing):
        command.add_argument("original", type=Path, metavar=f"{original}.{name}")
    annotating.add_argument("result", type=Path, metavar="RESULT.json")
    annotating.add_argument(
        "--color", "--colour", action="store_true", dest="colour", help="colour the tracks too"
    )
    for command in (annotating, removing):
        command.add_argument(
            "-o", "--output", type=Path, required=True, metavar=f"COPY.{name}",
            help="the copy; the original is never changed",
        )  # fmt: skip
        command.add_argument("--replace", action="store_true", help="the copy may exist already")


def tell(problems: Sequence[str]) -> None:
    """Says what could not be written, and why."""
    for problem in problems:
        print(f"stemlens-bridge: {problem}", file=sys.stderr)
