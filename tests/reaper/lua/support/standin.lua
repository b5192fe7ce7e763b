-- A stand-in for REAPER that behaves: projects with tracks, routing, undo, render settings and
-- files that appear when it renders; scripts that defer; a clock that tests advance.
--
-- It knows what the facts about REAPER say, its traps too: a render format that is lost when other
-- settings are set after it, an overwrite prompt for targets that exist, folder listings that are
-- cached, SWS notes that an undo takes along, a render that is stopped and leaves a part of each
-- file, a handle that the next project in a tab gets again, a window that hears of the mouse only
-- when it is updated. What a test must not overlook (a modal dialog nobody
-- expects, a script that raises) is an error.
--
-- Every call is checked against REAPER's API data: existence, number and types of arguments.

local api = require("api")

local StandIn = {}
StandIn.__index = StandIn

local function handle(kind)
  return setmetatable({}, { __name = kind, __tostring = function(self)
    return kind .. "*: " .. rawget(self, "id")
  end })
end

local serial = 0
local function new_handle(kind)
  serial = serial + 1
  local it = handle(kind)
  it.id = ("0x%08x"):format(serial)
  return it
end

local function copy(value)
  if type(value) ~= "table" or api.kind(value) then
    return value -- handles stand for themselves
  end
  local other = {}
  for key, item in pairs(value) do
    other[key] = copy(item)
  end
  return other
end

StandIn.copy = copy

function StandIn.same(a, b)
  if type(a) ~= "table" or type(b) ~= "table" or api.kind(a) or api.kind(b) then
    return a == b
  end
  for key, item in pairs(a) do
    if not StandIn.same(item, b[key]) then
      return false, key
    end
  end
  for key in pairs(b) do
    if a[key] == nil then
      return false, key
    end
  end
  return true
end

local function quoted(path)
  return "'" .. path:gsub("'", "'\\''") .. "'"
end

local function shell(command)
  local pipe = assert(io.popen(command))
  local text = pipe:read("a")
  pipe:close()
  return text
end

function StandIn.make_folder(path)
  os.execute("mkdir -p " .. quoted(path))
end

function StandIn.list(path, kind)
  local names = {}
  for name in shell("find " .. quoted(path) .. " -mindepth 1 -maxdepth 1 -type " .. (kind or "f")
    .. " -printf '%f\\n' 2>/dev/null | sort"):gmatch("[^\n]+") do
    names[#names + 1] = name
  end
  return names
end

function StandIn.read(path)
  local file = io.open(path, "rb")
  local text = file and file:read("a")
  if file then
    file:close()
  end
  return text
end

-- ------------------------------------------------------------------------------------ projects

local RENDER_DEFAULTS = {
  RENDER_SETTINGS = 0, RENDER_BOUNDSFLAG = 1, RENDER_STARTPOS = 3, RENDER_ENDPOS = 7,
  RENDER_SRATE = 44100, RENDER_CHANNELS = 2, RENDER_TAILFLAG = 18, RENDER_TAILMS = 1000,
  RENDER_ADDTOPROJ = 1, RENDER_DITHER = 3, RENDER_NORMALIZE = 1, PROJECT_SRATE = 48000,
  PROJECT_SRATE_USE = 1,
}
local RENDER_STRINGS = {
  RENDER_FILE = "My Mixes", RENDER_PATTERN = "$project", RENDER_FORMAT = "l3pmwAAAAA==",
  RENDER_FORMAT2 = "evaw",
}

local function guid()
  serial = serial + 1
  return ("{%08X-0000-4000-8000-%012X}"):format(serial * 2654435761 % 2 ^ 32 // 1 | 0, serial)
end

local function new_track_state(name)
  return {
    name = name, guid = guid(), values = {
      D_VOL = 1, D_PAN = 0, B_MUTE = 0, I_SOLO = 0, B_SOLO_DEFEAT = 0, I_CUSTOMCOLOR = 0,
      I_FOLDERDEPTH = 0, B_MAINSEND = 1, C_MAINSEND_OFFS = 0, I_FXEN = 1, I_NCHAN = 2,
      B_PHASE = 0, D_WIDTH = 1, I_PANMODE = -1, D_DUALPANL = -1, D_DUALPANR = 1, D_PANLAW = -1,
    },
    ext = {}, notes = "", items = {}, fx = {}, envelopes = {}, sends = {},
  }
end

-- A project: {name =, path = folder of its recordings}. It is in front unless told otherwise.
function StandIn:project(values)
  local proj = new_handle("ReaProject")
  local it = {
    handle = proj, name = values.name or "", recordings = values.recordings
      or self.root .. "/recordings", length = values.length or 8,
    numbers = copy(RENDER_DEFAULTS), strings = copy(RENDER_STRINGS), ext = {}, selection = {},
    loop = { 0, 0 }, free_mb = 100000, changes = 0, rendered = {}, open = true, block = 0,
    tempo = values.tempo or { bpm = 120, markers = {} }, rate = 1, mono = false, transport = 0,
    state = { tracks = {}, markers = {} }, undo = {}, master = new_handle("MediaTrack"),
    states = {}, -- by handle
  }
  it.file = values.file or (it.name ~= "" and self.root .. "/projects/" .. it.name .. ".rpp" or "")
  it.states[it.master] = new_track_state("MASTER")
  it.undo[1] = { name = nil, state = nil }
  it.at = 1
  self.data[proj] = it
  self.projects[#self.projects + 1] = proj
  if not values.behind then
    self.front = proj
  end
  self:settle(proj)
  return proj
end

-- Adds a track: {name, folder = 1 / -1 …, values = {…}, items =, fx =, envelopes =}.
function StandIn:track(proj, name, more)
  local it = self.data[proj]
  local track = new_handle("MediaTrack")
  local state = new_track_state(name)
  more = more or {}
  for key, value in pairs(more.values or {}) do
    state.values[key] = value
  end
  state.values.I_FOLDERDEPTH = more.folder or 0
  state.items = more.items or (more.folder ~= 1 and { { from = 0, length = it.length } } or {})
  for _, item in ipairs(state.items) do
    item.handle, item.take = new_handle("MediaItem"), new_handle("MediaItem_Take")
  end
  state.fx = more.fx or {}
  state.envelopes = more.envelopes or {}
  for _, envelope in ipairs(state.envelopes) do
    envelope.handle = new_handle("TrackEnvelope")
  end
  it.states[track] = state
  table.insert(it.state.tracks, more.at or #it.state.tracks + 1, track)
  self:settle(proj)
  return track
end

function StandIn:send(proj, from, to, values)
  local all = { D_VOL = 1, B_MUTE = 0, I_SRCCHAN = 0, I_DSTCHAN = 0, I_SENDMODE = 0, B_PHASE = 0,
    B_MONO = 0, D_PAN = 0 }
  for key, value in pairs(values or {}) do
    all[key] = value
  end
  all.P_DESTTRACK = to
  table.insert(self.data[proj].states[from].sends, all)
  self:settle(proj)
end

function StandIn:state(track)
  for _, it in pairs(self.data) do
    if it.states[track] then
      return it.states[track], it
    end
  end
  error("a track that is in no project", 3)
end

function StandIn:find(proj, name)
  for _, track in ipairs(self.data[proj].state.tracks) do
    if self.data[proj].states[track].name == name then
      return track
    end
  end
end

-- What undo keeps of a project.
local function undoable(it)
  local states = {}
  for track, state in pairs(it.states) do
    states[track] = copy(state)
  end
  return { state = copy(it.state), states = states }
end

local function restore(it, kept)
  it.state, it.states = copy(kept.state), {}
  for track, state in pairs(kept.states) do
    it.states[track] = copy(state)
  end
  it.changes = it.changes + 1
end

-- The whole of a project as a user would find it, without undo history and our own counters.
function StandIn:picture(proj)
  local it = self.data[proj]
  return copy({
    undoable = undoable(it), numbers = it.numbers, strings = it.strings, ext = it.ext,
    selection = it.selection, rate = it.rate, mono = it.mono,
  })
end

-- Makes the present state the one that undo comes back to.
function StandIn:settle(proj)
  local it = self.data[proj]
  it.undo[it.at] = { name = it.undo[it.at] and it.undo[it.at].name, state = undoable(it) }
end

local function undo_point(it, name)
  for index = #it.undo, it.at + 1, -1 do
    it.undo[index] = nil
  end
  it.at = it.at + 1
  it.undo[it.at] = { name = name, state = undoable(it) }
end

-- What the user does, as an undo step.
function StandIn:user(proj, name, change)
  local it = self.data[proj]
  change(it)
  it.changes = it.changes + 1
  undo_point(it, name)
end

function StandIn:undo(proj)
  local it = self.data[proj]
  if it.at > 1 then
    it.at = it.at - 1
    restore(it, it.undo[it.at].state)
  end
end

-- ------------------------------------------------------------------------------------- rendering

local RATE = 100 -- Hz: who listens to the stand-in needs no treble

-- A WAV file as long as it says, with a chunk in front of the format as REAPER writes it.
local function sound(_, state, from, to)
  local seed = 0
  for char in (state.guid .. state.values.D_VOL .. from .. to):gmatch(".") do
    seed = (seed * 31 + char:byte()) % 1000003
  end
  local samples = {}
  for index = 1, 2 * math.floor((to - from) * RATE + 0.5) do
    seed = (seed * 48271) % 2147483647
    samples[index] = string.pack("<f", seed / 2147483647 - 0.5)
  end
  local data = table.concat(samples)
  local junk = "JUNK" .. string.pack("<I4", 28) .. ("\0"):rep(28)
  return "RIFF" .. string.pack("<I4", 36 + #junk + #data) .. "WAVE" .. junk .. "fmt "
    .. string.pack("<I4I2I2I4I4I2I2", 16, 3, 2, RATE, 8 * RATE, 8, 32)
    .. "data" .. string.pack("<I4", #data) .. data
end

local BOUNCED = { [1] = true, [3] = true, [128] = true }

-- What a render would write: {path, track}; the master's is the first.
function StandIn:targets(it)
  local source = it.numbers.RENDER_SETTINGS
  local found = {}
  local function add(track, number, name)
    local file = it.strings.RENDER_PATTERN:gsub("%$tracknumber", number):gsub("%$track", name)
    local path = it.strings.RENDER_FILE .. "/" .. file
    for _, other in ipairs(found) do
      if other.path == path .. ".wav" then
        path = path .. "-001" -- REAPER tells names that collide apart by itself
      end
    end
    found[#found + 1] = { path = path .. ".wav", track = track }
  end
  if source == 0 or source == 1 then
    add(it.master, self.master_number, "MASTER")
  end
  if BOUNCED[source] then
    for index, track in ipairs(it.state.tracks) do
      if it.selection[track] then
        add(track, tostring(index), it.states[track].name)
      end
    end
  end
  return found
end

function StandIn:render(it)
  local from, to = it.numbers.RENDER_STARTPOS, it.numbers.RENDER_ENDPOS
  if it.numbers.RENDER_BOUNDSFLAG ~= 0 then
    from, to = 0, it.length
  end
  if to <= from then
    error("REAPER would stop at a dialog: Nothing to render!")
  end
  local targets = self:targets(it)
  if #targets == 0 then
    error("REAPER would stop at a dialog: no tracks selected")
  end
  for _, target in ipairs(targets) do
    if self.read(target.path) then
      error("REAPER would stop at a dialog: overwrite " .. target.path .. "?")
    end
  end
  StandIn.make_folder(it.strings.RENDER_FILE)
  local log = {
    numbers = copy(it.numbers), strings = copy(it.strings), names = {}, from = from, to = to,
    master_fx = it.states[it.master].values.I_FXEN, solo = false,
    master_volume = it.states[it.master].values.D_VOL, rate = it.rate, envelopes = {},
    master = copy(it.states[it.master].values),
  }
  for _, envelope in ipairs(it.states[it.master].envelopes) do
    if envelope.active ~= false then
      log.envelopes[#log.envelopes + 1] = envelope.kind
    end
  end
  log.muted = {}
  for _, track in ipairs(it.state.tracks) do
    if it.states[track].values.B_MUTE ~= 0 then
      log.muted[#log.muted + 1] = it.states[track].name
    end
    log.solo = log.solo or it.states[track].values.I_SOLO ~= 0
  end
  it.rendered[#it.rendered + 1] = log
  self.clock = self.clock + 4 -- REAPER is busy
  assert(it.transport & 4 == 0, "REAPER would stop at a dialog: it is recording")
  for index, target in ipairs(targets) do
    if self.render_fault then
      local act = self.render_fault(index, target)
      if act == "stop" then
        return
      elseif act == "skip" then
        goto continue
      end
    end
    log.names[#log.names + 1] = it.states[target.track].name
    local file = assert(io.open(target.path, "wb"), "REAPER would say that it cannot write there")
    -- Stems and mix are written side by side: who stops it has a part of each.
    local length = (self.stopped_at_s or to - from) / it.rate
    file:write((self.sound or sound)(target, it.states[target.track], from, from + length))
    file:close()
    ::continue::
  end
end

-- ------------------------------------------------------------------------------------------ gfx

local function new_gfx(self)
  local gfx = {
    w = 0, h = 0, x = 0, y = 0, mouse_x = 0, mouse_y = 0, mouse_cap = 0, mouse_wheel = 0,
    mouse_hwheel = 0, ext_retina = 0,
  }
  local functions, fonts, font, colour = {}, {}, 0, { 1, 1, 1, 1 }
  local buffer = {}
  -- Keys and eyes are on the window that was opened last; `self.window` is whether there is any.
  local function in_front()
    return self.windows[#self.windows] == gfx
  end
  local function record(kind, values)
    values.kind, values.colour = kind, { table.unpack(colour) }
    buffer[#buffer + 1] = values
  end
  -- A Mac takes sizes in points and tells pixels; elsewhere both are pixels.
  function functions.init(name, w, h)
    local there = self:shut(gfx)
    assert(there or name ~= "", "only a window that is there can be resized")
    gfx.w, gfx.h, self.window = w, h, true
    table.insert(self.windows, gfx)
    gfx.ext_retina = gfx.ext_retina > 0 and self.retina or gfx.ext_retina > 0 and 1 or 0
    if self.retina and (self.os:find("OSX") or self.os:find("macOS")) then
      gfx.w, gfx.h = w * self.retina, h * self.retina
    end
    return 1
  end
  function functions.quit()
    self:shut(gfx)
  end
  function functions.getchar()
    local there = false
    for _, window in ipairs(self.windows) do
      there = there or window == gfx
    end
    if not there then
      return -1
    end
    return in_front() and table.remove(self.keys, 1) or 0
  end
  function functions.dock()
    return 0, 120, 120, gfx.w, gfx.h
  end
  function functions.set(r, g, b, a)
    colour = { r, g, b, a or 1 }
  end
  function functions.rect(x, y, w, h, filled)
    record("rect", { x = x, y = y, w = w, h = h, filled = filled ~= 0 })
  end
  function functions.setfont(number, face, size, flags)
    font = number
    if face then
      fonts[number] = { face = face, size = size, bold = flags == string.byte("b") }
    end
    return 1
  end
  function functions.measurestr(text)
    local it = fonts[font] or { size = 14 }
    local width = 0
    for _, code in utf8.codes(text) do
      local char = code < 128 and string.char(code) or "n"
      local part = char:find("[ilj.,:;'| ]") and 0.28 or char:find("[mwMW]") and 0.82
        or char:find("[A-Z]") and 0.66 or 0.53
      width = width + part
    end
    return math.ceil(width * it.size * (it.bold and 1.05 or 1)), it.size
  end
  function functions.drawstr(text, flags, right, bottom)
    local it = fonts[font] or { size = 14 }
    record("text", { x = gfx.x, y = gfx.y, right = right, bottom = bottom, flags = flags or 0,
      text = text, size = it.size, bold = it.bold })
  end
  function functions.update()
    self.updates = self.updates + 1
    if #buffer > 0 then
      if in_front() then
        self.frame = buffer
      end
      buffer = {}
      self.frames = self.frames + 1
    end
  end
  local meta = { __index = function(_, name)
    if not functions[name] then
      error((api.functions["gfx." .. name] and "the stand-in lacks gfx." or "there is no gfx.")
        .. name, 2)
    end
    return function(...)
      api.check("gfx." .. name, ...)
      self.called["gfx." .. name] = true
      return functions[name](...)
    end
  end, __newindex = function(_, name)
    error("there is no variable gfx." .. name, 2)
  end }
  return setmetatable(gfx, meta)
end

-- ------------------------------------------------------------------------------ the functions

local function functions_of(self)
  local R = {}
  local function data(proj)
    local it = self.data[(proj == nil or proj == 0) and self.front or proj]
    if not it or not it.open then
      error("a project that is not open any more", 3)
    end
    return it
  end
  local function state(track)
    for _, it in pairs(self.data) do
      if it.states[track] then
        for _, other in ipairs(it.state.tracks) do
          if other == track then
            return it.states[track], it
          end
        end
        if track == it.master then
          return it.states[track], it
        end
        error("a track that is deleted", 3)
      end
    end
    error("a track that is nowhere", 3)
  end
  local function touched(it)
    it.changes = it.changes + 1
  end

  -- Projects
  function R.EnumProjects(index)
    local proj = index == -1 and self.front or self.projects[index + 1]
    return proj, proj and self.data[proj].file or nil
  end
  function R.GetProjectName(proj) return data(proj).name ~= "" and data(proj).name .. ".rpp" or "" end
  function R.GetProjectPathEx(proj) return data(proj).recordings end
  function R.GetProjectLength(proj)
    local it = data(proj)
    local last = it.length
    for _, track in ipairs(it.state.tracks) do
      for _, item in ipairs(it.states[track].items) do
        last = math.max(last, item.made and item.from + item.length or 0)
      end
    end
    return last + 0.0
  end
  function R.GetProjectStateChangeCount(proj) return data(proj).changes end
  function R.Master_GetPlayRate(proj) return data(proj).rate end
  function R.CSurf_OnPlayRateChange(rate) data(self.front).rate = rate end
  function R.GetPlayStateEx(proj) return data(proj).transport end
  function R.GetToggleCommandState(command)
    assert(command == 40917, "the stand-in has no such switch")
    return data(self.front).mono and 1 or 0
  end
  function R.GetAudioDeviceInfo(attribute)
    assert(attribute == "SRATE")
    return self.device_rate ~= nil, self.device_rate and tostring(self.device_rate) or ""
  end
  function R.GetFreeDiskSpaceForRecordPath(proj) return data(proj).free_mb end
  function R.GetSet_LoopTimeRange2(proj, is_set)
    assert(not is_set, "nobody asked for the time selection to be moved")
    return table.unpack(data(proj).loop)
  end
  function R.ValidatePtr2(proj, pointer, kind)
    if kind == "ReaProject*" then
      return self.data[pointer] ~= nil and self.data[pointer].open
    end
    for _, track in ipairs(data(proj).state.tracks) do
      if track == pointer then
        return kind == "MediaTrack*"
      end
    end
    return pointer == data(proj).master
  end
  function R.GetProjExtState(proj, ext, key)
    local value = (data(proj).ext[ext] or {})[key] or ""
    return #value, value
  end
  function R.SetProjExtState(proj, ext, key, value)
    local all = data(proj).ext
    if key == "" then
      all[ext] = nil
    else
      all[ext] = all[ext] or {}
      all[ext][key] = value ~= "" and value or nil
    end
    return #value
  end

  -- State outside of projects
  function R.GetExtState(section, key) return (self.ext[section .. "/" .. key] or {})[1] or "" end
  function R.HasExtState(section, key) return self.ext[section .. "/" .. key] ~= nil end
  function R.SetExtState(section, key, value, persist)
    assert(not value:find("\n"), "an ini file has no lines within values")
    self.ext[section .. "/" .. key] = { value, persist }
  end
  function R.DeleteExtState(section, key) self.ext[section .. "/" .. key] = nil end
  function R.GetResourcePath() return self.resources end
  function R.GetAppVersion() return self.version end
  function R.APIExists(name)
    local there = api.functions["reaper." .. name] ~= nil
    return there and (self.sws or not name:find("^%u%u%u?_"))
  end
  function R.genGuid() return guid() end
  function R.time_precise()
    self.clock = self.clock + self.tick -- what a script does takes time, if a test says so
    return self.clock
  end
  function R.defer(func)
    self.deferred[#self.deferred + 1] = { script = self.script, func = func }
    return true
  end
  function R.atexit(func)
    table.insert(self.script.at_exit, func)
    return true
  end
  function R.GetOS() return self.os end
  function R.set_action_options(flag)
    self.script.options = flag
  end
  function R.get_action_context()
    return false, self.script.path, 0, 50000 + self.script.number, -1, -1, -1, ""
  end
  function R.AddRemoveReaScript(add, section, path)
    assert(add and section == 0 and self.read(path))
    self.registered[#self.registered + 1] = path
    return 60000 + #self.registered
  end
  function R.SetToggleCommandState(section, command, on)
    self.toggles[command] = on
    return section == 0
  end
  function R.RefreshToolbar2() end
  function R.ExecProcess(command, timeout)
    assert(timeout == -2 or timeout >= 1000, "a process that REAPER would wait for")
    self.started[#self.started + 1] = command
    return self.exec and self.exec(command) or nil
  end

  -- Dialogs
  function R.MB(text, title, kind)
    self.messages[#self.messages + 1] = { text = text, title = title, kind = kind }
    local answer = self.answers[title] or self.answers[kind]
    if type(answer) == "function" then
      answer = answer(text)
    end
    if kind ~= 0 and not answer then
      error("nobody expected the question: " .. text)
    end
    return answer or 1
  end
  function R.GetUserInputs(title, count, captions, values)
    local _, commas = values:gsub(",", "")
    assert(commas == count - 1, "as many values as fields")
    local _, more = captions:gsub(",", "")
    assert(more >= count - 1 and count <= 16, "as many captions as fields, 16 at most")
    local typed = table.remove(self.inputs, 1)
    assert(typed ~= nil, "nobody expected the dialog " .. title)
    if typed == false then
      return false, ""
    end
    local fields = {}
    for field in (values .. ","):gmatch("([^,]*),") do
      fields[#fields + 1] = field
    end
    for index, text in pairs(typed) do
      fields[index] = text
    end
    return true, table.concat(fields, ",")
  end

  -- Files
  function R.file_exists(path)
    local file = io.open(path, "rb")
    return file ~= nil and file:close()
  end
  function R.RecursiveCreateDirectory(path)
    if not (self.no_folders and path:find(self.no_folders, 1, true)) then
      StandIn.make_folder(path)
    end
    return 1
  end
  local function enumerate(kind)
    return function(path, index)
      local key = kind .. path
      if index == -1 or not self.listings[key] then
        self.listings[key] = StandIn.list(path, kind)
      end
      return self.listings[key][index + 1]
    end
  end
  R.EnumerateFiles = enumerate("f")
  R.EnumerateSubdirectories = enumerate("d")

  -- Tracks
  function R.CountTracks(proj) return #data(proj).state.tracks end
  function R.GetTrack(proj, index) return data(proj).state.tracks[index + 1] end
  function R.GetMasterTrack(proj) return data(proj).master end
  function R.GetTrackGUID(track) return state(track).guid end
  function R.GetTrackName(track)
    local it, project = state(track)
    if it.name ~= "" then
      return true, it.name
    end
    for index, other in ipairs(project.state.tracks) do
      if other == track then
        return true, "Track " .. index
      end
    end
  end
  function R.GetMediaTrackInfo_Value(track, key)
    local value = state(track).values[key]
    if value == nil then
      error("the stand-in has no track value " .. key)
    end
    return value + 0.0
  end
  function R.SetMediaTrackInfo_Value(track, key, value)
    local it, project = state(track)
    if self.value_fault and self.value_fault(key, value) then
      error("a fault in the middle")
    end
    assert(it.values[key] ~= nil, "the stand-in has no track value " .. key)
    it.values[key] = value
    touched(project)
    return true
  end
  function R.GetSetMediaTrackInfo_String(track, key, text, is_set)
    local it, project = state(track)
    local ext = key:match("^P_EXT:(.+)$")
    if key ~= "P_NAME" and not ext then
      error("the stand-in has no track text " .. key)
    end
    if is_set then
      assert(not text:find("[\r\n]"), "a line break in what the project file keeps")
      if ext then
        it.ext[ext] = text ~= "" and text or nil
      else
        it.name = text
      end
      touched(project)
      return true, text
    end
    local value = ext and it.ext[ext] or not ext and it.name or ""
    return value ~= "" or not ext, value
  end
  function R.GetParentTrack(track)
    local _, project = state(track)
    local parents = {}
    for _, other in ipairs(project.state.tracks) do
      if other == track then
        return parents[#parents]
      end
      local depth = project.states[other].values.I_FOLDERDEPTH
      if depth == 1 then
        parents[#parents + 1] = other
      end
      for _ = 1, -math.min(0, depth) do
        parents[#parents] = nil
      end
    end
    return nil
  end
  function R.GetTrackNumSends(track, category)
    assert(category == 0, "the stand-in knows sends only")
    return #state(track).sends
  end
  function R.GetTrackSendInfo_Value(track, category, index, key)
    assert(category == 0)
    local value = state(track).sends[index + 1][key]
    assert(value ~= nil, "the stand-in has no send value " .. key)
    return value
  end
  -- Groups by the role that a track has in them, as bits; nobody asked for them to be set.
  function R.GetSetTrackGroupMembership(track, role, mask)
    assert(mask == 0 and role:find("^VOLUME_VCA_%u+$"))
    return (state(track).groups or {})[role] or 0
  end
  function R.GetSetTrackGroupMembershipHigh(track, role, mask)
    assert(mask == 0 and role:find("^VOLUME_VCA_%u+$"))
    return (state(track).high_groups or {})[role] or 0
  end
  function R.CountTrackMediaItems(track) return #state(track).items end
  function R.GetTrackMediaItem(track, index) return state(track).items[index + 1].handle end
  local function item_of(handle_, key)
    for _, it in pairs(self.data) do
      for _, its in pairs(it.states) do
        for _, item in ipairs(its.items) do
          if item[key] == handle_ then
            return item
          end
        end
      end
    end
    error("an item that is nowhere", 3)
  end
  function R.GetMediaItemInfo_Value(item, key)
    local it = item_of(item, "handle")
    local values = { B_MUTE = it.mute and 1 or 0, D_POSITION = it.from, D_LENGTH = it.length }
    assert(values[key], "the stand-in has no item value " .. key)
    return values[key] + 0.0
  end
  function R.GetActiveTake(item)
    local it = item_of(item, "handle")
    return not it.empty and it.take or nil
  end

  -- Tracks, items and takes that scripts make
  function R.InsertTrackAtIndex(index, defaults)
    assert(not defaults, "the user's defaults may bring effects with them")
    local it = data(self.front)
    local track = new_handle("MediaTrack")
    it.states[track] = new_track_state("")
    table.insert(it.state.tracks, index + 1, track)
    touched(it)
  end
  function R.DeleteTrack(track)
    local _, project = state(track)
    for index, other in ipairs(project.state.tracks) do
      if other == track then
        table.remove(project.state.tracks, index)
      end
    end
    touched(project)
  end
  -- A source of what can be read; nil else.
  function R.PCM_Source_CreateFromFile(path)
    local text = self.read(path)
    if not text or text:sub(1, 4) ~= "RIFF" then
      return nil
    end
    local source = new_handle("PCM_source")
    self.sources[source] = { path = path, length = self.source_length or 8 }
    return source
  end
  function R.GetMediaSourceLength(source) return self.sources[source].length + 0.0, false end
  function R.AddMediaItemToTrack(track)
    local it, project = state(track)
    local item = { handle = new_handle("MediaItem"), from = 0, length = 0, takes = {}, values = {},
      empty = true, made = true }
    table.insert(it.items, item)
    touched(project)
    return item.handle
  end
  function R.AddTakeToMediaItem(item)
    local it = item_of(item, "handle")
    local take = { handle = new_handle("MediaItem_Take") }
    table.insert(it.takes, take)
    if it.empty then
      it.empty, it.take = false, take.handle
    end
    return take.handle
  end
  local function take_of(handle_)
    for _, it in pairs(self.data) do
      for _, its in pairs(it.states) do
        for _, item in ipairs(its.items) do
          for _, take in ipairs(item.takes or {}) do
            if take.handle == handle_ then
              return take, item
            end
          end
        end
      end
    end
    error("a take that is nowhere", 3)
  end
  function R.SetMediaItemTake_Source(take, source)
    local it, item = take_of(take)
    it.path = self.sources[source].path
    item.file = item.file or it.path
    return true
  end
  function R.SetActiveTake(take)
    local _, item = take_of(take)
    item.take = take
  end
  function R.GetSetMediaItemTakeInfo_String(take, key, text, is_set)
    assert(key == "P_NAME" and is_set)
    take_of(take).name = text
    return true, text
  end
  function R.SetMediaItemInfo_Value(item, key, value)
    local it = item_of(item, "handle")
    if key == "D_POSITION" then
      it.from = value
    elseif key == "D_LENGTH" then
      it.length = value
    else
      it.values[key] = value
    end
    return true
  end
  function R.CreateTrackSend(track, to)
    local it = state(track)
    it.sends[#it.sends + 1] = { D_VOL = 1, B_MUTE = 0, I_SRCCHAN = 0, I_DSTCHAN = 0,
      I_SENDMODE = 0, B_PHASE = 0, B_MONO = 0, D_PAN = 0, P_DESTTRACK = to }
    return #it.sends - 1
  end
  function R.SetTrackSendInfo_Value(track, category, index, key, value)
    assert(category == 0)
    local send = state(track).sends[index + 1]
    assert(send[key] ~= nil, "the stand-in has no send value " .. key)
    send[key] = value
    return true
  end

  -- The transport
  function R.GetCursorPositionEx(proj) return data(proj).cursor or 0.0 end
  function R.SetEditCurPos2(proj, time) data(proj).cursor = time end
  function R.OnPlayButtonEx(proj) data(proj).transport = 1 end
  function R.OnStopButtonEx(proj) data(proj).transport = 0 end

  -- ReaEQ: what it shows is not what it is set to. Frequencies go by the logarithm, gains by the
  -- amplitude, widths in octaves; the default has a low shelf, two bells and a high shelf.
  local SHOWN = {
    [0] = function(norm) return ("%.1f Hz"):format(20 * 1200 ^ norm) end,
    [1] = function(norm)
      return norm <= 0 and "-inf dB" or ("%+.1f dB"):format(20 * math.log(4 * norm, 10))
    end,
    [2] = function(norm) return ("%.2f oct"):format(0.01 + 3.99 * norm) end,
  }
  function R.TrackFX_AddByName(track, name, input, instantiate)
    assert(name == "ReaEQ (Cockos)" and not input and instantiate == -1)
    if self.no_reaeq then
      return -1
    end
    local it, project = state(track)
    local bands = {}
    for index, kind in ipairs({ 1, 2, 2, 4 }) do
      bands[index] = { kind = kind, at = index == 3 and 1 or 0, on = true,
        [0] = 0.25 * index, [1] = 0.25, [2] = 0.5 }
    end
    it.fx[#it.fx + 1] = { name = name, bands = bands, guid = guid() }
    touched(project)
    return #it.fx - 1
  end
  function R.TrackFX_Delete(track, fx)
    return table.remove(state(track).fx, fx + 1) ~= nil
  end
  function R.TrackFX_GetFXGUID(track, fx) return state(track).fx[fx + 1].guid or "{0}" end
  local function band_of(track, fx, kind, at)
    for _, band in ipairs(state(track).fx[fx + 1].bands or {}) do
      if band.kind == kind and band.at == at then
        return band
      end
    end
    return nil
  end
  local function parameter_of(track, fx, index)
    local band = (state(track).fx[fx + 1].bands or {})[index // 3 + 1]
    return band, index % 3
  end
  function R.TrackFX_GetEQParam(track, fx, index)
    local band, parameter = parameter_of(track, fx, index)
    if not band then
      return false, 0, 0, 0, 0.0
    end
    return true, band.kind, band.at, parameter, band[parameter]
  end
  function R.TrackFX_GetFormattedParamValue(track, fx, index)
    local band, parameter = parameter_of(track, fx, index)
    return true, (self.eq_shows or SHOWN)[parameter](band[parameter])
  end
  function R.TrackFX_SetEQParam(track, fx, kind, at, parameter, value, normalised)
    local band = band_of(track, fx, kind, at)
    assert(normalised and value >= 0 and value <= 1)
    if band then
      band[parameter] = value
    end
    return band ~= nil
  end
  function R.TrackFX_SetEQBandEnabled(track, fx, kind, at, on)
    local band = band_of(track, fx, kind, at)
    if band then
      band.on = on
    end
    return band ~= nil
  end
  function R.TakeIsMIDI(take) return item_of(take, "take").midi or false end
  function R.TrackFX_GetCount(track) return #state(track).fx end
  function R.TrackFX_GetEnabled(track, index) return not state(track).fx[index + 1].bypassed end
  function R.TrackFX_GetOffline(track, index) return state(track).fx[index + 1].offline or false end
  function R.TrackFX_GetInstrument(track)
    for index, fx in ipairs(state(track).fx) do
      if fx.instrument then
        return index - 1
      end
    end
    return -1
  end
  function R.CountTrackEnvelopes(track) return #state(track).envelopes end
  function R.GetTrackEnvelope(track, index) return state(track).envelopes[index + 1].handle end
  local function envelope_of(handle_)
    for _, it in pairs(self.data) do
      for _, its in pairs(it.states) do
        for _, one in ipairs(its.envelopes) do
          if one.handle == handle_ then
            return one
          end
        end
      end
    end
    error("an envelope that is nowhere", 3)
  end
  function R.GetEnvelopeStateChunk(envelope)
    local it = envelope_of(envelope)
    return true, ("<%s\nEGUID {1}\nACT %d -1\nVIS 1 1 1\nPT 0 1 0\n>\n")
      :format(it.kind or "VOLENV2", it.active == false and 0 or 1)
  end
  function R.SetEnvelopeStateChunk(envelope, chunk)
    local it = envelope_of(envelope)
    local kind, on = chunk:match("^<(%S+)\nEGUID {1}\nACT (%d) %-1\nVIS 1 1 1\nPT 0 1 0\n>\n$")
    assert(kind == (it.kind or "VOLENV2"), "an envelope is not what it was")
    it.active = on == "1"
    return true
  end
  function R.GetTrackStateChunk(track)
    local it, project = state(track)
    local lines = {
      "<TRACK " .. it.guid, ('NAME "%s"'):format(it.name),
      ("PEAKCOL %d"):format(it.values.I_CUSTOMCOLOR),
      ("VOLPAN %.14f %.14f -1 %.6f 1"):format(it.values.D_VOL, it.values.D_PAN, it.values.D_WIDTH),
      ("MUTESOLO %d %d 0"):format(it.values.B_MUTE, it.values.I_SOLO),
      ("IPHASE %d"):format(it.values.B_PHASE),
      ("SEL %d"):format(project.selection[track] and 1 or 0), "TRACKHEIGHT 0 0 0",
      ("MAINSEND %d 0"):format(it.values.B_MAINSEND),
      ("ISBUS %d %d"):format(it.values.I_FOLDERDEPTH == 1 and 1 or it.values.I_FOLDERDEPTH < 0
        and 2 or 0, it.values.I_FOLDERDEPTH),
    }
    for number, other in ipairs(project.state.tracks) do
      for _, send in ipairs(project.states[other].sends) do
        if send.P_DESTTRACK == track then
          lines[#lines + 1] = ("AUXRECV %d %d %.6f 0 0 0 0 %d 0"):format(number - 1,
            send.I_SENDMODE, send.D_VOL, send.I_DSTCHAN)
        end
      end
    end
    if #it.fx > 0 then
      lines[#lines + 1] = "<FXCHAIN\nWNDRECT 24 52 655 408\nSHOW " .. (it.shown and 1 or 0)
        .. "\nLASTSEL 0\nDOCKED 0"
      for _, fx in ipairs(it.fx) do
        lines[#lines + 1] = ("BYPASS %d 0 0\n<JS %s\n%s\n>\nFLOATPOS 0 0 0 0"):format(
          fx.bypassed and 1 or 0, fx.name or "effect", fx.value or "0")
      end
      lines[#lines + 1] = ">"
    end
    for key, text in pairs(it.ext) do
      lines[#lines + 1] = ("<EXT\n%s %s\n>"):format(key, text)
    end
    for _, item in ipairs(it.items) do
      lines[#lines + 1] = ("<ITEM\nPOSITION %.6f\nLENGTH %.6f\nSEL %d\nIGUID {1}\n<SOURCE WAVE\nFILE"
        .. ' "%s"\n>\n>'):format(item.from, item.length, item.selected and 1 or 0,
        item.file or "a.wav")
      lines[#lines + 1] = item.events
    end
    lines[#lines + 1] = ">"
    return true, table.concat(lines, "\n") .. "\n"
  end

  -- Selection
  function R.CountSelectedTracks(proj)
    local count = 0
    for _, track in ipairs(data(proj).state.tracks) do
      count = count + (data(proj).selection[track] and 1 or 0)
    end
    return count
  end
  function R.GetSelectedTrack(proj, index)
    for _, track in ipairs(data(proj).state.tracks) do
      if data(proj).selection[track] then
        if index == 0 then
          return track
        end
        index = index - 1
      end
    end
    return nil
  end
  function R.IsTrackSelected(track)
    local _, project = state(track)
    return project.selection[track] or false
  end
  function R.SetTrackSelected(track, selected)
    local _, project = state(track)
    project.selection[track] = selected or nil
  end
  function R.SetOnlyTrackSelected(track)
    local _, project = state(track)
    project.selection = { [track] = true }
  end
  function R.AnyTrackSolo(proj)
    for _, track in ipairs(data(proj).state.tracks) do
      if data(proj).states[track].values.I_SOLO ~= 0 then
        return true
      end
    end
    return false
  end
  function R.SetMixerScroll(track) return track end

  -- Render settings and actions
  local function set_render(it, values, key, value)
    values[key] = value
    if key:find("^RENDER_") and key ~= "RENDER_FORMAT" then
      it.strings.RENDER_FORMAT = "" -- what REAPER does to it when others are set after it
    end
  end
  function R.GetSetProjectInfo(proj, key, value, is_set)
    local it = data(proj)
    if it.numbers[key] == nil then
      error("the stand-in has no project value " .. key)
    end
    if is_set then
      set_render(it, it.numbers, key, value)
    end
    return it.numbers[key] + 0.0
  end
  function R.GetSetProjectInfo_String(proj, key, text, is_set)
    local it = data(proj)
    if key == "RENDER_TARGETS" then
      local paths = {}
      for index, target in ipairs(self:targets(it)) do
        paths[index] = target.path
      end
      return true, table.concat(paths, ";")
    end
    if it.strings[key] == nil then
      error("the stand-in has no project text " .. key)
    end
    if is_set then
      set_render(it, it.strings, key, text)
    end
    return true, it.strings[key]
  end
  function R.Main_OnCommand(command)
    self.commands[#self.commands + 1] = command
    if command == 42230 then
      self:render(self.data[self.front])
    elseif command ~= 40913 then
      error("the stand-in has no action " .. command)
    end
  end
  function R.SNM_GetIntConfigVar(name, otherwise) return self.config[name] or otherwise end
  function R.SNM_SetIntConfigVar(name, value)
    self.config[name] = value
    return true
  end

  -- Markers and regions
  function R.CountProjectMarkers(proj)
    local markers, regions = 0, 0
    for _, marker in ipairs(data(proj).state.markers) do
      if marker.region then
        regions = regions + 1
      else
        markers = markers + 1
      end
    end
    return markers + regions, markers, regions
  end
  function R.EnumProjectMarkers3(proj, index)
    local it = data(proj).state.markers[index + 1]
    if not it then
      return 0, false, 0, 0, "", 0, 0
    end
    return index + 1, it.region, it.from, it.to, it.name, it.number, it.colour
  end
  function R.AddProjectMarker2(proj, region, from, to, name, wanted, colour)
    local markers, number = data(proj).state.markers, 0
    for _, other in ipairs(markers) do
      number = math.max(number, other.number)
    end
    assert(wanted == -1)
    markers[#markers + 1] = {
      region = region, from = from, to = region and to or 0, name = name, number = number + 1,
      colour = colour,
    }
    table.sort(markers, function(a, b)
      return a.from < b.from or a.from == b.from and a.number < b.number
    end)
    touched(data(proj))
    return number + 1
  end
  function R.DeleteProjectMarkerByIndex(proj, index)
    touched(data(proj))
    return table.remove(data(proj).state.markers, index + 1) ~= nil
  end
  function R.ColorToNative(r, g, b) return r + 256 * g + 65536 * b end

  -- SWS
  function R.NF_GetSWSTrackNotes(track) return state(track).notes end
  function R.NF_SetSWSTrackNotes(track, text)
    state(track).notes = text -- and no undo point
  end

  -- Tempo
  function R.CountTempoTimeSigMarkers(proj) return #data(proj).tempo.markers end
  function R.GetTempoTimeSigMarker(proj, index)
    local it = data(proj).tempo.markers[index + 1]
    return true, it.time + 0.0, 0, 0.0, it.bpm + 0.0, it.numerator or -1, it.denominator or -1,
      it.ramp or false
  end
  function R.TimeMap2_timeToQN(proj, time)
    local it, quarters = data(proj).tempo, 0
    local from, bpm, ramp = 0, it.bpm, false
    for index = 1, #it.markers + 1 do
      local marker = it.markers[index]
      local to = math.min(time, marker and marker.time or time)
      if to > from then
        local later = ramp and bpm + (marker.bpm - bpm) * (to - from) / (marker.time - from) or bpm
        quarters = quarters + (to - from) * (bpm + later) / 2 / 60
      end
      if not marker or marker.time >= time then
        break
      end
      from, bpm, ramp = marker.time, marker.bpm, marker.ramp and it.markers[index + 1]
    end
    return quarters
  end
  function R.TimeMap_GetTimeSigAtTime(proj, time)
    local it = data(proj).tempo
    local numerator, denominator, bpm = 4, 4, it.bpm
    for _, marker in ipairs(it.markers) do
      if marker.time <= time then
        bpm = marker.bpm
        numerator, denominator = marker.numerator or numerator, marker.denominator or denominator
      end
    end
    return numerator, denominator, bpm + 0.0
  end

  -- Undo
  function R.Undo_BeginBlock2(proj)
    local it = data(proj)
    it.block = it.block + 1
  end
  function R.Undo_EndBlock2(proj, name, flags)
    local it = data(proj)
    assert(it.block > 0, "a block ends that never began")
    assert(flags == -1, "a step that says what it changed, or REAPER loses it")
    it.block = it.block - 1
    if it.block == 0 then
      touched(it)
      undo_point(it, name)
    end
  end
  function R.PreventUIRefresh(count)
    self.refresh = self.refresh + count
    assert(self.refresh >= 0)
  end
  function R.TrackList_AdjustWindows() end
  function R.UpdateArrange() end
  return R
end

-- ---------------------------------------------------------------------------------- the machine

-- options: root (a folder of its own), scripts (the folder of the actions), sws.
function StandIn.new(options)
  local self = setmetatable({
    root = options.root, scripts = options.scripts, resources = options.root .. "/REAPER",
    sws = options.sws ~= false, version = "7.22/linux-x86_64", clock = 1000.0,
    data = {}, projects = {}, ext = {}, deferred = {}, running = {}, messages = {}, answers = {},
    inputs = {}, started = {}, commands = {}, config = { renderclosewhendone = 16 }, keys = {},
    windows = {},
    toggles = {}, listings = {}, refresh = 0, frames = 0, called = {}, hooks = {},
    master_number = "0", count = 0, tick = 0,
    registered = {}, sources = {}, updates = 0, os = "Other",
    renamed = 0, -- how many files scripts have put somewhere
  }, StandIn)
  StandIn.make_folder(self.resources)
  local functions = functions_of(self)
  self.reaper = setmetatable({}, { __index = function(_, name)
    local known = api.functions["reaper." .. name]
    if not known then
      error("there is no function reaper." .. name .. " in REAPER's API", 2)
    elseif name == "set_action_options" and self.version < "7.03" then
      return nil
    elseif not functions[name] then
      error("the stand-in lacks reaper." .. name, 2)
    elseif name:find("^%u%u%u?_") and not self.sws then
      error("reaper." .. name .. " needs SWS, which is not installed", 2)
    end
    return function(...)
      api.check("reaper." .. name, ...)
      self.called["reaper." .. name] = true
      return functions[name](...)
    end
  end, __newindex = function(_, name)
    error("a script changes reaper." .. name, 2)
  end })
  return self
end

-- A Lua state of its own for a script, as REAPER gives each.
local function environment(self, path)
  local env = {}
  local packages = { loaded = {}, path = "?.lua", config = package.config }
  local function find(name)
    for pattern in packages.path:gmatch("[^;]+") do
      local file = pattern:gsub("%?", (name:gsub("%.", "/")))
      if self.read(file) then
        return file
      end
    end
    error("module " .. name .. " not found", 3)
  end
  local function run(file, ...)
    return assert(loadfile(file, "t", env))(...)
  end
  env.require = function(name)
    if packages.loaded[name] == nil then
      packages.loaded[name] = run(find(name), name) or true
    end
    return packages.loaded[name]
  end
  env.package, env.reaper, env.gfx, env._G = packages, self.reaper, new_gfx(self), env
  env.os = setmetatable({ time = function(...)
    return select("#", ...) > 0 and os.time(...) or math.floor(1700000000 + self.clock)
  end, date = function(format, time)
    return os.date(format, time or math.floor(1700000000 + self.clock))
  end, rename = function(...)
    self.renamed = self.renamed + 1
    return os.rename(...)
  end }, { __index = os })
  env.io = setmetatable({ open = function(file, mode)
    if self.write_fault and (mode or "r"):find("w") and file:find(self.write_fault, 1, true) then
      return nil, "No space left on device"
    end
    return io.open(file, mode)
  end }, { __index = io })
  setmetatable(env, { __index = _G, __newindex = function(_, name)
    error("a script makes the global " .. name, 2)
  end })
  return env, function() return run(path) end
end

function StandIn:environment(script)
  return (environment(self, script.path))
end

local function finish_if_idle(self, script)
  for _, entry in ipairs(self.deferred) do
    if entry.script == script then
      return
    end
  end
  if not script.over then
    script.over = true
    for _, func in ipairs(script.at_exit) do
      func()
    end
  end
end

-- Closes a script's window, as the script or the user does; whether there was one.
function StandIn:shut(gfx)
  for index, window in ipairs(self.windows) do
    if window == gfx then
      table.remove(self.windows, index)
      self.window = #self.windows > 0
      return true
    end
  end
  return false
end

-- REAPER ends a script: its window goes, and what it has for that moment is done.
function StandIn:terminate(script)
  for index = #self.deferred, 1, -1 do
    if self.deferred[index].script == script then
      table.remove(self.deferred, index)
    end
  end
  self.script = script
  self:shut(script.env.gfx)
  finish_if_idle(self, script)
end

-- Starts an action by the name of its file without "Stemlens_" and ".lua".
function StandIn:run(name)
  for _, entry in ipairs(self.deferred) do
    if entry.script.name == name and (entry.script.options or 0) & 1 ~= 0 then
      local again = entry.script.options & 2 ~= 0
      self:terminate(entry.script)
      if not again then
        return nil
      end
      break
    end
  end
  self.count = self.count + 1
  local script = {
    path = self.scripts .. "/Stemlens_" .. name .. ".lua", at_exit = {}, number = self.count,
    name = name,
  }
  local env, main = environment(self, script.path)
  script.env = env
  self.script = script
  self.gfx = env.gfx
  main()
  finish_if_idle(self, script)
  return script
end

-- Lets time pass: deferred functions run some thirty times a second, then the hooks.
function StandIn:advance(seconds, step)
  step = step or 0.033
  local stop = self.clock + seconds
  repeat
    self.clock = self.clock + step
    if self.sleep then
      self.sleep(step)
    end
    local due, updates, open = self.deferred, self.updates, self.window
    self.deferred = {}
    for _, entry in ipairs(due) do
      self.script = entry.script
      entry.func()
      finish_if_idle(self, entry.script)
    end
    for _, hook in ipairs(self.hooks) do
      hook()
    end
    assert(self.refresh == 0, "the user interface stays frozen")
    assert(not (open and self.window) or self.updates > updates,
      "a window that is not updated hears nothing of the mouse")
  until self.clock >= stop
end

-- Lets time pass until something is so; raises where it does not come about.
function StandIn:until_(what, condition, seconds, step)
  local stop = self.clock + (seconds or 60)
  while not condition() do
    if self.clock > stop then
      local last = self.messages[#self.messages]
      error("waited in vain until " .. what .. (last and "; last message: " .. last.text or ""), 2)
    end
    self:advance(step or 0.033, step)
  end
end

function StandIn:is_running(script)
  return not script.over
end

-- Another project is opened in the tab of one: REAPER gives it the same handle.
function StandIn:open_instead(proj, values)
  local other = self:project(values)
  self.projects[#self.projects] = nil
  self.data[proj], self.data[other] = self.data[other], nil
  self.front = proj
end

function StandIn:to_front(proj)
  self.front = proj
end

function StandIn:close_project(proj)
  self.data[proj].open = false
  for index, other in ipairs(self.projects) do
    if other == proj then
      table.remove(self.projects, index)
    end
  end
  if self.front == proj then
    self.front = self.projects[1]
  end
end

-- REAPER is closed: scripts end, what was not to be kept is gone. Projects stay as they are if
-- `saved`; else what they keep of ours is gone with the rest.
function StandIn:restart(saved)
  local running = {}
  for _, entry in ipairs(self.deferred) do
    running[entry.script] = true
  end
  self.deferred = {}
  for script in pairs(running) do
    script.over = true
    for _, func in ipairs(script.at_exit) do
      self.script = script
      func()
    end
  end
  for key, value in pairs(self.ext) do
    if not value[2] then
      self.ext[key] = nil
    end
  end
  if not saved then
    for _, proj in ipairs(self.projects) do
      self.data[proj].ext = {}
    end
  end
  self.windows, self.window = {}, false
  self.clock = self.clock + 100
end

return StandIn
