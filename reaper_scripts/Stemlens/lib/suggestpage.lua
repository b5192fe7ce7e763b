-- @noindex
-- The window with suggestions, and with what became of one. Nothing is drawn here.
--
-- view.tried = what the bridge tells of what was tried (schema stemlens.tried/1)
-- view.goal, view.row (of the list), view.heard = {rank, side} or nil, view.applied = rank or nil
-- view.verified = {sentence, tags = {{tag, promised, low, high, real, held}}}
-- view.text = the last thing that was said. Scores and gains are 0 to 1.

local shapes = require("shapes")
local words = require("words")

local suggestpage = {}

local C, PAD = shapes.COLOURS, shapes.PAD
local TITLE, LINE, ROW, FOOT = 46, 20, 76, 96
local RANK, GAIN = 30, 130
local COLUMNS = { "Tag", "Promised", "Real", "" }

-- A signed change in points, with a digit: "+4.2".
local signed = words.tenths

function suggestpage.interval(low, high)
  return ("%s to %s"):format(signed(low), signed(high))
end

-- A title with a sentence below it; returns where they end.
function suggestpage.heading(out, text, sentence, width, measure)
  out.text(PAD, 8, width - 2 * PAD, 28, words.fitted(text, width - 2 * PAD, "title", measure),
    "title", C.text)
  local y = TITLE
  for _, line in ipairs(words.wrapped(sentence, width - 2 * PAD, "normal", measure)) do
    out.text(PAD, y, width - 2 * PAD, LINE, line, "normal", C.dim)
    y = y + LINE
  end
  return y + 8
end

local function marks(trial, view)
  local found = {}
  if trial.verify == 1 then
    found[#found + 1] = "verify by bounce"
  end
  if trial.heard == 0 then
    found[#found + 1] = "the tagger cannot hear it"
  end
  if view.applied == trial.rank then
    found[#found + 1] = "applied"
  end
  if view.heard and view.heard.rank == trial.rank then
    found[#found + 1] = "playing: " .. view.heard.side
  end
  return table.concat(found, " · ")
end

local function row(out, view, index, trial, y, width, measure)
  local back = index == view.row and C.chosen or index % 2 == 0 and C.stripe or C.back
  out.fill(0, y, width, ROW, back)
  local x, room = PAD + RANK, width - 3 * PAD - RANK - GAIN
  out.text(PAD, y + 6, RANK, LINE, tostring(trial.rank), "bold", C.dim)
  out.text(x, y + 6, room, LINE, words.fitted(trial.words, room, "bold", measure), "bold", C.text)
  out.text(x, y + 28, room, LINE, words.fitted(trial.sentence, room, "normal", measure), "normal",
    C.text)
  local third, marked = trial.audible, marks(trial, view)
  if marked ~= "" then
    out.text(x, y + 50, room, LINE, marked, "small", C.warn, "right")
    third = words.fitted(third, room - measure(marked, "small") - PAD, "small", measure)
  end
  out.text(x, y + 50, room, LINE, words.fitted(third, room, "small", measure), "small", C.dim)
  out.text(width - PAD - GAIN, y + 6, GAIN, LINE, signed(trial.gain), "bold",
    trial.gain < 0 and C.minus or C.plus, "right")
  out.text(width - PAD - GAIN, y + 28, GAIN, LINE, suggestpage.interval(trial.low, trial.high),
    "small", C.dim, "right")
  out.zone(0, y, width, ROW, "entry", { row = index })
end

-- Buttons in a row: {text, width, action}.
function suggestpage.buttons(out, list, y)
  local x = PAD
  for _, it in ipairs(list) do
    shapes.button(out, x, y, it[2], it[1], it[3])
    x = x + it[2] + 8
  end
end

local function foot(out, view, width, height, measure)
  local y = height - FOOT
  out.fill(0, y, width, FOOT, C.panel)
  out.fill(0, y, width, 1, C.line)
  local trial = view.tried.trials[view.row]
  local list = {}
  if trial then
    list = { { "A: before", 100, "before" }, { "B: after", 100, "after" } }
    if view.heard then
      list[#list + 1] = { "Stop", 70, "stop" }
    end
    if not view.applied then
      list[#list + 1] = { "Apply", 90, "apply" }
    end
  end
  if view.applied then
    list[#list + 1] = { "Verify", 90, "verify" }
    list[#list + 1] = { "Take back", 100, "take back" }
  end
  list[#list + 1] = { "Close", 80, "close" }
  suggestpage.buttons(out, list, y + 10)
  local help = view.text ~= "" and view.text or "Up and down choose. A and B listen, S stops, "
    .. "Enter applies, V verifies, T takes back, Esc closes. Gains are in points, with 95 % "
    .. "intervals."
  local lines = words.wrapped(help, width - 2 * PAD, "small", measure)
  for index = 1, math.min(2, #lines) do
    out.text(PAD, y + 46 + 20 * (index - 1), width - 2 * PAD, LINE, words.fitted(lines[index],
      width - 2 * PAD, "small", measure), "small", view.text ~= "" and C.warn or C.dim)
  end
end

-- Draws the list; returns the sizes, for scrolling.
function suggestpage.draw(out, view, width, height, measure)
  local suggestion, trials = view.tried.suggestion, view.tried.trials
  local title = #trials > 0 and ("Suggestions for %s"):format(view.goal)
    or "Nothing that was tried helps"
  local top = suggestpage.heading(out, title, suggestion.sentence, width, measure)
  local visible = math.max(ROW, height - top - FOOT)
  local most = math.max(0, #trials * ROW - visible)
  view.y = math.max(0, math.min(view.y or 0, most))
  for index, trial in ipairs(trials) do
    local y = top + (index - 1) * ROW - view.y
    if y + ROW > top - ROW and y < height - FOOT then
      row(out, view, index, trial, y, width, measure)
    end
  end
  if view.y > 0 then -- what stuck out above
    out.fill(0, 0, width, top, C.back)
    suggestpage.heading(out, title, suggestion.sentence, width, measure)
  end
  foot(out, view, width, height, measure)
  return { top = top, height = visible, row = ROW, rows = #trials, names = 0, y_most = most,
    x_most = 0, columns = 1, cell = 0, width = width }
end

-- Draws promised and real, side by side.
function suggestpage.verified(out, view, width, height, measure)
  local it = view.verified
  local y = suggestpage.heading(out, "Did the promise hold?", it.sentence, width, measure)
  local column = math.min(220, (width - 2 * PAD) // #COLUMNS)
  local function line(texts, font, colours)
    for index, text in ipairs(texts) do
      out.text(PAD + (index - 1) * column, y, column - 8, 26, words.fitted(text, column - 8, font,
        measure), font, colours[index] or C.text)
    end
    y = y + 26
  end
  line(COLUMNS, "small", { C.dim, C.dim, C.dim, C.dim })
  out.fill(PAD, y, width - 2 * PAD, 1, C.line)
  for _, tag in ipairs(it.tags) do
    if y + 26 < height - 90 then
      local held = tag.held == 1
      line({ tag.tag, ("%s (%s)"):format(signed(tag.promised),
        suggestpage.interval(tag.low, tag.high)), signed(tag.real), held and "held" or "not held" },
        "normal", { C.text, C.text, C.text, held and C.plus or C.minus })
    end
  end
  out.text(PAD, y + 4, width - 2 * PAD, 20, "In points of 100, with 95 % intervals.", "small",
    C.dim)
  suggestpage.buttons(out, { { "Back", 90, "suggestions" }, { "Close", 90, "close" } }, height - 44)
  if view.text ~= "" then
    out.text(PAD, height - 74, width - 2 * PAD, LINE, words.fitted(view.text, width - 2 * PAD,
      "small", measure), "small", C.warn)
  end
end

return suggestpage
