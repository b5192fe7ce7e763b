"""The command `stemlens watch`: a server that watches folders and says what becomes of each
session."""

from __future__ import annotations

import asyncio
import logging
import sys
from pathlib import Path
from typing import Annotated

import typer

from stemlens.cli_common import (
    DEVICES,
    SERVING,
    DataFolder,
    Device,
    LogFolder,
    ServerPort,
    SettleSeconds,
    choice,
    data_folder,
)
from stemlens.service import logs
from stemlens.service.settings import Settings
from stemlens_bridge.errors import StemlensError
from stemlens_bridge.terminal import plain

PATIENCE_S = 10.0  # with --once, for files that are quiet and not complete
ASK_EVERY_S = 0.2


def add(app: typer.Typer) -> None:
    """Defines the command."""
    app.command()(watch)


def watch(
    folders: Annotated[list[Path], typer.Argument(metavar="FOLDER…", help="What is watched.")],
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write results there, not beside the audio.")
    ] = None,
    poll: Annotated[
        bool, typer.Option("--poll", help="Look each second; for network drives.")
    ] = False,
    once: Annotated[
        bool, typer.Option("--once", help="End when all that lies there is done.")
    ] = False,
    settle_s: SettleSeconds = SERVING.settle_s,
    data: DataFolder = None,
    log_dir: LogFolder = None,
    port: ServerPort = SERVING.port,
    device: Device = "auto",
) -> None:
    """Analyse each session that is dropped into a folder. Ctrl-C stops."""
    from stemlens.service.server import Server

    logs.to_terminal(least=logging.WARNING)
    settings = Settings(
        data=data_folder(data),
        port=port,
        device=choice(device, DEVICES, "--device"),
        watch=tuple(folder.absolute() for folder in folders),
        watch_output=out,
        watch_polling=poll,
        settle_s=settle_s,
    )
    for folder in settings.watch:
        if not folder.is_dir():
            raise StemlensError("audio_missing", f"There is no folder {folder}.")
    try:
        server = Server(settings)
    except StemlensError as error:
        if error.code != "data_in_use":
            raise
        raise StemlensError(
            error.code,
            "A server runs already; stop it and start it again with "
            f"'stemlens serve --watch {settings.watch[0]}', or give --data another folder.",
        ) from error
    desk = server.watch
    assert desk is not None
    failures = 0

    def tell(what: str, name: str, more: str) -> None:
        nonlocal failures
        failures += what in ("failed", "unwritten")
        told = plain(f"{what:<9} {name}  {more}".rstrip())
        print(told, flush=True)
        note(told)

    async def end_when_done() -> None:
        patience_s = settings.settle_s + PATIENCE_S
        while desk.looks == 0 or desk.busy or any(one.quiet_s < patience_s for one in desk.waiting):
            await asyncio.sleep(ASK_EVERY_S)
        for one in desk.waiting:
            why = one.why or "its files go on changing"
            print(plain(f"{one.name} is not complete: {why}."), file=sys.stderr)
        server.stop()

    async def serve() -> None:
        ending = asyncio.create_task(end_when_done()) if once else None
        await server.run()
        if ending is not None:
            ending.cancel()

    desk.news = tell
    with logs.kept(logs.folder(log_dir, data)) as note:
        asyncio.run(serve())
    if once and failures:
        raise typer.Exit(1)
