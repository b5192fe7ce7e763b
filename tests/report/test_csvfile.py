"""The table of shares, read by a reader of our own."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

import pytest
from support.results import result

from stemlens.report import csvfile


def parsed(text: str) -> list[list[str]]:
    """RFC 4180, letter by letter."""
    rows: list[list[str]] = [[""]]
    quoted = False
    at = 0
    while at < len(text):
        if quoted and text.startswith('""', at):
            rows[-1][-1] += '"'
            at += 1
        elif text[at] == '"':
            quoted = not quoted
        elif quoted:
            rows[-1][-1] += text[at]
        elif text[at] == ",":
            rows[-1].append("")
        elif text.startswith("\r\n", at):
            rows.append([""])
            at += 1
        else:
            assert text[at] not in "\r\n"
            rows[-1][-1] += text[at]
        at += 1
    assert rows.pop() == [""]  # the last line ends too
    return rows


def test_every_share_is_a_row_that_any_program_reads(tmp_path: Path) -> None:
    names = ["=1+1", '-Bass, "fat"\r\n', "שם", "@x"]
    document = result({f"s{n}": (0.21, 0.19, 0.23) for n in range(4)}, mix_score=0.5)
    for stem, name in zip(document["session"]["stems"], names, strict=True):
        stem["name"] = name
    document["tags"][0]["attributions"][1] |= {"value": -0.03, "mute": None}
    path = tmp_path / "shares.csv"
    csvfile.write(path, document)
    head, *rows = parsed(path.read_bytes().decode("utf-8"))
    assert tuple(head) == csvfile.COLUMNS and len(rows) == 4
    read = [dict(zip(head, row, strict=True)) for row in rows]
    assert [one["name"] for one in read] == ["'=1+1", '\'-Bass, "fat"\r\n', "שם", "'@x"]
    assert [float(one["value"]) for one in read] == [21, -3, 21, 21]
    assert (read[0]["low"], read[0]["high"], read[0]["solo"]) == ("19.0", "23.0", "42.0")
    assert read[1]["mute"] == "" and read[0]["mute"] == "-10.5"
    assert {one["unit"] for one in read} == {"points"} and read[0]["mix_score"] == "50.0"


def test_log_odds_are_no_points() -> None:
    document = result({"a": (1.25, 1.0, 1.5)})
    document["method"]["unit"] = "log-odds"
    (row,) = csvfile.rows(document)
    told = dict(zip(csvfile.COLUMNS, row, strict=True))
    assert (told["value"], told["score"], told["unit"]) == (pytest.approx(1.25), 43.0, "log-odds")


OWASP = ("=", "+", "-", "@", "＝", "＋", "－", "＠")  # its page "CSV Injection", with what follows:
CONTROLS = ("\t", "\r", "\n")
BLANKS = ("", " ", "\u00a0", "\u3000", "\u200b", "\ufeff", "\0", *CONTROLS)


@pytest.mark.parametrize("blank", BLANKS)
@pytest.mark.parametrize("sign", OWASP)
def test_no_cell_begins_like_a_formula(tmp_path: Path, sign: str, blank: str) -> None:
    """Also where a spreadsheet takes semicolons for what separates cells, as in much of Europe."""
    attack = f"{blank}{sign}cmd|' /C calc'!A0"
    names = [attack, f"Bass;{attack}", f"Keys\r\n{attack}", f'Pad";\t{attack}']
    document = result({f"s{n}": (0.21, 0.19, 0.23) for n in range(4)})
    for stem, name in zip(document["session"]["stems"], names, strict=True):
        stem["name"] = name
    path = tmp_path / "shares.csv"
    csvfile.write(path, document)
    text = path.read_bytes().decode("utf-8")
    _, *rows = parsed(text)
    assert [row[3][0] for row in rows] == ["'", "B", "K", "P"]
    assert [row[3].replace("'", "") for row in rows] == [name.replace("'", "") for name in names]
    for cell in re.split("[;\\t\\r\\n]", text):  # whatever quotes may mean there
        seen = unicodedata.normalize("NFKC", cell).strip(" \0\u200b\ufeff")
        assert not seen.startswith(("=", "+", "-", "@")), cell


def test_other_names_stay_as_they_are_unless_they_begin_with_a_control() -> None:
    document = result({"a": (0.21, 0.19, 0.23)})
    for control in CONTROLS:
        document["session"]["stems"][0]["name"] = f"{control}pad"
        assert next(csvfile.rows(document))[3] == f"'{control}pad"
    for name in ("R&B", "A-side", "kick; snare", "−12 dB", "2+1", "'80s", "", " pad", "שם"):
        document["session"]["stems"][0]["name"] = name
        assert next(csvfile.rows(document))[3] == name
