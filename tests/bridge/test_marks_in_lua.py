"""The scripts of REAPER and Ardour tell our words from the user's by the bridge's rules."""

from __future__ import annotations

import json
import random
import subprocess
from pathlib import Path

import pytest
from support.programs import needs

from stemlens_bridge import luatext, marks

ROOT = Path(__file__).parents[2]
REAPER = ROOT / "reaper_scripts" / "Stemlens" / "lib"
ARDOUR = ROOT / "bridge" / "stemlens_bridge" / "ardour" / "lua"
ASKS = """
package.path = arg[1] .. "/?.lua;" .. arg[2] .. "/?.lua"
local marks, json = require(arg[3]), require("json")
local file = assert(io.open(arg[4], "rb"))
local answers = json.list({})
for index, text in ipairs(load(file:read("a"), "texts", "t", {})()) do
  local put = marks.put(text, "[Stemlens] rock [/Stemlens]")
  answers[index] = json.list({ marks.taken_out(text), put })
end
io.write(json.write(answers))
"""
PIECES = ("[Stemlens] ", " [/Stemlens]", "[Stemlens]", "[/Stemlens]", "\n", " ", "loud", "é", "%")


@pytest.mark.parametrize("module", ["marks", "core"])
def test_both_sides_answer_alike(tmp_path: Path, module: str) -> None:
    lua = needs("lua5.4", "lua5.4")
    chance = random.Random(7)
    texts = ["".join(chance.choices(PIECES, k=chance.randrange(9))) for _ in range(1500)]
    (tmp_path / "asks.lua").write_text(ASKS)
    (tmp_path / "texts.lua").write_text(luatext.dumps(texts))
    command = [lua, tmp_path / "asks.lua", REAPER, ARDOUR, module, tmp_path / "texts.lua"]
    answers = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    ours = "[Stemlens] rock [/Stemlens]"
    assert answers == [[marks.taken_out(text), marks.put(text, ours)] for text in texts]
