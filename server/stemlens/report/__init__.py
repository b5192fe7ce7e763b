"""A finished analysis in the forms of other programs, and as pictures and words in HTML.

Imports run one way: cli, service → report → result. What is written needs no tagger and no torch:
it is made from an Analysis just finished, or from a result that was saved (`over_time.saved`). The
panel draws with the same functions (`bars`, `heatmap`, `taggram`) as the page that is sent around.
"""

from pathlib import Path

DRAWINGS = Path(__file__).parent / "drawings.css"
"""How what is drawn looks, wherever it stands."""
