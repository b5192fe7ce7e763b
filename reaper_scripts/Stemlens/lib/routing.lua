-- @noindex
-- REAPER's routing as facts for the bridge, which decides what the stems are (`routing.py` there).
--
-- A track's main output is its folder's, or the master's; `B_MAINSEND` off, or a main send to other
-- channels than the first two, is none. A send to channels 3/4 or higher steers effects (a
-- sidechain); a send of MIDI alone, or a muted one, is none. Pans are -1 to 1, levels dB.
--
-- The user's wishes lie on the tracks: P_EXT:stemlens_choice is "one", "open" or "skip".

local json = require("json")
local project = require("project")

local routing = {}

local SENDS = 0
local CHANNEL_MASK = 1023 -- I_DSTCHAN: above it are flags (mono)
local CHOICE = "stemlens_choice"
local CHOICES = { one = true, open = true, skip = true }

local function value(track, key)
  return reaper.GetMediaTrackInfo_Value(track, key)
end

-- Whether any audible item lies in the time that is bounced, and what is on the track at all.
local function items(track, from_s, to_s)
  local there, in_time, midi_only = 0, false, true
  for index = 0, reaper.CountTrackMediaItems(track) - 1 do
    local item = reaper.GetTrackMediaItem(track, index)
    local take = reaper.GetActiveTake(item)
    if reaper.GetMediaItemInfo_Value(item, "B_MUTE") == 0 and take then
      there = there + 1
      local start = reaper.GetMediaItemInfo_Value(item, "D_POSITION")
      local length = reaper.GetMediaItemInfo_Value(item, "D_LENGTH")
      in_time = in_time or (start < to_s and start + length > from_s)
      midi_only = midi_only and reaper.TakeIsMIDI(take)
    end
  end
  return there, in_time, midi_only
end

local function has_effects(track)
  if value(track, "I_FXEN") == 0 then
    return false
  end
  for index = 0, reaper.TrackFX_GetCount(track) - 1 do
    if reaper.TrackFX_GetEnabled(track, index) and not reaper.TrackFX_GetOffline(track, index) then
      return true
    end
  end
  return false
end

-- Whether an envelope of the track plays (one that is bypassed does not count).
local function is_automated(track)
  for index = 0, reaper.CountTrackEnvelopes(track) - 1 do
    local envelope = reaper.GetTrackEnvelope(track, index)
    local _, chunk = reaper.GetEnvelopeStateChunk(envelope, "", false)
    if chunk:find("\nACT 1") then
      return true
    end
  end
  return false
end

local function sends(track)
  local found = json.list()
  for index = 0, reaper.GetTrackNumSends(track, SENDS) - 1 do
    local function send(key)
      return reaper.GetTrackSendInfo_Value(track, SENDS, index, key)
    end
    local destination = send("P_DESTTRACK")
    local heard = send("B_MUTE") == 0 and send("I_SRCCHAN") >= 0 and send("D_VOL") > 0
    if destination and heard then
      local channel = math.floor(send("I_DSTCHAN")) & CHANNEL_MASK
      found[#found + 1] = {
        to = reaper.GetTrackGUID(destination),
        gain_db = project.decibels(send("D_VOL")),
        pre_fader = send("I_SENDMODE") ~= 0,
        sidechain = channel >= 2,
      }
    end
  end
  return found
end

-- One track as the bridge's `routing.Track`.
local function facts(entry, from_s, to_s)
  local track = entry.track
  local parent = reaper.GetParentTrack(track)
  local output = parent and reaper.GetTrackGUID(parent) or ""
  local its_sends = sends(track)
  if value(track, "B_MAINSEND") == 0 then
    output = json.null
  elseif value(track, "C_MAINSEND_OFFS") >= 2 then
    if parent then
      its_sends[#its_sends + 1] = { to = output, sidechain = true }
    end
    output = json.null
  end
  local there, in_time, midi_only = items(track, from_s, to_s)
  local effects = has_effects(track)
  local instrument = effects and reaper.TrackFX_GetInstrument(track) >= 0
  local plays = there > 0 and (not midi_only or effects)
  return {
    id = entry.id,
    name = entry.name,
    output = output,
    sounds = plays or instrument,
    silent = value(track, "D_VOL") == 0 and not is_automated(track)
      or there > 0 and not in_time and not instrument,
    effects = effects,
    automation = is_automated(track),
    fader_db = project.decibels(value(track, "D_VOL")),
    pan = value(track, "D_PAN"),
    muted = value(track, "B_MUTE") ~= 0,
    sends = its_sends,
  }
end

-- All tracks of a project as facts about the time from_s to to_s, in their order.
function routing.tracks(proj, from_s, to_s)
  local found = json.list()
  for index, entry in ipairs(project.tracks(proj)) do
    found[index] = facts(entry, from_s, to_s)
  end
  return found
end

-- What a track's main output goes to: its folder, or the one track that it sends into when it has
-- no main send; nil for the master, or nothing.
function routing.downstream(track)
  if value(track, "B_MAINSEND") ~= 0 then
    return reaper.GetParentTrack(track)
  end
  local only = nil
  for index = 0, reaper.GetTrackNumSends(track, SENDS) - 1 do
    local channel = math.floor(reaper.GetTrackSendInfo_Value(track, SENDS, index, "I_DSTCHAN"))
    if channel & CHANNEL_MASK < 2 then
      if only then
        return nil
      end
      only = reaper.GetTrackSendInfo_Value(track, SENDS, index, "P_DESTTRACK")
    end
  end
  return only
end

-- ------------------------------------------------------------------------ the user's wishes

function routing.choice(track)
  local text = project.note(track, CHOICE)
  return CHOICES[text] and text or nil
end

-- Keeps a wish for each selected track (nil: none) as one undo step; returns how many there were.
function routing.choose(proj, choice)
  local count = reaper.CountSelectedTracks(proj)
  if count > 0 then
    project.in_one_step(proj, "Stemlens: choose stems", function()
      for index = 0, count - 1 do
        project.set_note(reaper.GetSelectedTrack(proj, index), CHOICE, choice or "")
      end
    end)
  end
  return count
end

-- The wishes by track id. With `only` (ids of the selected tracks) what they lie in is opened, and
-- everything else is left out.
function routing.choices(proj, only)
  local tracks = project.tracks(proj)
  local choices, within, around = {}, {}, {}
  for _, entry in ipairs(tracks) do
    choices[entry.id] = routing.choice(entry.track)
  end
  if not only then
    return choices
  end
  for _, entry in ipairs(tracks) do
    local parent = reaper.GetParentTrack(entry.track)
    local inside = parent and within[reaper.GetTrackGUID(parent)] or false
    within[entry.id] = only[entry.id] or inside
    if only[entry.id] and not inside then
      while parent do
        around[reaper.GetTrackGUID(parent)] = true
        parent = reaper.GetParentTrack(parent)
      end
    end
  end
  for _, entry in ipairs(tracks) do
    if not within[entry.id] then
      choices[entry.id] = around[entry.id] and "open" or "skip"
    end
  end
  return choices
end

return routing
