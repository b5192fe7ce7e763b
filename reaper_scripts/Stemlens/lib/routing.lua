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
local DUAL_PAN = 6 -- I_PANMODE
local UNITY_DB = 0.005 -- a send this near to 0 dB counts as at unity
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
    local length = reaper.GetMediaItemInfo_Value(item, "D_LENGTH")
    if reaper.GetMediaItemInfo_Value(item, "B_MUTE") == 0 and take and length > 0 then
      there = there + 1
      local start = reaper.GetMediaItemInfo_Value(item, "D_POSITION")
      in_time = in_time or (start < to_s and start + length > from_s)
      midi_only = midi_only and reaper.TakeIsMIDI(take)
      if in_time and not midi_only then
        break -- the thousands of slices behind it change nothing
      end
    end
  end
  return there, in_time, midi_only
end

local function is_on(track, index)
  return reaper.TrackFX_GetEnabled(track, index) and not reaper.TrackFX_GetOffline(track, index)
end

-- Whether any effect works on a track, and whether an instrument plays there.
local function effects_of(track)
  local any = false
  if value(track, "I_FXEN") ~= 0 then
    for index = 0, reaper.TrackFX_GetCount(track) - 1 do
      any = any or is_on(track, index)
    end
  end
  local instrument = any and reaper.TrackFX_GetInstrument(track) or -1
  return any, instrument >= 0 and is_on(track, instrument)
end

-- Whether a track changes what goes through it by its strip alone (fader and pan are told apart).
local function is_bent(track)
  return value(track, "B_PHASE") ~= 0 or value(track, "D_WIDTH") ~= 1
    or value(track, "I_PANMODE") == DUAL_PAN
      and (value(track, "D_DUALPANL") ~= -1 or value(track, "D_DUALPANR") ~= 1)
end

-- For each track's id the tracks whose VCA faders work on it.
function routing.vca_leaders(tracks)
  local lead, leaders = {}, {}
  local function groups(track, role)
    return reaper.GetSetTrackGroupMembership(track, role, 0, 0),
      reaper.GetSetTrackGroupMembershipHigh(track, role, 0, 0)
  end
  for _, entry in ipairs(tracks) do
    local low, high = groups(entry.track, "VOLUME_VCA_LEAD")
    if low ~= 0 or high ~= 0 then
      lead[#lead + 1] = { entry = entry, low = low, high = high }
    end
  end
  for _, entry in ipairs(tracks) do
    leaders[entry.id] = {}
    if #lead > 0 then
      local low, high = groups(entry.track, "VOLUME_VCA_FOLLOW")
      for _, it in ipairs(lead) do
        if it.low & low ~= 0 or it.high & high ~= 0 then
          table.insert(leaders[entry.id], it.entry)
        end
      end
    end
  end
  return leaders
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

-- One track as the bridge's `routing.Track`. `leaders` are those of its VCA groups.
local function facts(entry, leaders, from_s, to_s)
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
  local automated = is_automated(track)
  if value(track, "D_VOL") == 0 and not automated then
    -- Shut: nothing comes out but what is sent before the fader, to an effect that is heard alone.
    output = json.null
    for index = #its_sends, 1, -1 do
      if not its_sends[index].pre_fader then
        table.remove(its_sends, index)
      end
    end
  end
  local led = false
  for _, leader in ipairs(leaders) do
    led = led or value(leader.track, "D_VOL") ~= 1
  end
  local there, in_time, midi_only = items(track, from_s, to_s)
  local effects, instrument = effects_of(track)
  local plays = there > 0 and (not midi_only or effects)
  return {
    id = entry.id,
    name = entry.name,
    output = output,
    sounds = plays or instrument,
    silent = there > 0 and not in_time and not instrument,
    effects = effects or is_bent(track) or led,
    automation = automated,
    fader_db = project.decibels(value(track, "D_VOL")),
    pan = value(track, "D_PAN"),
    muted = value(track, "B_MUTE") ~= 0,
    sends = its_sends,
  }
end

-- All tracks of a project's mix as facts about the time from_s to to_s, in their order.
function routing.tracks(proj, from_s, to_s)
  local found, tracks = json.list(), project.tracks(proj)
  local leaders = routing.vca_leaders(tracks)
  for _, entry in ipairs(tracks) do
    if not project.is_beside(entry.track) then
      found[#found + 1] = facts(entry, leaders[entry.id], from_s, to_s)
    end
  end
  return found
end

-- The id of what a track's main output goes to: its folder, or, when it has no main send, the one
-- track that it sends all of itself to (as the bridge's cut has it); nil for the master or nothing.
function routing.downstream(track)
  if value(track, "B_MAINSEND") ~= 0 then
    local parent = reaper.GetParentTrack(track)
    return parent and reaper.GetTrackGUID(parent) or nil
  end
  local only = nil
  for _, send in ipairs(sends(track)) do
    if not send.sidechain then
      if only then
        return nil
      end
      only = send
    end
  end
  local whole = only and not only.pre_fader and math.abs(only.gain_db) <= UNITY_DB
  return whole and only.to or nil
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
