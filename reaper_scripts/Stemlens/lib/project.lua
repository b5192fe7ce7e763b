-- @noindex
-- A project in REAPER: its tracks, its tempo, and what we keep in it.
--
-- Everything takes the project as REAPER's handle, never "the current one": the user may switch to
-- another tab while an analysis runs. Tracks are told apart by GUID, never by position.

local record = require("record")

local project = {}

local EXT = "stemlens"
local RAMP_STEP_S = 0.25 -- how finely a tempo ramp is told as steps
local MOST_STEPS = 4000 -- of all ramps together
local NO_TIME_S = 1e-6

function project.current()
  return (reaper.EnumProjects(-1))
end

-- Whether the project is still open in some tab.
function project.is_open(proj)
  return reaper.ValidatePtr2(0, proj, "ReaProject*")
end

-- Whether any of some stems is in a project: REAPER gives a project that is opened in the same tab
-- the handle of the one before.
function project.holds(proj, stems)
  local present = project.tracks_by_id(proj)
  for _, stem in ipairs(stems) do
    if present[stem.id] then
      return true
    end
  end
  return #stems == 0
end

-- The project's file; "" as long as it was never saved.
function project.path(proj)
  local index = 0
  while true do
    local other, path = reaper.EnumProjects(index)
    if not other then
      return ""
    elseif other == proj then
      return path or ""
    end
    index = index + 1
  end
end

function project.name(proj)
  local name = reaper.GetProjectName(proj):gsub("%.[rR][pP][pP]$", "")
  return name ~= "" and name or "unsaved project"
end

-- ------------------------------------------------------------------------------------ tracks

-- A name without the label that we may have put behind it.
function project.without_label(name)
  return (name:gsub(" {[^{}]* %-?%d+ of %d+ points}$", ""))
end

-- The track's name as its user wrote it; "Track 3" for one without a name.
function project.track_name(track)
  local _, name = reaper.GetTrackName(track)
  return project.without_label(name)
end

-- All tracks in their order: {track =, id = GUID, name =, number = from 1}.
function project.tracks(proj)
  local tracks = {}
  for index = 0, reaper.CountTracks(proj) - 1 do
    local track = reaper.GetTrack(proj, index)
    tracks[index + 1] = {
      track = track,
      id = reaper.GetTrackGUID(track),
      name = project.track_name(track),
      number = index + 1,
    }
  end
  return tracks
end

function project.tracks_by_id(proj)
  local by_id = {}
  for _, entry in ipairs(project.tracks(proj)) do
    by_id[entry.id] = entry
  end
  return by_id
end

-- What tracks of ours carry that are there to be listened to: the scratch track, and what explains
-- a tag.
project.SCRATCH, project.WHY = "stemlens_scratch", "stemlens_why"

-- Whether a track is such a one: no part of the user's mix, and never bounced.
function project.is_beside(track)
  return project.note(track, project.SCRATCH) ~= "" or project.note(track, project.WHY) ~= ""
end

-- A text that travels with the track in the project file; "" where there is none.
function project.note(track, key)
  local _, text = reaper.GetSetMediaTrackInfo_String(track, "P_EXT:" .. key, "", false)
  return text
end

function project.set_note(track, key, text)
  reaper.GetSetMediaTrackInfo_String(track, "P_EXT:" .. key, text, true)
end

function project.decibels(gain)
  return gain > 0 and math.max(-150, 20 * math.log(gain, 10)) or -150
end

-- Does something as one undo step, whatever happens meanwhile.
function project.in_one_step(proj, name, change)
  reaper.Undo_BeginBlock2(proj)
  reaper.PreventUIRefresh(1)
  local good, caught = xpcall(change, function(err)
    return type(err) == "string" and debug.traceback(err, 2) or err
  end)
  reaper.PreventUIRefresh(-1)
  -- -1: everything may have changed. With 0 the step would be lost among REAPER's own.
  reaper.Undo_EndBlock2(proj, name, -1)
  reaper.TrackList_AdjustWindows(false)
  reaper.UpdateArrange()
  if not good then
    error(caught, 0)
  end
  return caught
end

-- ------------------------------------------------------------------------------------- tempo

-- When the tempo is told anew: at its markers, and along its ramps.
local function tempo_times(proj)
  local markers, ramps_s = { { time = 0 } }, 0
  for index = 0, reaper.CountTempoTimeSigMarkers(proj) - 1 do
    local _, time, _, _, _, _, _, ramp = reaper.GetTempoTimeSigMarker(proj, index)
    local last = markers[#markers]
    if last.ramp then
      ramps_s = ramps_s + time - last.time
    end
    markers[time - last.time < NO_TIME_S and #markers or #markers + 1] = {
      time = time, ramp = ramp,
    }
  end
  local step_s = math.max(RAMP_STEP_S, ramps_s / MOST_STEPS)
  local times = {}
  for index, marker in ipairs(markers) do
    local following = markers[index + 1]
    local span = marker.ramp and following and following.time - marker.time or 0
    local steps = math.max(1, math.ceil(span / step_s))
    for step = 0, steps - 1 do
      times[#times + 1] = marker.time + span * step / steps
    end
  end
  return times
end

-- The tempo map as the bridge takes it: a list of {start_s, bpm, numerator, denominator} in the
-- order of time, from the start on. Tempo is told by the quarter notes that REAPER counts between
-- two times, so that beats come out right whatever shape a ramp has and whichever note a meter
-- counts in.
function project.tempo(proj)
  local changes, times = {}, tempo_times(proj)
  for index, start_s in ipairs(times) do
    local end_s = times[index + 1] or start_s + 1
    local quarters = reaper.TimeMap2_timeToQN(proj, end_s)
      - reaper.TimeMap2_timeToQN(proj, start_s)
    local numerator, denominator = reaper.TimeMap_GetTimeSigAtTime(proj, start_s + NO_TIME_S)
    changes[index] = {
      start_s = start_s, bpm = math.floor(60e6 * quarters / (end_s - start_s) + 0.5) / 1e6,
      numerator = numerator, denominator = denominator,
    }
  end
  return changes
end

-- ------------------------------------------------------------------------ what we keep of it

-- Where a project is remembered outside of itself: by its file, or, as long as it has none, until
-- REAPER is closed, by its handle (which the next project in the same tab gets too) and its first
-- track.
local function place(proj)
  local path = project.path(proj)
  local first = reaper.GetTrack(proj, 0)
  local key = path ~= "" and path or tostring(proj) .. (first and reaper.GetTrackGUID(first) or "")
  return "project:" .. record.escape(key), path ~= ""
end

-- What we last did with a project: {job =, folder = of the bounce, asked = the list of stems that
-- the user agreed to, at = when, seconds of the day's clock}. It lies in the project, and outside
-- too, since the user may close the project without saving it, or take everything of ours out of
-- it; the newer one counts.
function project.memory(proj)
  local _, text = reaper.GetProjExtState(proj, EXT, "last")
  local inside = record.read(text) or {}
  local outside = record.read(reaper.GetExtState(EXT, (place(proj)))) or {}
  local newer = (tonumber(outside.at) or 0) > (tonumber(inside.at) or 0)
  return (newer or not next(inside)) and outside or inside
end

-- Adds to the memory; "" takes out.
function project.remember(proj, values)
  local memory = project.memory(proj)
  for key, value in pairs(values) do
    memory[key] = value ~= "" and value or nil
  end
  memory.at = os.time()
  local text = record.write(memory)
  local section, lasting = place(proj)
  reaper.SetProjExtState(proj, EXT, "last", text)
  reaper.SetExtState(EXT, section, text, lasting)
end

-- Takes the memory out of the project itself.
function project.forget(proj)
  reaper.SetProjExtState(proj, EXT, "", "")
end

return project
