-- @noindex
-- Following faders: what moved since the bounce, told to the server as it happens, and what that
-- does to the tags, shown in a window as long as it is open.
--
-- A move is relative to the bounce: dB of the stem's fader now less what it was, with the faders of
-- the opened folders that it passes through. Solo is told as mutes of what is no longer heard. A
-- change of anything else (effects, items, what is inside a bus) makes the result stale, and so
-- does a stem that is gone.
--
-- `follow.heard` and `follow.moves` are plain arithmetic on what `follow.strips` reads.

local failure = require("failure")
local json = require("json")
local mailbox = require("mailbox")
local project = require("project")
local record = require("record")
local routing = require("routing")
local settings = require("settings")
local shelf = require("shelf")
local since = require("since")

local follow = {}

local SECTION = "stemlens"
local TELL_S = 0.05 -- at most so often
local SETTLE_S = 1.5 -- other changes are looked for when nothing has moved for so long
local LOOK_S = 0.1 -- how often what the bridge knows is looked at
local HERE_S = 60 -- so often the bridge is told that somebody is still there
local UNANSWERED_S = 5
local SOLO_IN_PLACE = { [2] = true, [6] = true }
local SAME_DB = 0.005

-- What the mixer says: by track id {volume, muted, solo (0, 1, 2, 5, 6), safe, through = id of what
-- its main output goes to}.
function follow.strips(proj)
  local strips = {}
  for index = 0, reaper.CountTracks(proj) - 1 do
    local track = reaper.GetTrack(proj, index)
    local function value(key)
      return reaper.GetMediaTrackInfo_Value(track, key)
    end
    strips[reaper.GetTrackGUID(track)] = {
      volume = value("D_VOL"), muted = value("B_MUTE") ~= 0, solo = math.floor(value("I_SOLO")),
      safe = value("B_SOLO_DEFEAT") ~= 0, through = routing.downstream(track),
    }
  end
  return strips
end

-- The stem itself and the opened folders behind it, as ids.
local function path_of(id, strips, stems)
  local path, seen = { id }, { [id] = true }
  local it = strips[id]
  while it and it.through and not seen[it.through] and not stems[it.through] do
    path[#path + 1] = it.through
    seen[it.through] = true
    it = strips[it.through]
  end
  return path
end

-- Which stems are soloed, whether anything is, and the first track inside a stem that is soloed
-- without it (which the bounce cannot tell apart).
local function soloed(strips, stems)
  local any, stem_soloed, inside = false, {}, nil
  for _, strip in pairs(strips) do
    any = any or strip.solo ~= 0
  end
  for id, stem in pairs(stems) do
    for _, own in ipairs(path_of(id, strips, stems)) do
      stem_soloed[id] = stem_soloed[id] or (strips[own] and strips[own].solo ~= 0)
    end
    for _, child in ipairs(stem.inside) do
      if strips[child] and strips[child].solo ~= 0 and not stem_soloed[id] then
        stem_soloed[id], inside = true, inside or child
      end
    end
  end
  return any, stem_soloed, inside
end

-- Which stems are heard now, by id; and the id of a soloed track inside a stem, if there is one.
-- `stems` by id: {inside = ids, feeds = ids}.
function follow.heard(strips, stems)
  local any, stem_soloed, inside = soloed(strips, stems)
  local in_place = {}
  for id, stem in pairs(stems) do
    if stem_soloed[id] and strips[id] and (SOLO_IN_PLACE[strips[id].solo] or inside) then
      for _, fed in ipairs(stem.feeds) do
        in_place[fed] = true -- what a soloed track sends to a return is heard with it
      end
    end
  end
  local heard = {}
  for id in pairs(stems) do
    local strip = strips[id]
    heard[id] = strip ~= nil
      and (not any or stem_soloed[id] or in_place[id] or strip.safe or false)
    for _, own in ipairs(path_of(id, strips, stems)) do
      if strips[own] and strips[own].muted then
        heard[id] = false
      end
    end
  end
  return heard, inside
end

-- Where each stem's gain stands relative to the bounce, dB. `then_` holds the volumes at the bounce
-- by track id.
function follow.gains(strips, stems, then_)
  local gains = {}
  for id in pairs(stems) do
    local total = 0
    for _, own in ipairs(path_of(id, strips, stems)) do
      local strip = strips[own]
      if strip and then_[own] then
        total = total + project.decibels(strip.volume) - project.decibels(then_[own])
      end
    end
    gains[id] = math.max(-150, math.min(150, total))
  end
  return gains
end

-- What is new since the moves that were told last; `told` is brought up to date.
function follow.moves(strips, stems, then_, told)
  local heard, inside = follow.heard(strips, stems)
  local gains = follow.gains(strips, stems, then_)
  local moves = {}
  for id in pairs(stems) do
    local last = told[id] or { gain_db = 0, muted = false }
    local move = { track = id }
    if math.abs(gains[id] - last.gain_db) > SAME_DB then
      move.gain_db = gains[id] + 0.0
    end
    if heard[id] == last.muted then
      move.muted = not heard[id]
    end
    if move.gain_db or move.muted ~= nil then
      moves[#moves + 1] = move
      told[id] = { gain_db = gains[id], muted = not heard[id] }
    end
  end
  table.sort(moves, function(a, b) return a.track < b.track end)
  return moves, inside
end

-- The bounce to follow, in the form that the arithmetic takes.
local function bounced(proj)
  local memory = project.memory(proj)
  local marked = shelf.last(proj)
  if not marked or not memory.job then
    failure.raise('There is no bounce of "%s" to follow. Run "Stemlens: Analyze session" first.',
      project.name(proj))
  end
  local stems, volumes = {}, {}
  for id, stem in pairs(marked.stems) do
    stems[id] = { inside = record.split(stem.inside), feeds = record.split(stem.feeds) }
  end
  for id, track in pairs(marked.tracks) do
    volumes[id] = tonumber(track.volume)
  end
  return memory.job, marked, stems, volumes
end

-- Shows in REAPER's toolbars and menus whether the action is on.
local function toggled(on)
  local _, _, section, command = reaper.get_action_context()
  reaper.SetToggleCommandState(section, command, on and 1 or 0)
  reaper.RefreshToolbar2(section, command)
end

local function tell(box, job, moves, reason)
  return (box:post("live", { job = job, moves = json.list(moves), stale = reason }))
end

-- Shows what the bridge knows of the live mix, if it is new; `seen` is the number of the last.
local function show(run, box, job, marked, seen)
  local live = box:live(job)
  if not live or live.number == seen then
    return seen
  end
  for _, fader in ipairs(live.faders) do
    local stem = marked.stems[fader.track]
    fader.name = stem and stem.name or "Master bus"
  end
  run.window:play(live, seen and run.window.view.text or nil)
  return live.number
end

-- Tells the moves of one project until `on` says no more, or raises why it cannot go on.
-- `followed.job` is the job of the bounce that counts.
local function tell_moves(run, proj, box, followed, on)
  local job, marked, stems, volumes = bounced(proj)
  followed.job = job
  local told, waiting, asked_at, told_at = {}, nil, 0, 0
  local count, moved_at, looked, warned = nil, reaper.time_precise(), false, nil
  local shown_at, seen = 0, nil
  while on() do
    local now = reaper.time_precise()
    if waiting then
      local reply = box:answer(waiting)
      if reply and not reply.ok then
        error(failure.new(reply.message, reply.code), 0)
      elseif reply and reply.live == false then
        failure.raise("%s", reply.message)
      elseif reply or now - asked_at > UNANSWERED_S then
        waiting = nil
      end
    end
    if not waiting and now - told_at >= TELL_S then
      local moves, inside = follow.moves(follow.strips(proj), stems, volumes, told)
      local reason = inside and inside ~= warned and "a track inside a bus was soloed" or nil
      warned = inside
      if reason then
        run.window:note(("What you hear cannot be told any more: %s."):format(reason))
      end
      if #moves > 0 or reason or told_at == 0 or now - told_at >= HERE_S then
        waiting, asked_at, told_at = tell(box, job, moves, reason), now, now
      end
    end
    if now - shown_at >= LOOK_S then
      shown_at, seen = now, show(run, box, job, marked, seen)
    end
    local changes = reaper.GetProjectStateChangeCount(proj)
    if changes ~= count then
      count, moved_at, looked = changes, now, false
      if project.memory(proj).job ~= job then -- analysed anew meanwhile
        job, marked, stems, volumes = bounced(proj)
        told, told_at, seen, followed.job = {}, 0, nil, job
      end
    elseif not looked and not waiting and now - moved_at >= SETTLE_S then
      looked = true
      local reason = since.changed(proj, run.pause, marked, false)
      if reason then
        tell(box, job, {}, reason)
        project.remember(proj, { stale = reason })
        failure.raise('Faders are no longer followed: %s since the bounce. Run "Stemlens: Analyze '
          .. 'again".', reason)
      end
    end
    run.pause()
  end
end

-- Runs until the action is started again, the window or the project is closed, or the result is
-- stale.
function follow.run(run)
  local proj = project.current()
  bounced(proj) -- says so at once where there is nothing to follow
  run.window:play(nil, "opening …")
  local box = mailbox.open(settings.get().server, run.pause)
  box:ensure()
  local turn = reaper.genGuid()
  local function mine()
    return reaper.GetExtState(SECTION, "following") == turn
  end
  local followed = {}
  local function stop() -- also when REAPER ends the script
    if mine() then
      follow.stop()
    end
    toggled(false)
    if followed.job then
      pcall(box.post, box, "live", { job = followed.job, moves = json.list({}), ended = true })
      followed.job = nil
    end
  end
  run.again("ends")
  reaper.SetExtState(SECTION, "following", turn, false)
  toggled(true)
  reaper.atexit(stop)
  local good, caught = pcall(tell_moves, run, proj, box, followed, function()
    return mine() and project.is_open(proj) and run.window:is_open()
  end)
  stop()
  if not good then
    error(caught, 0)
  end
  run.window:close()
end

-- Whether some script follows the faders, and the end of it.
function follow.is_on()
  return reaper.GetExtState(SECTION, "following") ~= ""
end

function follow.stop()
  reaper.DeleteExtState(SECTION, "following", false)
end

return follow
