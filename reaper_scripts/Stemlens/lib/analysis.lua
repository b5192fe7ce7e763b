-- @noindex
-- One analysis: the plan, the bounce, the wait, and what is written.

local annotate = require("annotate")
local bounce = require("bounce")
local estimate = require("estimate")
local failure = require("failure")
local files = require("files")
local fingerprint = require("fingerprint")
local json = require("json")
local mailbox = require("mailbox")
local project = require("project")
local record = require("record")
local request = require("request")
local results = require("results")
local routing = require("routing")
local settings = require("settings")
local shelf = require("shelf")

local analysis = {}

local LONGEST = 1500 -- bytes of the list of stems in a message box

local function set_of(ids)
  local set = {}
  for _, id in ipairs(ids or {}) do
    set[id] = true
  end
  return set
end

-- What is silent while a project is bounced: what the user left out, and tracks of ours.
local function silent(proj, it)
  local set = set_of(it.left_out)
  for _, entry in ipairs(project.tracks(proj)) do
    set[entry.id] = set[entry.id] or project.is_beside(entry.track) or nil
  end
  return set
end

-- --------------------------------------------------------------------------------- the plan

local function plan_stems(proj, box, it)
  local reply = box:ask("plan", {
    tracks = routing.tracks(proj, it.from_s, it.to_s),
    choices = routing.choices(proj, it.only and set_of(it.only)),
    returns = it.returns,
  })
  if #reply.stems == 0 then
    failure.raise("There is nothing to analyse: %s.", reply.sentence)
  end
  return reply
end

local function require_front(proj)
  if not project.is_open(proj) then
    failure.raise("The project was closed before the bounce. Nothing was sent.")
  elseif project.current() ~= proj then
    failure.raise('Another project came to the front before the bounce of "%s" began. Go back to '
      .. "its tab and run the analysis again.", project.name(proj))
  end
end

-- The stems of a plan with their tracks; raises where a track went meanwhile.
local function with_tracks(proj, plan)
  local present = project.tracks_by_id(proj)
  for _, stem in ipairs(plan.stems) do
    local entry = present[stem.id]
    if not entry then
      failure.raise('"%s" was deleted before the bounce. Run the analysis again.', stem.name)
    end
    local parent = reaper.GetParentTrack(entry.track)
    stem.track, stem.number = entry.track, entry.number
    stem.volume = reaper.GetMediaTrackInfo_Value(entry.track, "D_VOL")
    stem.pan = reaper.GetMediaTrackInfo_Value(entry.track, "D_PAN")
    stem.parent = parent and reaper.GetTrackGUID(parent) or ""
  end
end

-- How each stem sounds, as hashes: `sound` whole, `still` without the stems' own faders and mutes.
local function with_fingerprints(proj, run, plan)
  local tracks = fingerprint.tracks(proj, function()
    run.pause()
    require_front(proj)
  end)
  local feeders = fingerprint.feeders(proj)
  local loose = {}
  for _, stem in ipairs(plan.stems) do
    loose[stem.id] = true
  end
  for _, stem in ipairs(plan.stems) do
    stem.sound = fingerprint.stem(stem.id, tracks, feeders)
    stem.still = fingerprint.stem(stem.id, tracks, feeders, loose)
  end
  return tracks
end

-- Gives each stem that sounds as in the former bounce its former file; returns the others.
local function to_render(proj, plan, it)
  local former = it.former
  local same = former and former.bounce.returns == it.returns
    and former.bounce.tempo == it.tempo_hash
    and former.bounce.left_out == record.join(it.left_out)
    and former.bounce.from_s == tostring(it.from_s) and former.bounce.to_s == tostring(it.to_s)
  local changed = {}
  for _, stem in ipairs(plan.stems) do
    local then_ = same and former.stems[stem.id]
    local path = then_ and files.join(shelf.home(proj), then_.folder, then_.file)
    if then_ and then_.sound == stem.sound and (files.size(path) or 0) > 0 then
      stem.folder, stem.file = then_.folder, then_.file
    else
      changed[#changed + 1] = stem
    end
  end
  return changed
end

-- The user sees the list before the first bounce, and whenever it has changed.
local function agree(proj, plan, size)
  local sentence = plan.sentence
  if #sentence > LONGEST then -- a message box has no scroll bar
    sentence = sentence:sub(1, (utf8.offset(sentence, 0, LONGEST) or LONGEST) - 1) .. "…"
  end
  local ids = {}
  for index, stem in ipairs(plan.stems) do
    ids[index] = stem.id .. stem.kind .. table.concat(stem.inside or {})
  end
  for _, track in ipairs(plan.skipped or {}) do
    ids[#ids + 1] = track.id
  end
  local asked = fingerprint.hash(table.concat(ids, "\n"))
  if project.memory(proj).asked == asked then
    return
  end
  local solo = reaper.AnyTrackSolo(proj)
    and "\n\nSolo is switched off during the bounce and on again after it." or ""
  local answer = reaper.MB(sentence .. ".\n\n" .. estimate.told(size) .. solo
    .. "\n\nTo treat tracks in another way, cancel, select them, and run one of the actions "
    .. '"Stemlens: Treat selected tracks…".', "Stemlens: bounce these stems?", 1)
  if answer ~= 1 then
    error(failure.new("Nothing was bounced.", "cancelled"), 0)
  end
  project.remember(proj, { asked = asked })
end

-- -------------------------------------------------------------------------------- the bounce

local function session_json(proj, plan, it, folder, mix)
  local stems = json.list()
  for index, stem in ipairs(plan.stems) do
    local path = stem.file
    if stem.folder ~= folder then
      path = "../" .. stem.folder .. "/" .. stem.file
    end
    stems[index] = {
      path = path, id = stem.id, name = stem.name, kind = stem.kind, group = stem.group,
      fader_db = project.decibels(stem.volume), pan = stem.pan, gain_db = 0.0,
      sidechains = json.list(stem.sidechains), feeds = json.list(stem.feeds),
      inside = json.list(stem.inside),
    }
  end
  return json.write({
    schema = "stemlens.session/1",
    project = project.name(proj),
    daw = "REAPER " .. reaper.GetAppVersion(),
    start_s = it.from_s,
    tempo = json.list(it.tempo),
    stems = stems,
    mix = mix and files.name(mix) or nil,
    mix_bypassed = mix and true or nil,
  })
end

local function mark(proj, plan, it, job, tracks, names)
  local stems, all = {}, {}
  for index, stem in ipairs(plan.stems) do
    stems[index] = {
      id = stem.id, name = stem.name, file = stem.file, folder = stem.folder, sound = stem.sound,
      still = stem.still, parent = stem.parent, inside = record.join(stem.inside or {}),
      feeds = record.join(stem.feeds or {}),
    }
  end
  for id, state in pairs(tracks) do
    all[#all + 1] = {
      id = id, state = state.state, volume = ("%.9g"):format(state.volume), muted = state.muted,
    }
  end
  shelf.mark(files.join(shelf.home(proj), job), {
    project = project.name(proj), job = job, made = os.date("!%Y-%m-%d %H:%M:%S"), what = it.what,
    from_s = it.from_s, to_s = it.to_s, returns = it.returns, tempo = it.tempo_hash,
    only = it.only and record.join(it.only) or nil, left_out = record.join(it.left_out),
  }, names, stems, all)
end

local function render(proj, plan, it, changed, folder)
  local path = files.join(shelf.home(proj), folder)
  local by_id, mix = bounce.run(proj, {
    stems = changed, from_s = it.from_s, to_s = it.to_s, with_mix = it.with_mix,
    via_master = it.returns == "with source", folder = path,
    left_out = silent(proj, it),
  })
  local names = { "session.json" }
  for _, stem in ipairs(changed) do
    stem.folder, stem.file = folder, files.name(by_id[stem.id])
    names[#names + 1] = stem.file
  end
  if mix then
    names[#names + 1] = files.name(mix)
  end
  local session = files.join(path, "session.json")
  files.write(session, session_json(proj, plan, it, folder, mix))
  return session, names
end

-- ------------------------------------------------------------------------------ and afterwards

-- Writes findings into the project they belong to, and waits for its tab to come back if need be.
-- Returns false where the project, or all that was found in it, is gone instead.
function analysis.write(run, proj, findings, choices)
  local waiting = false
  while project.is_open(proj) and project.current() ~= proj do
    if not waiting then
      waiting = true
      run.release() -- other projects may be analysed meanwhile
      run.say(('The results of "%s" are there. They are written when you go back to its tab.')
        :format(project.name(proj)), 1)
    end
    run.pause()
  end
  if not project.is_open(proj) or not project.holds(proj, findings.stems) then
    return false
  end
  return annotate.apply(proj, findings, choices, shelf.last(proj))
end

-- Shows findings in the window; where that was closed, whether the mix is heard as it is meant.
local function show(run, proj, findings)
  if run.window and run.window:is_open() then
    run.window:show(findings, proj)
    return
  end
  local verdicts = {}
  for index, it in ipairs(findings.verdicts or {}) do
    verdicts[index] = it.sentence
  end
  if #verdicts > 0 then
    run.tell(table.concat(verdicts, "\n\n"))
  end
end

-- Submits a job and waits for its findings. What the bridge refuses leaves the memory of the former
-- job as it was; who stops waiting stops the job.
local function submitted(run, box, proj, before, body, choices)
  local accepted = false
  local good, found = pcall(function()
    box:ask("submit", body)
    accepted = true
    if project.is_open(proj) then
      shelf.retain(proj, project.name(proj), choices.keep)
    end
    return results.follow(run, box, body.job)
  end)
  if good then
    return found
  end
  if failure.is(found) and found.code == "cancelled" then
    box:post("cancel", { job = body.job })
  elseif not accepted and project.is_open(proj) then
    project.remember(proj, { job = before.job or "", folder = before.folder or "" })
  end
  error(found, 0)
end

-- The whole story. `what` is "session", "selected tracks", "time selection" or "again"; `more` are
-- options of the job beside those of the settings. Returns the job, nil where nothing had changed.
function analysis.run(run, what, more)
  local proj = project.current()
  local choices = settings.get()
  local it = request.of(proj, what, choices)
  request.require_idle(proj, it)
  local job = ("reaper-%s-%s"):format(os.date("%Y%m%d-%H%M%S"),
    reaper.genGuid():gsub("[^%w]", ""):sub(1, 6))
  run.claim(job)

  run.say("Looking for the server", nil)
  local box = mailbox.open(choices.server, run.pause)
  box:ensure()
  local hello = box:ask("hello")
  if not hello.server.reachable then
    failure.raise("%s", hello.server.message)
  elseif hello.server.message and hello.server.message ~= "" then
    failure.raise("%s", hello.server.message)
  end

  run.say("Reading the routing", nil)
  local plan = plan_stems(proj, box, it)
  require_front(proj)
  local tracks = with_fingerprints(proj, run, plan)
  local changed = to_render(proj, plan, it)
  local options = settings.options(choices)
  local asked = fingerprint.hash(json.write(options)) -- the settings that the server is told
  local last = project.memory(proj)
  if it.former and #changed == 0 and it.former.bounce.job == last.job and last.options == asked
    and #plan.stems == analysis.count(it.former.stems) then
    show(run, proj, (results.last(run, box, proj)))
    run.tell("No stem has changed since the last bounce, so the results still hold.")
    return nil
  end
  local size = estimate.of(proj, #changed, it.with_mix, it.to_s - it.from_s)
  estimate.require_space(size)
  agree(proj, plan, size)
  run.say("Bouncing " .. estimate.told(size), nil)
  run.wait(0.1) -- so that the window has said so before REAPER is busy

  require_front(proj)
  request.require_idle(proj, it)
  with_tracks(proj, plan)
  local session, names = render(proj, plan, it, changed, job)
  mark(proj, plan, it, job, tracks, names)

  run.say("Handing over the stems", nil)
  box:ensure() -- rendering took its time; the bridge may have gone
  -- Remembered before it is sent, so that no moment is left in which closing REAPER loses it.
  local before = project.memory(proj)
  for key, value in pairs(more or {}) do
    options[key] = value
  end
  project.remember(proj, { job = job, folder = job, stale = "", options = asked })
  local findings = submitted(run, box, proj, before, {
    job = job, session = session, options = options,
  }, choices)
  if choices.apply then
    local report = analysis.write(run, proj, findings, choices)
    if not report then
      run.tell('The project was closed meanwhile. Its results are kept: open it again and run '
        .. '"Stemlens: Apply annotations".')
      return job
    end
    show(run, proj, findings)
    if #report.problems > 0 then
      run.tell(annotate.told(report))
    end
  else
    show(run, proj, findings)
  end
  return job
end

function analysis.count(set)
  local count = 0
  for _ in pairs(set) do
    count = count + 1
  end
  return count
end

return analysis
