-- @noindex
-- Listening to a suggestion: the mix before and after as two takes of one item, on a scratch track
-- that is soloed while it is heard and taken away afterwards.
--
-- The scratch track is the first, where no folder's effects reach it, and muted except while it is
-- heard. The user's tracks are not touched but for their solos, which are off meanwhile and then as
-- they were. Nothing of this is an undo step. A scratch track that a crash left is taken away by
-- the next one.

local applying = require("applying")
local failure = require("failure")
local files = require("files")
local project = require("project")

local audition = {}
audition.__index = audition

local KEY = "stemlens_scratch"
local NAME = "Stemlens A/B"
local PLAYING = 1 -- bit of the state of the transport
local RECORDING = 4
local SIDES = { before = 1, after = 2 }

local function clear(proj)
  for _, entry in ipairs(project.tracks(proj)) do
    if project.note(entry.track, KEY) ~= "" then
      reaper.DeleteTrack(entry.track)
    end
  end
end

-- Makes ready to listen to a project's suggestions; nothing is changed yet.
function audition.of(proj)
  clear(proj)
  return setmetatable({ proj = proj }, audition)
end

local function require_readable(path)
  if path == "" then
    failure.raise("Nothing was rendered for this, so there is nothing to hear.")
  elseif (files.size(path) or 0) == 0 then
    failure.raise("%s cannot be read here. The server's files must lie under the same path on this "
      .. "machine to be heard.", path)
  end
end

local function require_front(proj)
  if project.current() ~= proj then
    failure.raise('Go back to the tab of "%s" first.', project.name(proj))
  end
end

function audition:_load(trial, start_s)
  local before, after = trial.before_path, trial.after_path
  require_readable(before)
  require_readable(after)
  self:finish()
  reaper.PreventUIRefresh(1)
  local track = applying.new_track(self.proj, 0, NAME)
  project.set_note(track, KEY, "1")
  reaper.SetMediaTrackInfo_Value(track, "B_MUTE", 1)
  local item, first = applying.put(track, before, "before", start_s)
  local second = item and select(2, applying.put(track, after, "after", start_s, item))
  reaper.PreventUIRefresh(-1)
  self.trial, self.takes = trial, { first, second }
  if not second then
    self:finish()
    failure.raise("REAPER cannot play %s.", item and after or before)
  end
  self:_solo(track)
  self.start_s = start_s
  reaper.TrackList_AdjustWindows(false)
end

function audition:_solo(track)
  self.solos = {}
  for _, entry in ipairs(project.tracks(self.proj)) do
    self.solos[entry.id] = reaper.GetMediaTrackInfo_Value(entry.track, "I_SOLO")
    if self.solos[entry.id] ~= 0 then
      reaper.SetMediaTrackInfo_Value(entry.track, "I_SOLO", 0)
    end
  end
  reaper.SetMediaTrackInfo_Value(track, "B_MUTE", 0)
  reaper.SetMediaTrackInfo_Value(track, "I_SOLO", 1)
end

-- Lets a trial be heard, "before" or "after"; going from one to the other does not stop it.
function audition:listen(trial, side, start_s)
  require_front(self.proj)
  if reaper.GetPlayStateEx(self.proj) & RECORDING ~= 0 then
    failure.raise("REAPER is recording. Stop the recording first.")
  end
  if self.trial ~= trial then
    self:_load(trial, start_s)
  end
  reaper.SetActiveTake(self.takes[SIDES[side]])
  reaper.UpdateArrange()
  if reaper.GetPlayStateEx(self.proj) & PLAYING == 0 then
    self.cursor_s = self.cursor_s or reaper.GetCursorPositionEx(self.proj)
    reaper.SetEditCurPos2(self.proj, start_s, false, false)
    reaper.OnPlayButtonEx(self.proj)
    self.started = true
  end
  self.side = side
end

-- Ends it: everything is as it was before.
function audition:finish()
  self.trial, self.side = nil, nil
  if not project.is_open(self.proj) then
    return
  end
  if self.started then
    reaper.OnStopButtonEx(self.proj)
    reaper.SetEditCurPos2(self.proj, self.cursor_s, false, false)
    self.started, self.cursor_s = false, nil
  end
  clear(self.proj)
  for _, entry in ipairs(project.tracks(self.proj)) do
    local solo = self.solos and self.solos[entry.id]
    if solo and solo ~= reaper.GetMediaTrackInfo_Value(entry.track, "I_SOLO") then
      reaper.SetMediaTrackInfo_Value(entry.track, "I_SOLO", solo)
    end
  end
  self.solos = nil
end

return audition
