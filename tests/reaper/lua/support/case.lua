-- What every Lua test gets: a stand-in for REAPER, a bridge for it, a small band, and questions.

local api = require("api")
local bridge = require("bridge")
local standin = require("standin")

local case = {}
case.__index = case

function case.new(here, folder)
  local self = setmetatable({ here = here, folder = folder }, case)
  self.scripts = here:gsub("tests/reaper/lua$", "reaper_scripts/Stemlens")
  if self.scripts == here then
    self.scripts = here .. "/../../../reaper_scripts/Stemlens"
  end
  api.load(here .. "/../reascript_api.json")
  return self
end

-- A stand-in for REAPER; `options.bridge` are settings of the fake bridge, false for none.
function case:reaper(options)
  options = options or {}
  local reaper = standin.new({ root = options.root or self.folder, scripts = self.scripts,
    sws = options.sws })
  if options.bridge ~= false then
    self.bridge = bridge.install(reaper, options.bridge)
  end
  reaper.answers[1] = 1 -- the list of stems is fine
  self.rpr = reaper
  return reaper
end

-- A module of the scripts as it is seen from within REAPER.
function case:module(name)
  local script = { path = self.scripts .. "/x.lua", at_exit = {}, number = 0 }
  local here = self.rpr
  if not self.env then
    self.env = here:environment(script)
    self.env.package.path = self.scripts .. "/lib/?.lua"
  end
  here.script = script
  return self.env.require(name)
end

-- A band: Drums (a folder with effects) with Kick and Snare, Bass, Guitar (in the plain folder
-- Band), Reverb (fed by Guitar), Click (muted), Ideas (no items).
function case:band(values)
  local reaper = self.rpr
  local proj = reaper:project(values or { name = "Song" })
  local t = { proj = proj }
  t.drums = reaper:track(proj, "Drums", { folder = 1, fx = { { name = "comp" } } })
  t.kick = reaper:track(proj, "Kick")
  t.snare = reaper:track(proj, "Snare", { folder = -1 })
  t.bass = reaper:track(proj, "Bass")
  t.band = reaper:track(proj, "Band", { folder = 1 })
  t.guitar = reaper:track(proj, "Guitar", { folder = -1 })
  t.reverb = reaper:track(proj, "Reverb", { items = {}, fx = { { name = "verb" } } })
  t.click = reaper:track(proj, "Click", { values = { B_MUTE = 1 } })
  t.ideas = reaper:track(proj, "Ideas", { items = {} })
  reaper:send(proj, t.guitar, t.reverb, { D_VOL = 0.5 })
  return t
end

-- That band, analysed a minute ago, and what the stand-in has of its project.
function case:analysed(options)
  local reaper = self:reaper(options)
  local band = self:band()
  self:act("Analyze session")
  self:close_window()
  reaper:advance(61)
  reaper:settle(band.proj)
  return reaper, band, reaper.data[band.proj]
end

-- Runs an action until it is over (its window closed, if it left one open).
function case:act(name, seconds)
  local reaper = self.rpr
  local script = reaper:run(name)
  reaper:until_(name .. " is over", function()
    return script.over or reaper.frame and self:window_is("results") or self:window_is("failed")
      or self:window_is("notes") or self:window_is("stopped")
  end, seconds or 120)
  return script
end

-- Whether the window shows results, a failure, or notes: by a word that is always there.
local SIGNS = { results = "takes away", failed = "That did not work", notes = "What you should know",
  stopped = "Stopped",
  waiting = "Stemlens is listening", empty = "Nothing to show yet" }

function case:window_is(state)
  return self.rpr.window and self:sees(SIGNS[state])
end

-- Whether the window's last picture has a text in it.
function case:sees(text)
  for _, call in ipairs(self.rpr.frame or {}) do
    if call.kind == "text" and call.text:find(text, 1, true) then
      return true
    end
  end
  return false
end

function case:text()
  local parts = {}
  for _, call in ipairs(self.rpr.frame or {}) do
    if call.kind == "text" then
      parts[#parts + 1] = call.text
    end
  end
  return table.concat(parts, "\n")
end

function case:close_window()
  if self.rpr.window then
    table.insert(self.rpr.keys, 27)
    self.rpr:advance(0.1)
    if self.rpr.window then
      table.insert(self.rpr.keys, 27)
      self.rpr:advance(0.1)
    end
  end
  self.rpr.frame = nil
end

local KEYS = { up = 30064, down = 1685026670, enter = 13, escape = 27 }

-- The names of a project's tracks, from one on.
function case.track_names(_, it, from)
  local found = {}
  for index = from or 1, #it.state.tracks do
    found[#found + 1] = it.states[it.state.tracks[index]].name
  end
  return found
end

-- Presses keys, one after the other; a letter is its own name.
function case:press(...)
  for _, key in ipairs({ ... }) do
    table.insert(self.rpr.keys, KEYS[key] or key:byte())
    self.rpr:advance(0.3)
  end
end

-- Clicks on a text of the window's last picture, by how it begins.
function case:click(text)
  local gfx = self.rpr.gfx
  for _, call in ipairs(self.rpr.frame) do
    if call.kind == "text" and call.text:find(text, 1, true) == 1 then
      gfx.mouse_x, gfx.mouse_y, gfx.mouse_cap = call.x + 5, call.y + 5, 1
    end
  end
  self.rpr:advance(0.1)
  gfx.mouse_cap = 0
  self.rpr:advance(0.2)
end

-- Writes a file in a folder that is made for it; returns its path.
function case.written(_, path, text)
  standin.make_folder(path:match("^(.*)/"))
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
  return path
end

function case:last_message()
  local last = self.rpr.messages[#self.rpr.messages]
  return last and last.text or ""
end

-- ---------------------------------------------------------------------------------- questions

local function shown(value)
  if type(value) == "table" and not api.kind(value) then
    local parts = {}
    for key, item in pairs(value) do
      parts[#parts + 1] = tostring(key) .. "=" .. shown(item)
    end
    table.sort(parts)
    return "{" .. table.concat(parts, ", ") .. "}"
  end
  return type(value) == "string" and ("%q"):format(value) or tostring(value)
end

function case.equal(_, found, wanted, what)
  if not standin.same(found, wanted) then
    error(("%s: found %s, wanted %s"):format(what or "not equal", shown(found), shown(wanted)), 2)
  end
end

function case.has(_, text, part)
  if not tostring(text):find(part, 1, true) then
    error(("%q is not in %q"):format(part, tostring(text)), 2)
  end
end

function case.raises(_, part, func, ...)
  local good, fault = pcall(func, ...)
  if good then
    error("nothing was raised, wanted: " .. part, 2)
  end
  if not tostring(fault):find(part, 1, true) then
    error(("raised %q, wanted %q"):format(tostring(fault), part), 2)
  end
end

return case
