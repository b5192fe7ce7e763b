"""What makes two sessions the same: the audio, and the facts that change a result.

A job's id is made of this, so that the same content is the same job: after a restart, a touch or a
renamed folder nothing is analysed again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

from stemlens.service.store import JobFile
from stemlens_bridge.protocol import MAX_JOB_ID, Options

DIGEST = 16
NAME = 30


def digest(files: Sequence[JobFile], options: Options) -> str:
    """16 hex digits of a session's frozen files and its options, whatever folder it lies in."""
    told = [
        (file.is_mix, file.track, file.name, file.gain_db, json.loads(file.facts), file.sha256)
        for file in files
    ]
    text = json.dumps([sorted(told, key=lambda file: file[:2]), options.to_dict()], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:DIGEST]


def job_id(project: str, content: str, attempt: int = 1) -> str:
    """The job of a session; a further attempt, after a failure, is a job of its own."""
    again = "" if attempt == 1 else f"-{attempt}"
    return f"watch-{project[:NAME]}-{content}{again}"[:MAX_JOB_ID]
