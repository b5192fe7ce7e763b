-- @noindex
-- What the user wishes of a list that the window shows, one wish after the other, with something
-- to listen to.

local failure = require("failure")
local project = require("project")

local wishing = {}

local function granted(it, wishes, wish, entry)
  local good, caught = pcall(wishes[wish], it, entry)
  if not good then
    if not failure.is(caught) then
      error(caught, 0)
    end
    it.run.window:note(failure.sentence(caught))
  end
end

local function serve(it, wishes, entries, look)
  local window = it.run.window
  while window:is_open() and project.is_open(it.proj) do
    local wish, entry = window:wish(), entries[window.view.row]
    if wish and entry then -- of an empty list there is nothing to wish
      granted(it, wishes, wish, entry)
    end
    if look then
      look(it)
    end
    it.run.pause()
  end
end

-- Does what is wished until the window or the project is closed; then nothing is heard any more,
-- also when REAPER ends the script. A wish that fails is told, and the list stays.
--
-- `it` = {run, proj, ears = an audition, …}. `wishes`: functions of `it` and the chosen entry, by
-- what is wished. `look` is called with `it` at every turn, if there is one.
function wishing.serve(it, wishes, entries, look)
  local function finish()
    it.ears:finish()
  end
  reaper.atexit(finish)
  local good, caught = pcall(serve, it, wishes, entries, look)
  finish()
  if not good then
    error(caught, 0)
  end
end

return wishing
