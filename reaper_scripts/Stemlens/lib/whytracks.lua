-- @noindex
-- The sounds that explain a tag, in the project: a folder "Stemlens: why rock" behind all tracks,
-- with a muted track for each sound, at the time that it is about.
--
-- Each of these tracks keeps what it is (P_EXT:stemlens_why), by which it is found, taken away, and
-- left out of every bounce. Nothing of the user's is touched.

local applying = require("applying")
local failure = require("failure")
local project = require("project")
local record = require("record")

local whytracks = {}

local STEP, BACK = "Stemlens: hear why", "Stemlens: take explanation back"
local NAME = "Stemlens: %s"

-- The tracks that explain a tag: {track =, kept = record}, in their order, each folder first.
function whytracks.of(proj, tag)
  local found = {}
  for _, entry in ipairs(project.tracks(proj)) do
    local kept = record.read(project.note(entry.track, project.WHY))
    if kept and kept.tag == tag then
      found[#found + 1] = { track = entry.track, kept = kept }
    end
  end
  return found
end

-- The track of a sound of a request; nil where it is no longer there.
function whytracks.find(proj, tag, request, name)
  for _, it in ipairs(whytracks.of(proj, tag)) do
    if it.kept.request == request and it.kept.name == name then
      return it.track
    end
  end
  return nil
end

local function delete(list)
  for index = #list, 1, -1 do -- a folder after what lies in it
    reaper.DeleteTrack(list[index].track)
  end
end

-- Where new tracks lie in no folder: behind all others, or before them where the last folder has
-- no end.
local function place(proj)
  local open = 0
  for _, entry in ipairs(project.tracks(proj)) do
    open = math.max(0, open + reaper.GetMediaTrackInfo_Value(entry.track, "I_FOLDERDEPTH"))
  end
  return open > 0 and 0 or reaper.CountTracks(proj)
end

local function keep(track, found, name)
  project.set_note(track, project.WHY, record.write({ tag = found.tag, request = found.request,
    name = name }))
end

-- One sound on a new track; nil where REAPER cannot read it. It ends at `last_s` at the latest: the
-- song shall not become longer.
local function lay(proj, index, found, sound, path, last_s)
  local track = applying.new_track(proj, index, sound.name)
  keep(track, found, sound.name)
  reaper.SetMediaTrackInfo_Value(track, "B_MUTE", 1)
  local item = applying.put(track, path, sound.name, sound.start_s)
  if item then
    local length = reaper.GetMediaItemInfo_Value(item, "D_LENGTH")
    reaper.SetMediaItemInfo_Value(item, "D_LENGTH",
      math.min(length, math.max(0, last_s - sound.start_s)))
  end
  return track, item
end

-- Puts what was found (schema stemlens.explained/1) into the project, as one undo step, in the
-- place of former sounds of the tag. `paths` are the files of its sounds. The project is in front.
-- Raises where REAPER cannot read one of them; then nothing is changed.
function whytracks.put(proj, found, paths, last_s)
  local former = whytracks.of(proj, found.tag)
  local unreadable
  project.in_one_step(proj, STEP, function()
    local index = place(proj)
    local folder = applying.new_track(proj, index, NAME:format(found.name))
    keep(folder, found, "")
    reaper.SetMediaTrackInfo_Value(folder, "I_FOLDERDEPTH", 1)
    local new = { { track = folder } }
    for at, sound in ipairs(found.sounds) do
      local track, item = lay(proj, index + at, found, sound, paths[at], last_s)
      new[#new + 1] = { track = track }
      unreadable = unreadable or not item and paths[at] or nil
    end
    reaper.SetMediaTrackInfo_Value(new[#new].track, "I_FOLDERDEPTH", -1)
    delete(unreadable and new or former)
  end)
  if unreadable then
    failure.raise("REAPER cannot read %s, so nothing was changed.", unreadable)
  end
end

-- Takes all tracks that explain a tag away, as one undo step; returns how many that were.
function whytracks.take_back(proj, tag)
  local present = whytracks.of(proj, tag)
  if #present > 0 then
    project.in_one_step(proj, BACK, function()
      delete(present)
    end)
  end
  return #present
end

return whytracks
