-- Pictures of the results window, drawn by the scripts themselves in the stand-in for REAPER.
--
--   lua5.4 tests/reaper/lua/draw.lua VIEW FILE.svg [WIDTH HEIGHT]
--
-- Views: results, judged, many, waiting, failed, empty, suggestions, nothing, verified, explained.

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
function views.judged()
  views.results()
  window.view.findings.verdicts = {
    { tag = "rock", verdict = "weak", sentence = "rock is weak: 21 of 100 points. Overdriven guitar "
      .. "and Bass speak for it, Electric piano against it; guitar is heard instead." },
    { tag = "pop", verdict = "heard", sentence = "pop is heard: 22 of 100 points." },
    { tag = "sad", verdict = "not heard", sentence = "sad is not heard: 3 of 100 points." },
  }
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
function views.suggestions()
  local list = {}
  for rank, it in ipairs({
    { "Guitar: −3 dB at 2.5 kHz, Q 0.7; level −1.5 dB", "metal 20 → 28 points, happy as before.",
      0.08, 0.05, 0.11, "plain to hear: 2.1 dB in the spectrum", 0 },
    { "Drums: compress 4:1 above −24 dB; Bass: level +2.0 dB",
      "metal 20 → 26 points, happy 31 → 30.", 0.062, 0.021, 0.104, "slight", 1 },
    { "Keys: darker, −6 dB above 3 kHz", "metal 20 → 23 points, happy as before.", 0.03, 0.004,
      0.055, "hardly to be heard", 0 },
  }) do
    list[rank] = { rank = rank, words = it[1], sentence = it[2], gain = it[3], low = it[4],
      high = it[5], audible = it[6], verify = it[7], heard = 1 }
  end
  window:suggest({ trials = list, suggestion = {
    sentence = "3 of 216 edits bring the mix nearer to it; each was tried on the whole session." } },
    "+metal =happy")
  window.view.heard, window.view.row, window.view.applied = { rank = 2, side = "after" }, 2, 1
end
function views.nothing()
  window:suggest({ trials = {}, suggestion = { sentence = "216 edits were tried on 9 stems. What "
    .. "looked best, Guitar: level −2 dB, may as well be chance: −1 to 3 points." } }, "+metal")
end
function views.verified()
  views.suggestions()
  window:verified({ sentence = "metal kept its promise: 8 points promised, 7 real. happy did not: "
    .. "it fell by 5 points instead of staying.", tags = {
    { tag = "metal", promised = 0.08, low = 0.05, high = 0.11, real = 0.07, held = 1 },
    { tag = "happy", promised = 0, low = -0.01, high = 0.01, real = -0.05, held = 0 },
    { tag = "rock", promised = 0.03, low = 0.01, high = 0.06, real = 0.035, held = 1 } } })
end
function views.explained()
  local list = {}
  for index, it in ipairs({
    { "only", 24, 45, 0.31, "Only Overdriven guitar (+10.6), Bass (+8.4) and Drums (+5.1), 0:24 to "
      .. "0:45: rock 31 of 100 (all together 21, silence 1). It is 3.2 dB louder than in the mix, to "
      .. "be as loud." },
    { "without", 24, 45, 0.02, "The mix without them: rock 2 points." },
    { "crossfade", 24, 45, nil, "From the one to the other." },
    { "only, whole song", 0, 61, 0.24, "Bass, Overdriven guitar and Drums alone: rock 24 points." },
    { "without, whole song", 0, 61, 0.01, "The mix without them: rock 1 point." },
    { "crossfade, whole song", 0, 61, nil, "From the one to the other." },
  }) do
    list[index] = { name = it[1], start_s = it[2], end_s = it[3], score = it[4], sentence = it[5] }
  end
  window:explain({ tag = "rock", sounds = list })
  window.view.heard, window.view.row = "only", 2
end

views[arg[1]]()
window:frame()
local file = assert(io.open(arg[2], "w"))
file:write(picture.svg(reaper.frame, width, height))
file:close()
os.execute("rm -rf '" .. folder .. "'")
