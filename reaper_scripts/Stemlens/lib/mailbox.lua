-- @noindex
-- The folder through which scripts and bridge talk, because stock Lua has no sockets.
--
-- Requests are JSON files in `to-bridge`, answers are Lua literals in `to-reaper`; `agent.lua` is
-- the heartbeat of the bridge's process. A process without a new beat for DEAD_S is taken for dead
-- and started. Everything waits by `pause`, a function that lets REAPER go on until its next turn.
--
-- Everything that can go wrong is raised as a sentence with the way out.

local failure = require("failure")
local files = require("files")
local json = require("json")
local version = require("version")

local mailbox = {}
mailbox.__index = mailbox

local DEAD_S = 3 -- without a new beat for so long, nobody is there
local START_S = 20 -- so long a process may take to start (a virus scanner may look at it first)
local REPLY_S = 15 -- so long a living process may take to answer
local LOOK_S = 0.1 -- how often files are looked at

local INSTALL = "In a terminal, run:\n\n    pip install --upgrade stemlens\n"
  .. "    stemlens-bridge reaper install\n\nThen run this action again."
local OUTDATED = "These scripts and stemlens-bridge are of different versions (%s). " .. INSTALL

-- The value of a file that the bridge wrote; nil where there is none yet, or half of one.
local function loaded(path)
  local text = files.read(path)
  local chunk = text and load(text, "=" .. files.name(path), "t", {})
  if not chunk then
    return nil
  end
  local good, value = pcall(chunk)
  return good and type(value) == "table" and value or nil
end

-- Opens the mailbox that `stemlens-bridge reaper install` wrote down. `server` is host:port.
function mailbox.open(server, pause)
  local home = files.join(reaper.GetResourcePath(), "Stemlens")
  local bridge = loaded(files.join(home, "bridge.lua"))
  if not bridge or type(bridge.command) ~= "string" then
    failure.raise("Stemlens does not know yet where its bridge is. " .. INSTALL)
  elseif bridge.mailbox ~= version.mailbox then
    failure.raise(OUTDATED, "the bridge is " .. tostring(bridge.version)
      .. ", the scripts are " .. version.scripts)
  end
  local folder = files.join(home, "mailbox")
  files.make(files.join(folder, "to-bridge"))
  files.make(files.join(folder, "to-reaper"))
  return setmetatable({
    folder = folder,
    command = bridge.command,
    server = server,
    pause = pause,
    counter = 0,
    clock = os.time() - reaper.time_precise(), -- names of requests go by the time of day
  }, mailbox)
end

function mailbox:_pause_until(ready, seconds)
  local deadline = reaper.time_precise() + seconds
  local next_look = 0
  while true do
    local now = reaper.time_precise()
    if now >= next_look then
      local found = ready()
      if found then
        return found
      elseif now >= deadline then
        return nil
      end
      next_look = now + LOOK_S
    end
    self.pause()
  end
end

-- ----------------------------------------------------------------------------- who is there

function mailbox:_agent()
  local agent = loaded(files.join(self.folder, "agent.lua"))
  if agent and agent.mailbox ~= version.mailbox then
    failure.raise(OUTDATED, "a bridge of version " .. tostring(agent.version) .. " is running")
  end
  return agent
end

-- Watches the heartbeat; what it says counts as new only if it changed since the last look.
function mailbox:_beats()
  local agent = self:_agent()
  local beat = agent and tostring(agent.pid) .. "/" .. tostring(agent.beat)
  local now = reaper.time_precise()
  if not self.seen then
    self.seen, self.since = beat or "none", now
  elseif beat and beat ~= self.seen then
    self.seen, self.since, self.alive = beat, now, true
  end
  return self.alive and now - self.since < DEAD_S
end

-- Sees to it that a bridge is at the other end, and starts one where none is.
function mailbox:ensure()
  self.alive, self.seen = false, nil
  local there = self:_agent() and self:_pause_until(function() return self:_beats() end, DEAD_S)
  if there then
    return
  end
  self:_beats() -- what lies there now is old
  local line = ('%s reaper agent --mailbox "%s" --server %s'):format(
    self.command, self.folder, self.server)
  reaper.ExecProcess(line, -2)
  if not self:_pause_until(function() return self:_beats() end, START_S) then
    failure.raise("The bridge does not start. In a terminal, run\n\n    %s\n\nand see what it "
      .. "says. If it is not there any more:\n\n    pip install --upgrade stemlens\n"
      .. "    stemlens-bridge reaper install", line)
  end
end

-- Ends the bridge that is at the other end, if there is one and it has nothing to do.
function mailbox:dismiss()
  self.alive, self.seen = false, nil
  if self:_agent() and self:_pause_until(function() return self:_beats() end, DEAD_S) then
    self:ask("bye")
  end
end

-- Whether the heartbeat that was there has stopped. To be asked at least every other second.
function mailbox:is_dead()
  return not self:_beats() and reaper.time_precise() - self.since >= DEAD_S
end

-- --------------------------------------------------------------------------------- requests

-- Puts a request into the mailbox and returns its id. Where nobody reads the answer, that is all.
function mailbox:post(kind, request)
  request = request or {}
  local milliseconds = math.floor(1000 * (self.clock + reaper.time_precise()))
  local name, path
  repeat
    self.counter = self.counter + 1
    name = ("%013d-%06d-%s"):format(milliseconds, self.counter, kind)
    path = files.join(self.folder, "to-bridge", name .. ".json")
  until not reaper.file_exists(path)
  local id = name .. "-" .. reaper.genGuid():gsub("[^%w]", ""):sub(1, 8)
  local body = { mailbox = version.mailbox, id = id, kind = kind }
  for key, value in pairs(request) do
    body[key] = value
  end
  files.write(path, json.write(body))
  return id, path
end

-- Takes the answer to a request, if it is there.
function mailbox:answer(id)
  local path = files.join(self.folder, "to-reaper", id .. ".lua")
  local reply = loaded(path)
  if reply then
    os.remove(path)
  end
  return reply
end

-- A request and its answer; raises what the bridge says where it is no.
function mailbox:ask(kind, request, seconds)
  local id, path = self:post(kind, request)
  local reply = self:_pause_until(function() return self:answer(id) end, seconds or REPLY_S)
  if not reply then
    os.remove(path) -- nobody shall act on it later
    failure.raise("The bridge does not answer. Close what runs as stemlens-bridge, or restart "
      .. "the machine, then try again.")
  elseif not reply.ok then
    error(failure.new(tostring(reply.message), reply.code), 0)
  end
  return reply
end

-- What is known of a job; nil before the bridge has written anything.
function mailbox:job(job)
  return loaded(files.join(self.folder, "to-reaper", "job-" .. job .. ".lua"))
end

-- What moving the faders of a job does; nil before the bridge knows anything.
function mailbox:live(job)
  return loaded(files.join(self.folder, "to-reaper", "live-" .. job .. ".lua"))
end

-- What is known of a question about changes; nil before the bridge has written anything.
function mailbox:trial(request)
  return loaded(files.join(self.folder, "to-reaper", "trial-" .. request .. ".lua"))
end

-- What a job found; nil where it is no longer kept. `state` is the job's.
function mailbox:findings(job, state)
  local name = state and state.findings or "findings-" .. job .. ".lua"
  if name:find("[/\\]") then
    return nil
  end
  return loaded(files.join(self.folder, "to-reaper", name))
end

return mailbox
