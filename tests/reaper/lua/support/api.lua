-- REAPER's API as data (tests/reaper/reascript_api.json), and whether a call fits it.

local json = require("json")

local api = {}

function api.load(path)
  local file = assert(io.open(path, "rb"))
  api.functions = json.read(file:read("a"))
  file:close()
  return api
end

local PLAIN = { string = true, boolean = true, ["function"] = true, table = true }

-- Whether a value can stand where the API wants a type; handles carry theirs in their metatable.
local function fits(value, wanted)
  if wanted:sub(-1) == "?" then
    if value == nil then
      return true
    end
    wanted = wanted:sub(1, -2)
  end
  if wanted == "any" then
    return true
  elseif wanted == "number" then
    return type(value) == "number"
  elseif wanted == "integer" then
    return type(value) == "number" and value == math.floor(value)
  elseif wanted == "ReaProject|nil|0" then
    return value == nil or value == 0 or api.kind(value) == "ReaProject"
  elseif wanted:find("_Param$") then
    return type(value) == "string"
  elseif PLAIN[wanted] then
    return type(value) == wanted
  elseif wanted == "userdata" then
    return api.kind(value) ~= nil
  end
  return api.kind(value) == wanted
end

function api.kind(value)
  local meta = type(value) == "table" and getmetatable(value)
  return meta and meta.__name or nil
end

-- Raises where there is no such function, or it is not called so. `name` is "reaper.X" or "gfx.x".
function api.check(name, ...)
  local known = api.functions[name]
  if not known then
    error("there is no function " .. name .. " in REAPER's API", 3)
  end
  local count = select("#", ...)
  if count < known.min or count > known.max then
    error(("%s takes %d to %d arguments and got %d"):format(name, known.min, known.max, count), 3)
  end
  for index = 1, count do
    local value = (select(index, ...))
    local wanted = known.types and known.types[index]
    if wanted and not fits(value, wanted) then
      error(("%s: argument %d (%s) must be %s and is %s (%s)"):format(name, index,
        known.args[index], wanted, tostring(value), type(value)), 3)
    end
  end
end

return api
