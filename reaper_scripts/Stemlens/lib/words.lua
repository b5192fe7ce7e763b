-- @noindex
-- Texts of the results window: numbers, sentences, and how they fit the room that there is.

local words = {}

function words.points(value)
  local whole = math.floor(100 * math.abs(value) + 0.5)
  return (value < 0 and whole > 0) and "−" .. whole or tostring(whole)
end

-- What a move does, in points with one digit: one dB is often worth less than a point.
function words.tenths(value)
  local told = ("%.1f"):format(100 * math.abs(value))
  if told == "0.0" then
    return told
  end
  return (value < 0 and "−" or "+") .. told
end

-- A time as "1:02".
function words.clock(seconds)
  local whole = math.floor(math.abs(seconds))
  return ("%s%d:%02d"):format(seconds < 0 and "−" or "", whole // 60, whole % 60)
end

-- Text in lines that fit a width; words that do not fit by themselves are cut.
function words.wrapped(text, width, font, measure)
  local lines = {}
  for paragraph in (text .. "\n"):gmatch("(.-)\n") do
    local line = ""
    for word in paragraph:gmatch("%S+") do
      local longer = line == "" and word or line .. " " .. word
      if line ~= "" and measure(longer, font) > width then
        lines[#lines + 1] = line
        line = word
      else
        line = longer
      end
    end
    lines[#lines + 1] = line
  end
  return lines
end

-- Text that fits a width, with an ellipsis where it had to be cut.
function words.fitted(text, width, font, measure)
  if measure(text, font) <= width then
    return text
  end
  local count = utf8.len(text)
  local function cut(length)
    return text:sub(1, count and utf8.offset(text, length + 1) - 1 or length) .. "…"
  end
  local fits, too_long = 0, count or #text
  while too_long - fits > 1 do
    local middle = (fits + too_long) // 2
    if measure(cut(middle), font) <= width then
      fits = middle
    else
      too_long = middle
    end
  end
  return cut(fits)
end

-- One cell in full sentences.
function words.told(stem, tag, share)
  local told = ("%s and %s: %s of %s points"):format(stem.name, tag.tag,
    words.points(share.value), words.points(tag.score))
  if share.high - share.low > 0.005 then
    told = told .. (", somewhere between %s and %s"):format(words.points(share.low),
      words.points(share.high))
  end
  local function moved(value)
    if value == nil then
      return "was not measured"
    end
    local whole = words.points(math.abs(value))
    local points = whole == "1" and "1 point" or whole .. " points"
    if whole == "0" then
      return "changes nothing"
    end
    return value < 0 and "takes " .. points .. " away" or "adds " .. points
  end
  return told .. ". ", ("Muting it %s. Alone it %s."):format(moved(share.mute), moved(share.solo))
end

return words
