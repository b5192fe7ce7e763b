-- @noindex
-- Listening: to a suggestion, the mix before and after as two takes of one item on a scratch track
-- that is taken away afterwards; or to a track of ours that is there already.
--
-- The scratch track is the first, where no folder's effects reach it. What is heard is soloed and
-- not muted meanwhile, and muted otherwise. The user's tracks are not touched but for their solos,
-- which are off meanwhile and then as they were. Nothing of this is an undo step. A scratch track
-- that a crash left is taken away by the next one.

local applying = require("applying")
local failure = require("failure")
local files = require("files")
local project = require("project")

local audition = {}
audition.__index = audition

local NAME = "Stemlens A/B"
local PLAYING = 1 -- bit of the state of the transport
local RECORDING = 4
local SIDES = { before = 1, after = 2 }

local function clear(proj)
  for _, entry in ipairs(project.tracks(proj)) do
    if project.note(entry.track, project.SCRATCH) ~= "" then
      reaper.DeleteTrack(entry.track)
    end
  end
end

-- Makes ready to listen in a project; nothing is changed yet.
function audition.of(proj)
  clear(proj)
  return setmetatable({ proj = proj }, audition)
end

-- Raises where a rendered file is not there.
function audition.require_readable(path)
  if path == "" then
    failure.raise("Nothing was rendered for this, so there is nothing to hear.")
  elseif (files.size(path) or 0) == 0 then
    failure.raise("%s cannot be read here. The server's files must lie under the same path on this "
      .. "machine to be heard.", path)
  end
end

local function require_free(proj)
  if project.current() ~= proj then
    failure.raise('Go back to the tab of "%s" first.', project.name(proj))
  elseif reaper.GetPlayStateEx(proj) & RECORDING ~= 0 then
    failure.raise("REAPER is recording. Stop the recording first.")
  end
end

function audition:_load(trial, start_s)
  local before, after = trial.before_path, trial.after_path
  audition.require_readable(before)
  audition.require_readable(after)
  self:finish()
  reaper.PreventUIRefresh(1)
  local track = applying.new_track(self.proj, 0, NAME)
  project.set_note(track, project.SCRATCH, "1")
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
  reaper.TrackList_AdjustWindows(false)
end

function audition:_solo(track)
  if not self.solos then
    self.solos = {}
    for _, entry in ipairs(project.tracks(self.proj)) do
      self.solos[entry.id] = reaper.GetMediaTrackInfo_Value(entry.track, "I_SOLO")
      if self.solos[entry.id] ~= 0 then
        reaper.SetMediaTrackInfo_Value(entry.track, "I_SOLO", 0)
      end
    end
  end
  self:_hush()
  reaper.SetMediaTrackInfo_Value(track, "B_MUTE", 0)
  reaper.SetMediaTrackInfo_Value(track, "I_SOLO", 1)
  self.heard = track
end

-- Mutes what is heard, where it is still there.
function audition:_hush()
  if self.heard and reaper.ValidatePtr2(self.proj, self.heard, "MediaTrack*") then
    reaper.SetMediaTrackInfo_Value(self.heard, "B_MUTE", 1)
    reaper.SetMediaTrackInfo_Value(self.heard, "I_SOLO", 0)
  end
  self.heard = nil
end

-- Plays from a time on; what plays already goes on, but for one that is to begin `anew`.
function audition:_play(start_s, anew)
  local playing = reaper.GetPlayStateEx(self.proj) & PLAYING ~= 0
  if playing and not anew then
    return
  end
  self.cursor_s = self.cursor_s or reaper.GetCursorPositionEx(self.proj)
  reaper.SetEditCurPos2(self.proj, start_s, false, playing)
  if not playing then
    reaper.OnPlayButtonEx(self.proj)
    self.started = true
  end
end

-- Lets a trial be heard, "before" or "after"; going from one to the other does not stop it.
function audition:listen(trial, side, start_s)
  require_free(self.proj)
  if self.trial ~= trial then
    self:_load(trial, start_s)
  end
  reaper.SetActiveTake(self.takes[SIDES[side]])
  reaper.UpdateArrange()
  self:_play(start_s, false)
end

-- Lets a track of ours be heard, from a time on where it is to begin `anew` or nothing plays yet.
function audition:hear(track, start_s, anew)
  require_free(self.proj)
  self:_solo(track)
  self:_play(start_s, anew)
end

-- Ends it: everything is as it was before.
function audition:finish()
  self.trial = nil
  if not project.is_open(self.proj) then
    return
  end
  if self.started then
    reaper.OnStopButtonEx(self.proj)
  end
  if self.cursor_s then
    reaper.SetEditCurPos2(self.proj, self.cursor_s, false, false)
  end
  self.started, self.cursor_s = false, nil
  self:_hush()
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
