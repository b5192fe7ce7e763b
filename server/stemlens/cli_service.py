"""The commands `stemlens status`, `doctor` and `autostart`: how the server is, how the installation
is, and starting it at every login."""

from __future__ import annotations

import argparse
import json
import os
import socket
import sys
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import typer
from typer.core import TyperCommand, TyperGroup

from stemlens import autostart, config
from stemlens.cli_common import DataFolder, data_folder
from stemlens.service import logs
from stemlens.service.hosts import near
from stemlens.service.settings import Settings
from stemlens_bridge import terminal
from stemlens_bridge.client import Client
from stemlens_bridge.commands import common
from stemlens_bridge.errors import StemlensError
from stemlens_bridge.keys import Key
from stemlens_bridge.protocol import FINAL_STATES, PORT

Server = Annotated[str, typer.Option("--server", metavar="HOST:PORT", help="Where it listens.")]
HERE = f"127.0.0.1:{PORT}"
AsJson = Annotated[bool, typer.Option("--json", help="For programs.")]
Force = Annotated[bool, typer.Option("--force", help="Take the place of somebody else's file.")]
starting = typer.Typer(no_args_is_help=True, help="Start the server at every login.")
NO_FILE = Path(os.devnull)
SIGNS = {"ok": "ok", "note": "–", "problem": "!!"}


def add(app: typer.Typer) -> None:
    """Defines the commands."""
    app.command()(status)
    app.command()(doctor)
    app.add_typer(starting, name="autostart")


def status(server: Server = HERE, as_json: AsJson = False) -> None:
    """Show what a running server does: the job at work, what waits, what is done."""
    with Client(_address(server)) as client:
        report = client.health()
    if as_json:
        print(json.dumps(report, indent=1))
        return
    for line in status_lines(report):
        print(terminal.plain(line))


def _address(text: str) -> tuple[str, int]:
    try:
        return common.address(text)
    except argparse.ArgumentTypeError as error:
        raise typer.BadParameter(str(error), param_hint="--server") from error


def remote_link(report: Mapping[str, Any]) -> str:
    """The panel's link for other machines, with the token that lets them in; "" where the server is
    not for them, or its key cannot be read by us."""
    if not report.get("key"):
        return ""
    try:
        token = Key.read(Path(report["key"])).token()
    except StemlensError:
        return ""
    return f"http://{socket.gethostname()}:{urlsplit(report['panel']).port}/#key={token}"


def status_lines(report: Mapping[str, Any]) -> Iterator[str]:
    """A report of `/stemlens/healthy` for people."""
    yield f"Stemlens {report['version']}, up for {duration(report['uptime_s'])}"
    running = report["running"]
    if running is None:
        yield {
            "starting": "The analysing process starts.",
            "ready": "Nothing is being analysed.",
        }.get(report["worker"], report["worker"])
    else:
        left = running["left_s"]
        told = "" if left is None else f", {duration(left)} left in this stage"
        yield f"At work: {running['job']}"
        since = duration(running["since_s"])
        yield f"  {running['stage']} {100 * running['fraction']:.0f} % after {since}{told}"
    jobs = report["jobs"]
    waiting = jobs.get("queued", 0)
    ended = ", ".join(f"{jobs[state]:,} {state}" for state in FINAL_STATES if jobs.get(state))
    yield f"Waiting: {waiting:,}. Ended: {ended or 'none yet'}."
    if report["panel"]:
        yield f"Panel: {report['panel']}"
    if report["panel"] and (link := remote_link(report)):
        yield f"  from other machines: {link}"
    yield f"Log: {report.get('log') or 'not kept in a file'}"
    yield f"{report['free_gb']:.1f} GB free for {report['data']}"


def duration(seconds: float) -> str:
    """Seconds in words that people use."""
    whole = round(seconds)
    if whole < 120:
        return f"{whole} s"
    if whole < 7200:
        return f"{whole // 60} min"
    return f"{whole / 3600:.1f} h" if whole < 172_800 else f"{whole // 86_400} days"


ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="TOML",
        help="The server's options.",
        show_default="config.toml in your configuration folder",
    ),
]


def doctor(
    ctx: typer.Context,
    config_file: ConfigFile = None,
    data: DataFolder = None,
    server: Annotated[
        str | None,
        typer.Option(metavar="HOST:PORT", help="Where it listens.", show_default="as configured"),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Look over this installation, and say how to mend what is not right."""
    from stemlens.doctor import findings
    from stemlens.doctor.serving import configuration

    found = []
    path = config_file or config.default_path()
    there = path if config_file or path.is_file() else NO_FILE
    wrong = None
    try:
        options = config.without_words(_serve(ctx), there)
    except StemlensError as error:
        options, wrong = config.without_words(_serve(ctx), NO_FILE), error
    settings = _settings(options, data, server)
    log = logs.folder(options["log_dir"], data or options["data"])
    for finding in (*configuration(path, wrong), *findings(settings, log)):
        found.append(finding)
        if as_json:
            continue
        line = f"{SIGNS[finding.state]:>2} {finding.about:<15} {finding.told}"
        print(textwrap.fill(line, terminal.width(), subsequent_indent=" " * 19))
        if finding.mend:
            indent = " " * 21
            print(textwrap.fill(f"→ {finding.mend}", terminal.width(), initial_indent=" " * 19,
                                subsequent_indent=indent))  # fmt: skip
    if as_json:
        print(json.dumps([asdict(finding) for finding in found], indent=1))
    if any(finding.state == "problem" for finding in found):
        sys.exit(1)


def _serve(ctx: typer.Context) -> TyperCommand:
    group = ctx.find_root().command
    assert isinstance(group, TyperGroup)
    serve = group.commands["serve"]
    assert isinstance(serve, TyperCommand)
    return serve


def _settings(options: Mapping[str, Any], data: Path | None, server: str | None) -> Settings:
    """What `doctor` looks at, of the options of `serve`."""
    host, port = _address(server) if server else (near(options["host"]), options["port"])
    return Settings(
        data=data_folder(data or options["data"]),
        host=host,
        port=port,
        allow=tuple(options["allow"] or ()),
        panel=options["panel"],
        panel_port=options["panel_port"],
        watch=tuple(options["watch"] or ()),
        watch_output=options["watch_out"],
        watch_polling=options["watch_poll"],
    )


@starting.command("install")
def autostart_install(
    show: Annotated[bool, typer.Option("--print", help="Only show what would be written.")] = False,
    force: Force = False,
) -> None:
    """Start the server now and at every login, with the options of the configuration file."""
    auto = autostart.here()
    print(*([auto.text] if show else autostart.install(auto, force=force)), sep="\n")


@starting.command("remove")
def autostart_remove(force: Force = False) -> None:
    """Start it no longer."""
    print(*autostart.remove(autostart.here(), force=force), sep="\n")


@starting.command("status")
def autostart_status() -> None:
    """Say whether it is started at login."""
    path = autostart.here().path
    print(f"It is, by {path}." if path.exists() else f"It is not: there is no {path}.")
