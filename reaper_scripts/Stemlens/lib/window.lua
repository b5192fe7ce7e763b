-- @noindex
-- The results window in REAPER's own graphics: draws what `layout` lays out, and hears mouse and
-- keys. It is drawn anew only when something has changed.

local grid = require("grid")
local layout = require("layout")
local project = require("project")
local shapes = require("shapes")

local window = {}
window.__index = window

local SECTION, KEY = "stemlens", "window"
local WIDTH, HEIGHT = 900, 560 -- points, when it is opened for the first time
local FONT_NUMBERS = { title = 1, normal = 2, bold = 3, small = 4 }
local BOLD = string.byte("b")
local ALIGN = { left = 0, centre = 1, right = 2 }
local MIDDLE = 4 -- text flag: centred in the height of its box
local KEYS = {
  [27] = "escape", [13] = "enter",
  [1818584692] = "left", [1919379572] = "right", [30064] = "up", [1685026670] = "down",
  [1885828464] = "page up", [1885824110] = "page down", [1752132965] = "home", [6647396] = "end",
}
for letter in ("abnstv"):gmatch(".") do
  KEYS[letter:byte()], KEYS[letter:upper():byte()] = letter, letter
end
-- What keys and buttons ask of who shows a list, by its page.
local WISHES = {
  suggestions = { a = "before", b = "after", s = "stop", enter = "apply", v = "verify",
    t = "take back" },
  explained = { s = "stop", enter = "play", t = "take back" },
}
local WISHED = { suggestions = true }
for _, keys in pairs(WISHES) do
  for _, wish in pairs(keys) do
    WISHED[wish] = true
  end
end
local CLOSED = -1
local NOTCH = 120 -- what the mouse wheel counts for a notch
-- Pages with room for a note.
local SAYING = { live = true, suggestions = true, verified = true, explained = true }
local SCROLL_INTO_VIEW = 40913 -- Track: Vertical scroll selected tracks into view

-- How many pixels a point of the screen has.
local function scale_of_screen()
  return gfx.ext_retina and gfx.ext_retina > 1 and gfx.ext_retina or 1
end

-- What a length that the window is opened with has to be multiplied by to be in pixels: a Mac takes
-- points, the others take pixels.
local function unit()
  local system = reaper.GetOS()
  return (system:find("OSX") or system:find("macOS")) and scale_of_screen() or 1
end

-- Opens the window where it was last, or as large as it should be on this screen.
function window.open()
  local saved = reaper.GetExtState(SECTION, KEY)
  local w, h, dock, x, y = saved:match("^(%d+) (%d+) (%d+) (%-?%d+) (%-?%d+)$")
  gfx.ext_retina = 1 -- ask for the real pixels of the screen
  gfx.init("Stemlens", tonumber(w) or WIDTH, tonumber(h) or HEIGHT, tonumber(dock) or 0,
    tonumber(x) or 120, tonumber(y) or 120)
  local larger = scale_of_screen() / unit()
  if not w and larger > 1 then
    gfx.init("", math.floor(WIDTH * larger), math.floor(HEIGHT * larger))
  end
  local self = setmetatable({ opened = true, cap = 0, cancel = false }, window)
  self.view = { state = "waiting", text = "", x = 0, y = 0, row = 1, column = 1, notes = {} }
  self.drawn = nil
  return self
end

function window:is_open()
  return self.opened
end

function window:close()
  if self.opened then
    local dock, x, y = gfx.dock(-1, 0, 0, 0, 0)
    reaper.SetExtState(SECTION, KEY, ("%d %d %d %d %d"):format(math.floor(gfx.w / unit()),
      math.floor(gfx.h / unit()), math.floor(dock), math.floor(x), math.floor(y)), true)
    gfx.quit()
    self.opened = false
  end
end

-- --------------------------------------------------------------------------------- what to show

function window:wait_for(text, fraction)
  self.view.state, self.view.text, self.view.fraction = "waiting", text, fraction
  self.cancel = false
end

function window:show(findings, proj)
  self.proj = proj
  self.view.state, self.view.findings = "results", findings
  self.view.notes = {}
  for _, warning in ipairs(findings.warnings or {}) do
    self:note(warning.message)
  end
end

-- Shows what was tried for a goal, as a list to choose from.
function window:suggest(tried, goal)
  local view = self.view
  view.state, view.text = "suggestions", ""
  if view.tried ~= tried then
    view.tried, view.goal, view.row, view.y = tried, goal, 1, 0
  end
end

-- Shows the sounds that explain a tag, as a list to choose from.
function window:explain(found)
  local view = self.view
  view.state, view.text, view.explained, view.row, view.y = "explained", "", found, 1, 0
end

-- Shows whether a promise held.
function window:verified(found)
  self.view.state, self.view.verified, self.view.text = "verified", found, ""
end

-- What the user wishes of what is listed since the last time this was asked; nil for nothing.
function window:wish()
  local wish = self.wished
  self.wished = nil
  return wish
end

-- Shows what is known of the live mix, or with `text` why nothing is.
function window:play(live, text)
  self.view.state, self.view.live, self.view.text = "live", live, text
end

function window:note(text)
  table.insert(self.view.notes, text)
  if SAYING[self.view.state] then
    self.view.text = text
  elseif not self.view.findings then
    self.view.state, self.view.text = "notes", text
  end
end

function window:fail(sentence, heading)
  self.view.state, self.view.text, self.view.heading = "failed", sentence, heading
end

-- Whether the user pressed "Stop the analysis".
function window:cancel_asked()
  return self.cancel
end

-- -------------------------------------------------------------------------------------- drawing

local function use(font)
  gfx.setfont(FONT_NUMBERS[font])
end

local function measure_with(scale)
  return function(text, font)
    use(font)
    local width = gfx.measurestr(text)
    return width / scale
  end
end

local function set_colour(hex)
  gfx.set(tonumber(hex:sub(1, 2), 16) / 255, tonumber(hex:sub(3, 4), 16) / 255,
    tonumber(hex:sub(5, 6), 16) / 255, 1)
end

local function paint(list, scale)
  for _, shape in ipairs(list) do
    local x, y = math.floor(shape.x * scale), math.floor(shape.y * scale)
    local w, h = math.ceil(shape.w * scale), math.ceil(shape.h * scale)
    set_colour(shape.colour)
    if shape.kind == "fill" then
      gfx.rect(x, y, w, h, 1)
    elseif shape.kind == "frame" then
      gfx.rect(x, y, w, h, 0)
    else
      use(shape.font)
      gfx.x, gfx.y = x, y
      gfx.drawstr(shape.text, ALIGN[shape.align] | MIDDLE, x + w, y + h)
    end
  end
end

function window:_fonts(scale)
  if self.font_scale ~= scale then
    self.font_scale = scale
    for name, number in pairs(FONT_NUMBERS) do
      local font = shapes.FONTS[name]
      gfx.setfont(number, "Arial", math.floor(font.size * scale), font.bold and BOLD or 0)
    end
  end
end

-- What is listened to, as a text.
function window:_heard()
  local heard = self.view.heard
  return type(heard) == "table" and heard.rank .. heard.side or heard or ""
end

-- What the picture depends on, to be compared with the last one.
function window:_looks()
  local view = self.view
  local moving = view.state == "waiting" and not view.fraction
    and math.floor(reaper.time_precise() * 20) or 0
  return table.concat({
    gfx.w, gfx.h, scale_of_screen(), view.state, view.text or "", view.fraction or -1,
    view.x, view.y, view.row, view.column, view.sorted_by or 0, #view.notes,
    tostring(view.findings), tostring(view.live), tostring(view.tried), tostring(view.verified),
    tostring(view.explained), view.applied or 0, self:_heard(), moving,
  }, "|")
end

function window:_draw()
  local scale = scale_of_screen()
  self:_fonts(scale)
  local looks = self:_looks()
  if looks == self.drawn then
    return
  end
  self.view.time = reaper.time_precise()
  local list, zones, sizes = layout.compute(self.view, gfx.w / scale, gfx.h / scale,
    measure_with(scale))
  self.zones, self.sizes = zones, sizes
  paint(list, scale)
  self.drawn = looks
end

-- ------------------------------------------------------------------------------ mouse and keys

-- Selects the track of a row in REAPER, if it is there and its project is in front.
function window:_select(row)
  local stem = grid.rows(self.view)[row]
  if not stem or not self.proj or not project.is_open(self.proj)
    or project.current() ~= self.proj then
    return
  end
  local entry = project.tracks_by_id(self.proj)[stem.id]
  if entry then
    reaper.SetOnlyTrackSelected(entry.track)
    reaper.SetMixerScroll(entry.track)
    reaper.Main_OnCommand(SCROLL_INTO_VIEW, 0)
  else
    self:note(('"%s" is no longer there.'):format(stem.name))
  end
end

local function keep_visible(view, sizes)
  local y, x = (view.row - 1) * sizes.row, (view.column - 1) * sizes.cell
  view.y = math.max(math.min(view.y, y), y + sizes.row - sizes.height)
  view.x = math.max(math.min(view.x, x), x + sizes.cell - sizes.width)
end

function window:_move(rows, columns)
  local view, sizes = self.view, self.sizes
  if WISHES[view.state] and sizes then
    view.row = math.max(1, math.min(sizes.rows, view.row + rows))
    local y = (view.row - 1) * sizes.row
    view.y = math.max(math.min(view.y, y), y + sizes.row - sizes.height)
  elseif view.state == "results" and sizes then
    view.row = math.max(1, math.min(sizes.rows, view.row + rows))
    view.column = math.max(1, math.min(sizes.columns, view.column + columns))
    keep_visible(view, sizes)
  end
end

function window:_notes()
  local told = {}
  for _, it in ipairs(self.view.findings and self.view.findings.verdicts or {}) do
    told[#told + 1] = it.sentence
  end
  table.move(self.view.notes, 1, #self.view.notes, #told + 1, told)
  if #told > 0 then
    self.view.state, self.view.text = "notes", table.concat(told, "\n\n")
  end
end

function window:_back()
  if self.view.state == "verified" and self.view.tried then
    self.wished = "suggestions"
  elseif self.view.findings then
    self.view.state = "results"
  else
    self:close()
  end
end

function window:_key(key)
  local wishes = WISHES[self.view.state]
  if wishes and wishes[key] then
    self.wished = wishes[key]
    return
  end
  local page = self.sizes and math.max(1, self.sizes.height // self.sizes.row - 1) or 1
  if key == "escape" then
    if self.view.state == "notes" or self.view.state == "verified" and self.view.tried then
      self:_back()
    else
      self:close()
    end
  elseif key == "up" then
    self:_move(-1, 0)
  elseif key == "down" then
    self:_move(1, 0)
  elseif key == "left" then
    self:_move(0, -1)
  elseif key == "right" then
    self:_move(0, 1)
  elseif key == "page up" then
    self:_move(-page, 0)
  elseif key == "page down" then
    self:_move(page, 0)
  elseif key == "home" then
    self:_move(-math.huge, 0)
  elseif key == "end" then
    self:_move(math.huge, 0)
  elseif key == "enter" and self.view.state == "results" then
    self:_select(self.view.row)
  elseif key == "n" then
    self:_notes()
  end
end

function window:_click(zone)
  local view = self.view
  if zone.action == "cell" or zone.action == "row" then
    view.row, view.column = zone.row, zone.column or view.column
    self:_select(zone.row)
  elseif zone.action == "tag" then
    local chosen = grid.rows(view)[view.row]
    view.column, view.y = zone.column, 0
    view.sorted_by = view.sorted_by ~= zone.column and zone.column or nil
    for row, stem in ipairs(grid.rows(view)) do
      view.row = stem == chosen and row or view.row
    end
  elseif zone.action == "entry" then
    view.row = zone.row
  elseif WISHED[zone.action] then
    self.wished = zone.action
  elseif zone.action == "cancel" then
    self.cancel = true
    view.text = "Stopping"
  elseif zone.action == "close" then
    self:close()
  elseif zone.action == "notes" or zone.action == "verdicts" then
    self:_notes()
  elseif zone.action == "back" then
    self:_back()
  end
end

function window:_mouse()
  local scale = scale_of_screen()
  local pressed = gfx.mouse_cap & 1 == 1 and self.cap & 1 == 0
  self.cap = gfx.mouse_cap
  if gfx.mouse_wheel ~= 0 or gfx.mouse_hwheel ~= 0 then
    self.view.y = self.view.y - gfx.mouse_wheel / NOTCH * 60
    self.view.x = self.view.x + gfx.mouse_hwheel / NOTCH * 80
    gfx.mouse_wheel, gfx.mouse_hwheel = 0, 0
    if self.sizes then
      self.view.x = math.max(0, math.min(self.view.x, self.sizes.x_most))
      self.view.y = math.max(0, math.min(self.view.y, self.sizes.y_most))
    end
  end
  if pressed and self.zones then
    local zone = layout.zone_at(self.zones, gfx.mouse_x / scale, gfx.mouse_y / scale, self.sizes,
      gfx.h / scale)
    if zone then
      self:_click(zone)
    end
  end
end

-- One turn: what the user did since the last, and the picture.
function window:frame()
  local char = gfx.getchar()
  while char > 0 do
    if KEYS[char] then
      self:_key(KEYS[char])
    end
    if not self.opened then
      return
    end
    char = gfx.getchar()
  end
  if char == CLOSED then
    self:close()
    return
  end
  self:_mouse()
  if self.opened then
    self:_draw()
    gfx.update() -- without which REAPER tells nothing new of the mouse
  end
end

return window
