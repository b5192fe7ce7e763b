"""The report of a job over HTTP, to be saved: the page of `stemlens.report.page`, made on demand.

Only pages of the panel itself get it, as with sounds (`listening`). It is made of the same files,
while they are what was submitted; one at a time, for it takes seconds.
"""

from __future__ import annotations

import re
import threading
from pathlib import Path
from urllib.parse import quote

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, PlainTextResponse

from stemlens.over_time import OverTime
from stemlens.report.addresses import named, quoted
from stemlens.report.page import report
from stemlens.service.panel.library import Library
from stemlens.service.panel.listening import HEADERS, OWN_SITES, STATUS
from stemlens.service.panel.sounds import Sounds
from stemlens_bridge.errors import StemlensError

REPORT = "/report"
MB = 8.0


def report_address(job: str) -> str:
    """Where the report of a job is."""
    return f"{REPORT}/{quoted(job)}"


def routes(library: Library, sounds: Sounds) -> APIRouter:
    """The route `/report/{job}`."""
    router = APIRouter(prefix=REPORT)
    making = threading.Lock()

    # A plain function, which FastAPI runs in a thread: it reads files.
    @router.get("/{job}")
    def save(job: str, request: Request) -> Response:
        if request.headers.get("sec-fetch-site", "none") not in OWN_SITES:
            return PlainTextResponse("Reports are for the panel's own pages.", 403, HEADERS)
        try:
            with making:
                name, page = _made(library, sounds, named(job))
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
    over_time = None
    if document["time"] is not None:
        over_time = OverTime.read(Path(document["time"]), document["tagger"]["segment_s"])
    tried = library.trials(job)
    page = report(document, over_time, max_mb=MB, tried_so_far=tried, check=check)
    project = re.sub(r'[\\/:*?"<>|\x00-\x1f]+', " ", document["session"]["project"]).strip(" .")
    return f"{project[:80] or 'Stemlens'} report.html", page
