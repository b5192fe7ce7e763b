-- Every call of reaper.X(…) and gfx.x(…) in a Lua source: a small tokenizer, no running.
--
-- Found are direct calls with the number of their arguments, and mentions without a call (handed to
-- pcall or kept in a variable), which can only be checked for existence. Fields of `gfx` that are
-- variables (gfx.w) are known by name.

local calls = {}

local VARIABLES = {}
for name in ([[x y w h r g b a a2 mode clear dest texth ext_retina mouse_x mouse_y mouse_cap
  mouse_wheel mouse_hwheel]]):gmatch("%S+") do
  VARIABLES["gfx." .. name] = true
end

-- The tokens of a source: {kind = "name" | "string" | "number" | "symbol", text, line}.
local function tokens(source)
  local found, at, line = {}, 1, 1
  local function skip(to)
    for _ in source:sub(at, to):gmatch("\n") do
      line = line + 1
    end
    at = to + 1
  end
  local function add(kind, to)
    found[#found + 1] = { kind = kind, text = source:sub(at, to), line = line }
    skip(to)
  end
  local function long(from)
    local level = source:match("^%[(=*)%[", from)
    if not level then
      return nil
    end
    local _, stop = source:find("]" .. level .. "]", from, true)
    return stop
  end
  while at <= #source do
    local blank = source:match("^%s+()", at)
    if blank then
      skip(blank - 1)
    elseif source:find("^%-%-", at) then
      local stop = long(at + 2) or (source:find("\n", at, true) or #source + 1) - 1
      skip(stop)
    elseif long(at) then
      add("string", long(at))
    elseif source:find("^[\"']", at) then
      local quote, stop = source:sub(at, at), at + 1
      while source:sub(stop, stop) ~= quote do
        stop = stop + (source:sub(stop, stop) == "\\" and 2 or 1)
        assert(stop <= #source, "unfinished string")
      end
      add("string", stop)
    elseif source:find("^[%a_]", at) then
      add("name", source:match("^[%w_]+()", at) - 1)
    elseif source:find("^%d", at) or source:find("^%.%d", at) then
      add("number", source:match("^[%w%.]+()", at) - 1)
    else
      local symbol = source:match("^%.%.%.?", at) or source:match("^[=~<>]=", at)
        or source:match("^[<>][<>]", at) or source:match("^//", at) or source:match("^::", at)
      add("symbol", at + (symbol and #symbol or 1) - 1)
    end
  end
  return found
end

local OPEN = { ["("] = ")", ["{"] = "}", ["["] = "]" }
local CLOSE = { [")"] = true, ["}"] = true, ["]"] = true }
-- Words that open a block which `end` closes, so that commas in a function's body do not count.
local BLOCKS = { ["function"] = true, ["if"] = true, ["do"] = true }

-- The arguments of a call whose "(" is token `at`: how many, whether the last may be several (a
-- call or ...), and the token after ")".
local function arguments(list, at)
  local depth, blocks, count, any, open = 0, 0, 1, false, false
  local index = at + 1
  local last = nil
  while true do
    local token = list[index]
    assert(token, "unfinished call")
    local text = token.kind ~= "string" and token.text or '"'
    if depth == 0 and blocks == 0 and text == ")" then
      break
    end
    any = true
    if OPEN[text] then
      depth = depth + 1
    elseif CLOSE[text] then
      depth = depth - 1
    elseif token.kind == "name" and BLOCKS[text] then
      blocks = blocks + 1
    elseif token.kind == "name" and text == "end" then
      blocks = blocks - 1
    elseif text == "," and depth == 0 and blocks == 0 then
      count = count + 1
    end
    last = text
    index = index + 1
  end
  open = last == ")" or last == "..."
  return any and count or 0, open, index + 1
end

-- All uses in a source: {name = "reaper.X", line =, count = or nil where it is not called, open =}.
function calls.of(source)
  local list, found = tokens(source), {}
  for index, token in ipairs(list) do
    local dot, name = list[index + 1], list[index + 2]
    local before = list[index - 1]
    local field = before and (before.text == "." or before.text == ":")
    local is_table = token.kind == "name" and (token.text == "reaper" or token.text == "gfx")
    if is_table and not field then
      if not (dot and dot.text == "." and name and name.kind == "name") then
        found[#found + 1] = { name = token.text, line = token.line, bare = true }
      else
        local full = token.text .. "." .. name.text
        local after = list[index + 3]
        if VARIABLES[full] then
          found.variables = (found.variables or 0) + 1
        elseif after and after.text == "(" then
          local count, open = arguments(list, index + 3)
          found[#found + 1] = { name = full, line = token.line, count = count, open = open }
        else
          found[#found + 1] = { name = full, line = token.line }
        end
      end
    end
  end
  return found
end

-- What is wrong with a source, as sentences; and how many uses were looked at.
function calls.check(source, functions, where)
  local wrong = {}
  local found = calls.of(source)
  local function say(use, text)
    wrong[#wrong + 1] = ("%s:%d: %s %s"):format(where, use.line, use.name, text)
  end
  for _, use in ipairs(found) do
    local known = functions[use.name]
    if use.bare then
      say(use, "is used as a whole; only its fields can be checked")
    elseif not known then
      say(use, "is not in REAPER's API")
    elseif use.count and use.count > known.max then
      say(use, ("takes at most %d arguments, here are %d"):format(known.max, use.count))
    elseif use.count and use.count < known.min and not use.open then
      say(use, ("takes at least %d arguments, here are %d"):format(known.min, use.count))
    end
  end
  return wrong, #found
end

return calls
