-- @noindex
-- A page that is a list to choose from: a title with a sentence above, buttons and a line of help
-- below, and between them the entries, which scroll. Nothing is drawn here.
--
-- page = {title, sentence, entries, row = the height of one, buttons = {{text, width, action}},
--         help, draw = function(out, view, entry, y, width, measure)}
-- view.row (of the list), view.y (scrolled by), view.text = the last thing that was said.

local shapes = require("shapes")
local words = require("words")

local listpage = {}

local C, PAD = shapes.COLOURS, shapes.PAD
local TITLE, LINE, FOOT = 46, 20, 96
local LINES = 2 -- of what was said

-- A title with a sentence below it; returns where they end.
function listpage.heading(out, text, sentence, width, measure)
  out.text(PAD, 8, width - 2 * PAD, 28, words.fitted(text, width - 2 * PAD, "title", measure),
    "title", C.text)
  local y = TITLE
  for _, line in ipairs(words.wrapped(sentence, width - 2 * PAD, "normal", measure)) do
    out.text(PAD, y, width - 2 * PAD, LINE, line, "normal", C.dim)
    y = y + LINE
  end
  return y + 8
end

-- Buttons in a row: {text, width, action}.
function listpage.buttons(out, list, y)
  local x = PAD
  for _, it in ipairs(list) do
    shapes.button(out, x, y, it[2], it[1], it[3])
    x = x + it[2] + 8
  end
end

local function entry(out, view, page, index, y, width, measure)
  local back = index == view.row and C.chosen or index % 2 == 0 and C.stripe or C.back
  out.fill(0, y, width, page.row, back)
  page.draw(out, view, page.entries[index], y, width, measure)
  out.zone(0, y, width, page.row, "entry", { row = index })
end

local function foot(out, view, page, width, height, measure)
  local y, room = height - FOOT, width - 2 * PAD
  out.fill(0, y, width, FOOT, C.panel)
  out.fill(0, y, width, 1, C.line)
  listpage.buttons(out, page.buttons, y + 10)
  local said = view.text ~= ""
  local lines = words.wrapped(said and view.text or page.help, room, "small", measure)
  for index = 1, math.min(LINES, #lines) do
    out.text(PAD, y + 46 + LINE * (index - 1), room, LINE, words.fitted(lines[index], room, "small",
      measure), "small", said and C.warn or C.dim)
  end
end

-- Draws the page; returns the sizes, for scrolling.
function listpage.draw(out, view, page, width, height, measure)
  local top = listpage.heading(out, page.title, page.sentence, width, measure)
  local visible = math.max(page.row, height - top - FOOT)
  local most = math.max(0, #page.entries * page.row - visible)
  view.y = math.max(0, math.min(view.y or 0, most))
  for index = 1, #page.entries do
    local y = top + (index - 1) * page.row - view.y
    if y > top - 2 * page.row and y < height - FOOT then
      entry(out, view, page, index, y, width, measure)
    end
  end
  if view.y > 0 then -- what stuck out above
    out.fill(0, 0, width, top, C.back)
    listpage.heading(out, page.title, page.sentence, width, measure)
  end
  foot(out, view, page, width, height, measure)
  return { top = top, height = visible, row = page.row, rows = #page.entries, names = 0,
    y_most = most, x_most = 0, columns = 1, cell = 0, width = width }
end

return listpage
