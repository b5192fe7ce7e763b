-- @noindex
-- Plain data as JSON, for the bridge. Written only: what the bridge answers is read as Lua.
--
-- A table is an object unless `json.list` marked it; `json.null` is null. Text is UTF-8; bytes that
-- are not (names of old projects) become "?". Source: RFC 8259.

local json = {}

local List = {}
json.null = setmetatable({}, { __tostring = function() return "null" end })

-- Marks a table as a list, so that an empty one is written as [].
function json.list(items)
  return setmetatable(items or {}, List)
end

local function utf8_only(text)
  local good, bad = utf8.len(text)
  while not good do
    text = text:sub(1, bad - 1) .. "?" .. text:sub(bad + 1)
    good, bad = utf8.len(text, bad)
  end
  return text
end

local function escaped(char)
  return ("\\u%04x"):format(char:byte())
end

local function quoted(text)
  local plain = utf8_only(text):gsub('[%c"\\\127]', escaped)
  return '"' .. plain .. '"'
end

local function number(value)
  if value ~= value or value == math.huge or value == -math.huge then
    error("JSON has no " .. tostring(value))
  end
  if math.type(value) == "integer" then
    return ("%d"):format(value)
  end
  -- A host may have set a locale that writes a decimal comma.
  return (("%.14g"):format(value):gsub(",", "."))
end

function json.write(value)
  local kind = type(value)
  if value == json.null then
    return "null"
  elseif kind == "string" then
    return quoted(value)
  elseif kind == "number" then
    return number(value)
  elseif kind == "boolean" then
    return tostring(value)
  elseif kind ~= "table" then
    error("JSON has no " .. kind)
  end
  local parts = {}
  if getmetatable(value) == List then
    for index, item in ipairs(value) do
      parts[index] = json.write(item)
    end
    return "[" .. table.concat(parts, ",") .. "]"
  end
  for key, item in pairs(value) do
    parts[#parts + 1] = quoted(key) .. ":" .. json.write(item)
  end
  table.sort(parts)
  return "{" .. table.concat(parts, ",") .. "}"
end

return json
