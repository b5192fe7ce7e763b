-- A REAPER session under the stand-in, with the real bridge at the other end of its mailbox.
--
--   lua5.4 end_to_end.lua STORY ROOT SCRIPTS SUPPORT API SERVER
--
-- ROOT has `REAPER` (the resource folder, with the bridge installed) and `sounds` (what each track
-- sounds like, by its name, and MASTER). Says on its output how far it is, one word a line, and at
-- last what came of it, as JSON. Time passes as on a clock, because the bridge lives by one.

local story, root, scripts, support, api_path, server = table.unpack(arg)
package.path = support .. "/?.lua;" .. scripts .. "/lib/?.lua;" .. package.path

require("api").load(api_path)
local standin = require("standin")
local json = dofile(scripts .. "/lib/json.lua")
local wav = dofile(scripts .. "/lib/wav.lua")

local function say(word)
  print(word)
  io.stdout:flush()
end

local reaper = standin.new({ root = root, scripts = scripts })
reaper.clock = os.time() - 1700000000 + 0.0 -- jobs are named by the time of day
reaper.sleep = function(step) os.execute(("sleep %.3f"):format(step)) end
reaper.exec = function(command)
  os.execute(command .. " > /dev/null 2>&1 &")
  say("started")
end
reaper.sound = function(target, state)
  local name = target.track == reaper.data[reaper.front].master and "MASTER" or state.name
  return assert(standin.read(root .. "/sounds/" .. name .. ".wav"), "no sound for " .. name)
end
reaper.answers["Stemlens: bounce these stems?"] = 1
reaper.ext["stemlens/server"] = { server, true }
reaper.ext["stemlens/kinds"] = { "genre mood instrument voice era quality", true }
reaper.ext["stemlens/min_share"] = { "1", true }

local proj = reaper:project({ name = "Song", length = wav.seconds(root .. "/sounds/MASTER.wav") })
for _, name in ipairs(standin.list(root .. "/sounds")) do
  if name ~= "MASTER.wav" then
    reaper:track(proj, (name:gsub("%.wav$", "")))
  end
end
local before = reaper:picture(proj)

-- Everything the window ever said.
local said, order = {}, {}
reaper.hooks[#reaper.hooks + 1] = function()
  for _, it in ipairs(reaper.frame or {}) do
    if it.kind == "text" and not said[it.text] then
      said[it.text] = true
      order[#order + 1] = it.text
    end
  end
end

local function job_state()
  local job = reaper.ext["stemlens/running"]
  local name = job and job[1]:match("^%S+ (.+)$")
  local path = name and reaper.resources .. "/Stemlens/mailbox/to-reaper/job-" .. name .. ".lua"
  local text = path and standin.read(path)
  return text and load(text, "=job", "t", {})() or {}
end

-- The analysis is over when its script has nothing left to do but to show its window.
local function is_over()
  return not reaper.ext["stemlens/running"]
end

local function analyze()
  local script = reaper:run("Analyze session")
  reaper:until_("the analysis has begun", function() return not is_over() end, 5)
  return script
end

local function is_followed()
  local replies = table.concat(standin.list(reaper.resources .. "/Stemlens/mailbox/to-reaper"))
  return job_state().state == "running" and not replies:find("-submit-", 1, true)
end

local function until_running()
  reaper:until_("the job runs and is followed", is_followed, 60)
  say("running")
end

local stories = {}

function stories.analyze()
  analyze()
  reaper:until_("the analysis is over", is_over, 120)
end

function stories.remove()
  stories.analyze()
  say("analyzed")
  reaper:run("Remove all annotations")
  reaper:advance(0.2)
end

function stories.cancel()
  analyze()
  until_running()
  reaper:run("Cancel analysis")
  reaper:until_("the analysis is over", is_over, 3)
end

-- Before the bridge has even said that it has the job.
function stories.cancel_early()
  analyze()
  reaper:until_("the job is known", function() return job_state().state ~= nil end, 60)
  reaper:run("Cancel analysis")
  reaper:until_("the analysis is over", is_over, 3)
end

-- Somebody outside does something when he reads "running".
function stories.wait()
  analyze()
  until_running()
  reaper:until_("the analysis is over", is_over, 180)
end

function stories.close()
  analyze()
  until_running()
  reaper:restart(true)
  say("closed")
  reaper:run("Apply annotations")
  reaper:until_("annotations are there", function()
    return next(reaper:state(reaper:find(proj, "kick")).ext) ~= nil
  end, 120)
end

-- What the window shows now.
local function shown()
  local parts = {}
  for _, it in ipairs(reaper.frame or {}) do
    parts[#parts + 1] = it.kind == "text" and it.text or ""
  end
  return table.concat(parts, "|")
end

function stories.follow()
  stories.analyze()
  table.insert(reaper.keys, 27)
  reaper:advance(0.2)
  local script = reaper:run("Follow faders")
  reaper:until_("the live mix is open", function() return shown():find("One dB up") end, 60)
  local still = shown()
  reaper:state(reaper:find(proj, "kick")).values.D_VOL = 0.1
  reaper.data[proj].changes = reaper.data[proj].changes + 1
  reaper:until_("the tags have moved", function()
    return shown():match("|(%d+)|[+−]") and shown() ~= still
  end, 60)
  reaper:run("Follow faders") -- which ends it
  reaper:until_("it ends", function() return script.over end, 10)
end

stories[story]()
reaper:advance(0.2) -- so that the window has said what it has to say

local tracks = json.list()
for index, track in ipairs(reaper.data[proj].state.tracks) do
  local state = reaper:state(track)
  tracks[index] = { name = state.name, guid = state.guid, notes = state.notes, ext = state.ext,
    sounds = #state.items }
end
local texts = json.list()
for index, message in ipairs(reaper.messages) do
  texts[index] = message.text
end
local now = reaper:picture(proj)
now.ext, before.ext = {}, {} -- what is remembered of the last job is no annotation
print(json.write({
  tracks = tracks, messages = texts, said = json.list(order), started = #reaper.started,
  unchanged = standin.same(before, now), markers = #reaper.data[proj].state.markers,
}))
