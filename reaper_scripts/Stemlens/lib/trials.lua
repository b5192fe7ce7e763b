-- @noindex
-- Questions about changes, put to the server through the bridge: what to change for a goal, and
-- whether a promise held.
--
-- A request's id makes asking harmless: the same again is answered by what is known of it. So a
-- bridge that died is started and asked again.

local failure = require("failure")

local trials = {}

local LOOK_S = 0.2
local RESTARTS = 3

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
      error(failure.new("The search was stopped.", "cancelled"), 0)
    end
    if stopped and (run.window:cancel_asked() or not run.window:is_open()) then
      stopped()
      error(failure.new("The search was stopped.", "cancelled"), 0)
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

-- What to change on a job for a goal, as the bridge tells it (schema stemlens.tried/1).
function trials.suggested(run, box, job, request, goal)
  local body = { job = job, request = request, goal = goal, options = {} }
  return answered(run, box, "suggest", body, request, function()
    box:post("cancel", { job = job, request = request })
  end)
end

-- Whether what was promised of the job `before` holds in the new bounce `job`: {sentence =, tags =
-- {{tag, promised, low, high, real, held}}}.
function trials.verified(run, box, job, before, request, rank)
  local body = { job = job, before = before, request = request, rank = rank }
  return answered(run, box, "verify", body, "verify-" .. request)
end

return trials
