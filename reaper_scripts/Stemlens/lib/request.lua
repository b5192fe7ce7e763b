-- @noindex
-- What an action asks for: which time, which tracks, and the former bounce to build on.

local applying = require("applying")
local failure = require("failure")
local fingerprint = require("fingerprint")
local json = require("json")
local project = require("project")
local record = require("record")
local routing = require("routing")
local shelf = require("shelf")

local request = {}

local RECORDING = 4 -- bit of the state of the transport
local MONO = 40917 -- Master track: Toggle stereo/mono (L+R)

local function selected_ids(proj)
  local ids = {}
  for index = 0, reaper.CountSelectedTracks(proj) - 1 do
    ids[#ids + 1] = reaper.GetTrackGUID(reaper.GetSelectedTrack(proj, index))
  end
  return ids
end

-- The ids of the tracks that the user wants left out of the whole: muted while it is bounced.
local function left_out(proj)
  local found = {}
  for _, entry in ipairs(project.tracks(proj)) do
    if routing.choice(entry.track) == "skip" then
      found[#found + 1] = entry.id
    end
  end
  return found
end

-- What an action asks for: {what =, from_s =, to_s =, only = ids or nil, left_out = ids, former =
-- the mark of the bounce to build on, or nil}.
function request.of(proj, what, choices)
  if reaper.CountTracks(proj) == 0 then
    failure.raise("There are no tracks in this project, so there is nothing to analyse.")
  end
  local it = { what = what, from_s = 0, to_s = reaper.GetProjectLength(proj) }
  if what == "again" then
    it.former = shelf.last(proj)
    if it.former then
      it.what = it.former.bounce.what
      it.only = it.former.bounce.only and record.split(it.former.bounce.only)
      if it.only then -- and what plays in their place now
        table.move(applying.added(proj), 1, #applying.added(proj), #it.only + 1, it.only)
      end
      if it.what == "time selection" then
        it.from_s = tonumber(it.former.bounce.from_s)
        it.to_s = tonumber(it.former.bounce.to_s)
      end
    else
      it.what = "session"
    end
  elseif what == "time selection" then
    it.from_s, it.to_s = reaper.GetSet_LoopTimeRange2(proj, false, false, 0, 0, false)
    if it.to_s <= it.from_s then
      failure.raise("There is no time selection. Drag one in the ruler first.")
    end
  elseif what == "selected tracks" then
    it.only = selected_ids(proj)
    if #it.only == 0 then
      failure.raise("No tracks are selected. Select those to analyse first.")
    end
  end
  if it.to_s <= it.from_s then
    failure.raise("The project is empty, so there is nothing to analyse.")
  end
  it.with_mix = it.only == nil
  it.left_out = it.with_mix and left_out(proj) or {}
  it.returns = choices.returns
  it.tempo = project.tempo(proj)
  it.tempo_hash = fingerprint.hash(json.write(json.list(it.tempo)))
  return it
end

-- What the user alone should change: a recording that a render would end, and a master in mono,
-- whose mix the stems do not add up to.
function request.require_idle(proj, it)
  if reaper.GetPlayStateEx(proj) & RECORDING ~= 0 then
    failure.raise("REAPER is recording. Stop the recording, then run the analysis again.")
  elseif it.with_mix and reaper.GetToggleCommandState(MONO) == 1 then
    failure.raise("The master is switched to mono, so the stems would not add up to the mix. "
      .. "Switch it to stereo, then run the analysis again.")
  end
end

return request
