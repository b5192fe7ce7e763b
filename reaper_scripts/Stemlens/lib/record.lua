-- @noindex
-- Small records in one line of plain characters: "job=reaper-1&name=Lead%20Guitar".
--
-- For what is kept in projects (P_EXT, project state) and beside bounces. Such text may come from
-- somebody else's project, so it is taken apart and never run. All values are texts.

local record = {}

local function escaped(char)
  return ("%%%02X"):format(char:byte())
end

-- Text as letters, digits, "-", ".", "_" and %XX alone.
function record.escape(text)
  return (text:gsub("[^%w%-%._]", escaped))
end

local escape = record.escape

local function unescape(text)
  return (text:gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end))
end

function record.write(values)
  local parts = {}
  for key, value in pairs(values) do
    parts[#parts + 1] = escape(key) .. "=" .. escape(tostring(value))
  end
  table.sort(parts)
  return table.concat(parts, "&")
end

-- The values of a record; nil for an empty text, which is how REAPER says that there is none.
function record.read(text)
  if not text or text == "" then
    return nil
  end
  local values = {}
  for key, value in text:gmatch("([^&=]+)=([^&]*)") do
    values[unescape(key)] = unescape(value)
  end
  return values
end

-- A list of texts as one text, for a value of a record.
function record.join(items)
  local parts = {}
  for index, item in ipairs(items) do
    parts[index] = escape(item)
  end
  return table.concat(parts, ",")
end

function record.split(text)
  local items = {}
  for item in (text or ""):gmatch("[^,]+") do
    items[#items + 1] = unescape(item)
  end
  return items
end

return record
