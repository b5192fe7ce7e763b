"""The command `stemlens-bridge`: what runs beside a DAW.

Results go to standard output, everything else to standard error. Exit codes: 0 done, 1 an error
that is told in one sentence, 2 a command line that makes no sense, 130 stopped by the user.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module

from stemlens_bridge import __version__, keys, terminal
from stemlens_bridge.errors import StemlensError

# command: the module of `commands` that defines it
COMMANDS = {
    "ping": "server",
    "submit": "server",
    "live": "live",
    "try": "trials",
    "suggest": "trials",
    "explain": "trials",
    "verify": "trials",
    "reaper": "reaper",
    "ableton": "ableton",
    "als": "als",
    "ardour": "ardour",
    "dawproject": "dawproject",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit code."""
    terminal.prepare()
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        given = _parser(*arguments[:1]).parse_args(arguments)
        if named := getattr(given, "key", None):
            os.environ[keys.VARIABLE] = str(named)  # for every link, also of processes of ours
        return int(given.run(given))
    except StemlensError as error:
        print(f"stemlens-bridge: {error} [{error.code}]", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stemlens-bridge: stopped", file=sys.stderr)
        return 130


def _parser(command: str = "") -> argparse.ArgumentParser:
    """The parser for one command, which starts faster, or for all."""
    parser = argparse.ArgumentParser(
        prog="stemlens-bridge", description="Brings the stems of a DAW to a Stemlens server."
    )
    parser.add_argument("--version", action="version", version=f"stemlens-bridge {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    modules = {COMMANDS[command]} if command in COMMANDS else dict.fromkeys(COMMANDS.values())
    for module in modules:
        import_module(f"stemlens_bridge.commands.{module}").add(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
