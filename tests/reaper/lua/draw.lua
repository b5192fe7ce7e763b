-- Pictures of the results window, drawn by the scripts themselves in the stand-in for REAPER.
--
--   lua5.4 tests/reaper/lua/draw.lua results|waiting|failed|empty|many FILE.svg [WIDTH HEIGHT]

local here = arg[0]:match("^(.*)/") or "."
package.path = here .. "/support/?.lua"

local case = require("case")
local picture = require("picture")

local width, height = tonumber(arg[3]) or 1000, tonumber(arg[4]) or 380
local folder = os.tmpname()
os.remove(folder)
local t = case.new(here, folder)
local reaper = t:reaper({ bridge = false })
reaper:project({ name = "Demo" })
reaper.ext["stemlens/window"] = { ("%d %d 0 10 10"):format(width, height), true }
local window = t:module("window").open()
reaper.gfx = t.env.gfx

local views = {}
function views.results()
  local demo = require("demo")
  window:show(demo, reaper.front)
  window.view.row, window.view.column = 4, 3
end
function views.many()
  local demo = require("demo")
  local many = { project = "A long song with many tracks", stems = {}, tags = {}, warnings = {
    { code = "x", message = "The stems differ from the mix by −31 dB: something is missing." },
    { code = "y", message = "Two tracks are silent." } } }
  for index = 1, 40 do
    many.stems[index] = { id = tostring(index), name = ("%s %d"):format(
      demo.stems[index % 5 + 1].name, index), kind = index % 7 == 0 and "bus" or "track" }
  end
  for column, tag in ipairs(demo.tags) do
    local shares = {}
    for index = 1, 40 do
      local it = tag.shares[index % 5 + 1]
      shares[index] = { stem = tostring(index), value = it.value, low = it.value - 0.03,
        high = it.value + 0.02, mute = it.mute, solo = it.solo }
    end
    many.tags[column] = { tag = tag.tag, kind = tag.kind, score = tag.score, baseline = 0,
      shares = shares }
  end
  window:show(many, reaper.front)
  window.view.y, window.view.x, window.view.row, window.view.column = 45, 60, 6, 3
end
function views.waiting()
  window:wait_for("Bouncing 14 stems and the mix: 50:00 minutes of audio in all, 1.1 GB on the disk "
    .. "(83.2 GB are free). REAPER cannot be used while it renders.", 0.43)
end
function views.failed()
  window:fail("Stemlens does not know yet where its bridge is. In a terminal, run:\n\n    "
    .. "stemlens-bridge reaper install\n\nThen run this action again.", "That did not work")
end
function views.empty()
  window.view.state = "empty"
end

views[arg[1]]()
window:frame()
local file = assert(io.open(arg[2], "w"))
file:write(picture.svg(reaper.frame, width, height))
file:close()
os.execute("rm -rf '" .. folder .. "'")
