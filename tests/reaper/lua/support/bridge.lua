-- The other end of the mailbox, for tests: answers as the protocol says, and nothing more.
--
-- Its cut of the routing is a simple one (the real one is the bridge's); its findings are made up
-- from the session that was submitted. It can be slow, dead, of another version, or refuse.

local json = require("json")
local standin = require("standin")

local Bridge = {}
Bridge.__index = Bridge

local SESSION = { schema = "string", project = "string", daw = "string", start_s = "number",
  tempo = "table", stems = "table", mix = "string", mix_bypassed = "boolean" }
local STEM = { path = "string", id = "string", name = "string", gain_db = "number", kind = "string",
  group = "string", fader_db = "number", pan = "number", sidechains = "table", feeds = "table",
  inside = "table" }
local TRACK = { id = "string", name = "string", output = "any", sounds = "boolean",
  effects = "boolean", automation = "boolean", fader_db = "number", pan = "number",
  muted = "boolean", silent = "boolean", sends = "table" }

local function literal(value)
  if type(value) == "table" then
    local parts = {}
    for key, item in pairs(value) do
      parts[#parts + 1] = ("[%s]=%s"):format(type(key) == "string" and ("%q"):format(key) or key,
        literal(item))
    end
    return "{" .. table.concat(parts, ",") .. "}"
  end
  return type(value) == "string" and ("%q"):format(value) or tostring(value)
end

local function write(path, value)
  local file = assert(io.open(path .. ".part", "wb"))
  file:write("return " .. literal(value) .. "\n")
  file:close()
  assert(os.rename(path .. ".part", path))
end

local function only(known, given, where)
  for key, value in pairs(given) do
    local wanted = known[key]
    assert(wanted, where .. " has an unknown key " .. key)
    assert(wanted == "any" or type(value) == wanted, where .. ": " .. key .. " is no " .. wanted)
  end
end

-- Installs a bridge beside a stand-in. It starts when a script starts it.
function Bridge.install(reaper, values)
  local self = setmetatable({
    reaper = reaper, folder = reaper.resources .. "/Stemlens/mailbox", alive = false, beat = 0,
    beaten = 0, looked = 0, requests = {}, jobs = {}, starts = 0, mailbox = 1, takes_s = 1.0,
    server = { reachable = true, version = "0.1.0", message = "" }, live = true,
  }, Bridge)
  for key, value in pairs(values or {}) do
    self[key] = value
  end
  standin.make_folder(self.folder .. "/to-bridge")
  standin.make_folder(self.folder .. "/to-reaper")
  write(reaper.resources .. "/Stemlens/bridge.lua", {
    command = '"/opt/stemlens/bin/stemlens-bridge"', version = self.version or "0.1.0",
    mailbox = self.installed_mailbox or 1,
  })
  reaper.exec = function(command)
    local folder = command:match('^"/opt/stemlens/bin/stemlens%-bridge" reaper agent '
      .. '%-%-mailbox "(.-)" %-%-server [%w%.%-]+:%d+$')
    assert(folder == self.folder, "not how the bridge is started: " .. command)
    self.starts = self.starts + 1
    if not self.broken then
      self.alive = true
    end
    return nil
  end
  reaper.hooks[#reaper.hooks + 1] = function() self:tick() end
  return self
end

function Bridge:kill()
  self.alive = false
end

function Bridge:of(kind)
  local found = {}
  for _, request in ipairs(self.requests) do
    if request.kind == kind then
      found[#found + 1] = request
    end
  end
  return found
end

function Bridge:tick()
  local now = self.reaper.clock
  if not self.alive then
    return
  end
  if now - self.beaten >= 1 then
    self.beaten, self.beat = now, self.beat + 1
    write(self.folder .. "/agent.lua",
      { pid = 4711 + self.starts, version = "0.1.0", mailbox = self.mailbox, beat = self.beat })
  end
  if now - self.looked >= 0.05 then
    self.looked = now
    if self.reaper.renamed ~= self.seen then -- listing a folder takes a process
      self.seen = self.reaper.renamed
      for _, name in ipairs(standin.list(self.folder .. "/to-bridge")) do
        if name:find("%.json$") then
          self:take(name)
        end
      end
    end
    for id, job in pairs(self.jobs) do
      self:work(id, job)
    end
  end
end

function Bridge:take(name)
  local path = self.folder .. "/to-bridge/" .. name
  local request = json.read(standin.read(path))
  assert(name:find("^%d+%-%d+%-" .. request.kind .. "%.json$"), "the name of a request: " .. name)
  assert(request.mailbox == 1 and not request.id:find('[<>:"/\\|?*%c]'))
  os.remove(path)
  self.requests[#self.requests + 1] = request
  if self.deaf then
    return
  end
  local good, reply = pcall(function()
    return (self["on_" .. request.kind] or error("no such kind"))(self, request)
  end)
  if not good then
    reply = type(reply) == "table" and reply or { ok = false, code = "bad_message",
      message = tostring(reply) }
    self.refused = reply.code == "bad_message" and reply.message or nil
  end
  if reply then
    reply.ok = reply.ok ~= false
    write(self.folder .. "/to-reaper/" .. request.id .. ".lua", reply)
  end
end

function Bridge:on_hello()
  return { version = "0.1.0", server = self.server }
end

function Bridge:on_plan(request)
  local by_id, inputs, stems, skipped, said = {}, {}, {}, {}, {}
  for _, track in ipairs(request.tracks) do
    only(TRACK, track, "a track")
    by_id[track.id] = track
    inputs[track.id] = {}
  end
  local fed = {}
  for _, track in ipairs(request.tracks) do
    if inputs[track.output] then
      table.insert(inputs[track.output], track)
    end
    for _, send in ipairs(track.sends) do
      if not send.sidechain then
        fed[send.to] = true
      end
    end
  end
  local function inside(track, found)
    for _, child in ipairs(inputs[track.id]) do
      found[#found + 1] = child.id
      inside(child, found)
    end
    return found
  end
  local function enter(track, group)
    local choice = request.choices[track.id]
    local parent = #inputs[track.id] > 0
    local why = choice == "skip" and "as you wished" or track.muted and "muted"
      or not parent and not fed[track.id] and (not track.sounds or track.silent) and "nothing on it"
    if why then
      skipped[#skipped + 1] = { id = track.id, name = track.name, why = why }
    elseif parent and choice ~= "one" and (choice == "open" or not (track.effects
      or track.automation or math.abs(track.fader_db) > 0.005)) then
      for _, child in ipairs(inputs[track.id]) do
        enter(child, track.name)
      end
    elseif not parent and fed[track.id] and request.returns == "with source" then
      skipped[#skipped + 1] = { id = track.id, name = track.name, why = "printed with its source" }
    else
      stems[#stems + 1] = {
        id = track.id, name = track.name, group = group, inside = inside(track, {}), why = "",
        kind = parent and "bus" or fed[track.id] and not track.sounds and "return" or "track",
        sidechains = {}, feeds = {},
      }
    end
  end
  for _, track in ipairs(request.tracks) do
    if track.output == "" then
      enter(track, nil)
    end
  end
  local stem_ids = {}
  for _, stem in ipairs(stems) do
    stem_ids[stem.id] = true
    said[#said + 1] = stem.name
  end
  for _, stem in ipairs(stems) do
    for _, send in ipairs(by_id[stem.id].sends) do
      if stem_ids[send.to] then
        table.insert(send.sidechain and stem.sidechains or stem.feeds, send.to)
      end
    end
  end
  local sentence = #stems .. " stems: " .. table.concat(said, ", ")
  for index, track in ipairs(skipped) do
    sentence = sentence .. (index == 1 and "; skipped: " or ", ") .. track.name .. " ("
      .. track.why .. ")"
  end
  return { stems = stems, skipped = skipped, sentence = sentence }
end

local function fail(code, message)
  error({ ok = false, code = code, message = message }, 0)
end

function Bridge:on_submit(request)
  local folder = request.session:match("^(.*)/")
  local session = json.read(assert(standin.read(request.session), "no session.json"))
  only(SESSION, session, "session.json")
  local seen = {}
  for _, stem in ipairs(session.stems) do
    only(STEM, stem, "a stem")
    local data = standin.read(folder .. "/" .. stem.path)
    if not data then
      fail("bounce_failed", stem.path .. " is not there.")
    elseif seen[data] then
      fail("bounce_failed", ("REAPER rendered exactly the same sound for %s and %s."):format(
        seen[data], stem.name))
    end
    seen[data] = stem.name
  end
  assert(not session.mix or standin.read(folder .. "/" .. session.mix), "no mix")
  self.session, self.options = session, request.options
  self.jobs[request.job] = { session = session, since = self.reaper.clock, state = "queued" }
  self:tell(request.job)
  return {}
end

function Bridge:tell(id, more)
  local job = self.jobs[id]
  local state = { job = id, state = job.state, stage = job.stage, fraction = job.fraction }
  for key, value in pairs(more or {}) do
    state[key] = value
  end
  write(self.folder .. "/to-reaper/job-" .. id .. ".lua", state)
end

function Bridge:work(id, job)
  if job.state ~= "queued" and job.state ~= "running" then
    return
  end
  local done = (self.reaper.clock - job.since) / self.takes_s
  if self.fails then
    job.state = "failed"
    self:tell(id, self.fails)
  elseif done >= 1 then
    job.state = "done"
    local name = "findings-" .. id .. ".lua"
    write(self.folder .. "/to-reaper/" .. name, (self.findings or Bridge.found)(id, job.session))
    self:tell(id, { findings = name, fraction = 1.0 })
  else
    job.state, job.stage, job.fraction = "running", "tagging", done
    self:tell(id)
  end
end

-- Findings for a session: every stem gets a share of three tags, and a note; the first a region.
function Bridge.found(id, session)
  local stems, notes, tags = {}, {}, {}
  for index, stem in ipairs(session.stems) do
    stems[index] = { id = stem.id, name = stem.name, kind = stem.kind }
    notes[index] = {
      track = stem.id, text = ("rock: %d of 63 points (muting it: −9)"):format(20 + index),
      label = ("rock %d of 63 points"):format(20 + index), color = "#0072B2",
    }
  end
  for column, tag in ipairs({ "rock", "sad", "60s" }) do
    local shares = {}
    for index, stem in ipairs(session.stems) do
      local value = (0.3 - 0.1 * index) / column
      shares[index] = { stem = stem.id, value = value, low = value - 0.02, high = value + 0.03,
        mute = -value / 2, solo = value / 2 }
    end
    tags[column] = { tag = tag, kind = "genre", score = 0.63 / column, baseline = 0.05,
      shares = shares }
  end
  return {
    schema = "stemlens.findings/1", job = id, project = session.project, daw = session.daw,
    start_s = session.start_s, stems = stems, tags = tags, notes = notes, warnings = {},
    markers = { { track = session.stems[1].id, start_s = session.start_s + 1.5,
      end_s = session.start_s + 4.5, text = session.stems[1].name .. ": +21 points of rock" } },
  }
end

-- Questions: the functions `suggests`, `explains` and `verifies` of a test give the state that the
-- bridge tells.
function Bridge:tell_trial(name, state)
  write(self.folder .. "/to-reaper/trial-" .. name .. ".lua", state)
end

function Bridge:on_suggest(request)
  assert(type(request.job) == "string" and type(request.goal) == "string")
  self:tell_trial(request.request, self.suggests(request))
  return {}
end

function Bridge:on_explain(request)
  assert(type(request.job) == "string" and type(request.tag) == "string")
  self:tell_trial(request.request, self.explains(request))
  return {}
end

function Bridge:on_verify(request)
  assert(math.type(request.rank) == "integer" and request.before ~= request.job)
  self:tell_trial("verify-" .. request.request, self.verifies(request))
  return {}
end

function Bridge:on_cancel(request)
  local job = self.jobs[request.job]
  if job and (job.state == "queued" or job.state == "running") then
    job.state = "cancelled"
    self:tell(request.job)
  end
  return {}
end

function Bridge:on_results(request)
  local job = self.jobs[request.job]
  if not job then
    fail("job_unknown", "The server does not know the job.")
  end
  if job.state == "done" then
    job.state, job.since = "running", self.reaper.clock - self.takes_s
  end
  self:tell(request.job)
  return {}
end

function Bridge:on_live(request)
  if not self.live then
    return { live = false, message = "This version cannot play fader moves yet." }
  end
  return { live = true, moves = #request.moves }
end

-- What is known of a job's live mix.
function Bridge:tell_live(job, known)
  write(self.folder .. "/to-reaper/live-" .. job .. ".lua", known)
end

function Bridge:on_bye()
  self.alive = false
  os.remove(self.folder .. "/agent.lua")
  return {}
end

return Bridge
