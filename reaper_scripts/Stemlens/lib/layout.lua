-- @noindex
-- The window as shapes: the grid of results, the live mix, or a page of words. Nothing is drawn
-- here.
--
-- `layout.compute(view, width, height, measure)` returns shapes in the order of drawing, zones that
-- can be clicked, and the sizes of the grid. Lengths are points of the screen before scaling.
--
-- view = {state = "waiting" | "results" | "live" | "suggestions" | "verified" | "explained" |
--         "failed" | "notes" | "empty", heading, text, task = what is waited for (nil: the
--         analysis; "search", "explanation"), fraction, time, findings, live,
--         row, column (selected cell), x, y (scrolled by), sorted_by = column or nil, notes}

local grid = require("grid")
local hearpage = require("hearpage")
local livepage = require("livepage")
local shapes = require("shapes")
local suggestpage = require("suggestpage")
local words = require("words")

local layout = {}

local C, PAD = shapes.COLOURS, shapes.PAD

-- A few lines in the middle, with a heading; returns where they end.
local function message(out, width, height, heading, text, measure)
  local room = math.min(560, width - 4 * PAD)
  local lines = words.wrapped(text, room, "normal", measure)
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
  shapes.button(out, x, y + 26, 150, "Stop the " .. (view.task or "analysis"), "cancel")
  out.text(x + 166, y + 26, room - 166, 28, view.task and "Esc closes this window and stops it."
    or "Esc closes this window; the analysis goes on.", "small", C.dim)
end

-- The shapes and zones of a view, and of results the grid.
function layout.compute(view, width, height, measure)
  local out = shapes.picture()
  out.fill(0, 0, width, height, C.back)
  local sizes
  if view.state == "results" and #view.findings.tags > 0 then
    sizes = grid.draw(out, view, width, height, measure)
  elseif view.state == "live" then
    livepage.draw(out, view, width, height, measure)
  elseif view.state == "suggestions" then
    sizes = suggestpage.draw(out, view, width, height, measure)
  elseif view.state == "explained" then
    sizes = hearpage.draw(out, view, width, height, measure)
  elseif view.state == "verified" then
    suggestpage.verified(out, view, width, height, measure)
  elseif view.state == "waiting" then
    waiting(out, view, width, height, measure)
  elseif view.state == "failed" or view.state == "notes" then
    local heading = view.state == "notes" and "What you should know" or view.heading
    local x, y = message(out, width, height, heading, view.text, measure)
    shapes.button(out, x, y + 16, 90, view.state == "notes" and "Back" or "Close",
      view.state == "notes" and "back" or "close")
  else
    local x, y = message(out, width, height, "Nothing to show yet",
      'Run "Stemlens: Analyze session". When it is done, the shares of all tags are here, track by '
      .. "track.", measure)
    shapes.button(out, x, y + 16, 90, "Close", "close")
  end
  return out.shapes, out.zones, sizes
end

-- The uppermost zone at a point; zones of covered cells lie below the fixed ones.
function layout.zone_at(zones, x, y, sizes, height)
  for index = #zones, 1, -1 do
    local zone = zones[index]
    local inside = x >= zone.x and x < zone.x + zone.w and y >= zone.y and y < zone.y + zone.h
    if inside and sizes then
      local in_grid = y >= sizes.top and y < sizes.top + sizes.height
      local covered = zone.action == "cell" or zone.action == "row" or zone.action == "entry"
      if covered and not in_grid
        or (zone.action == "cell" or zone.action == "tag") and x < sizes.names
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
