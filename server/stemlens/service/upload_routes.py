"""Uploads over HTTP, for a server that has the GPU and a DAW on another machine.

`GET /upload/<name>` tells what there is of a file, as JSON: `{"offset": bytes, "whole": bool,
"path": where it is for the server}`. `PUT /upload/<name>` sends what comes next, with a header
`Content-Range: bytes <first>-<last>/<total>` (RFC 9110, 14.4 and 14.5), and is answered the same.
What goes wrong is `{"code", "message"}` as in `stemlens_bridge.errors`. Whoever is cut off asks,
and goes on from `offset`; what had come by then is kept.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import asdict

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from starlette.requests import ClientDisconnect

from stemlens.service.uploads import Coming, Uploads
from stemlens_bridge.errors import StemlensError

RANGE = re.compile(r"bytes (\d{1,15})-(\d{1,15})/(\d{1,15})")
BLOCK = 1 << 22  # bytes that are hashed and written at once, beside the loop
PATIENCE_S = 30.0  # for the next bytes
STATUS = {"disk_full": 507, "output_failed": 500}  # of errors; of all others 409


def add_to(app: FastAPI, uploads: Uploads) -> None:
    """Adds both routes to an application."""

    @app.get("/upload/{name}")
    async def state(name: str) -> Response:
        try:
            return JSONResponse(asdict(await asyncio.to_thread(uploads.state, name)))
        except StemlensError as error:
            return _told(error)

    @app.put("/upload/{name}")
    async def put(name: str, request: Request) -> Response:
        try:
            first, last, total = _range(request.headers.get("content-range", ""))
            coming = await asyncio.to_thread(uploads.begin, name, first, last, total)
            try:
                await _write(coming, request)
            finally:
                upload = await asyncio.to_thread(coming.close)
            return JSONResponse(asdict(upload))
        except StemlensError as error:
            return _told(error)


async def _write(coming: Coming, request: Request) -> None:
    """Writes the body; while one block is hashed and written, the next comes."""
    writing: asyncio.Future[None] | None = None
    try:
        async for block in _blocks(request):
            if writing is not None:
                await writing
            writing = asyncio.ensure_future(asyncio.to_thread(coming.write, block))
    finally:
        if writing is not None:
            await writing


async def _blocks(request: Request) -> AsyncIterator[bytes]:
    """The body in large pieces, as far as it comes."""
    stream = request.stream()
    kept: list[bytes] = []
    size = 0
    try:
        while True:
            part = await asyncio.wait_for(anext(stream), PATIENCE_S)
            kept.append(part)
            size += len(part)
            if size >= BLOCK:
                yield b"".join(kept)
                kept, size = [], 0
    except (StopAsyncIteration, ClientDisconnect, TimeoutError):
        yield b"".join(kept)


def _range(text: str) -> tuple[int, int, int]:
    found = RANGE.fullmatch(text)
    if found is None:
        raise StemlensError(
            "upload_failed",
            "An upload needs a header Content-Range: bytes <first>-<last>/<total>.",
        )
    first, last, total = (int(number) for number in found.groups())
    return first, last, total


def _told(error: StemlensError) -> Response:
    told = {"code": error.code, "message": error.message}
    return JSONResponse(told, STATUS.get(error.code, 409))
