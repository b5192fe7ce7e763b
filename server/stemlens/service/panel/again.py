"""A job that was cancelled, taken up again: the same files and options under a new id."""

from __future__ import annotations

import os
from pathlib import Path

from stemlens.service.panel.library import Library
from stemlens_bridge.client import Client, new_job_id
from stemlens_bridge.protocol import Options
from stemlens_bridge.session import Session


def can_be_taken_up(library: Library, job: str) -> bool:
    """Whether a user cancelled the job and all its files are there; looks at the disk."""
    found, files = library.job(job)
    return found.error_code == "cancelled" and all(os.path.isfile(file.path) for file in files)


def take_up(library: Library, server: tuple[str, int], job: str) -> str:
    """Submits the job's session once more and returns the new id; blocks until the server has
    promised to do it. Raises what `Client.submit` does."""
    found, files = library.job(job)
    session = Session(
        project=found.project,
        daw=found.daw,
        stems=tuple(file.stem for file in files if not file.is_mix),
        mix=next((Path(file.path) for file in files if file.is_mix), None),
    )
    again = new_job_id(found.project)
    with Client(server, "tcp") as client:
        client.submit(session, Options.from_json(found.options), again)
    return again
