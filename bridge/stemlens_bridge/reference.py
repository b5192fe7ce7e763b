"""The reference pages of the protocol and of session.json, written from their definitions.

`python -m stemlens_bridge.reference osc|session` prints the page; `make docs` puts them into
`docs/`, and a test sees to it that they are up to date.
"""

from __future__ import annotations

import inspect
import json
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, fields
from typing import Any, get_args, get_origin, get_type_hints

from stemlens_bridge.annotations import AnnotationPolicy
from stemlens_bridge.edits import ExplainOptions, SuggestOptions, TryOptions
from stemlens_bridge.errors import CODES
from stemlens_bridge.keys import MAX_SEAL_BYTES
from stemlens_bridge.protocol import (
    LETTERS,
    MAX_RESULT_BYTES,
    PORT,
    TO_CLIENT,
    TO_SERVER,
    VERSION,
    Message,
    Options,
)
from stemlens_bridge.session import SCHEMA, SESSION_KEYS, STEM_KEYS

GENERATED = "<!-- written by `make docs`; change the definitions, not this page -->"


def osc_page() -> str:
    """`docs/osc.md`."""
    return "\n".join(
        [
            f"# OSC, version {VERSION}",
            GENERATED,
            "",
            f"The server listens on 127.0.0.1:{PORT}, UDP and TCP. TCP packets are framed by SLIP "
            "or by an int32 length in front; the first byte tells which. A packet has up to "
            "64 KiB. Letters are OSC types; arguments in brackets may be left out, `…` repeats. "
            "Numbers of other types pass where they mean the same; extra arguments are ignored. "
            "Bundles are unpacked (two levels) and their time tags ignored; addresses are "
            "compared, never matched as patterns.",
            "",
            "With `reply_port` 0 a request is answered to the sender's own port. What the server "
            "sends by itself goes to where the job's latest open, status or results came from, or "
            "to the port named when it was opened, and never to another host than the sender's. "
            "Over TCP everything uses the connection.",
            "",
            "Other machines, where they are let in at all, stamp every message with the server's "
            "key, and the server stamps its own: see [remote.md](remote.md). Messages that come "
            "faster than 5,000 a second from one sender are passed over (UDP) or wait (TCP).",
            "",
            f"Results come in datagrams of {MAX_RESULT_BYTES:,} bytes at most, with a stamp "
            f"{MAX_RESULT_BYTES + MAX_SEAL_BYTES:,}, while ids of tracks have up to 64 characters: "
            "lists go on in further messages, and a sentence that names in it make too long ends "
            "in …; the JSON has it whole.",
            "",
            "## Client → server",
            *_messages(TO_SERVER.values()),
            "",
            "## Server → client",
            *_messages(TO_CLIENT.values()),
            "",
            "## Options",
            "",
            "A JSON object; unknown keys and impossible values are `bad_options`.",
            "",
            *_options(Options, Options()),
            "",
            "`annotations` is an object:",
            "",
            *_options(AnnotationPolicy, AnnotationPolicy()),
            "",
            "### Of `/stemlens/try`",
            "",
            *_options(TryOptions, TryOptions()),
            "",
            "### Of `/stemlens/suggest`",
            "",
            *_options(SuggestOptions, SuggestOptions()),
            "",
            "### Of `/stemlens/explain`",
            "",
            *_options(ExplainOptions, ExplainOptions()),
            "",
            "## Error codes",
            "",
            "| code | meaning |",
            "|---|---|",
            *(f"| `{code}` | {meaning} |" for code, meaning in CODES.items()),
            "",
        ]
    )


def session_page() -> str:
    """`docs/session.md`."""
    return "\n".join(
        [
            f"# session.json, schema `{SCHEMA}`",
            GENERATED,
            "",
            "What a DAW script writes beside its bounces. Unknown keys are errors, so that a "
            "misspelt one is not silently ignored. Paths are relative to the file.",
            "",
            *_keys(SESSION_KEYS),
            "",
            "Each of `stems` is an object:",
            "",
            *_keys(STEM_KEYS),
            "",
            "The stems are a cut of the routing: every path to the master passes exactly one of "
            "them, so a bus and its children are never stems at once.",
            "",
            "Without a `session.json` a folder's audio files are the stems; a file named `mix`, "
            "`master` or `mixdown` is the mix.",
            "",
        ]
    )


def _messages(kinds: Iterable[type[Message]]) -> list[str]:
    lines = []
    for kind in kinds:
        arguments = " ".join(_arguments(kind))
        lines += ["", f"### `{kind.address}` {arguments}".rstrip(), "", inspect.getdoc(kind) or ""]
    return lines


def _arguments(kind: type[Any]) -> list[str]:
    hints = get_type_hints(kind)
    shown = []
    for spec in fields(kind):
        hint = hints[spec.name]
        if get_origin(hint) is tuple:
            member = get_args(hint)[0]
            one = f"{spec.name.removesuffix('s')}:{LETTERS.get(member)}"
            inner = one if member in LETTERS else " ".join(_arguments(member))
            shown.append(f"[{inner} …]")
        elif spec.default is MISSING:
            shown.append(f"{spec.name}:{LETTERS[hint]}")
        else:
            shown.append(f"[{spec.name}:{LETTERS[hint]}]")
    return shown


def _options(cls: type[Any], defaults: Any) -> list[str]:
    """A table of a dataclass whose docstring has `name: meaning` for each field, of which further
    lines are indented."""
    text = re.sub(r"\n +", " ", inspect.getdoc(cls) or "")
    said = {
        name: meaning
        for name, colon, meaning in (line.partition(": ") for line in text.splitlines())
        if colon
    }
    lines = ["| option | default | meaning |", "|---|---|---|"]
    for spec in fields(cls):
        default = getattr(defaults, spec.name)
        shown = "" if isinstance(default, AnnotationPolicy) else f"`{json.dumps(default)}`"
        lines.append(f"| `{spec.name}` | {shown} | {said[spec.name]} |")
    return lines


def _keys(table: Mapping[str, tuple[str, bool, str]]) -> list[str]:
    lines = ["| key | type | needed | meaning |", "|---|---|---|---|"]
    for key, (kind, needed, meaning) in table.items():
        lines.append(f"| `{key}` | {kind} | {'yes' if needed else ''} | {meaning} |")
    return lines


PAGES = {"osc": osc_page, "session": session_page}

if __name__ == "__main__":
    sys.stdout.write(PAGES[sys.argv[1]]())
