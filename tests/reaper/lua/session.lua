-- A scripted session in the stand-in for REAPER, against a real bridge and in real time.
--
--   lua5.4 session.lua FOLDER --server HOST:PORT [--bridge COMMAND] [--mix FILE]
--          [--no-sws] --track NAME=FILE … --act "Analyze session" …
--
-- FOLDER/REAPER is the resource folder: `stemlens-bridge reaper install --resource-path` it before,
-- or give the command. Rendering copies the given files. Actions are run one after the other, each
-- until it is over or its window shows something for good; then the project is told, one line a
-- thing: "track<TAB>NAME<TAB>key<TAB>value", "region<TAB>from<TAB>to<TAB>name",
-- "message<TAB>text". Line breaks in values are written as \n.

local here = arg[0]:match("^(.*)/") or "."
package.path = here .. "/support/?.lua"

local case = require("case")
local standin = require("standin")

local wanted = { tracks = {}, acts = {} }
local folder = assert(arg[1], "which folder?")
local index = 2
while index <= #arg do
  local key, value = arg[index], arg[index + 1]
  if key == "--no-sws" then
    wanted.no_sws = true
    index = index + 1
  else
    if key == "--track" then
      local name, file = value:match("^(.-)=(.+)$")
      table.insert(wanted.tracks, { name = name, file = file })
    elseif key == "--act" then
      table.insert(wanted.acts, value)
    else
      wanted[key:sub(3)] = value
    end
    index = index + 2
  end
end

local t = case.new(here, folder)
local reaper = t:reaper({ bridge = false, sws = not wanted.no_sws })
reaper.clock = os.time() + 0.0 -- so that folders of several runs do not collide
local ticks = 0
function reaper.sleep(step)
  ticks = ticks + 1
  if ticks % 3 == 0 then
    os.execute(("sleep %.3f"):format(3 * step))
  end
end
function reaper.exec(command)
  os.execute("(" .. command .. ") >/dev/null 2>&1 </dev/null &")
end
reaper.reaper.SetExtState("stemlens", "server", wanted.server, true)
if wanted.bridge then
  standin.make_folder(reaper.resources .. "/Stemlens")
  local file = assert(io.open(reaper.resources .. "/Stemlens/bridge.lua", "w"))
  file:write(("return {command = %q, version = %q, mailbox = 1}\n"):format(wanted.bridge, "test"))
  file:close()
end

local files, seconds = { MASTER = wanted.mix }, 0
local proj = reaper:project({ name = "Song", length = 12 })
for _, track in ipairs(wanted.tracks) do
  files[track.name] = track.file
  reaper:track(proj, track.name)
  local file = assert(io.open(track.file, "rb"))
  local head = file:read(44)
  seconds = math.max(seconds, (file:seek("end") - 44) / string.unpack("<I4", head, 29))
  file:close()
end
reaper.data[proj].length = seconds
function reaper.sound(_, state)
  local name = state.name:gsub(" {.*}$", "")
  return assert(standin.read(assert(files[name], "no sound for " .. name)))
end

local function tell(...)
  print((table.concat({ ... }, "\t"):gsub("\n", "\\n")))
end

for _, name in ipairs(wanted.acts) do
  local before = #reaper.messages
  t:act(name, 240)
  if t:window_is("failed") or t:window_is("notes") then
    tell("window", t:text())
  end
  for at = before + 1, #reaper.messages do
    tell("message", reaper.messages[at].text)
  end
  t:close_window()
  tell("done", name)
end
for _, track in ipairs(reaper.data[proj].state.tracks) do
  local state = reaper:state(track)
  tell("track", state.name, "notes", state.notes)
  for key, value in pairs(state.ext) do
    tell("track", state.name, key, value)
  end
end
for _, marker in ipairs(reaper.data[proj].state.markers) do
  tell("region", marker.from, marker.to, marker.name)
end
