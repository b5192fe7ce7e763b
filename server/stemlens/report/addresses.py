"""Addresses of a job's sounds. Ids and tags are whatever people and programs wrote, slashes too, so
they are percent-encoded twice: servers undo one before they look for slashes."""

from __future__ import annotations

from urllib.parse import quote, unquote

AUDIO = "/audio"


def address(job: str, *names: str) -> str:
    """Where a sound of a job is: "sum", "mix", "stem" and a track, "explained" with a tag
    and what of it, or "trial" with its request, rank and side. On the page that is sent around also
    "sum" or "mix" with "whole"."""
    return "/".join([AUDIO, *(quoted(name) for name in (job, *names))])


def named(part: str) -> str:
    """What a part of an address names, after the server has undone one encoding."""
    return unquote(part)


def quoted(name: str) -> str:
    """A name as a part of an address."""
    # A part of dots alone would be taken for a way up.
    return quote(quote(name, safe="").replace(".", "%2E"), safe="")
