"""The sounds of jobs over HTTP, with byte ranges, so that browsers can seek in them.

What a sound is comes with it in the header `X-Stemlens-Sound`, percent-encoded, and the part of it
that is meant in `X-Stemlens-Span`, two times in s; what cannot be had is answered with a sentence
in plain text. Ids and tags in addresses are encoded twice (see `addresses`). Only pages of the
panel itself get anything: a page of another site could not read what comes, but it could play it,
and make the panel work.
"""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote

from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse, PlainTextResponse

from stemlens.report.addresses import AUDIO, named
from stemlens.service.panel.sounds import Heard, Sounds
from stemlens_bridge.errors import StemlensError

SAID, SPAN = "X-Stemlens-Sound", "X-Stemlens-Span"
STATUS = {
    "job_unknown": 404,
    "track_unknown": 404,
    "audio_missing": 404,
    "nothing_explains": 404,
    "files_changed": 409,
    "path_not_allowed": 403,
}
OWN_SITES = ("same-origin", "none")
HEADERS = {"Cross-Origin-Resource-Policy": "same-origin", "Cache-Control": "private, no-cache"}


def routes(sounds: Sounds) -> APIRouter:
    """The routes `/audio/{job}/stem/{track}`, `…/sum`, `…/mix`, `…/explained/{tag}/{kind}`
    and `…/trial/{request}/{rank}/{a|b}`."""
    router = APIRouter(prefix=f"{AUDIO}/{{job}}")

    # Plain functions, which FastAPI runs in threads: they read files.
    @router.get("/sum")
    def play_sum(job: str, request: Request) -> Response:
        return _answer(request, lambda: sounds.sum(named(job)))

    @router.get("/mix")
    def play_mix(job: str, request: Request) -> Response:
        return _answer(request, lambda: sounds.mix(named(job)))

    @router.get("/stem/{track}")
    def play_stem(job: str, track: str, request: Request) -> Response:
        return _answer(request, lambda: sounds.stem(named(job), named(track)))

    @router.get("/explained/{tag}/{kind}")
    def play_explained(job: str, tag: str, kind: str, request: Request) -> Response:
        return _answer(request, lambda: sounds.explained(named(job), named(tag), kind))

    @router.get("/trial/{asked}/{rank}/{side}")
    def play_trial(job: str, asked: str, rank: int, side: str, request: Request) -> Response:
        return _answer(request, lambda: sounds.trial(named(job), named(asked), rank, side))

    return router


def _answer(request: Request, hear: Callable[[], Heard]) -> Response:
    if request.headers.get("sec-fetch-site", "none") not in OWN_SITES:
        return PlainTextResponse("Sounds are for the panel's own pages.", 403, HEADERS)
    try:
        heard = hear()
    except StemlensError as error:
        return PlainTextResponse(error.message, STATUS.get(error.code, 500), HEADERS)
    headers = {**HEADERS, SAID: quote(heard.said)}
    if heard.span_s is not None:
        headers[SPAN] = "{:.3f} {:.3f}".format(*heard.span_s)
    return FileResponse(heard.sound.path, media_type="audio/wav", headers=headers)
