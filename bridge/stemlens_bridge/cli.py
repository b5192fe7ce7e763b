"""The command `stemlens-bridge`: what a DAW script, or a person, says to the server.

Results go to standard output, everything else to standard error. Exit codes: 0 done, 1 an error
that is told in one sentence, 2 a command line that makes no sense, 130 stopped by the user.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from stemlens_bridge import __version__, jsontext, terminal
from stemlens_bridge.client import Client, Results, new_job_id
from stemlens_bridge.errors import StemlensError
from stemlens_bridge.protocol import PORT, Options
from stemlens_bridge.session import Session
from stemlens_bridge.writing import require_writable


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit code."""
    terminal.prepare()
    given = _parser().parse_args(arguments)
    try:
        return int(given.run(given))
    except StemlensError as error:
        print(f"stemlens-bridge: {error} [{error.code}]", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stemlens-bridge: stopped", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="stemlens-bridge", description="Brings the stems of a DAW to a Stemlens server."
    )
    parser.add_argument("--version", action="version", version=f"stemlens-bridge {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    ping = commands.add_parser("ping", help="is a server there?")
    ping.set_defaults(run=_ping)

    submit = commands.add_parser("submit", help="analyse a session and show what each stem does")
    submit.set_defaults(run=_submit)
    submit.add_argument(
        "session", type=Path, nargs="+", help="a folder of stems, a session.json, or audio files"
    )
    submit.add_argument("--mix", type=Path, help="the bounce of the master")
    submit.add_argument("--job", help="the job's id; the same again continues where it was")
    submit.add_argument("--json", type=Path, metavar="FILE", help="write the whole result here")
    submit.add_argument(
        "--options", default="{}", metavar="JSON", help="options of the job, e.g. '{\"tags\": 5}'"
    )
    submit.add_argument("--tagger", help="short for the option tagger")
    submit.add_argument("--value", help="short for the option value")

    for command in (ping, submit):
        command.add_argument(
            "--server",
            type=_address,
            default=("127.0.0.1", PORT),
            metavar="HOST:PORT",
            help=f"where the server listens (127.0.0.1:{PORT})",
        )
        command.add_argument("--transport", choices=("udp", "tcp"), default="udp")
    return parser


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65_536:
        raise argparse.ArgumentTypeError(f"{text!r} is not HOST:PORT")
    return host.strip("[]"), int(port)


def _ping(given: argparse.Namespace) -> int:
    with Client(given.server, given.transport) as client:
        started = time.perf_counter()
        pong = client.ping()
        took_ms = 1000 * (time.perf_counter() - started)
    print(f"Stemlens server {pong.version}, protocol {pong.protocol}, {took_ms:.1f} ms")
    return 0


def _submit(given: argparse.Namespace) -> int:
    require_writable(given.json)
    session = Session.read(*given.session, mix=given.mix)
    options = session.options(_options(given))
    job = given.job or new_job_id(session.project)
    with Client(given.server, given.transport) as client:
        try:
            client.submit(session, options, job)
            results = client.follow(job, _progress(sys.stderr))
        except KeyboardInterrupt:
            print(f"\nstemlens-bridge: cancelling {job} …", file=sys.stderr)
            with suppress(StemlensError):
                client.cancel(job, patience_s=1.0)
            raise
    document = _document(results)
    if document["schema"] == "stemlens.analysis/1":
        terminal.show(document)
    else:
        print(f"{len(results.messages)} messages of the result arrived; it lies in {results.path} "
              "on the server's machine.")  # fmt: skip
    if given.json:
        jsontext.write(given.json, document)
        print(f"The whole result is in {given.json}.", file=sys.stderr)
    return 0


def _options(given: argparse.Namespace) -> Options:
    options = json.loads(Options.from_json(given.options).to_json())
    for key in ("tagger", "value"):
        if getattr(given, key) is not None:
            options[key] = getattr(given, key)
    return Options.from_dict(options)


def _document(results: Results) -> dict[str, Any]:
    """The server's result file where it can be read from here, else what came over OSC."""
    try:
        document = json.loads(Path(results.path).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return results.to_dict()
    return document if isinstance(document, dict) else results.to_dict()


def _progress(stream: Any) -> Callable[[str, float], None]:
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


if __name__ == "__main__":
    sys.exit(main())
