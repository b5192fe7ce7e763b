-- @noindex
-- Bouncing stems: REAPER renders, everything is put back, and what came out is looked at.
--
-- Stems are rendered post-fader and post-pan, not through the master; the mix with the master's
-- effects bypassed and its fader at unity, so that the stems must add up to it. Both in one pass
-- where REAPER's list of targets can be told apart, else in two. Meanwhile solo is off, because the
-- stems of a session are those of its mix, and tracks that the user left out are muted, because
-- they are no part of it.
--
-- A bounce lies in a folder of its own beside the project's recordings, with a mark in it; only
-- files that a mark lists are ever deleted.
--
-- Source of the render settings' values: REAPER's API text for GetSetProjectInfo.

local failure = require("failure")
local files = require("files")
local record = require("record")

local bounce = {}

local FOLDER = "Stemlens bounces"
local MARK = "stemlens-bounce.txt"
local MARK_HEAD = "Stemlens bounce 1. Made by Stemlens, which deletes the files listed here when "
  .. "newer bounces take their place."

local RENDER_NOW = 42230 -- File: Render project, using the most recent render settings, auto-close
-- RENDER_SETTINGS: the source. REAPER's own dialog stores 3 for "stems (selected tracks)".
local MASTER, MASTER_AND_STEMS, STEMS, VIA_MASTER = 0, 1, 3, 128
local CUSTOM_BOUNDS = 0
local CHANNELS, BYTES = 2, 4
local FORMAT = "ZXZhdyAAAQ==" -- WAV, 32 bit float
local WHOLE_MB = 1e6
local SPARE_MB = 500 -- left free on the disk at least

-- Every setting that a render depends on, as far as the API reaches it.
local NUMBERS = {
  "RENDER_SETTINGS", "RENDER_BOUNDSFLAG", "RENDER_STARTPOS", "RENDER_ENDPOS", "RENDER_SRATE",
  "RENDER_CHANNELS", "RENDER_TAILFLAG", "RENDER_TAILMS", "RENDER_ADDTOPROJ", "RENDER_DITHER",
  "RENDER_NORMALIZE",
}
-- The format comes last: REAPER loses it when others are set after it.
local STRINGS = { "RENDER_FILE", "RENDER_PATTERN", "RENDER_FORMAT2", "RENDER_FORMAT" }

local OURS = {
  RENDER_BOUNDSFLAG = CUSTOM_BOUNDS,
  RENDER_SRATE = 0, -- the project's
  RENDER_CHANNELS = CHANNELS,
  RENDER_TAILFLAG = 0,
  RENDER_TAILMS = 0,
  RENDER_ADDTOPROJ = 0,
  RENDER_DITHER = 0,
  RENDER_NORMALIZE = 0,
}

-- What the master is while it is bounced.
local MASTER_BYPASSED = { I_FXEN = 0, D_VOL = 1, D_PAN = 0, B_MUTE = 0 }

-- SWS alone can reach this one: bit 0 closes the render window by itself.
local CLOSE_WHEN_DONE = "renderclosewhendone"

-- ------------------------------------------------------------------------ before it starts

local function sample_rate(proj)
  if reaper.GetSetProjectInfo(proj, "PROJECT_SRATE_USE", 0, false) ~= 0 then
    return reaper.GetSetProjectInfo(proj, "PROJECT_SRATE", 0, false)
  end
  return 48000
end

-- What a bounce will be: {stems =, files =, seconds = of audio in all, megabytes =, free_mb =}.
function bounce.estimate(proj, stems, with_mix, seconds)
  local count = stems + (with_mix and 1 or 0)
  return {
    stems = stems,
    files = count,
    seconds = count * seconds,
    megabytes = count * seconds * sample_rate(proj) * CHANNELS * BYTES / WHOLE_MB,
    free_mb = reaper.GetFreeDiskSpaceForRecordPath(proj, 0),
  }
end

local function size(megabytes)
  if megabytes >= 1000 then
    return ("%.1f GB"):format(megabytes / 1000)
  end
  return ("%d MB"):format(math.max(1, math.ceil(megabytes)))
end

local function duration(seconds)
  local whole = math.max(1, math.floor(seconds + 0.5))
  if whole < 60 then
    return ("%d seconds"):format(whole)
  end
  return ("%d:%02d minutes"):format(whole // 60, whole % 60)
end

-- The estimate in words.
function bounce.told(estimate)
  local mix = estimate.files > estimate.stems and " and the mix" or ""
  return ("%d stem%s%s: %s of audio in all, %s on the disk (%s are free). REAPER cannot be used "
    .. "while it renders."):format(estimate.stems, estimate.stems == 1 and "" or "s", mix,
    duration(estimate.seconds), size(estimate.megabytes), size(estimate.free_mb))
end

function bounce.require_space(estimate)
  if estimate.megabytes + SPARE_MB > estimate.free_mb then
    failure.raise("The bounce needs %s and only %s are free on the disk of the project's "
      .. "recordings. Make room, or analyse a time selection.", size(estimate.megabytes),
      size(estimate.free_mb))
  end
end

-- ------------------------------------------------------- taking a state and putting it back

local function snapshot(proj)
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
local function restore(proj, kept)
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

local function prepare(proj, plan, folder, kept)
  for key, value in pairs(OURS) do
    reaper.GetSetProjectInfo(proj, key, value, true)
  end
  reaper.GetSetProjectInfo(proj, "RENDER_STARTPOS", plan.from_s, true)
  reaper.GetSetProjectInfo(proj, "RENDER_ENDPOS", plan.to_s, true)
  reaper.GetSetProjectInfo_String(proj, "RENDER_FILE", folder, true)
  local master = reaper.GetMasterTrack(proj)
  for key, value in pairs(MASTER_BYPASSED) do
    reaper.SetMediaTrackInfo_Value(master, key, value)
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

-- --------------------------------------------------------------------------------- a pass

-- Sets a source and a name pattern; returns the paths that REAPER would write.
local function targets_of(proj, source, pattern)
  reaper.GetSetProjectInfo(proj, "RENDER_SETTINGS", source, true)
  reaper.GetSetProjectInfo_String(proj, "RENDER_PATTERN", pattern, true)
  reaper.GetSetProjectInfo_String(proj, "RENDER_FORMAT2", "", true)
  reaper.GetSetProjectInfo_String(proj, "RENDER_FORMAT", FORMAT, true)
  local _, text = reaper.GetSetProjectInfo_String(proj, "RENDER_TARGETS", "", false)
  local targets = {}
  for path in text:gmatch("[^;]+") do
    targets[#targets + 1] = path
  end
  return targets
end

-- Which target is which: paths by track id, and those that are no stem's. The pattern holds only
-- the track's number, since names may collide or make folders.
local PATTERN = "stem-$tracknumber"

local function told_apart(targets, plan)
  local by_id, others, found = {}, {}, 0
  for _, path in ipairs(targets) do
    local number = tonumber(files.name(path):match("^stem%-(%d+)%.[wW][aA][vV]$"))
    local id = number and plan.id_by_number[number]
    if id and not by_id[id] then
      by_id[id], found = path, found + 1
    else
      others[#others + 1] = path
    end
  end
  return by_id, others, found == plan.count
end

local function render(plan, targets)
  for _, path in ipairs(targets) do
    if reaper.file_exists(path) then
      failure.raise("%s is already there, and REAPER would ask about each such file. Move it away "
        .. "and try again.", path)
    end
  end
  for _, path in ipairs(targets) do
    plan.written[#plan.written + 1] = path
  end
  reaper.Main_OnCommand(RENDER_NOW, 0)
end

local function confused(targets)
  failure.raise("REAPER would render files that cannot be told apart (%s). Please report this "
    .. "with your version of REAPER (%s).", table.concat(targets, ", "), reaper.GetAppVersion())
end

-- Whether a path can only be the master's: where its name collided with a track's, REAPER put a
-- number behind one of the two, and nobody knows which.
local function is_apart(path, plan)
  local number = tonumber(files.name(path):match("^stem%-(%d+)"))
  return not (number and plan.id_by_number[number])
end

-- Renders what the plan says; returns the paths of the stems by track id, and of the mix.
local function passes(proj, plan)
  if plan.with_mix and plan.count > 0 and not plan.via_master then
    local targets = targets_of(proj, MASTER_AND_STEMS, PATTERN)
    local by_id, others, all = told_apart(targets, plan)
    if all and #others == 1 and is_apart(others[1], plan) then
      render(plan, targets)
      return by_id, others[1]
    end
  end
  local by_id, mix = {}, nil
  if plan.count > 0 then
    local targets = targets_of(proj, plan.via_master and VIA_MASTER or STEMS, PATTERN)
    local others, all
    by_id, others, all = told_apart(targets, plan)
    if not all or #others > 0 then
      confused(targets)
    end
    render(plan, targets)
  end
  if plan.with_mix then
    local targets = targets_of(proj, MASTER, "mix")
    if #targets ~= 1 then
      confused(targets)
    end
    render(plan, targets)
    mix = targets[1]
  end
  return by_id, mix
end

local function verify(plan, by_id, mix)
  local lacking, all = {}, 0
  local function look(path, name)
    all = all + 1
    if (files.size(path) or 0) == 0 then
      lacking[#lacking + 1] = name
    end
  end
  for _, stem in ipairs(plan.stems) do
    look(by_id[stem.id], stem.name)
  end
  if mix then
    look(mix, "the mix")
  end
  if #lacking > 0 then
    failure.raise("The bounce was stopped or went wrong: %d of %d files were not written (%s). "
      .. "Nothing was sent. If you did not stop it, render once by hand (File: Render) to see what "
      .. "REAPER says.", #lacking, all, table.concat(lacking, ", ", 1, math.min(5, #lacking)))
  end
end

-- ---------------------------------------------------------------------- folders and their marks

-- Where the bounces of a project lie.
function bounce.home(proj)
  return files.join(reaper.GetProjectPathEx(proj), FOLDER)
end

-- What a bounce's mark says: {bounce = {…}, files = {names}, stems = {id = {…}},
-- tracks = {id = {…}}}; nil without one.
function bounce.read(folder)
  local text = files.read(files.join(folder, MARK))
  if not text or text:match("^[^\r\n]*") ~= MARK_HEAD then
    return nil
  end
  local found = { bounce = {}, files = {}, stems = {}, tracks = {} }
  for line in text:gmatch("[^\r\n]+") do
    local kind, rest = line:match("^(%l+) (.*)$")
    local values = kind and record.read(rest) or {}
    if kind == "bounce" then
      found.bounce = values
    elseif kind == "file" and values.name and not values.name:find("[/\\]") then
      found.files[#found.files + 1] = values.name
    elseif kind == "stem" and values.id then
      found.stems[values.id] = values
    elseif kind == "track" and values.id then
      found.tracks[values.id] = values
    end
  end
  return found
end

-- Marks a folder as a bounce of ours, with what is to be known of it when it comes to bouncing
-- again: of the whole, of each stem and of each track (records with an id).
function bounce.mark(folder, values, names, stems, tracks)
  local lines = { MARK_HEAD, "bounce " .. record.write(values) }
  local function add(kind, records)
    for _, it in ipairs(records) do
      lines[#lines + 1] = kind .. " " .. record.write(it)
    end
  end
  for _, name in ipairs(names) do
    add("file", { { name = name } })
  end
  add("stem", stems)
  add("track", tracks)
  files.write(files.join(folder, MARK), table.concat(lines, "\n") .. "\n")
end

-- Deletes a bounce: the files that its mark lists, then the folder if nothing else is in it.
function bounce.delete(folder)
  local marked = bounce.read(folder)
  if not marked then
    return false
  end
  for _, name in ipairs(marked.files) do
    os.remove(files.join(folder, name))
    os.remove(files.join(folder, name .. ".reapeaks"))
  end
  os.remove(files.join(folder, MARK))
  files.remove_empty(folder)
  return true
end

-- Deletes all but the newest `keep` bounces of a project, and none that a kept one borrows from.
function bounce.retain(proj, project_name, keep)
  local home = bounce.home(proj)
  local found = {}
  for _, name in ipairs(files.folders(home)) do
    local marked = bounce.read(files.join(home, name))
    if marked and marked.bounce.project == project_name then
      found[#found + 1] = { name = name, marked = marked, made = marked.bounce.made or "" }
    end
  end
  table.sort(found, function(a, b) return a.made > b.made end)
  local needed = {}
  for index = 1, math.min(keep, #found) do
    needed[found[index].name] = true
    for _, stem in pairs(found[index].marked.stems) do
      needed[stem.folder or ""] = true
    end
  end
  for _, it in ipairs(found) do
    if not needed[it.name] then
      bounce.delete(files.join(home, it.name))
    end
  end
end

-- ---------------------------------------------------------------------------------- the bounce

-- Renders stems (records with id, name, and their track's number and handle) into a new folder.
--
--   wanted = {stems =, from_s =, to_s =, with_mix =, via_master =, folder = to be made,
--             left_out = set of ids of tracks that are no part of the mix, or nil}
--
-- Returns the paths of the stems by id, and of the mix. Whatever happens, the project's render
-- settings, selection, solos, mutes and master are then as they were; a bounce that failed leaves
-- no files. Blocks REAPER.
function bounce.run(proj, wanted)
  local plan = {
    stems = wanted.stems, count = #wanted.stems, from_s = wanted.from_s, to_s = wanted.to_s,
    with_mix = wanted.with_mix, via_master = wanted.via_master,
    left_out = wanted.left_out or {}, by_track = {}, id_by_number = {}, written = {},
  }
  for _, stem in ipairs(wanted.stems) do
    plan.by_track[stem.track] = stem
    plan.id_by_number[stem.number] = stem.id
  end
  files.make(wanted.folder)
  local kept = snapshot(proj)
  reaper.PreventUIRefresh(1)
  local good, by_id, mix = xpcall(function()
    prepare(proj, plan, wanted.folder, kept)
    return passes(proj, plan)
  end, function(err)
    return type(err) == "string" and debug.traceback(err, 2) or err
  end)
  local restored, fault = pcall(restore, proj, kept)
  reaper.PreventUIRefresh(-1)
  if good and not restored then
    good, by_id = false, fault
  elseif good then
    good, fault = pcall(verify, plan, by_id, mix)
    by_id = good and by_id or fault
  end
  if not good then
    for _, path in ipairs(plan.written) do
      os.remove(path)
    end
    files.remove_empty(wanted.folder)
    error(by_id, 0)
  end
  return by_id, mix
end

return bounce
