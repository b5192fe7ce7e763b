-- @noindex
-- The window with the sounds that explain a tag. Nothing is drawn here.
--
-- view.explained = what the bridge tells of it (schema stemlens.explained/1)
-- view.row (of the list), view.heard = the name of the sound that plays, or nil
-- view.text = the last thing that was said. Scores are 0 to 1, times seconds.

local listpage = require("listpage")
local shapes = require("shapes")
local words = require("words")

local hearpage = {}

local C, PAD = shapes.COLOURS, shapes.PAD
local LINE, ROW = 20, 72
local LINES = 2 -- of a sentence
local SCORE = 110
local ABOUT = "The sounds lie muted on tracks of their own behind all others, equally loud, where "
  .. "they belong in the song. They are no part of your mix and are never bounced."
local HELP = "Up and down choose. Enter plays, S stops, T takes the tracks away, Esc closes and "
  .. "leaves them."

local function entry(out, view, sound, y, width, measure)
  local room = width - 3 * PAD - SCORE
  local title = ("%s, %s to %s"):format(sound.name, words.clock(sound.start_s),
    words.clock(sound.end_s))
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
end

local function buttons(view)
  local list = { { "Play", 80, "play" } }
  if view.heard then
    list[#list + 1] = { "Stop", 70, "stop" }
  end
  list[#list + 1] = { "Take back", 100, "take back" }
  list[#list + 1] = { "Close", 80, "close" }
  return list
end

-- Draws the list; returns the sizes, for scrolling.
function hearpage.draw(out, view, width, height, measure)
  return listpage.draw(out, view, { title = ("Why %s?"):format(view.explained.tag),
    sentence = ABOUT, entries = view.explained.sounds, row = ROW, draw = entry,
    buttons = buttons(view), help = HELP }, width, height, measure)
end

return hearpage
