"""The report of a job over HTTP, to be saved: the page of `stemlens.report.page`, made on demand.

Only pages of the panel itself get it, as with sounds (`listening`). It is made of the same files,
while they are what was submitted; one at a time, for it takes seconds. Those that wait hold no
thread, for the panel has not many, and its other pages need them.
"""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from urllib.parse import quote

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, PlainTextResponse

from stemlens.over_time import OverTime
from stemlens.report.addresses import named, quoted
from stemlens.report.page import NO_COURSE, report
from stemlens.service.panel.library import Library
from stemlens.service.panel.listening import HEADERS, OWN_SITES, STATUS
from stemlens.service.panel.sounds import Sounds
from stemlens_bridge.errors import StemlensError

REPORT = "/report"
MB = 8.0
NOBODY = 499  # the status of an answer that is not waited for any more
COURSE_GONE = (
    "The course over time is missing: its file is gone or damaged. Analyse the session again to "
    "have it."
)


def report_address(job: str) -> str:
    """Where the report of a job is."""
    return f"{REPORT}/{quoted(job)}"


def routes(library: Library, sounds: Sounds) -> APIRouter:
    """The route `/report/{job}`."""
    router = APIRouter(prefix=REPORT)
    making = asyncio.Lock()

    @router.get("/{job}")
    async def save(job: str, request: Request) -> Response:
        if request.headers.get("sec-fetch-site", "none") not in OWN_SITES:
            return PlainTextResponse("Reports are for the panel's own pages.", 403, HEADERS)
        await request.body()  # after which there is only whether the client has left
        try:
            async with making:
                if await request.is_disconnected():
                    return Response(status_code=NOBODY)
                name, page = await run_in_threadpool(_made, library, sounds, named(job))
        except StemlensError as error:
            return PlainTextResponse(error.message, STATUS.get(error.code, 500), HEADERS)
        saved = f"attachment; filename*=UTF-8''{quote(name)}"
        return HTMLResponse(page, headers={**HEADERS, "Content-Disposition": saved})

    return router


def _made(library: Library, sounds: Sounds, job: str) -> tuple[str, str]:
    """The name of the file, and the page."""
    check = sounds.check(job)
    document = library.result(job)
    if document is None:
        raise StemlensError("audio_missing", "There is no result yet; it comes in a moment.")
    over_time, no_course = None, NO_COURSE
    if document["time"] is not None:
        try:
            over_time = OverTime.read(Path(document["time"]), document["tagger"]["segment_s"])
        except StemlensError:
            no_course = COURSE_GONE
    tried = library.trials(job)
    page = report(
        document, over_time, max_mb=MB, tried_so_far=tried, check=check, no_course=no_course
    )
    project = re.sub(r'[\\/:*?"<>|\x00-\x1f]+', " ", document["session"]["project"]).strip(" .")
    return f"{project[:80] or 'Stemlens'} report.html", page
