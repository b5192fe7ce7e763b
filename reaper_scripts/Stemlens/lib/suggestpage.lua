-- @noindex
-- The window with suggestions, and with what became of one. Nothing is drawn here.
--
-- view.tried = what the bridge tells of what was tried (schema stemlens.tried/1)
-- view.goal, view.row (of the list), view.heard = {rank, side} or nil, view.applied = rank or nil
-- view.verified = {sentence, tags = {{tag, promised, low, high, real, held}}}
-- view.text = the last thing that was said. Scores and gains are 0 to 1.

local listpage = require("listpage")
local shapes = require("shapes")
local words = require("words")

local suggestpage = {}

local C, PAD = shapes.COLOURS, shapes.PAD
local LINE, ROW = 20, 76
local RANK, GAIN = 30, 130
local HELP = "Up and down choose. A and B listen, S stops, Enter applies, V verifies, T takes "
  .. "back, Esc closes. Gains are in points, with 95 % intervals."
local COLUMNS = { "Tag", "Promised", "Real", "" }

-- A signed change in points, with a digit: "+4.2".
local signed = words.tenths

local function interval(low, high)
  return ("%s to %s"):format(signed(low), signed(high))
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

local function entry(out, view, trial, y, width, measure)
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
  out.text(width - PAD - GAIN, y + 28, GAIN, LINE, interval(trial.low, trial.high),
    "small", C.dim, "right")
end

local function buttons(view)
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
  return list
end

-- Draws the list; returns the sizes, for scrolling.
function suggestpage.draw(out, view, width, height, measure)
  local trials = view.tried.trials
  return listpage.draw(out, view, {
    title = #trials > 0 and ("Suggestions for %s"):format(view.goal)
      or "Nothing that was tried helps",
    sentence = view.tried.suggestion.sentence, entries = trials, row = ROW, draw = entry,
    buttons = buttons(view), help = HELP,
  }, width, height, measure)
end

-- Draws promised and real, side by side.
function suggestpage.verified(out, view, width, height, measure)
  local it = view.verified
  local y = listpage.heading(out, "Did the promise hold?", it.sentence, width, measure)
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
        interval(tag.low, tag.high)), signed(tag.real), held and "held" or "not held" },
        "normal", { C.text, C.text, C.text, held and C.plus or C.minus })
    end
  end
  out.text(PAD, y + 4, width - 2 * PAD, 20, "In points of 100, with 95 % intervals.", "small",
    C.dim)
  listpage.buttons(out, { { "Back", 90, "suggestions" }, { "Close", 90, "close" } }, height - 44)
  if view.text ~= "" then
    out.text(PAD, height - 74, width - 2 * PAD, LINE, words.fitted(view.text, width - 2 * PAD,
      "small", measure), "small", C.warn)
  end
end

return suggestpage
