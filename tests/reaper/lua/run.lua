-- Runs the Lua tests of REAPER's scripts.
--
--   lua5.4 run.lua list                      all tests, one "file name" a line
--   lua5.4 run.lua run FILE NAME FOLDER      one of them, in an empty folder
--
-- A test file returns a table of functions; each gets a helper (see support/case.lua).

local here = arg[0]:match("^(.*)/") or "."
package.path = here .. "/support/?.lua"

local function names(file)
  local tests = dofile(here .. "/test_" .. file .. ".lua")
  local found = {}
  for name in pairs(tests) do
    found[#found + 1] = name
  end
  table.sort(found)
  return tests, found
end

if arg[1] == "list" then
  for _, path in ipairs(require("standin").list(here)) do
    local file = path:match("^test_(.+)%.lua$")
    for _, name in ipairs(file and select(2, names(file)) or {}) do
      print(file .. "\t" .. name)
    end
  end
else
  local case = require("case")
  local tests = names(arg[2])
  local good, fault = xpcall(tests[arg[3]], debug.traceback, case.new(here, arg[4]))
  if not good then
    io.stderr:write(fault, "\n")
    os.exit(1)
  end
end
