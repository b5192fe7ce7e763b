"""The player: one audio element for all sounds, outside of what each revision makes anew."""

from __future__ import annotations

from pathlib import Path

from nicegui import ui

SCRIPT = Path(__file__).parent / "static" / "player.js"
HINT = "Choose a sound: what plays goes on from the same place in the next one."


def player() -> None:
    """Puts the player into the page, and the script that makes buttons play (see there)."""
    ui.add_body_html(f"<script>{SCRIPT.read_text(encoding='utf-8')}</script>")
    ui.html(
        '<audio id="sl-audio" controls preload="auto" aria-label="Player"></audio>'
        f'<p id="sl-said" role="status">{HINT}</p>',
        sanitize=False,
        tag="section",
    ).classes("sl-listen").props('aria-label="Listen"')
