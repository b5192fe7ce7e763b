"""A result as a table for a spreadsheet or a statistics program: one row for each tag and stem.

Columns are `COLUMNS`. Scores are in points of 100; `value`, `low`, `high`, `mute` and `solo` are in
the `unit` of their row, "points" (of 100) or "log-odds"; what was not measured is empty. UTF-8,
commas, quotes and CRLF as in RFC 4180. What a spreadsheet would take for a formula has an
apostrophe before it, by which spreadsheets know text (OWASP, "CSV Injection"): a text that begins
with one of `SIGNS`, also in its wide form or behind blanks and what is not seen, or with a control
character. The same after what separates cells where a spreadsheet does not take commas for that:
it knows nothing of our quotes then.
"""

from __future__ import annotations

import csv
import re
import unicodedata
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from stemlens.wording.told import unit_of
from stemlens_bridge.writing import written

COLUMNS = (
    "tag", "kind", "stem", "name", "value", "low", "high", "mute", "solo", "score", "baseline",
    "mix_score", "unit",
)  # fmt: skip
SIGNS = "=+-@"  # with which a formula begins
SEPARATORS = re.compile("([;\t\r\n])")
UNSEEN = ("Cc", "Cf", "Zs", "Zl", "Zp")  # categories of Unicode: controls, formats, blanks
DIGITS = 5


def write(path: Path, document: Mapping[str, Any]) -> None:
    """Writes a result's shares; raises `output_failed`."""
    with written(path) as part, part.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(COLUMNS)
        table.writerows(rows(document))


def rows(document: Mapping[str, Any]) -> Iterator[list[str | float | None]]:
    """The rows, best tag first, stems in their order."""
    names = {stem["id"]: stem["name"] for stem in document["session"]["stems"]}
    unit = unit_of(document)
    scale = 100.0 if unit == "points" else 1.0
    for tag in document["tags"]:
        scores = [_number(tag[key], 100.0) for key in ("score", "baseline", "mix_score")]
        for share in tag["attributions"]:
            told = [tag["tag"], tag["kind"], share["stem"], names[share["stem"]]]
            parts = [_number(share[key], scale) for key in ("value", "low", "high", "mute", "solo")]
            yield [*map(_text, told), *parts, *scores, unit]


def _number(value: float | None, scale: float) -> float | None:
    return None if value is None else round(scale * value, DIGITS) + 0.0  # no −0


def _text(words: str) -> str:
    """A text without a formula in it."""
    safe = "".join(f"'{part}" if _is_formula(part) else part for part in SEPARATORS.split(words))
    return f"'{safe}" if unicodedata.category(safe[:1] or " ") == "Cc" else safe


def _is_formula(words: str) -> bool:
    first = next((sign for sign in words if unicodedata.category(sign) not in UNSEEN), " ")
    return unicodedata.normalize("NFKC", first)[0] in SIGNS
