"""The forms of stored documents, looked at before anything in a document is believed.

Every document names its form (`schema`, "stemlens.analysis/1"). Whoever loads one asks here; a form
that stands beside these, or comes after them, is told apart here and nowhere else.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from stemlens_bridge import __version__, jsontext
from stemlens_bridge.errors import StemlensError

RESULT = "stemlens.analysis/1"
TRIALS = "stemlens.trials/1"
EXPLANATION = "stemlens.explanation/1"
WRITERS = {
    RESULT: "'stemlens analyze … --json FILE' and 'stemlens-bridge submit … --json FILE'",
    TRIALS: "'stemlens try … --json FILE' and 'stemlens suggest … --json FILE'",
    EXPLANATION: "'stemlens explain … --json FILE'",
}


def load(path: Path, schema: str) -> dict[str, Any]:
    """The document in a file; raises `result_invalid`."""
    try:
        document = jsontext.read(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise invalid(path, f"cannot be read: {error.strerror}", schema) from error
    except ValueError as error:
        raise invalid(path, f"is not JSON: {error}", schema) from error
    return require(document, schema, str(path))


def invalid(path: Path, why: str, schema: str) -> StemlensError:
    """What is wrong with a file, and who writes such ones."""
    told = f"{path} {why}. Such files are written by {WRITERS[schema]}."
    return StemlensError("result_invalid", told)


def read(text: str, schema: str, what: str) -> dict[str, Any]:
    """The document in a text; raises `result_invalid`, saying it of `what`."""
    try:
        document = json.loads(text)
    except ValueError as error:
        raise StemlensError("result_invalid", f"{what} is not JSON: {error}.") from error
    return require(document, schema, what)


def require(document: Any, schema: str, what: str) -> dict[str, Any]:
    """The document, if it is of this form; raises `result_invalid` as `read` does."""
    found = document.get("schema") if isinstance(document, dict) else None
    family = schema.rpartition("/")[0]
    if not isinstance(found, str) or found.rpartition("/")[0] != family:
        raise StemlensError(
            "result_invalid",
            f"{what} is not a result of Stemlens (schema {schema}); those are written by "
            f"{WRITERS[schema]}.",
        )
    if found != schema:
        raise StemlensError(
            "result_invalid",
            f"{what} has the form {found[:40]} and was written by {_writer(document)}; Stemlens "
            f"{__version__} reads {schema}. Analyse the session again (as a new job), or use the "
            "version that wrote it.",
        )
    assert isinstance(document, dict)
    return document


def _writer(document: dict[str, Any]) -> str:
    versions = document.get("versions")
    own = versions.get("stemlens") if isinstance(versions, dict) else None
    return f"Stemlens {own[:20]}" if isinstance(own, str) else "another version of Stemlens"
