-- JSON read into Lua tables, strictly, for tests: what the scripts write must be JSON to anybody.
-- null becomes json.null. Source: RFC 8259.

local json = { null = setmetatable({}, { __tostring = function() return "null" end }) }

local ESCAPES = { b = "\b", f = "\f", n = "\n", r = "\r", t = "\t" }

function json.read(text)
  local at = 1
  local function fail(what)
    error(("JSON: %s at %d: %s"):format(what, at, text:sub(at, at + 30)), 0)
  end
  local function blank()
    at = text:match("^[ \t\r\n]*()", at)
  end
  local value
  local function string_()
    local parts = {}
    at = at + 1
    while true do
      local plain, stop = text:match('^([^"\\%c]*)()', at)
      parts[#parts + 1] = plain
      at = stop
      local char = text:sub(at, at)
      if char == '"' then
        at = at + 1
        local whole = table.concat(parts)
        if not utf8.len(whole) then
          fail("not UTF-8")
        end
        return whole
      elseif char == "\\" then
        local kind = text:sub(at + 1, at + 1)
        if kind == "u" then
          parts[#parts + 1] = utf8.char(tonumber(text:sub(at + 2, at + 5), 16))
          at = at + 6
        else
          parts[#parts + 1] = ESCAPES[kind] or kind
          at = at + 2
        end
      else
        fail("bad string")
      end
    end
  end
  local function members(close, one)
    at = at + 1
    blank()
    if text:sub(at, at) == close then
      at = at + 1
      return
    end
    while true do
      one()
      blank()
      local char = text:sub(at, at)
      at = at + 1
      if char == close then
        return
      elseif char ~= "," then
        fail("no comma")
      end
    end
  end
  function value()
    blank()
    local char = text:sub(at, at)
    if char == "{" then
      local object = {}
      members("}", function()
        blank()
        if text:sub(at, at) ~= '"' then
          fail("no key")
        end
        local key = string_()
        blank()
        if text:sub(at, at) ~= ":" then
          fail("no colon")
        end
        at = at + 1
        if object[key] ~= nil then
          fail("key twice")
        end
        object[key] = value()
      end)
      return object
    elseif char == "[" then
      local list = {}
      members("]", function()
        list[#list + 1] = value()
      end)
      return list
    elseif char == '"' then
      return string_()
    end
    for word, meaning in pairs({ ["true"] = true, ["false"] = false, null = json.null }) do
      if text:sub(at, at + #word - 1) == word then
        at = at + #word
        return meaning
      end
    end
    local number, stop = text:match("^(%-?%d+%.?%d*[eE]?[%+%-]?%d*)()", at)
    if not number or not tonumber(number) then
      fail("no value")
    end
    at = stop
    return tonumber(number)
  end
  local whole = value()
  blank()
  if at <= #text then
    fail("more than one value")
  end
  return whole
end

return json
