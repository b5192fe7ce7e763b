"""`stemlens-bridge ping` and `submit`: what any DAW script, or a person, says to the server."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from stemlens_bridge import jsontext, terminal
from stemlens_bridge.client import Client
from stemlens_bridge.commands.common import (
    Commands,
    document_of,
    option_arguments,
    options_from,
    results_of,
    server_arguments,
    show_verdicts,
)
from stemlens_bridge.errors import StemlensError
from stemlens_bridge.protocol import Options
from stemlens_bridge.session import Session
from stemlens_bridge.writing import require_writable


def add(commands: Commands) -> None:
    """Defines both commands."""
    ping = commands.add_parser("ping", help="is a server there?")
    ping.set_defaults(run=_ping)
    server_arguments(ping)

    submit = commands.add_parser("submit", help="analyse a session and show what each stem does")
    submit.set_defaults(run=_submit)
    submit.add_argument(
        "session", type=Path, nargs="*", help="a folder of stems, a session.json, or audio files"
    )
    submit.add_argument(
        "--mix", type=Path, help="the bounce of the master; alone, it is separated into stems"
    )
    submit.add_argument("--job", help="the job's id; the same again continues where it was")
    submit.add_argument("--json", type=Path, metavar="FILE", help="write the whole result here")
    option_arguments(submit)
    server_arguments(submit)


def _ping(given: argparse.Namespace) -> int:
    with Client(given.server, given.transport) as client:
        started = time.perf_counter()
        pong = client.ping()
        took_ms = 1000 * (time.perf_counter() - started)
    print(f"Stemlens server {pong.version}, protocol {pong.protocol}, {took_ms:.1f} ms")
    return 0


def _of_a_mix(options: Options) -> str:
    """What becomes of a mix without stems."""
    if options.separate == "off":
        return "There is only a mix, and the option separate is off: the server will object."
    return (
        f"There is only a mix: the server makes stems of it first ({options.separator}), which "
        "takes a while, and tells how far each is to be trusted."
    )


def _submit(given: argparse.Namespace) -> int:
    require_writable(given.json)
    options = options_from(given)
    if not given.session and given.mix is None:
        raise StemlensError(
            "session_invalid",
            "There is nothing to analyse: name a folder of stems, a session.json or audio files, "
            "or a lone mix with --mix.",
        )
    session = Session.read(*given.session, mix=given.mix)
    if not session.stems:
        print(_of_a_mix(options), file=sys.stderr)
    results = results_of(session, options, given, given.job)
    document = document_of(results)
    if given.json:
        jsontext.write(given.json, document or results.to_dict())
        print(f"The whole result is in {given.json}.", file=sys.stderr)
    if document is not None:
        terminal.show(document)
    else:
        print(f"{len(results.messages)} messages of the result arrived; it lies in {results.path} "
              "on the server's machine.")  # fmt: skip
        show_verdicts(results)
    return 0
