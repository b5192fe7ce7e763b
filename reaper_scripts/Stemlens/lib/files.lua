-- @noindex
-- Files and folders through what stock REAPER offers. Paths are UTF-8, as REAPER's own.

local failure = require("failure")

local files = {}

local SEPARATOR = package.config:sub(1, 1)
local PART = 1 << 20 -- bytes that are copied at once
local WINDOWS = SEPARATOR == "\\"

function files.join(...)
  return table.concat({ ... }, SEPARATOR)
end

-- The last part of a path, and the folder that it lies in.
function files.name(path)
  return path:match("[^/\\]*$")
end

function files.folder(path)
  return path:match("^(.*)[/\\][^/\\]*$") or ""
end

-- The whole content, or nil where there is no such file.
function files.read(path)
  local file = io.open(path, "rb")
  if not file then
    return nil
  end
  local text = file:read("a")
  file:close()
  return text
end

-- Bytes, or nil where there is no such file.
function files.size(path)
  local file = io.open(path, "rb")
  if not file then
    return nil
  end
  local size = file:seek("end")
  file:close()
  return size
end

-- Writes under another name and renames, so that nobody reads half of it.
function files.write(path, text)
  local part = path .. ".part"
  local file, why = io.open(part, "wb")
  local written = false
  if file then
    written, why = file:write(text)
    local closed, why_not = file:close()
    if written and not closed then
      written, why = false, why_not
    end
  end
  if written then
    if WINDOWS then
      os.remove(path) -- renaming does not replace there
    end
    written, why = os.rename(part, path)
  end
  if not written then
    os.remove(part)
    failure.raise("%s cannot be written (%s). Make room on the disk or check its permissions, "
      .. "then try again.", path, tostring(why))
  end
end

-- Copies a file; raises where it cannot be read, or there is no room for it.
function files.copy(from, to)
  local source, why = io.open(from, "rb")
  local target = nil
  if source then
    target, why = io.open(to, "wb")
  end
  local good = target ~= nil
  while good do
    local part = source:read(PART)
    if not part then
      break
    end
    good, why = target:write(part)
  end
  if source then
    source:close()
  end
  if target then
    local closed, why_not = target:close()
    good, why = good and closed, why or why_not
  end
  if not good then
    os.remove(to)
    failure.raise("%s cannot be copied to %s (%s). Make room on the disk or check the permissions, "
      .. "then try again.", from, to, tostring(why))
  end
end

-- Makes a folder and those it lies in.
function files.make(folder)
  reaper.RecursiveCreateDirectory(folder, 0)
end

-- Raises where nothing can be written into a folder.
function files.require_writable(folder)
  local probe = files.join(folder, "stemlens-probe")
  files.write(probe, "")
  os.remove(probe)
end

-- The names of the files (or folders) in a folder; REAPER's own cache of them is emptied first.
local function listed(enumerate, folder)
  enumerate(folder, -1)
  local names = {}
  while true do
    local name = enumerate(folder, #names)
    if not name then
      return names
    end
    names[#names + 1] = name
  end
end

function files.names(folder)
  return listed(reaper.EnumerateFiles, folder)
end

function files.folders(folder)
  return listed(reaper.EnumerateSubdirectories, folder)
end

-- Removes a folder if it is empty; whatever else lies in it stays.
function files.remove_empty(folder)
  if WINDOWS then
    reaper.ExecProcess('cmd.exe /C rmdir "' .. folder .. '"', 2000)
  else
    os.remove(folder)
  end
end

return files
