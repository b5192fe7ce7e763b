-- @noindex
-- What the user can choose, kept in REAPER's ExtState, or with the project where it is about one
-- song; the dialog; what of it the server is told.

local json = require("json")
local project = require("project")

local settings = {}

local SECTION = "stemlens"
local KINDS = {
  top = true, -- the tag that a song has most of, whatever its kind
  genre = true, mood = true, instrument = true, voice = true, era = true, quality = true,
}
local MOMENTS = { peak = true, entry = true, exit = true, section = true, highlight = true }

-- Readers: what a text means, or nil and what is allowed. ------------------------------------

local function whole(least, most)
  return function(text)
    local value = tonumber(text)
    if value and value >= least and value <= most and value == math.floor(value) then
      return math.tointeger(value)
    end
    return nil, ("a whole number from %d to %d"):format(least, most)
  end
end

local function one_of(...)
  local words = { ... }
  return function(text)
    for _, word in ipairs(words) do
      if text:lower() == word then
        return word
      end
    end
    return nil, "one of: " .. table.concat(words, ", ")
  end
end

local function yes_or_no(text)
  local answer = one_of("yes", "no")(text)
  if not answer then
    return nil, "yes or no"
  end
  return answer == "yes"
end

-- Some words of a set, which in a dialog may stand in the plural.
local function some_of(known, allowed)
  return function(text)
    local found = {}
    for word in text:lower():gmatch("[^%s,;+]+") do
      word = known[word] and word or word:gsub("s$", "")
      if not known[word] then
        found = {}
        break
      end
      found[#found + 1] = word
    end
    if #found == 0 then
      return nil, ("some of: %s (with spaces between)"):format(allowed)
    end
    return found
  end
end

-- Tags, each as one word: "hip-hop easy_listening". No tag at all is fine.
local function tags(text)
  local found = {}
  for word in text:gmatch("[^%s;]+") do
    found[#found + 1] = word
  end
  return found
end

local function address(text)
  local host, port = text:match("^([%w%.%-]+):(%d+)$")
  if host and tonumber(port) > 0 and tonumber(port) < 65536 then
    return host .. ":" .. port
  end
  return nil, "host:port, as 127.0.0.1:9420"
end

-- In the order of the dialog. Values have no commas: REAPER's dialog separates its fields by them.
-- `song`: it is kept with the project.
local FIELDS = {
  { key = "tags", caption = "Tags told per track", default = "3", read = whole(0, 9) },
  { key = "kinds", caption = "Kinds of tags", default = "top genre mood",
    read = some_of(KINDS, "top genre mood instrument voice era quality") },
  { key = "min_share", caption = "Least share told (points)", default = "3", read = whole(0, 100) },
  { key = "colour", caption = "Colour tracks (no / tag / sign)", default = "no",
    read = one_of("no", "tag", "sign") },
  { key = "names", caption = "Label behind track names (no / yes)", default = "no",
    read = yes_or_no },
  { key = "markers", caption = "Regions on the time line (yes / no)", default = "yes",
    read = yes_or_no },
  { key = "moments", caption = "Regions of (peak entry exit section highlight)",
    default = "peak highlight",
    read = some_of(MOMENTS, "peak entry exit section highlight") },
  { key = "apply", caption = "Write when an analysis is done (yes / no)", default = "yes",
    read = yes_or_no },
  { key = "returns", caption = "Effects returns (own / with source)", default = "own",
    read = one_of("own", "with source") },
  { key = "keep", caption = "Bounces kept per project", default = "3", read = whole(1, 99) },
  { key = "tagger", caption = "Tagger (msd-musicnn / mtt-musicnn / …)", default = "msd-musicnn",
    read = one_of("msd-musicnn", "mtt-musicnn", "msd-vgg", "mtt-vgg") },
  { key = "intended", caption = "Meant to sound like (tags of this song)", default = "",
    read = tags, song = true },
  { key = "server", caption = "Server", default = "127.0.0.1:9420", read = address },
}

local function stored(field)
  local text
  if field.song then
    text = project.memory(project.current())[field.key] or ""
  else
    text = reaper.GetExtState(SECTION, field.key)
  end
  return text ~= "" and text or field.default
end

local function store(field, text)
  if not field.song then
    reaper.SetExtState(SECTION, field.key, text, true)
  elseif text ~= stored(field) then
    project.remember(project.current(), { [field.key] = text })
  end
end

-- All settings by key, as values; one that cannot be understood counts as its default.
function settings.get()
  local values = {}
  for _, field in ipairs(FIELDS) do
    local value = field.read(stored(field))
    if value == nil then
      value = field.read(field.default)
    end
    values[field.key] = value
  end
  return values
end

-- The options of a job that follow from the settings (`annotations` is the server's policy).
function settings.options(values)
  return {
    tagger = values.tagger,
    intended = #values.intended > 0 and table.concat(values.intended, ", ") or nil,
    annotations = {
      tags = values.tags,
      kinds = json.list({ table.unpack(values.kinds) }),
      min_share = values.min_share + 0.0,
      colour = values.colour == "sign" and "sign" or "tag",
      markers = values.markers,
      moments = json.list({ table.unpack(values.moments) }),
    },
  }
end

local function split(csv)
  local parts = {}
  for part in (csv .. ","):gmatch("([^,]*),") do
    parts[#parts + 1] = part
  end
  return parts
end

-- Asks for all of them, again until they can be understood; nothing is kept of a cancelled dialog.
function settings.ask()
  local captions, texts = {}, {}
  for index, field in ipairs(FIELDS) do
    captions[index], texts[index] = field.caption, stored(field)
  end
  captions[#captions + 1] = "extrawidth=160"
  while true do
    local agreed, csv = reaper.GetUserInputs("Stemlens: settings", #FIELDS,
      table.concat(captions, ","), table.concat(texts, ","))
    if not agreed then
      return false
    end
    texts = split(csv)
    local complaint = #texts > #FIELDS and "Use spaces instead of commas within a field." or nil
    for index, field in ipairs(FIELDS) do
      local text = (texts[index] or ""):match("^%s*(.-)%s*$")
      texts[index] = text
      local value, allowed = field.read(text)
      if value == nil and not complaint then
        complaint = ('"%s" is "%s"; it can be %s.'):format(field.caption, text, allowed)
      end
    end
    if not complaint then
      for index, field in ipairs(FIELDS) do
        store(field, texts[index])
      end
      return true
    end
    reaper.MB(complaint, "Stemlens: settings", 0)
    for index = #texts, #FIELDS + 1, -1 do
      texts[index] = nil
    end
  end
end

return settings
