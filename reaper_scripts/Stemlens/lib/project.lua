-- @noindex
-- A project in REAPER: its tracks, its tempo, and what we keep in it.
--
-- Everything takes the project as REAPER's handle, never "the current one": the user may switch to
-- another tab while an analysis runs. Tracks are told apart by GUID, never by position.

local record = require("record")

local project = {}

local EXT = "stemlens"
local RAMP_STEP_S = 0.25 -- how finely a tempo ramp is told as steps

function project.current()
  return (reaper.EnumProjects(-1))
end

-- Whether the project is still open in some tab.
function project.is_open(proj)
  return reaper.ValidatePtr2(0, proj, "ReaProject*")
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

local function meter_at(proj, time)
  local numerator, denominator = reaper.TimeMap_GetTimeSigAtTime(proj, time)
  return numerator, denominator
end

-- The tempo map as the bridge takes it: a list of {start_s, bpm, numerator, denominator} in the
-- order of time, from the start on; a ramp becomes steps that keep its beats.
function project.tempo(proj)
  local changes = {}
  local function add(start_s, bpm)
    local numerator, denominator = meter_at(proj, start_s + 1e-6)
    local last = changes[#changes]
    if last and start_s - last.start_s < 1e-6 then
      changes[#changes] = nil
    end
    changes[#changes + 1] = {
      start_s = start_s, bpm = bpm, numerator = numerator, denominator = denominator,
    }
  end
  local count = reaper.CountTempoTimeSigMarkers(proj)
  local markers = {}
  for index = 0, count - 1 do
    local _, time, _, _, bpm, _, _, ramp = reaper.GetTempoTimeSigMarker(proj, index)
    markers[index + 1] = { time = time, bpm = bpm, ramp = ramp }
  end
  if count == 0 or markers[1].time > 1e-6 then
    local _, _, bpm = reaper.TimeMap_GetTimeSigAtTime(proj, 0)
    add(0.0, bpm)
  end
  for index, marker in ipairs(markers) do
    local following = markers[index + 1]
    if marker.ramp and following and following.bpm ~= marker.bpm then
      local span = following.time - marker.time
      local steps = math.min(400, math.max(1, math.ceil(span / RAMP_STEP_S)))
      for step = 0, steps - 1 do
        -- The tempo in the middle of a step: over a linear ramp its beats come out the same.
        local part = (step + 0.5) / steps
        local bpm = marker.bpm + part * (following.bpm - marker.bpm)
        add(marker.time + span * step / steps, bpm)
      end
    else
      add(marker.time, marker.bpm)
    end
  end
  return changes
end

-- ------------------------------------------------------------------------ what we keep of it

-- Where a project is remembered outside of itself: by its file, or, as long as it has none, by
-- its handle until REAPER is closed.
local function place(proj)
  local path = project.path(proj)
  local key = path ~= "" and path or tostring(proj)
  return "project:" .. record.escape(key), path ~= ""
end

-- What we last did with a project: {job =, folder = of the bounce, asked = the list of stems that
-- the user agreed to}. It lies in the project, and outside too, since the user may close the
-- project without saving it, or take everything of ours out of it.
function project.memory(proj)
  local _, text = reaper.GetProjExtState(proj, EXT, "last")
  if text == "" then
    text = reaper.GetExtState(EXT, (place(proj)))
  end
  return record.read(text) or {}
end

-- Adds to the memory; "" takes out.
function project.remember(proj, values)
  local memory = project.memory(proj)
  for key, value in pairs(values) do
    memory[key] = value ~= "" and value or nil
  end
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
