"""Plain data arrives in Lua as it is."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from support.programs import needs

from stemlens_bridge import luatext

ECHO = r"""
local file = assert(io.open(arg[1], "rb"))
local data = assert(load(file:read("a"), "data", "t", {}))()
local function show(value)
  if type(value) ~= "table" then
    return type(value) == "string" and ("%q"):format(value) or tostring(value)
  end
  local keys, parts = {}, {}
  for key in pairs(value) do keys[#keys + 1] = key end
  table.sort(keys, function(a, b) return tostring(a) < tostring(b) end)
  for i, key in ipairs(keys) do parts[i] = tostring(key) .. "=" .. show(value[key]) end
  return "{" .. table.concat(parts, ",") .. "}"
end
io.write(show(data))
"""


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        ({"a": [1, 2.5, True], "b": None}, "{a={1=1,2=2.5,3=true}}"),
        ({"text": 'quote " back \\ 12'}, r'{text="quote \" back \\ 12"}'),
        ("\n1 tab\t2", '"\\\n1 tab\\0092"'),
        ("é −9 🎸", '"é −9 🎸"'),
        ("]] .. os.exit() .. [[", '"]] .. os.exit() .. [["'),
        ([], "{}"),
    ],
)
def test_lua_reads_what_python_wrote(tmp_path: Path, data: Any, shown: str) -> None:
    lua = needs("lua5.4", "lua5.4")
    (tmp_path / "echo.lua").write_text(ECHO)
    (tmp_path / "data.lua").write_text(luatext.dumps(data))
    done = subprocess.run(
        [lua, tmp_path / "echo.lua", tmp_path / "data.lua"], capture_output=True, check=True
    )
    assert done.stdout.decode() == shown


@pytest.mark.parametrize("data", [float("nan"), float("inf"), {1: 2}, {"a": object()}])
def test_what_json_could_not_hold_is_refused(data: Any) -> None:
    with pytest.raises((ValueError, TypeError)):
        luatext.dumps(data)
