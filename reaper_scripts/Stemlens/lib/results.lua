-- @noindex
-- From a job to its findings: following one that runs, and finding the last one of a project again
-- after the window, the project or REAPER was closed.

local failure = require("failure")
local project = require("project")

local results = {}

local LOOK_S = 0.2
local RESTARTS = 3

local function failed(state)
  if state.state == "cancelled" then
    error(failure.new("The analysis was stopped.", "cancelled"), 0)
  end
  error(failure.new(state.message or "The analysis failed, and the server did not say why.",
    state.code), 0)
end

local function is_final(state)
  return state and (state.state == "done" or state.state == "failed" or state.state == "cancelled")
end

local function said(state)
  local text = state.stage and state.stage ~= "" and state.stage or state.state
  return text:sub(1, 1):upper() .. text:sub(2)
end

-- Waits until a job has ended and returns its findings; raises why there are none. A bridge that
-- dies meanwhile is started again: the server has the job.
function results.follow(run, box, job)
  local restarts = 0
  while true do
    local state = box:job(job)
    if is_final(state) then
      if state.state ~= "done" then
        failed(state)
      end
      local findings = box:findings(job, state)
      if not findings then
        failure.raise("The results cannot be read any more. Run the analysis again.")
      end
      return findings
    end
    if state then
      run.say(state.message or said(state), state.fraction)
    end
    if box:is_dead() then
      restarts = restarts + 1
      if restarts > RESTARTS then
        failure.raise("The bridge stopped again and again. The server may still finish the job; "
          .. 'fetch it later with "Stemlens: Show results".')
      end
      run.say("Starting the bridge again", nil)
      box:ensure()
      box:ask("results", { job = job })
    end
    run.wait(LOOK_S)
  end
end

-- The findings of the last job of a project, and the memory of it.
function results.last(run, box, proj)
  local memory = project.memory(proj)
  if not memory.job then
    failure.raise('There are no results for "%s" yet. Run "Stemlens: Analyze session" first.',
      project.name(proj))
  end
  local state = box:job(memory.job)
  local findings = state and state.state == "done" and box:findings(memory.job, state)
  if findings then
    return findings, memory
  end
  if state and is_final(state) and state.state ~= "done" then
    failed(state)
  end
  run.say("Asking for the last results", nil)
  box:ensure()
  box:ask("results", { job = memory.job })
  return results.follow(run, box, memory.job), memory
end

return results
