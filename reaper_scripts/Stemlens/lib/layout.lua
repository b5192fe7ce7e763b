-- @noindex
-- The results window as shapes: tags × tracks, a signed bar in each cell. Nothing is drawn here.
--
-- `layout.compute(view, width, height, measure)` returns shapes in the order of drawing and zones
-- that can be clicked. Lengths are points of the screen before scaling. A share to the right in
-- blue adds to the tag, one to the left in orange takes away: direction and colour both say it, and
-- the two colours are told apart by colour-blind eyes (Okabe and Ito, 2008). All cells share one
-- scale, so that bars can be compared across the whole window. A thin line is the interval.
--
-- view = {state = "waiting" | "results" | "failed" | "notes" | "empty", heading, text, fraction,
--         time, findings,
--         row, column (selected cell), x, y (scrolled by), sorted_by = column or nil, notes}

local layout = {}

layout.COLOURS = {
  back = "1E2125", stripe = "23272C", panel = "282D33", line = "3A4149", text = "ECEFF1",
  dim = "A0A9B2", plus = "56B4E9", minus = "E69F00", whisker = "F4F6F7", chosen = "34404C",
  outline = "ECEFF1", warn = "F0E442",
}
layout.FONTS = {
  title = { size = 18, bold = true }, normal = { size = 14 }, bold = { size = 14, bold = true },
  small = { size = 12 },
}

local C = layout.COLOURS
local PAD = 12
local TITLE, HEADER, ROW, DETAIL = 46, 48, 30, 78
local BAR = 14 -- a bar's height
local NUMBER = 26 -- room for a number beside a bar
local CELL, CELL_MOST = 128, 220
local NAMES, NAMES_MOST = 110, 260
local SCROLL = 6

-- ------------------------------------------------------------------------------------- words

function layout.points(value)
  local whole = math.floor(100 * math.abs(value) + 0.5)
  return (value < 0 and whole > 0) and "−" .. whole or tostring(whole)
end

-- Text in lines that fit a width; words that do not fit by themselves are cut.
function layout.wrapped(text, width, font, measure)
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
function layout.fitted(text, width, font, measure)
  if measure(text, font) <= width then
    return text
  end
  local good = utf8.len(text)
  local count = good or #text
  while count > 0 do
    count = count - 1
    local cut = good and text:sub(1, utf8.offset(text, count + 1) - 1) or text:sub(1, count)
    if measure(cut .. "…", font) <= width then
      return cut .. "…"
    end
  end
  return "…"
end

-- One cell in full sentences.
function layout.told(stem, tag, share)
  local told = ("%s and %s: %s of %s points"):format(stem.name, tag.tag,
    layout.points(share.value), layout.points(tag.score))
  if share.high - share.low > 0.005 then
    told = told .. (", somewhere between %s and %s"):format(layout.points(share.low),
      layout.points(share.high))
  end
  local function moved(value)
    local whole = layout.points(math.abs(value))
    local points = whole == "1" and "1 point" or whole .. " points"
    if whole == "0" then
      return "changes nothing"
    end
    return value < 0 and "takes " .. points .. " away" or "adds " .. points
  end
  return told .. ". ", ("Muting it %s. Alone it %s."):format(moved(share.mute), moved(share.solo))
end

-- -------------------------------------------------------------------------------- what is shown

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
function layout.rows(view)
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

-- Where things are: sizes of the grid and how far it can be scrolled.
function layout.grid(view, width, height, measure)
  local findings = view.findings
  local names = NAMES
  for _, stem in ipairs(findings.stems) do
    names = math.max(names, measure(stem.name, "normal") + 2 * PAD + 4)
  end
  names = math.floor(math.min(names, NAMES_MOST, math.max(NAMES, width * 0.32)))
  local columns, rows = #findings.tags, #findings.stems
  local room = math.max(1, width - names - SCROLL - 4)
  local cell = math.floor(math.min(CELL_MOST, math.max(CELL, room / math.max(1, columns))))
  local top = TITLE + HEADER
  local visible = math.max(ROW, height - top - DETAIL - SCROLL)
  local most = 0.001
  for _, tag in ipairs(findings.tags) do
    for _, share in ipairs(tag.shares) do
      most = math.max(most, math.abs(share.value), math.abs(share.low), math.abs(share.high))
    end
  end
  return {
    names = names, cell = cell, top = top, columns = columns, rows = rows,
    width = room, height = visible, most = most,
    x_most = math.max(0, columns * cell - room), y_most = math.max(0, rows * ROW - visible),
    row = ROW,
  }
end

-- ------------------------------------------------------------------------------------- shapes

local function shapes_and_zones()
  local shapes, zones = {}, {}
  local it = { shapes = shapes, zones = zones }
  function it.fill(x, y, w, h, colour)
    if w > 0 and h > 0 then
      shapes[#shapes + 1] = { kind = "fill", x = x, y = y, w = w, h = h, colour = colour }
    end
  end
  function it.frame(x, y, w, h, colour)
    shapes[#shapes + 1] = { kind = "frame", x = x, y = y, w = w, h = h, colour = colour }
  end
  -- Text in a box, centred in its height; align is "left", "centre" or "right".
  function it.text(x, y, w, h, text, font, colour, align)
    shapes[#shapes + 1] = {
      kind = "text", x = x, y = y, w = w, h = h, text = text, font = font, colour = colour,
      align = align or "left",
    }
  end
  function it.zone(x, y, w, h, action, values)
    local zone = values or {}
    zone.x, zone.y, zone.w, zone.h, zone.action = x, y, w, h, action
    zones[#zones + 1] = zone
  end
  return it
end

local function button(out, x, y, w, text, action)
  out.fill(x, y, w, 28, C.panel)
  out.frame(x, y, w, 28, C.line)
  out.text(x, y, w, 28, text, "normal", C.text, "centre")
  out.zone(x, y, w, 28, action)
end

local function bar(out, grid, x, y, share)
  local half = grid.cell / 2 - NUMBER
  local zero = math.floor(x + grid.cell / 2)
  local function at(value)
    return math.floor(zero + half * value / grid.most + 0.5)
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
  local number = layout.points(share.value)
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
    layout.fitted(findings.project, math.max(80, x - 2 * PAD), "title", measure), "title", C.text)
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
        local first, second = layout.told(stem, tag, share)
        lines = layout.wrapped(first .. second, width - 2 * PAD, "normal", measure)
      end
    end
  end
  local at = y + 8
  for index = 1, math.min(2, #lines) do
    out.text(PAD, at, width - 2 * PAD, 20, layout.fitted(lines[index], width - 2 * PAD, "normal",
      measure), "normal", C.text)
    at = at + 20
  end
  local notes = view.notes or {}
  local note = notes[1] or "Click a track to select it, a tag to sort by it. Arrow keys move, "
    .. "Enter selects, Esc closes."
  if #notes > 1 then
    note = ("%s (and %d more: press N)"):format(note, #notes - 1)
  end
  out.text(PAD, height - 27, width - 2 * PAD, 20, layout.fitted(note, width - 2 * PAD, "small",
    measure), "small", #notes > 0 and C.warn or C.dim)
  if #notes > 0 then
    out.zone(0, height - 27, width, 27, "notes")
  end
end

local function scrollbars(out, view, grid, width)
  if grid.y_most > 0 then
    local whole = grid.rows * ROW
    local length = math.max(24, grid.height * grid.height / whole)
    local at = (grid.height - length) * view.y / grid.y_most
    out.fill(width - SCROLL, grid.top + at, SCROLL - 2, length, C.line)
  end
  if grid.x_most > 0 then
    local whole = grid.columns * grid.cell
    local length = math.max(24, grid.width * grid.width / whole)
    local at = (grid.width - length) * view.x / grid.x_most
    out.fill(grid.names + at, grid.top + grid.height + 1, length, SCROLL - 2, C.line)
  end
end

local function results(out, view, width, height, measure)
  local grid = layout.grid(view, width, height, measure)
  view.x = math.max(0, math.min(view.x or 0, grid.x_most))
  view.y = math.max(0, math.min(view.y or 0, grid.y_most))
  local rows, shares = layout.rows(view), tables(view.findings)
  local bottom = grid.top + grid.height
  -- Cells, then what covers those that stick out: names, tags, title, details.
  for index, stem in ipairs(rows) do
    local y = grid.top + (index - 1) * ROW - view.y
    if y + ROW > grid.top and y < bottom then
      local colour = index == view.row and C.chosen or index % 2 == 0 and C.stripe or C.back
      out.fill(0, y, width, ROW, colour)
      for column = 1, grid.columns do
        local x = grid.names + (column - 1) * grid.cell - view.x
        local share = shares[column][stem.id]
        if share and x + grid.cell > grid.names and x < width then
          bar(out, grid, x, y, share)
          if index == view.row and column == view.column then
            out.frame(x + 1, y + 1, grid.cell - 2, ROW - 2, C.outline)
          end
          out.zone(x, y, grid.cell, ROW, "cell", { row = index, column = column })
        end
      end
      out.fill(0, y, grid.names, ROW, colour)
      local word = stem.kind ~= "track" and stem.kind or ""
      local taken = word ~= "" and measure(word, "small") + 8 or 0
      out.text(PAD, y, grid.names - 2 * PAD - taken, ROW, layout.fitted(stem.name,
        grid.names - 2 * PAD - taken, "normal", measure), "normal", C.text)
      if word ~= "" then
        out.text(PAD, y, grid.names - 2 * PAD, ROW, word, "small", C.dim, "right")
      end
      out.zone(0, y, grid.names, ROW, "row", { row = index })
    end
  end
  out.fill(0, TITLE, width, HEADER, C.panel)
  for column, tag in ipairs(view.findings.tags) do
    local x = grid.names + (column - 1) * grid.cell - view.x
    if x + grid.cell > grid.names and x < width then
      local sorted = view.sorted_by == column and " ▾" or ""
      out.text(x + 2, TITLE + 4, grid.cell - 4, 22, layout.fitted(tag.tag, grid.cell - 20, "bold",
        measure) .. sorted, "bold", C.text, "centre")
      out.text(x + 2, TITLE + 24, grid.cell - 4, 18, layout.points(tag.score) .. " of 100", "small",
        C.dim, "centre")
      out.zone(x, TITLE, grid.cell, HEADER, "tag", { column = column })
    end
  end
  out.fill(0, TITLE, grid.names, HEADER, C.panel)
  out.text(PAD, TITLE, grid.names - PAD, HEADER, "Track", "small", C.dim)
  out.fill(0, TITLE + HEADER - 1, width, 1, C.line)
  out.fill(grid.names - 1, TITLE, 1, HEADER + math.min(grid.height, grid.rows * ROW), C.line)
  out.fill(0, bottom, width, SCROLL, C.back)
  title(out, view, width, measure)
  details(out, view, rows, width, height, measure)
  scrollbars(out, view, grid, width)
  return grid
end

-- A few lines in the middle, with a heading; returns where they end.
local function message(out, width, height, heading, text, measure)
  local room = math.min(560, width - 4 * PAD)
  local lines = layout.wrapped(text, room, "normal", measure)
  local tall = 40 + 20 * #lines
  local x, y = (width - room) // 2, math.max(PAD, (height - tall) // 2 - 30)
  out.text(x, y, room, 28, heading, "title", C.text)
  y = y + 38
  for _, line in ipairs(lines) do
    out.text(x, y, room, 20, line, "normal", C.dim)
    y = y + 20
  end
  return x, y, room
end

local function waiting(out, view, width, height, measure)
  local x, y, room = message(out, width, height, "Stemlens is listening", view.text or "", measure)
  y = y + 14
  out.fill(x, y, room, 8, C.panel)
  if view.fraction then
    out.fill(x, y, math.floor(room * math.max(0, math.min(1, view.fraction))), 8, C.plus)
  else
    local part = (view.time or 0) % 2 / 2
    out.fill(x + math.floor((room - 60) * (part < 0.5 and 2 * part or 2 - 2 * part)), y, 60, 8,
      C.plus)
  end
  button(out, x, y + 26, 150, "Stop the analysis", "cancel")
  out.text(x + 166, y + 26, room - 166, 28, "Esc closes this window; the analysis goes on.",
    "small", C.dim)
end

-- The shapes and zones of a view, and of results the grid.
function layout.compute(view, width, height, measure)
  local out = shapes_and_zones()
  out.fill(0, 0, width, height, C.back)
  local grid
  if view.state == "results" and #view.findings.tags > 0 then
    grid = results(out, view, width, height, measure)
  elseif view.state == "waiting" then
    waiting(out, view, width, height, measure)
  elseif view.state == "failed" or view.state == "notes" then
    local heading = view.state == "notes" and "What you should know" or view.heading
    local x, y = message(out, width, height, heading, view.text, measure)
    button(out, x, y + 16, 90, view.state == "notes" and "Back" or "Close",
      view.state == "notes" and "back" or "close")
  else
    local x, y = message(out, width, height, "Nothing to show yet",
      'Run "Stemlens: Analyze session". When it is done, the shares of all tags are here, track by '
      .. "track.", measure)
    button(out, x, y + 16, 90, "Close", "close")
  end
  return out.shapes, out.zones, grid
end

-- The uppermost zone at a point; zones of covered cells lie below the fixed ones.
function layout.zone_at(zones, x, y, grid, height)
  for index = #zones, 1, -1 do
    local zone = zones[index]
    local inside = x >= zone.x and x < zone.x + zone.w and y >= zone.y and y < zone.y + zone.h
    if inside and grid then
      local in_grid = y >= grid.top and y < grid.top + grid.height
      if (zone.action == "cell" or zone.action == "row") and not in_grid
        or (zone.action == "cell" or zone.action == "tag") and x < grid.names
        or zone.action == "notes" and y < height - 27 then
        inside = false
      end
    end
    if inside then
      return zone
    end
  end
  return nil
end

return layout
