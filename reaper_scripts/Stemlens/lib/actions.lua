-- @noindex
-- What each action does, in a few lines; the rest is in the other modules.

local analysis = require("analysis")
local annotate = require("annotate")
local follow = require("follow")
local hearing = require("hearing")
local jobs = require("jobs")
local mailbox = require("mailbox")
local project = require("project")
local results = require("results")
local routing = require("routing")
local settings = require("settings")
local suggesting = require("suggesting")
local window = require("window")

local actions = {}

local TITLES = {
  session = "Analyze session",
  ["selected tracks"] = "Analyze selected tracks",
  ["time selection"] = "Analyze time selection",
  again = "Analyze again",
}

function actions.analyze(what)
  jobs.run(TITLES[what], function(run)
    analysis.run(run, what)
  end, window.open())
end

function actions.cancel()
  jobs.run("Cancel analysis", function(run)
    local job = jobs.under_way()
    if job then
      jobs.request_cancel(job)
      return
    end
    -- The script that began it is gone; the server may still be at it.
    local proj = project.current()
    local memory = project.memory(proj)
    local box = mailbox.open(settings.get().server, run.pause)
    local state = memory.job and box:job(memory.job)
    if not state or (state.state ~= "queued" and state.state ~= "running") then
      run.tell("No analysis is under way.")
      return
    end
    box:ensure()
    box:ask("cancel", { job = memory.job })
    run.tell("The analysis was stopped.")
  end)
end

function actions.show()
  jobs.run("Show results", function(run)
    local proj = project.current()
    local box = mailbox.open(settings.get().server, run.pause)
    local findings, memory = results.last(run, box, proj)
    run.window:show(findings, proj)
    if memory.stale then
      run.window:note(("Since the bounce, %s."):format(memory.stale))
    end
  end, window.open())
end

function actions.apply()
  jobs.run("Apply annotations", function(run)
    local proj = project.current()
    local choices = settings.get()
    local box = mailbox.open(choices.server, run.pause)
    local findings = results.last(run, box, proj)
    local report = analysis.write(run, proj, findings, choices)
    if not report then
      run.tell("None of the tracks that were analysed is there any more; nothing was written.")
    elseif #report.problems > 0 or report.tracks == 0 then
      run.tell(annotate.told(report))
    end
  end)
end

function actions.remove()
  jobs.run("Remove all annotations", function(run)
    local report = annotate.remove(project.current())
    if report.without_sws > 0 then
      run.tell(("The notes of %d tracks were written with the SWS extension, which is not "
        .. "installed now. Install it and remove once more, or delete what stands between "
        .. "[Stemlens] and [/Stemlens] there."):format(report.without_sws))
    end
  end)
end

function actions.settings()
  local before = settings.get().server
  if not settings.ask() then
    return
  end
  local after = settings.get().server
  if before ~= after then
    jobs.run("Settings", function(run)
      -- A bridge that talks to the former server makes room for one that talks to the new one.
      mailbox.open(after, run.pause):dismiss()
    end)
  end
end

function actions.follow()
  if follow.is_on() then
    follow.stop()
    return
  end
  jobs.run("Follow faders", follow.run, window.open())
end

function actions.suggest()
  jobs.run("Suggest changes", suggesting.run, window.open())
end

function actions.hear()
  jobs.run("Hear why", hearing.run, window.open())
end

function actions.verify()
  jobs.run("Verify change", suggesting.verify, window.open())
end

function actions.treat(choice)
  local count = routing.choose(project.current(), choice)
  if count == 0 then
    reaper.MB("No tracks are selected. Select those to treat in this way first.", "Stemlens", 0)
  end
end

return actions
