-- @noindex
-- The window while faders are followed: the tags of the mix as it is now, and for each fader what
-- one dB up on it would do. Nothing is drawn here.
--
-- view.live = what the bridge tells of the live mix, with names: {message, start_s, end_s, fresh,
--   tags = {{tag, score, change}}, faders = {{name, up = {{tag, value}}, mute = {{tag, value}}}}}
-- Scores are 0 to 1 there; changes are since the bounce. `view.text` says why nothing came so far.

local shapes = require("shapes")
local words = require("words")

local livepage = {}

local C, PAD = shapes.COLOURS, shapes.PAD
local TITLE, ROW = 46, 26
local NAME, NUMBER = 150, 44
local BAR = 12

local function effects_told(effects)
  local parts = {}
  for _, effect in ipairs(effects) do
    parts[#parts + 1] = effect.tag .. " " .. words.tenths(effect.value)
  end
  return table.concat(parts, "   ")
end

local function heading(out, live, text, width, measure)
  local told = live and live.message ~= "" and live.message or nil
  local head = "Live mix"
  if live and not told then
    head = ("Live mix, %s to %s"):format(words.clock(live.start_s), words.clock(live.end_s))
  end
  out.text(PAD, 8, width - 2 * PAD, 28, head, "title", C.text)
  local from = PAD + measure(head, "title") + 2 * PAD
  local note = told or text
  if note and note ~= "" then
    note = words.fitted(note, width - from - PAD, "small", measure)
    out.text(from, 8, width - from - PAD, 28, note, "small", C.warn)
  end
end

-- One row for a tag: its name, a bar from 0 to 100 points with the change, the numbers.
local function tag_row(out, y, width, tag, measure)
  out.text(PAD, y, NAME, ROW, words.fitted(tag.tag, NAME, "normal", measure), "normal", C.text)
  local x, room = PAD + NAME + 8, math.max(40, width - 2 * PAD - NAME - 2 * NUMBER - 24)
  local bar_y = y + (ROW - BAR) // 2
  local now = math.floor(room * math.max(0, math.min(1, tag.score)))
  local was = math.floor(room * math.max(0, math.min(1, tag.score - tag.change)))
  out.fill(x, bar_y, room, BAR, C.panel)
  out.fill(x, bar_y, math.min(now, was), BAR, C.dim)
  out.fill(x + math.min(now, was), bar_y, math.abs(now - was), BAR,
    tag.change < 0 and C.minus or C.plus)
  out.text(x + room + 8, y, NUMBER, ROW, words.points(tag.score), "bold", C.text, "right")
  local change = words.points(tag.change)
  if change ~= "0" then
    out.text(x + room + 8 + NUMBER, y, NUMBER, ROW, tag.change > 0 and "+" .. change or change,
      "normal", tag.change < 0 and C.minus or C.plus, "right")
  end
end

local function strength(fader)
  return fader.up[1] and math.abs(fader.up[1].value) or 0
end

-- The faders that do most first, as many as there is room for.
local function faders(out, y, width, height, live, measure)
  local order = {}
  for index, fader in ipairs(live.faders) do
    order[index] = fader
  end
  table.sort(order, function(a, b)
    if strength(a) ~= strength(b) then
      return strength(a) > strength(b)
    end
    return a.name < b.name
  end)
  local column = (width - 2 * PAD - NAME - 16) // 2
  local second = PAD + NAME + 8 + column + 8
  local colour = live.fresh and C.text or C.dim
  out.fill(PAD, y, width - 2 * PAD, 1, C.line)
  out.text(PAD + NAME + 8, y + 4, column, 22, "One dB up, in points", "small", C.dim)
  out.text(second, y + 4, column, 22, "Muted", "small", C.dim)
  y = y + 28
  local room = math.max(1, (height - y - PAD) // ROW)
  for index, fader in ipairs(order) do
    if index == room and #order > room then
      out.text(PAD, y, width - 2 * PAD, ROW, ("and %d more"):format(#order - room + 1), "small",
        C.dim)
      break
    end
    if index % 2 == 0 then
      out.fill(0, y, width, ROW, C.stripe)
    end
    out.text(PAD, y, NAME, ROW, words.fitted(fader.name, NAME, "normal", measure), "normal",
      C.text)
    out.text(PAD + NAME + 8, y, column, ROW,
      words.fitted(effects_told(fader.up), column, "normal", measure), "normal", colour)
    out.text(second, y, column, ROW,
      words.fitted(effects_told(fader.mute), column, "normal", measure), "normal", colour)
    y = y + ROW
  end
end

function livepage.draw(out, view, width, height, measure)
  local live = view.live
  heading(out, live, view.text, width, measure)
  if not live then
    return
  end
  local y = TITLE
  local half = math.max(1, (height - TITLE) // 2 // ROW)
  for index, tag in ipairs(live.tags) do
    if index > half then
      break
    end
    tag_row(out, y, width, tag, measure)
    y = y + ROW
  end
  if #live.faders > 0 and height - y > 2 * ROW + 2 * PAD then
    faders(out, y + 8, width, height, live, measure)
  end
end

return livepage
