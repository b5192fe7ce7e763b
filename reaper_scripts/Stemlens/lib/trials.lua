-- @noindex
-- Questions, put to the server through the bridge: what to change for a goal, whether a promise
-- held, what makes the mix sound like a tag.
--
-- A request's id makes asking harmless: the same again is answered by what is known of it. So a
-- bridge that died is started and asked again.

local failure = require("failure")
local project = require("project")

local trials = {}

local LOOK_S = 0.2
local RESTARTS = 3

-- The same question (of a kind: what is asked, about which job) is the same request: the server
-- knows its answer.
function trials.request_of(proj, kind, job, asked)
  local memory = project.memory(proj)
  local own = kind .. "_request"
  if memory[kind .. "_asked"] == asked and memory[kind .. "_job"] == job and memory[own] then
    return memory[own]
  end
  local request = reaper.genGuid():gsub("[^%w]", ""):sub(1, 12):lower()
  project.remember(proj, { [kind .. "_asked"] = asked, [kind .. "_job"] = job, [own] = request })
  return request
end

-- Asked again, it is another request.
local function forget_request(proj, kind)
  if project.is_open(proj) then
    project.remember(proj, { [kind .. "_request"] = "" })
  end
end

local function said(state)
  local text = state.stage and state.stage ~= "" and state.stage or "asking"
  return text:sub(1, 1):upper() .. text:sub(2)
end

-- Asks, and waits for the answer under `name`; raises why there is none. `stopped` is what to do
-- where the user stops it, nil where that cannot be.
local function answered(run, box, kind, body, name, stopped)
  local restarts = 0
  box:ask(kind, body)
  while true do
    local state = box:trial(name) or {}
    if state.state == "done" then
      return state.found
    elseif state.state == "failed" then
      error(failure.new(state.message or "The server did not say why it failed.", state.code), 0)
    elseif state.state == "cancelled" then
      error(failure.new("It was stopped before there was an answer.", "cancelled"), 0)
    end
    if stopped and (run.window:cancel_asked() or not run.window:is_open()) then
      stopped()
      error(failure.new("It was stopped before there was an answer.", "cancelled"), 0)
    end
    run.say(said(state), state.fraction)
    if box:is_dead() then
      restarts = restarts + 1
      if restarts > RESTARTS then
        failure.raise("The bridge stopped again and again. Run the action once more; what was "
          .. "tried is kept by the server.")
      end
      run.say("Starting the bridge again", nil)
      box:ensure()
      box:ask(kind, body)
    end
    run.wait(LOOK_S)
  end
end

-- The answer to a question that takes a while, which the user may stop; `task` is what the window
-- calls it. One that failed is another request when it is asked again.
local function asked(run, box, proj, kind, task, job, body)
  local request = trials.request_of(proj, kind, job, body.goal or body.tag)
  body.job, body.request, body.options = job, request, {}
  run.window.view.task = task
  local good, found = pcall(answered, run, box, kind, body, request, function()
    box:post("cancel", { job = job, request = request })
  end)
  run.window.view.task = nil
  if not good then
    forget_request(proj, kind)
    error(found, 0)
  end
  return found
end

-- What to change on a job for a goal, as the bridge tells it (schema stemlens.tried/1).
function trials.suggested(run, box, proj, job, goal)
  return asked(run, box, proj, "suggest", "search", job, { goal = goal })
end

-- What makes a job's mix sound like a tag, as sounds (schema stemlens.explained/1).
function trials.explained(run, box, proj, job, tag)
  return asked(run, box, proj, "explain", "explanation", job, { tag = tag })
end

-- Whether what was promised of the job `before` holds in the new bounce `job`: {sentence =, tags =
-- {{tag, promised, low, high, real, held}}}.
function trials.verified(run, box, job, before, request, rank)
  local body = { job = job, before = before, request = request, rank = rank }
  return answered(run, box, "verify", body, "verify-" .. request)
end

return trials
