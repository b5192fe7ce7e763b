"""The pages that are made from definitions are up to date."""

from __future__ import annotations

from pathlib import Path

import pytest

from stemlens.reference import with_table
from stemlens_bridge.reference import PAGES

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("page", PAGES)
def test_reference_pages_say_what_the_code_does(page: str) -> None:
    kept = (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8")
    assert kept == PAGES[page](), "run `make docs`"


def test_the_table_of_the_server_s_options_is_that_of_the_command() -> None:
    page = (ROOT / "docs" / "operation.md").read_text(encoding="utf-8")
    assert page == with_table(page), "run `make docs`"
    assert "| `port` | `9420` |" in page
