"""One job's result as the views get it from the page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Shown:
    """The result that is looked at.

    `document` is the result (schema `stemlens.analysis/1`), `files` are (track, name, path,
    is_mix), `trials` are (request, document). `audio` is the base of the URLs of its sound,
    `/audio/{job}`; `osc` and `key` say where and how to ask the server for more.
    """

    job: str
    project: str
    document: dict[str, Any]
    files: tuple[tuple[str, str, str, bool], ...]
    trials: list[tuple[str, dict[str, Any]]]
    audio: str
    osc: tuple[str, int]
    key: str | None
