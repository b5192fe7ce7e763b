-- @noindex
-- The results as a grid, tags × tracks, a signed bar in each cell.
--
-- A share to the right adds to the tag, one to the left takes away: direction and colour both say
-- it. All cells share one scale, so that bars can be compared across the whole window. A thin line
-- is the interval.

local shapes = require("shapes")
local words = require("words")

local grid = {}

local C, PAD = shapes.COLOURS, shapes.PAD
local TITLE, HEADER, ROW, DETAIL = 46, 48, 30, 78
local BAR = 14 -- a bar's height
local NUMBER = 26 -- room for a number beside a bar
local CELL, CELL_MOST = 128, 220
local NAMES, NAMES_MOST = 110, 260
local SCROLL = 6
local LINE, VERDICTS = 22, 3 -- a verdict's height, and how many are shown
local VERDICT = 92 -- room for the word
local SIGNS = { heard = C.plus, weak = C.warn, ["not heard"] = C.minus }

-- The share of each stem in each tag: shares[stem id] by column.
local function tables(findings)
  local by_column = {}
  for column, tag in ipairs(findings.tags) do
    by_column[column] = {}
    for _, share in ipairs(tag.shares) do
      by_column[column][share.stem] = share
    end
  end
  return by_column
end

-- The stems in the order of the rows: the DAW's, or by their share of a tag.
function grid.rows(view)
  local rows = {}
  for index, stem in ipairs(view.findings.stems) do
    rows[index] = stem
  end
  if view.sorted_by then
    local shares = tables(view.findings)[view.sorted_by] or {}
    local order = {}
    for index, stem in ipairs(rows) do
      order[stem] = index
    end
    local function worth(stem)
      return shares[stem.id] and shares[stem.id].value or 0
    end
    table.sort(rows, function(a, b)
      if worth(a) ~= worth(b) then
        return worth(a) > worth(b)
      end
      return order[a] < order[b]
    end)
  end
  return rows
end

-- How tall the verdicts are that stand between title and tags.
local function band(findings)
  local count = #(findings.verdicts or {})
  return count > 0 and LINE * math.min(count, VERDICTS) + 8 or 0
end

-- Where things are: sizes of the grid and how far it can be scrolled.
function grid.sizes(view, width, height, measure)
  local findings = view.findings
  local names = NAMES
  for _, stem in ipairs(findings.stems) do
    names = math.max(names, measure(stem.name, "normal") + 2 * PAD + 4)
  end
  names = math.floor(math.min(names, NAMES_MOST, math.max(NAMES, width * 0.32)))
  local columns, rows = #findings.tags, #findings.stems
  local room = math.max(1, width - names - SCROLL - 4)
  local cell = math.floor(math.min(CELL_MOST, math.max(CELL, room / math.max(1, columns))))
  local header = TITLE + band(findings)
  local top = header + HEADER
  local visible = math.max(ROW, height - top - DETAIL - SCROLL)
  local most = 0.001
  for _, tag in ipairs(findings.tags) do
    for _, share in ipairs(tag.shares) do
      most = math.max(most, math.abs(share.value), math.abs(share.low), math.abs(share.high))
    end
  end
  return {
    names = names, cell = cell, header = header, top = top, columns = columns, rows = rows,
    width = room, height = visible, most = most,
    x_most = math.max(0, columns * cell - room), y_most = math.max(0, rows * ROW - visible),
    row = ROW,
  }
end

local function bar(out, sizes, x, y, share)
  local half = sizes.cell / 2 - NUMBER
  local zero = math.floor(x + sizes.cell / 2)
  local function at(value)
    return math.floor(zero + half * value / sizes.most + 0.5)
  end
  local bar_y = y + (ROW - BAR) // 2
  out.fill(zero, y + 3, 1, ROW - 6, C.line)
  local tip = at(share.value)
  local colour = share.value < 0 and C.minus or C.plus
  local left, right = math.min(zero, tip), math.max(zero, tip)
  out.fill(left, bar_y, right - left, BAR, colour)
  local low, high = at(share.low), at(share.high)
  if high - low > 2 then
    out.fill(low, bar_y + BAR // 2, high - low, 1, C.whisker)
    out.fill(low, bar_y + 4, 1, BAR - 8, C.whisker)
    out.fill(high, bar_y + 4, 1, BAR - 8, C.whisker)
  end
  local number = words.points(share.value)
  if number ~= "0" then
    if share.value < 0 then
      out.text(math.min(left, low) - NUMBER - 4, y, NUMBER, ROW, number, "small", C.text, "right")
    else
      out.text(math.max(right, high) + 4, y, NUMBER, ROW, number, "small", C.text, "left")
    end
  end
end

local function title(out, view, width, measure)
  local findings = view.findings
  out.fill(0, 0, width, TITLE, C.back)
  local legend = "points of 100"
  local entries = { { C.plus, "adds" }, { C.minus, "takes away" } }
  local x = width - PAD - measure(legend, "small")
  local least = PAD + 220
  if x > least then
    out.text(x, 0, measure(legend, "small") + 2, TITLE, legend, "small", C.dim)
    for index = #entries, 1, -1 do
      local entry = entries[index]
      x = x - measure(entry[2], "small") - 34
      if x > least then
        out.fill(x, TITLE // 2 - 5, 10, 10, entry[1])
        out.text(x + 15, 0, 120, TITLE, entry[2], "small", C.dim)
      end
    end
  end
  out.text(PAD, 0, math.max(80, x - 2 * PAD), TITLE,
    words.fitted(findings.project, math.max(80, x - 2 * PAD), "title", measure), "title", C.text)
end

-- Whether the mix is heard as it is meant: the word, and the sentence as far as there is room.
local function verdicts(out, view, width, measure)
  local list = view.findings.verdicts or {}
  out.fill(0, TITLE, width, band(view.findings), C.back)
  for index = 1, math.min(VERDICTS, #list) do
    local it, y = list[index], TITLE + LINE * (index - 1)
    local sentence = it.sentence
    if index == VERDICTS and #list > VERDICTS then
      sentence = ("%s (and %d more: press N)"):format(sentence, #list - VERDICTS)
    end
    out.text(PAD, y, VERDICT, LINE, it.verdict, "bold", SIGNS[it.verdict] or C.text)
    out.text(PAD + VERDICT, y, width - 2 * PAD - VERDICT, LINE, words.fitted(sentence,
      width - 2 * PAD - VERDICT, "normal", measure), "normal", C.text)
  end
  if #list > 0 then
    out.zone(0, TITLE, width, band(view.findings), "verdicts")
  end
end

local function details(out, view, rows, width, height, measure)
  local y = height - DETAIL
  out.fill(0, y, width, DETAIL, C.panel)
  out.fill(0, y, width, 1, C.line)
  local stem, tag = rows[view.row or 1], view.findings.tags[view.column or 1]
  local lines = {}
  if stem and tag then
    for _, share in ipairs(tag.shares) do
      if share.stem == stem.id then
        local first, second = words.told(stem, tag, share)
        lines = words.wrapped(first .. second, width - 2 * PAD, "normal", measure)
      end
    end
  end
  local at = y + 8
  for index = 1, math.min(2, #lines) do
    out.text(PAD, at, width - 2 * PAD, 20, words.fitted(lines[index], width - 2 * PAD, "normal",
      measure), "normal", C.text)
    at = at + 20
  end
  local notes = view.notes or {}
  local note = notes[1] or "Click a track to select it, a tag to sort by it. Arrow keys move, "
    .. "Enter selects, Esc closes."
  if #notes > 1 then
    note = ("%s (and %d more: press N)"):format(note, #notes - 1)
  end
  out.text(PAD, height - 27, width - 2 * PAD, 20, words.fitted(note, width - 2 * PAD, "small",
    measure), "small", #notes > 0 and C.warn or C.dim)
  if #notes > 0 then
    out.zone(0, height - 27, width, 27, "notes")
  end
end

local function scrollbars(out, view, sizes, width)
  if sizes.y_most > 0 then
    local whole = sizes.rows * ROW
    local length = math.max(24, sizes.height * sizes.height / whole)
    local at = (sizes.height - length) * view.y / sizes.y_most
    out.fill(width - SCROLL, sizes.top + at, SCROLL - 2, length, C.line)
  end
  if sizes.x_most > 0 then
    local whole = sizes.columns * sizes.cell
    local length = math.max(24, sizes.width * sizes.width / whole)
    local at = (sizes.width - length) * view.x / sizes.x_most
    out.fill(sizes.names + at, sizes.top + sizes.height + 1, length, SCROLL - 2, C.line)
  end
end

-- Draws the results of a view; returns the sizes.
function grid.draw(out, view, width, height, measure)
  local sizes = grid.sizes(view, width, height, measure)
  view.x = math.max(0, math.min(view.x or 0, sizes.x_most))
  view.y = math.max(0, math.min(view.y or 0, sizes.y_most))
  local rows, shares = grid.rows(view), tables(view.findings)
  local bottom = sizes.top + sizes.height
  -- Cells, then what covers those that stick out: names, tags, title, details.
  for index, stem in ipairs(rows) do
    local y = sizes.top + (index - 1) * ROW - view.y
    if y + ROW > sizes.top and y < bottom then
      local colour = index == view.row and C.chosen or index % 2 == 0 and C.stripe or C.back
      out.fill(0, y, width, ROW, colour)
      for column = 1, sizes.columns do
        local x = sizes.names + (column - 1) * sizes.cell - view.x
        local share = shares[column][stem.id]
        if share and x + sizes.cell > sizes.names and x < width then
          bar(out, sizes, x, y, share)
          if index == view.row and column == view.column then
            out.frame(x + 1, y + 1, sizes.cell - 2, ROW - 2, C.outline)
          end
          out.zone(x, y, sizes.cell, ROW, "cell", { row = index, column = column })
        end
      end
      out.fill(0, y, sizes.names, ROW, colour)
      local word = stem.kind ~= "track" and stem.kind or ""
      local taken = word ~= "" and measure(word, "small") + 8 or 0
      out.text(PAD, y, sizes.names - 2 * PAD - taken, ROW, words.fitted(stem.name,
        sizes.names - 2 * PAD - taken, "normal", measure), "normal", C.text)
      if word ~= "" then
        out.text(PAD, y, sizes.names - 2 * PAD, ROW, word, "small", C.dim, "right")
      end
      out.zone(0, y, sizes.names, ROW, "row", { row = index })
    end
  end
  local header = sizes.header
  out.fill(0, header, width, HEADER, C.panel)
  for column, tag in ipairs(view.findings.tags) do
    local x = sizes.names + (column - 1) * sizes.cell - view.x
    if x + sizes.cell > sizes.names and x < width then
      local sorted = view.sorted_by == column and " ▾" or ""
      out.text(x + 2, header + 4, sizes.cell - 4, 22, words.fitted(tag.tag, sizes.cell - 20, "bold",
        measure) .. sorted, "bold", C.text, "centre")
      out.text(x + 2, header + 24, sizes.cell - 4, 18, words.points(tag.score) .. " of 100",
        "small", C.dim, "centre")
      out.zone(x, header, sizes.cell, HEADER, "tag", { column = column })
    end
  end
  out.fill(0, header, sizes.names, HEADER, C.panel)
  out.text(PAD, header, sizes.names - PAD, HEADER, "Track", "small", C.dim)
  out.fill(0, sizes.top - 1, width, 1, C.line)
  out.fill(sizes.names - 1, header, 1, HEADER + math.min(sizes.height, sizes.rows * ROW), C.line)
  out.fill(0, bottom, width, SCROLL, C.back)
  title(out, view, width, measure)
  verdicts(out, view, width, measure)
  details(out, view, rows, width, height, measure)
  scrollbars(out, view, sizes, width)
  return sizes
end

return grid
