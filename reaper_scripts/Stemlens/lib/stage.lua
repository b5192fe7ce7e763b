-- @noindex
-- The state of a project while it is bounced: kept, set, and put back whatever happened.
--
-- The master lets through what comes in (effects bypassed, fader at unity, pan in the middle, no
-- automation), so that the stems must add up to the mix. Solo is off, because the stems of a
-- session are those of its mix, and tracks that the user left out are muted, because they are no
-- part of it. The play rate is 1, so that a second of sound is a second of the time line.
--
-- Source of the render settings' values: REAPER's API text for GetSetProjectInfo.

local stage = {}

-- Every setting that a render depends on, as far as the API reaches it.
local NUMBERS = {
  "RENDER_SETTINGS", "RENDER_BOUNDSFLAG", "RENDER_STARTPOS", "RENDER_ENDPOS", "RENDER_SRATE",
  "RENDER_CHANNELS", "RENDER_TAILFLAG", "RENDER_TAILMS", "RENDER_ADDTOPROJ", "RENDER_DITHER",
  "RENDER_NORMALIZE",
}
-- The format comes last: REAPER loses it when others are set after it.
local STRINGS = { "RENDER_FILE", "RENDER_PATTERN", "RENDER_FORMAT2", "RENDER_FORMAT" }

local OURS = {
  RENDER_BOUNDSFLAG = 0, -- custom: from a time to a time
  RENDER_SRATE = 0, -- the project's
  RENDER_CHANNELS = 2,
  RENDER_TAILFLAG = 0,
  RENDER_TAILMS = 0,
  RENDER_ADDTOPROJ = 0,
  RENDER_DITHER = 0,
  RENDER_NORMALIZE = 0,
}

-- What the master is while it is bounced.
local MASTER_BYPASSED = {
  I_FXEN = 0, B_MUTE = 0, B_PHASE = 0, D_VOL = 1, D_PAN = 0, D_WIDTH = 1, D_DUALPANL = -1,
  D_DUALPANR = 1,
  D_PANLAW = 1, -- no loss in the middle
}
-- What kinds of automation of the master change levels or speed, by the first line of their state.
-- The tempo map is an envelope of the master too, and stays.
local BYPASSED_ENVELOPES = { "VOL", "PAN", "WIDTH", "MUTE", "PLAYSPEED" }

-- SWS alone can reach this one: bit 0 closes the render window by itself.
local CLOSE_WHEN_DONE = "renderclosewhendone"

-- The envelopes of the master that are to be bypassed, with their states.
local function master_envelopes(master)
  local found = {}
  for index = 0, reaper.CountTrackEnvelopes(master) - 1 do
    local envelope = reaper.GetTrackEnvelope(master, index)
    local _, chunk = reaper.GetEnvelopeStateChunk(envelope, "", false)
    local kind = chunk:match("^<(%u+)") or ""
    for _, word in ipairs(BYPASSED_ENVELOPES) do
      if kind:find(word, 1, true) and chunk:find("\nACT 1") then
        found[#found + 1] = { envelope = envelope, chunk = chunk }
        break
      end
    end
  end
  return found
end

-- Everything that a bounce changes, as it is now.
function stage.keep(proj)
  local kept = { numbers = {}, strings = {}, selected = {}, solos = {}, mutes = {}, master = {} }
  for _, key in ipairs(NUMBERS) do
    kept.numbers[key] = reaper.GetSetProjectInfo(proj, key, 0, false)
  end
  for _, key in ipairs(STRINGS) do
    local _, text = reaper.GetSetProjectInfo_String(proj, key, "", false)
    kept.strings[key] = text
  end
  local master = reaper.GetMasterTrack(proj)
  for key in pairs(MASTER_BYPASSED) do
    kept.master[key] = reaper.GetMediaTrackInfo_Value(master, key)
  end
  kept.master_selected = reaper.IsTrackSelected(master)
  kept.envelopes = master_envelopes(master)
  kept.rate = reaper.Master_GetPlayRate(proj)
  for index = 0, reaper.CountTracks(proj) - 1 do
    local track = reaper.GetTrack(proj, index)
    kept.selected[track] = reaper.IsTrackSelected(track)
    kept.solos[track] = reaper.GetMediaTrackInfo_Value(track, "I_SOLO")
    kept.mutes[track] = reaper.GetMediaTrackInfo_Value(track, "B_MUTE")
  end
  if reaper.APIExists("SNM_GetIntConfigVar") then
    kept.close = reaper.SNM_GetIntConfigVar(CLOSE_WHEN_DONE, -1)
  end
  return kept
end

-- Puts everything back. One step that fails must not keep the others from being done.
function stage.restore(proj, kept)
  local first_fault
  local function try(...)
    local good, fault = pcall(...)
    first_fault = first_fault or (not good and fault) or nil
  end
  for track, solo in pairs(kept.solos) do
    if reaper.ValidatePtr2(proj, track, "MediaTrack*") then
      if reaper.GetMediaTrackInfo_Value(track, "I_SOLO") ~= solo then
        try(reaper.SetMediaTrackInfo_Value, track, "I_SOLO", solo)
      end
      if reaper.GetMediaTrackInfo_Value(track, "B_MUTE") ~= kept.mutes[track] then
        try(reaper.SetMediaTrackInfo_Value, track, "B_MUTE", kept.mutes[track])
      end
      try(reaper.SetTrackSelected, track, kept.selected[track])
    end
  end
  local master = reaper.GetMasterTrack(proj)
  for key, value in pairs(kept.master) do
    try(reaper.SetMediaTrackInfo_Value, master, key, value)
  end
  for _, it in ipairs(kept.envelopes) do
    try(reaper.SetEnvelopeStateChunk, it.envelope, it.chunk, false)
  end
  if kept.rate ~= 1 then
    try(reaper.CSurf_OnPlayRateChange, kept.rate)
  end
  try(reaper.SetTrackSelected, master, kept.master_selected)
  if kept.close and kept.close >= 0 then
    try(reaper.SNM_SetIntConfigVar, CLOSE_WHEN_DONE, kept.close)
  end
  for _, key in ipairs(NUMBERS) do
    try(reaper.GetSetProjectInfo, proj, key, kept.numbers[key], true)
  end
  for _, key in ipairs(STRINGS) do
    try(reaper.GetSetProjectInfo_String, proj, key, kept.strings[key], true)
  end
  if first_fault then
    error(first_fault, 0)
  end
end

-- Sets everything but the source, the names and the format. `plan` as in `bounce.run`.
function stage.set(proj, plan, kept)
  for key, value in pairs(OURS) do
    reaper.GetSetProjectInfo(proj, key, value, true)
  end
  reaper.GetSetProjectInfo(proj, "RENDER_STARTPOS", plan.from_s, true)
  reaper.GetSetProjectInfo(proj, "RENDER_ENDPOS", plan.to_s, true)
  reaper.GetSetProjectInfo_String(proj, "RENDER_FILE", plan.folder, true)
  local master = reaper.GetMasterTrack(proj)
  for key, value in pairs(MASTER_BYPASSED) do
    reaper.SetMediaTrackInfo_Value(master, key, value)
  end
  for _, it in ipairs(kept.envelopes) do
    reaper.SetEnvelopeStateChunk(it.envelope, (it.chunk:gsub("\nACT 1", "\nACT 0", 1)), false)
  end
  if kept.rate ~= 1 then
    reaper.CSurf_OnPlayRateChange(1)
  end
  reaper.SetTrackSelected(master, false)
  for track, solo in pairs(kept.solos) do
    if solo ~= 0 then
      reaper.SetMediaTrackInfo_Value(track, "I_SOLO", 0)
    end
    if plan.left_out[reaper.GetTrackGUID(track)] then
      reaper.SetMediaTrackInfo_Value(track, "B_MUTE", 1)
    end
    reaper.SetTrackSelected(track, plan.by_track[track] ~= nil)
  end
  if kept.close and kept.close >= 0 and kept.close & 1 == 0 then
    reaper.SNM_SetIntConfigVar(CLOSE_WHEN_DONE, kept.close | 1)
  end
end

return stage
