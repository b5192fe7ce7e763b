-- @noindex
-- The story of a suggestion: the goal, the list, listening, applying it, and whether it held.

local analysis = require("analysis")
local applying = require("applying")
local audition = require("audition")
local failure = require("failure")
local mailbox = require("mailbox")
local project = require("project")
local settings = require("settings")
local shelf = require("shelf")
local since = require("since")
local trials = require("trials")
local wishing = require("wishing")

local suggesting = {}

local SECTION, GOAL = "stemlens", "goal"
local EXAMPLE = "+metal =happy"
local CAPTIONS = "Goal: +more −less =keep (+metal =happy),extrawidth=220"

-- ------------------------------------------------------------------------------------ the goal

local function asked_goal()
  local last = reaper.GetExtState(SECTION, GOAL)
  while true do
    local agreed, text = reaper.GetUserInputs("Stemlens: suggest changes", 1, CAPTIONS,
      last ~= "" and last or EXAMPLE)
    if not agreed then
      error(failure.new("No goal was given.", "cancelled"), 0)
    end
    -- REAPER's dialog separates fields by commas; a minus may have been typed as the sign.
    local goal = text:gsub("[,%s]+", " "):gsub("−", "-"):match("^%s*(.-)%s*$")
    if goal ~= "" then
      reaper.SetExtState(SECTION, GOAL, goal, true)
      return goal
    end
    reaper.MB('Write what the mix shall become, like "' .. EXAMPLE .. '": more of metal, as happy '
      .. "as it is.", "Stemlens: suggest changes", 0)
  end
end

-- The bounce that suggestions are about: memory and mark; raises where there is none, or the
-- project is not as it was.
local function bounced(proj, run)
  local memory, marked = project.memory(proj), shelf.last(proj)
  if not memory.job or not marked then
    failure.raise('There are no results for "%s" yet. Run "Stemlens: Analyze session" first.',
      project.name(proj))
  end
  run.say("Looking at what has changed since the bounce", nil)
  local reason = since.changed(proj, run.pause, marked, true)
  if reason then
    failure.raise('What was tried would no longer hold: %s since the bounce. Run "Stemlens: '
      .. 'Analyze again" first.', reason)
  end
  return memory, marked
end

-- ---------------------------------------------------------------------------------- verifying

-- What was applied last and is still there; raises where nothing is.
local function applied(proj)
  local memory = project.memory(proj)
  if not memory.applied_request or #applying.present(proj, memory.applied_request) == 0 then
    failure.raise('No suggestion is applied in "%s", or it was undone. Run "Stemlens: Suggest '
      .. 'changes" first.', project.name(proj))
  end
  return memory
end

-- Bounces again and asks whether what was applied last keeps its promise.
local function verified(run, proj)
  local memory = applied(proj)
  local job = analysis.run(run, "again", { same_level_as = memory.applied_job })
  run.release()
  job = job or memory.job
  if job == memory.applied_job then
    failure.raise("Nothing has changed since the bounce for which this was promised, so there is "
      .. "nothing to compare. Was it undone?")
  end
  local box = mailbox.open(settings.get().server, run.pause)
  box:ensure()
  return trials.verified(run, box, job, memory.applied_job, memory.applied_request,
    math.tointeger(tonumber(memory.applied_rank)))
end

-- The action "Verify change".
function suggesting.verify(run)
  run.window:verified(verified(run, project.current()))
end

-- ------------------------------------------------------------------------------------ the list

local function told(report)
  return table.concat(report.done, " ") .. (#report.problems > 0 and " " or "")
    .. table.concat(report.problems, " ")
end

-- What can be wished of a suggestion. `it` = {run, proj, found, memory, marked, ears, start_s}.
local wishes = {}

local function listen(it, trial, side)
  it.ears:listen(trial, side, it.start_s)
  it.run.window.view.heard = { rank = trial.rank, side = side }
end

function wishes.before(it, trial)
  listen(it, trial, "before")
end

function wishes.after(it, trial)
  listen(it, trial, "after")
end

function wishes.stop(it)
  it.ears:finish()
  it.run.window.view.heard = nil
end

function wishes.apply(it, trial)
  wishes.stop(it)
  if project.current() ~= it.proj then
    failure.raise('Go back to the tab of "%s" first.', project.name(it.proj))
  end
  local view = it.run.window.view
  if not view.applied then
    local reason = since.changed(it.proj, it.run.pause, it.marked, true)
    if reason then
      failure.raise('The project is no longer what was listened to: %s. Undo that, or run '
        .. '"Stemlens: Analyze again" and ask anew.', reason)
    end
  end
  local report = applying.apply(it.proj, trial, it.found.request, it.start_s)
  project.remember(it.proj, { applied_job = it.found.job, applied_request = it.found.request,
    applied_rank = trial.rank })
  view.applied = trial.rank
  it.run.window:note(told(report))
end

wishes["take back"] = function(it)
  if applying.take_back(it.proj, it.found.request) == 0 then
    it.run.window:note("There is nothing to take back; it was undone.")
  end
  it.run.window.view.applied = nil
end

function wishes.verify(it)
  wishes.stop(it)
  local good, found = pcall(verified, it.run, it.proj)
  it.run.release()
  it.run.window:suggest(it.found, it.goal) -- whatever the window showed meanwhile
  if not good then
    error(found, 0)
  end
  it.run.window:verified(found)
end

function wishes.suggestions(it)
  it.run.window:suggest(it.found, it.goal)
end

-- An undo of the user's counts at once.
local function look(it)
  local view = it.run.window.view
  if view.applied and #applying.present(it.proj, it.found.request) == 0 then
    view.applied = nil
  end
end

-- The action "Suggest changes".
function suggesting.run(run)
  local proj = project.current()
  local memory, marked = bounced(proj, run)
  local goal = asked_goal()
  local box = mailbox.open(settings.get().server, run.pause)
  box:ensure()
  local found = trials.suggested(run, box, proj, memory.job, goal)
  run.window:suggest(found, goal)
  local it = { run = run, proj = proj, found = found, memory = memory, marked = marked,
    goal = goal, ears = audition.of(proj), start_s = tonumber(marked.bounce.from_s) or 0 }
  wishing.serve(it, wishes, found.trials, look)
end

return suggesting
