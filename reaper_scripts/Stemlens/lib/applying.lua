-- @noindex
-- Carrying a suggestion out in the project, as one undo step, and taking it back.
--
-- What a DAW can do itself is done with its own means: a level moves the fader, bells become ReaEQ.
-- Everything else, and bells where ReaEQ is not there, becomes the rendered file on a new track
-- above the one that was edited, which is muted. Nothing of the user's is deleted or overwritten.
--
-- Each track that was touched keeps a record (P_EXT:stemlens_applied) of what was done, which goes
-- with the track when the user undoes it.

local failure = require("failure")
local files = require("files")
local project = require("project")
local reaeq = require("reaeq")
local record = require("record")

local applying = {}

local KEY = "stemlens_applied"
local STEP = "Stemlens: apply suggestion"
local SUFFIX = " (Stemlens)"
local TAKES = "Stemlens takes"
local FADER = "VOLENV2" -- the envelope that moves the fader; others work beside it
local SEND = 0 -- category of sends
local POST_FADER = 0 -- I_SENDMODE
local SEND_VALUES = { "B_MUTE", "B_PHASE", "B_MONO", "D_VOL", "D_PAN", "I_SRCCHAN", "I_DSTCHAN" }
local SAME = 1e-9

-- ---------------------------------------------------------------------- what is there already

-- What was applied of a request and neither undone nor taken back: {track, id, name, kept =
-- record}, in the order of the tracks.
function applying.present(proj, request)
  local found = {}
  for _, entry in ipairs(project.tracks(proj)) do
    local kept = record.read(project.note(entry.track, KEY))
    if kept and kept.request == request then
      found[#found + 1] = { track = entry.track, id = entry.id, name = entry.name, kept = kept }
    end
  end
  return found
end

-- The ids of the tracks that suggestions brought with them.
function applying.added(proj)
  local ids = {}
  for _, entry in ipairs(project.tracks(proj)) do
    local kept = record.read(project.note(entry.track, KEY))
    if kept and kept.of then
      ids[#ids + 1] = entry.id
    end
  end
  return ids
end

-- ------------------------------------------------------------------------------ what is to do

local function fader_is_automated(track)
  for index = 0, reaper.CountTrackEnvelopes(track) - 1 do
    local _, chunk = reaper.GetEnvelopeStateChunk(reaper.GetTrackEnvelope(track, index), "", false)
    if chunk:match("^<(%w+)") == FADER and chunk:find("\nACT 1") then
      return true
    end
  end
  return false
end

-- The actions of an edit that REAPER does itself: level in dB (nil: none), bells; nil where one of
-- them is not among these.
local function own_means(edit)
  local level, bells
  for _, action in ipairs(edit.actions) do
    if action["do"] == "level" then
      level = (level or 0) + action.db
    elseif action["do"] == "eq" then
      bells = bells or {}
      table.move(action.bands, 1, #action.bands, #bells + 1, bells)
    else
      return false
    end
  end
  return true, level, bells
end

local function has_file(edit)
  return edit.path ~= "" and (files.size(edit.path) or 0) > 0
end

-- The steps of a trial with their tracks; raises where one of them cannot be done.
local function planned(proj, trial)
  local present, steps = project.tracks_by_id(proj), {}
  for _, edit in ipairs(trial.edits) do
    local entry = present[edit.track]
    if not entry then
      failure.raise("The track that this changes is no longer there. Undo its deletion, or run "
        .. '"Stemlens: Analyze again" and ask anew.')
    end
    local own, level, bells = own_means(edit)
    if not own and not has_file(edit) then
      failure.raise('REAPER cannot do this to "%s" itself, and the rendered file cannot be read '
        .. "here: %s", entry.name, edit.path ~= "" and edit.path or "none was written.")
    end
    steps[#steps + 1] = { edit = edit, entry = entry, own = own, level = level, bells = bells }
  end
  return steps
end

-- ----------------------------------------------------------------------------------- doing it

-- Copies a rendered file to where it lasts as long as the project; returns the path there.
function applying.keep(proj, rendered, name)
  local folder = files.join(reaper.GetProjectPathEx(proj), TAKES)
  files.make(folder)
  local plain = name:gsub('[%c<>:"/\\|?*%.]', "_")
  local path = files.join(folder, plain .. (rendered:match("%.%w+$") or ".wav"))
  if files.size(path) ~= files.size(rendered) then
    files.copy(rendered, path)
  end
  return path
end

-- Puts a sound file on a track, as a take of an item; nil where REAPER cannot read it.
function applying.put(track, path, name, start_s, item)
  local source = reaper.PCM_Source_CreateFromFile(path)
  if not source then
    return nil
  end
  item = item or reaper.AddMediaItemToTrack(track)
  local take = reaper.AddTakeToMediaItem(item)
  reaper.SetMediaItemTake_Source(take, source)
  reaper.GetSetMediaItemTakeInfo_String(take, "P_NAME", name, true)
  reaper.SetMediaItemInfo_Value(item, "D_POSITION", start_s)
  reaper.SetMediaItemInfo_Value(item, "D_LENGTH", (reaper.GetMediaSourceLength(source)))
  reaper.SetMediaItemInfo_Value(item, "B_LOOPSRC", 0)
  reaper.SetMediaItemInfo_Value(item, "D_FADEINLEN", 0)
  reaper.SetMediaItemInfo_Value(item, "D_FADEOUTLEN", 0)
  return item, take
end

-- A new track at a place, which passes on what it plays as it is. The project is in front.
function applying.new_track(proj, index, name)
  reaper.InsertTrackAtIndex(index, false)
  local track = reaper.GetTrack(proj, index)
  reaper.GetSetMediaTrackInfo_String(track, "P_NAME", name, true)
  reaper.SetMediaTrackInfo_Value(track, "D_PANLAW", 1) -- no loss in the middle
  return track
end

-- The sends of a track after its fader, which a mute ends, as sends of another; how many others
-- there are.
local function pass_on_sends(from, to)
  local others = 0
  for index = 0, reaper.GetTrackNumSends(from, SEND) - 1 do
    local function value(key)
      return reaper.GetTrackSendInfo_Value(from, SEND, index, key)
    end
    if math.floor(value("I_SENDMODE")) ~= POST_FADER then
      others = others + 1
    else
      local send = reaper.CreateTrackSend(to, value("P_DESTTRACK"))
      for _, key in ipairs(SEND_VALUES) do
        reaper.SetTrackSendInfo_Value(to, SEND, send, key, value(key))
      end
    end
  end
  return others
end

-- The rendered stem on a new track above its own: the same folder, whatever that is.
local function play_file(proj, step, path, start_s, kept, report)
  local entry = step.entry
  local number = project.tracks_by_id(proj)[entry.id].number
  local name = entry.name .. SUFFIX
  local track = applying.new_track(proj, number - 1, name)
  if not applying.put(track, path, step.edit.preset, start_s) then
    reaper.DeleteTrack(track)
    failure.raise("REAPER cannot read %s, so nothing was changed.", path)
  end
  reaper.SetMediaTrackInfo_Value(track, "B_MAINSEND",
    reaper.GetMediaTrackInfo_Value(entry.track, "B_MAINSEND"))
  if pass_on_sends(entry.track, track) > 0 then
    report.problems[#report.problems + 1] = ('"%s" has sends before its fader, which stop while it '
      .. "is muted; the new track has none of them."):format(entry.name)
  end
  kept.muted = tostring(reaper.GetMediaTrackInfo_Value(entry.track, "B_MUTE"))
  kept.track = reaper.GetTrackGUID(track)
  reaper.SetMediaTrackInfo_Value(entry.track, "B_MUTE", 1)
  project.set_note(track, KEY, record.write({ request = kept.request, of = entry.id }))
  report.done[#report.done + 1] = ('"%s" plays the rendered sound; "%s" is muted.'):format(name,
    entry.name)
end

local function move_fader(step, kept, report)
  local track, name = step.entry.track, step.entry.name
  if fader_is_automated(track) then
    report.problems[#report.problems + 1] = ('The volume of "%s" is automated, so its level is '
      .. "left to you: %+.1f dB."):format(name, step.level)
    kept.left = ("%+.1f dB"):format(step.level)
    return
  end
  local before = reaper.GetMediaTrackInfo_Value(track, "D_VOL")
  reaper.SetMediaTrackInfo_Value(track, "D_VOL", before * 10 ^ (step.level / 20))
  kept.volume_before = ("%.17g"):format(before)
  kept.volume = ("%.17g"):format(reaper.GetMediaTrackInfo_Value(track, "D_VOL"))
  report.done[#report.done + 1] = ('"%s": fader %+.1f dB.'):format(name, step.level)
end

local function carry_out(proj, step, trial, request, path, start_s, report)
  local kept = { request = request, rank = trial.rank, words = step.edit.words }
  local equalizers = step.own and step.bells and reaeq.add(step.entry.track, step.bells)
  if step.own and (not step.bells or equalizers) then
    if equalizers then
      kept.equalizers = record.join(equalizers)
      report.done[#report.done + 1] = ('"%s": ReaEQ with %d band%s.'):format(step.entry.name,
        #step.bells, #step.bells == 1 and "" or "s")
    end
    if step.level then
      move_fader(step, kept, report)
    end
  elseif path then
    play_file(proj, step, path, start_s, kept, report)
  else
    kept.left = step.edit.words
    report.problems[#report.problems + 1] = ('ReaEQ could not be set on "%s", and there is no '
      .. "rendered file. It is left to you: %s."):format(step.entry.name, step.edit.words)
  end
  project.set_note(step.entry.track, KEY, record.write(kept))
end

-- Carries a trial (of stemlens.tried/1) out, all its edits in one undo step. `start_s` is where the
-- stems start. Returns {done = sentences, problems = sentences}; raises before anything is changed.
function applying.apply(proj, trial, request, start_s)
  if #applying.present(proj, request) > 0 then
    failure.raise("A suggestion is applied already, and the others were tried without it. Verify "
      .. "it and ask for new suggestions, or take it back first.")
  end
  local steps = planned(proj, trial)
  local paths = {} -- copied first: a full disk must not stop it half way
  for index, step in ipairs(steps) do
    paths[index] = has_file(step.edit) and (not step.own or step.bells)
      and applying.keep(proj, step.edit.path, ("%s %s-%d-%d"):format(step.entry.name, request,
        trial.rank, index)) or nil -- names may be alike
  end
  local report = { done = {}, problems = {} }
  project.in_one_step(proj, STEP, function()
    for index, step in ipairs(steps) do
      carry_out(proj, step, trial, request, paths[index], start_s, report)
    end
  end)
  return report
end

-- ------------------------------------------------------------------------------ taking it back

local function take_back(proj, it)
  local kept, track = it.kept, it.track
  if kept.of then
    return
  end
  local now = reaper.GetMediaTrackInfo_Value(track, "D_VOL")
  if kept.volume and math.abs(now - tonumber(kept.volume)) <= SAME then -- else the user moved it
    reaper.SetMediaTrackInfo_Value(track, "D_VOL", tonumber(kept.volume_before))
  end
  if kept.equalizers then
    reaeq.remove(track, record.split(kept.equalizers))
  end
  local new = kept.track and project.tracks_by_id(proj)[kept.track]
  if new then
    reaper.DeleteTrack(new.track)
  end
  if kept.muted then
    reaper.SetMediaTrackInfo_Value(track, "B_MUTE", tonumber(kept.muted))
  end
  project.set_note(track, KEY, "")
end

-- Takes back what was applied of a request, as one undo step; what the user changed since stays.
-- Returns how many tracks that were.
function applying.take_back(proj, request)
  local present = applying.present(proj, request)
  if #present > 0 then
    project.in_one_step(proj, "Stemlens: take suggestion back", function()
      for _, it in ipairs(present) do
        take_back(proj, it)
      end
    end)
  end
  return #present
end

return applying
