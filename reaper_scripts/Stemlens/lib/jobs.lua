-- @noindex
-- Stories that take a while, told while REAPER goes on: a coroutine that `defer` keeps going.
--
--   jobs.run("Analyze session", function(run) … run.pause() … end)
--
-- `run.pause()` gives REAPER its turn; a story that was cancelled ends there. `run.say(text,
-- fraction)` says how far things are, in the window if there is one. What goes wrong is shown as a
-- sentence: in the window, else in a message box.
--
-- One analysis at a time: its story renews a lock in the ExtState, which a crash leaves to expire.

local failure = require("failure")

local jobs = {}

local SECTION = "stemlens"
local RENEW_S, EXPIRES_S = 1, 5
-- What REAPER (since 7.03) does with a script that is run again while it runs, without a question.
local AGAIN = { ends = 1, ["begins anew"] = 3 }

-- ------------------------------------------------------------------- who is at work, and cancel

-- The job of the analysis that is under way in some script; nil without one.
function jobs.under_way()
  local time, job = reaper.GetExtState(SECTION, "running"):match("^(%S+) (.+)$")
  local age = time and reaper.time_precise() - tonumber(time)
  return age and age >= 0 and age < EXPIRES_S and job or nil
end

-- Asks the analysis that is under way to stop.
function jobs.request_cancel(job)
  reaper.SetExtState(SECTION, "cancel", job, false)
end

local function is_cancelled(job)
  return job and reaper.GetExtState(SECTION, "cancel") == job
end

-- --------------------------------------------------------------------------------- the runner

-- Runs a story. `window`, if given, is shown beside it and may stay when the story is over.
function jobs.run(title, story, window)
  local run = { title = title, window = window }
  local renewed, over = 0, false

  -- From here on this is the one analysis that is under way; raises where there is one already.
  function run.claim(job)
    if jobs.under_way() then
      failure.raise("An analysis is under way already. Wait for it, or stop it with the action "
        .. '"Stemlens: Cancel analysis".')
    end
    run.job = job
    renewed = 0
    run.renew()
  end

  function run.renew()
    local now = reaper.time_precise()
    if run.job and now - renewed >= RENEW_S then
      renewed = now
      reaper.SetExtState(SECTION, "running", ("%.3f %s"):format(now, run.job), false)
    end
  end

  function run.release()
    if run.job then
      run.job = nil
      reaper.DeleteExtState(SECTION, "running", false)
      reaper.DeleteExtState(SECTION, "cancel", false)
    end
  end

  function run.pause()
    coroutine.yield()
    if is_cancelled(run.job) then
      error(failure.new("The analysis was stopped.", "cancelled"), 0)
    end
  end

  function run.wait(seconds)
    local deadline = reaper.time_precise() + seconds
    while reaper.time_precise() < deadline do
      run.pause()
    end
  end

  function run.say(text, fraction)
    if window then
      window:wait_for(text, fraction)
    end
  end

  -- What it means to run the action again from now on: it "ends" or "begins anew". A REAPER that
  -- cannot be told asks the user.
  function run.again(what)
    if reaper.set_action_options then
      reaper.set_action_options(AGAIN[what])
    end
  end

  -- Something the user shall read, without a question.
  function run.tell(text)
    if window and window:is_open() then
      window:note(text)
    else
      reaper.MB(text, "Stemlens: " .. title, 0)
    end
  end

  local thread = coroutine.create(function()
    local good, caught = xpcall(story, function(err)
      return failure.is(err) and err or debug.traceback(tostring(err), 2)
    end, run)
    if not good then
      local sentence = failure.sentence(caught)
      if window and window:is_open() then
        local stopped = failure.is(caught) and caught.code == "cancelled"
        window:fail(sentence, stopped and "Stopped" or "That did not work")
      elseif not (failure.is(caught) and caught.code == "cancelled") then -- who cancels knows
        reaper.MB(sentence, "Stemlens: " .. title, 0)
      end
    end
  end)

  local function turn()
    if window and window:is_open() then
      window:frame()
      if window:cancel_asked() and run.job then
        jobs.request_cancel(run.job)
      end
    end
    if coroutine.status(thread) ~= "dead" then
      run.renew()
      local good, fault = coroutine.resume(thread)
      if not good then
        error(fault, 0) -- showing a sentence failed: REAPER shows this one
      end
    end
    local going = coroutine.status(thread) ~= "dead"
    if not going and not over then
      over = true
      run.release()
      run.again("begins anew") -- what is left is a window
    end
    if going or window and window:is_open() then
      reaper.defer(turn)
    end
  end

  reaper.atexit(run.release)
  turn()
end

return jobs
