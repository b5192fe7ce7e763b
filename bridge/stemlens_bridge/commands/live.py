"""`stemlens-bridge live`: fader moves from standard input, for controllers that speak no OSC."""

from __future__ import annotations

import argparse
import sys
import time

from stemlens_bridge.commands.common import Commands, server_arguments
from stemlens_bridge.errors import StemlensError
from stemlens_bridge.moves import Move

POLL_S = 0.05
SWITCHES = {"mute": True, "unmute": False}


def add(commands: Commands) -> None:
    """Defines the command."""
    live = commands.add_parser(
        "live",
        help="tell what moving the faders of an analysed session does to its tags",
        description="Reads moves from standard input, one a line: a track's name or id and a gain "
        "in dB relative to the bounce ('Lead vocal -3'), or mute, or unmute.",
    )
    live.add_argument("job", help="the job's id, as 'submit --job' or a result file has it")
    live.set_defaults(run=run)
    server_arguments(live)


def run(given: argparse.Namespace) -> int:
    """Runs the command; returns its exit code."""
    from stemlens_bridge.live import LiveMix
    from stemlens_bridge.liveview import Screen

    screen = Screen(sys.stdout, {})
    with LiveMix(given.server, given.transport, given.job, screen.show) as live:
        for line in sys.stdin:
            try:
                if line.strip():
                    live.move(parsed(line))
            except StemlensError as error:
                screen.say(str(error))
        while not live.settled:
            time.sleep(POLL_S)
        if live.view.message:
            print(f"stemlens-bridge: {live.view.message}", file=sys.stderr)
            return 1
    return 0


def parsed(line: str) -> Move:
    """The move in a line; raises `bad_message`."""
    track, _, what = line.strip().rpartition(" ")
    if track and what in SWITCHES:
        return Move(track.strip(), muted=SWITCHES[what])
    try:
        return Move(track.strip(), float(what.removesuffix("dB").replace("−", "-")))
    except ValueError as error:
        raise StemlensError(
            "bad_message", f"{line.strip()!r} is no move; write a track and a gain: kick -3"
        ) from error
