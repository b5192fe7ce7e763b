-- @noindex
-- The window with the sounds that explain a tag. Nothing is drawn here.
--
-- view.explained = what the bridge tells of it (schema stemlens.explained/1)
-- view.row (of the list), view.heard = the name of the sound that plays, or nil
-- view.text = the last thing that was said. Scores are 0 to 1, times seconds.

local shapes = require("shapes")
local suggestpage = require("suggestpage")
local words = require("words")

local hearpage = {}

local C, PAD = shapes.COLOURS, shapes.PAD
local LINE, ROW, FOOT = 20, 72, 96
local LINES = 2 -- of a sentence
local SCORE = 110
local ABOUT = "The sounds lie muted on tracks of their own behind all others, equally loud, where "
  .. "they belong in the song. They are no part of your mix and are never bounced."
local HELP = "Up and down choose. Enter plays, S stops, T takes the tracks away, Esc closes and "
  .. "leaves them."

local function clock(seconds)
  local whole = math.floor(seconds)
  return ("%d:%02d"):format(whole // 60, whole % 60)
end

local function row(out, view, index, sound, y, width, measure)
  local back = index == view.row and C.chosen or index % 2 == 0 and C.stripe or C.back
  out.fill(0, y, width, ROW, back)
  local room = width - 3 * PAD - SCORE
  local title = ("%s, %s to %s"):format(sound.name, clock(sound.start_s), clock(sound.end_s))
  out.text(PAD, y + 6, room, LINE, words.fitted(title, room, "bold", measure), "bold", C.text)
  local lines = words.wrapped(sound.sentence, room, "normal", measure)
  for at = 1, math.min(LINES, #lines) do
    local line = at == LINES and table.concat(lines, " ", at) or lines[at]
    out.text(PAD, y + 6 + LINE * at, room, LINE, words.fitted(line, room, "normal", measure),
      "normal", C.dim)
  end
  if sound.score then
    out.text(width - PAD - SCORE, y + 6, SCORE, LINE, words.points(sound.score) .. " of 100",
      "bold", C.plus, "right")
  end
  if view.heard == sound.name then
    out.text(width - PAD - SCORE, y + 28, SCORE, LINE, "playing", "small", C.warn, "right")
  end
  out.zone(0, y, width, ROW, "entry", { row = index })
end

local function foot(out, view, width, height, measure)
  local y = height - FOOT
  out.fill(0, y, width, FOOT, C.panel)
  out.fill(0, y, width, 1, C.line)
  local list = { { "Play", 80, "play" } }
  if view.heard then
    list[#list + 1] = { "Stop", 70, "stop" }
  end
  list[#list + 1] = { "Take back", 100, "take back" }
  list[#list + 1] = { "Close", 80, "close" }
  suggestpage.buttons(out, list, y + 10)
  local said = view.text ~= ""
  local lines = words.wrapped(said and view.text or HELP, width - 2 * PAD, "small", measure)
  for index = 1, math.min(2, #lines) do
    out.text(PAD, y + 46 + 20 * (index - 1), width - 2 * PAD, LINE, words.fitted(lines[index],
      width - 2 * PAD, "small", measure), "small", said and C.warn or C.dim)
  end
end

-- Draws the list; returns the sizes, for scrolling.
function hearpage.draw(out, view, width, height, measure)
  local sounds = view.explained.sounds
  local title = ("Why %s?"):format(view.explained.tag)
  local top = suggestpage.heading(out, title, ABOUT, width, measure)
  local visible = math.max(ROW, height - top - FOOT)
  local most = math.max(0, #sounds * ROW - visible)
  view.y = math.max(0, math.min(view.y or 0, most))
  for index, sound in ipairs(sounds) do
    local y = top + (index - 1) * ROW - view.y
    if y + ROW > top - ROW and y < height - FOOT then
      row(out, view, index, sound, y, width, measure)
    end
  end
  if view.y > 0 then -- what stuck out above
    out.fill(0, 0, width, top, C.back)
    suggestpage.heading(out, title, ABOUT, width, measure)
  end
  foot(out, view, width, height, measure)
  return { top = top, height = visible, row = ROW, rows = #sounds, names = 0, y_most = most,
    x_most = 0, columns = 1, cell = 0, width = width }
end

return hearpage
