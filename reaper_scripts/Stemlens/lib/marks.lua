-- @noindex
-- How our words are told from the user's in notes: in a block of their own at the end,
-- "[Stemlens] … [/Stemlens]". Taking it out gives the user's words back to the letter. The rules
-- are those of `stemlens_bridge.marks`; a test asks both the same questions.

local marks = {}

marks.MARKER_PREFIX = "stemlens: "

local BEGIN, END = "[Stemlens] ", " [/Stemlens]"

-- Where the next block lies from a place on: its first and last byte; nil without one. A beginning
-- without its end (the user's own, or a block that a program has cut off) is no block.
local function block(text, from)
  local first
  while true do
    local begins = text:find(BEGIN, from, true)
    local ends, last = text:find(END, first and first + #BEGIN or from, true)
    if begins and (not ends or begins < ends) then
      first, from = begins, begins + #BEGIN
    elseif not ends then
      return nil
    elseif first then
      return first, last
    else
      from = ends + 1
    end
  end
end

-- A text without our blocks, to the letter as the user wrote it.
function marks.taken_out(text)
  local parts, from = {}, 1
  local first, last = block(text, 1)
  while first do
    -- SWS may keep the line before as Windows does.
    parts[#parts + 1] = text:sub(from, first - 1):gsub("\r?\n$", "")
    from = last + 1
    first, last = block(text, from)
  end
  return table.concat(parts) .. text:sub(from)
end

-- A text with our block at its end, in the place of a former one.
function marks.put(text, ours)
  local own = marks.taken_out(text)
  local words = ours:gsub("%[(/?Stemlens)%]", "(%1)")
  return own .. (own ~= "" and "\n" or "") .. BEGIN .. words .. END
end

-- Whether a text has a block of ours.
function marks.is_in(text)
  return block(text, 1) ~= nil
end

return marks
