-- @noindex
-- Bouncing stems: REAPER renders, and what came out is looked at.
--
-- Stems are rendered post-fader and post-pan, not through the master; the mix with the master
-- bypassed (see `stage`). Both in one pass where REAPER's list of targets can be told apart, else
-- in two.
--
-- Source of the render settings' values: REAPER's API text for GetSetProjectInfo.

local failure = require("failure")
local files = require("files")
local stage = require("stage")
local wav = require("wav")

local bounce = {}

local RENDER_NOW = 42230 -- File: Render project, using the most recent render settings, auto-close
-- RENDER_SETTINGS: the source. REAPER's own dialog stores 3 for "stems (selected tracks)".
local MASTER, MASTER_AND_STEMS, STEMS, VIA_MASTER = 0, 1, 3, 128
local FORMAT = "ZXZhdyAAAQ==" -- WAV, 32 bit float
local SHORT_S = 0.25 -- a file that lacks more than this was not finished

-- --------------------------------------------------------------------------------- a pass

-- Sets a source and a name pattern; returns the paths that REAPER would write.
local function targets_of(proj, source, pattern)
  reaper.GetSetProjectInfo(proj, "RENDER_SETTINGS", source, true)
  reaper.GetSetProjectInfo_String(proj, "RENDER_PATTERN", pattern, true)
  reaper.GetSetProjectInfo_String(proj, "RENDER_FORMAT2", "", true)
  reaper.GetSetProjectInfo_String(proj, "RENDER_FORMAT", FORMAT, true)
  local _, text = reaper.GetSetProjectInfo_String(proj, "RENDER_TARGETS", "", false)
  local targets = {}
  -- Between semicolons, which may be in the names of folders too.
  for path in (text .. ";"):gmatch("(.-%.[wW][aA][vV]);") do
    targets[#targets + 1] = path
  end
  return targets, text
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

local function confused(text)
  failure.raise("REAPER would render files that cannot be told apart (%s). Please report this "
    .. "with your version of REAPER (%s).", text, reaper.GetAppVersion())
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
    local targets, text = targets_of(proj, plan.via_master and VIA_MASTER or STEMS, PATTERN)
    local others, all
    by_id, others, all = told_apart(targets, plan)
    if not all or #others > 0 then
      confused(text)
    end
    render(plan, targets)
  end
  if plan.with_mix then
    local targets, text = targets_of(proj, MASTER, "mix")
    if #targets ~= 1 then
      confused(text)
    end
    render(plan, targets)
    mix = targets[1]
  end
  return by_id, mix
end

-- Whether everything is there, and as long as it should be: who stops a render has a part of each.
local function verify(plan, by_id, mix)
  local lacking, short, all = {}, {}, 0
  local function look(path, name)
    all = all + 1
    local seconds = wav.seconds(path)
    if (files.size(path) or 0) == 0 then
      lacking[#lacking + 1] = name
    elseif seconds and seconds < plan.to_s - plan.from_s - SHORT_S then
      short[#short + 1] = name
    end
  end
  for _, stem in ipairs(plan.stems) do
    look(by_id[stem.id], stem.name)
  end
  if mix then
    look(mix, "the mix")
  end
  local function refuse(names, what)
    if #names > 0 then
      failure.raise("The bounce was stopped or went wrong: %d of %d files %s (%s). Nothing was "
        .. "sent. If you did not stop it, render once by hand (File: Render) to see what REAPER "
        .. "says.", #names, all, what, table.concat(names, ", ", 1, math.min(5, #names)))
    end
  end
  refuse(lacking, "were not written")
  refuse(short, "are too short")
end

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
    with_mix = wanted.with_mix, via_master = wanted.via_master, folder = wanted.folder,
    left_out = wanted.left_out or {}, by_track = {}, id_by_number = {}, written = {},
  }
  for _, stem in ipairs(wanted.stems) do
    plan.by_track[stem.track] = stem
    plan.id_by_number[stem.number] = stem.id
  end
  files.make(wanted.folder)
  local writable, why_not = pcall(files.require_writable, wanted.folder)
  if not writable then
    files.remove_empty(wanted.folder)
    error(why_not, 0)
  end
  local kept = stage.keep(proj)
  reaper.PreventUIRefresh(1)
  local good, by_id, mix = xpcall(function()
    stage.set(proj, plan, kept)
    return passes(proj, plan)
  end, function(err)
    return type(err) == "string" and debug.traceback(err, 2) or err
  end)
  local restored, fault = pcall(stage.restore, proj, kept)
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
