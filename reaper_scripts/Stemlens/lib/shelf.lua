-- @noindex
-- Where bounces lie, what is known of each, and which are kept.
--
-- A bounce lies in a folder of its own beside the project's recordings, with a mark in it; only
-- files that a mark lists are ever deleted.

local files = require("files")
local project = require("project")
local record = require("record")

local shelf = {}

local FOLDER = "Stemlens bounces"
local MARK = "stemlens-bounce.txt"
local MARK_HEAD = "Stemlens bounce 1. Made by Stemlens, which deletes the files listed here when "
  .. "newer bounces take their place."

-- Where the bounces of a project lie.
function shelf.home(proj)
  return files.join(reaper.GetProjectPathEx(proj), FOLDER)
end

-- What a bounce's mark says: {bounce = {…}, files = {names}, stems = {id = {…}},
-- tracks = {id = {…}}}; nil without one.
function shelf.read(folder)
  local text = files.read(files.join(folder, MARK))
  if not text or text:match("^[^\r\n]*") ~= MARK_HEAD then
    return nil
  end
  local found = { bounce = {}, files = {}, stems = {}, tracks = {} }
  for line in text:gmatch("[^\r\n]+") do
    local kind, rest = line:match("^(%l+) (.*)$")
    local values = kind and record.read(rest) or {}
    if kind == "bounce" then
      found.bounce = values
    elseif kind == "file" and values.name and not values.name:find("[/\\]") then
      found.files[#found.files + 1] = values.name
    elseif kind == "stem" and values.id then
      found.stems[values.id] = values
    elseif kind == "track" and values.id then
      found.tracks[values.id] = values
    end
  end
  return found
end

-- The mark of a project's last bounce; nil without one.
function shelf.last(proj)
  local folder = project.memory(proj).folder
  return folder and shelf.read(files.join(shelf.home(proj), folder))
end

-- Marks a folder as a bounce of ours, with what is to be known of it when it comes to bouncing
-- again: of the whole, of each stem and of each track (records with an id).
function shelf.mark(folder, values, names, stems, tracks)
  local lines = { MARK_HEAD, "bounce " .. record.write(values) }
  local function add(kind, records)
    for _, it in ipairs(records) do
      lines[#lines + 1] = kind .. " " .. record.write(it)
    end
  end
  for _, name in ipairs(names) do
    add("file", { { name = name } })
  end
  add("stem", stems)
  add("track", tracks)
  files.write(files.join(folder, MARK), table.concat(lines, "\n") .. "\n")
end

-- Deletes a bounce: the files that its mark lists, then the folder if nothing else is in it.
function shelf.delete(folder)
  local marked = shelf.read(folder)
  if not marked then
    return false
  end
  for _, name in ipairs(marked.files) do
    os.remove(files.join(folder, name))
    os.remove(files.join(folder, name .. ".reapeaks"))
  end
  os.remove(files.join(folder, MARK))
  files.remove_empty(folder)
  return true
end

-- Deletes all but the newest `keep` bounces of a project, and none that a kept one borrows from.
function shelf.retain(proj, project_name, keep)
  local home = shelf.home(proj)
  local found = {}
  for _, name in ipairs(files.folders(home)) do
    local marked = shelf.read(files.join(home, name))
    if marked and marked.bounce.project == project_name then
      found[#found + 1] = { name = name, marked = marked, made = marked.bounce.made or "" }
    end
  end
  table.sort(found, function(a, b) return a.made > b.made end)
  local needed = {}
  for index = 1, math.min(keep, #found) do
    needed[found[index].name] = true
    for _, stem in pairs(found[index].marked.stems) do
      needed[stem.folder or ""] = true
    end
  end
  for _, it in ipairs(found) do
    if not needed[it.name] then
      shelf.delete(files.join(home, it.name))
    end
  end
end

return shelf
