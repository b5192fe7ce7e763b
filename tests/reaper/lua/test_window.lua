-- The results window: what it shows, what a click or a key does, and that nothing is drawn twice.

local demo = require("demo")
local picture = require("picture")

local tests = {}

local function ready(t, findings, options)
  local reaper = t:reaper(options or { bridge = false })
  local proj = reaper:project({ name = "Demo" })
  local by_id = {}
  for _, stem in ipairs(demo.stems) do
    local track = reaper:track(proj, stem.name)
    reaper:state(track).guid = stem.id
    by_id[stem.id] = track
  end
  local window = t:module("window").open()
  reaper.gfx = t.env.gfx
  window:show(findings or demo, proj)
  window:frame()
  return reaper, window, by_id, proj
end

local function place(reaper, text)
  for _, call in ipairs(reaper.frame) do
    if call.kind == "text" and call.text == text then
      return call.x + 3, (call.y + call.bottom) / 2
    end
  end
  error("there is no text " .. text, 2)
end

local function click(reaper, window, x, y)
  local gfx = reaper.gfx
  gfx.mouse_x, gfx.mouse_y, gfx.mouse_cap = x, y, 1
  window:frame()
  gfx.mouse_cap = 0
  window:frame()
end

local function selected(reaper, proj)
  for track in pairs(reaper.data[proj].selection) do
    return reaper:state(track).name
  end
end

local KEY = { left = 1818584692, right = 1919379572, up = 30064, down = 1685026670, enter = 13,
  escape = 27, ["end"] = 6647396, home = 1752132965, page_down = 1885824110, n = 110 }

local function press(reaper, window, ...)
  for _, key in ipairs({ ... }) do
    table.insert(reaper.keys, KEY[key])
  end
  window:frame()
end

tests["every track and tag, shares as bars to their side"] = function(t)
  local reaper = ready(t)
  for _, text in ipairs({ "Demo", "Drums", "Overdriven guitar", "rock", "21 of 100", "adds",
    "takes away", "points of 100" }) do
    t:equal(t:sees(text), true, text)
  end
  -- The bars of the row of the drums: blue to the right of zero, orange to the left.
  local _, y = place(reaper, "Drums")
  local blue, orange = 0, 0
  for _, call in ipairs(reaper.frame) do
    if call.kind == "rect" and math.abs(call.y + call.h / 2 - y) < 2 and call.h == 14 then
      if call.colour[3] > 0.9 then
        blue = blue + call.w
      elseif call.colour[1] > 0.85 then
        orange = orange + call.w
      end
    end
  end
  t:equal({ blue > 40, orange > 40 }, { true, true })
end

tests["no share is a number with a plus, which would read as decibels"] = function(t)
  ready(t)
  t:equal(t:text():find("+", 1, true), nil)
end

tests["a click selects the track in REAPER, a click on a tag sorts by it"] = function(t)
  local reaper, window, _, proj = ready(t)
  click(reaper, window, place(reaper, "Bass"))
  t:equal(selected(reaper, proj), "Bass")
  t:equal(reaper.commands, { 40913 })
  t:has(t:text(), "Bass and guitar: 14 of 35 points")
  click(reaper, window, place(reaper, "rock"))
  local _, guitar = place(reaper, "Overdriven guitar")
  local _, bass = place(reaper, "Bass")
  local _, drums = place(reaper, "Drums")
  t:equal(guitar < bass and bass < drums, true)
  t:has(t:text(), "Bass and rock: 8 of 21 points") -- the chosen track stays chosen
  click(reaper, window, place(reaper, "Overdriven guitar"))
  t:equal(selected(reaper, proj), "Overdriven guitar")
  click(reaper, window, place(reaper, "rock ▾"))
  local _, first = place(reaper, "Drums")
  t:equal(first < select(2, place(reaper, "Bass")), true)
end

tests["keys: arrows move, Enter selects, Esc closes"] = function(t)
  local reaper, window, _, proj = ready(t)
  press(reaper, window, "down", "down", "right")
  t:has(t:text(), "Electric piano and pop:")
  t:equal(selected(reaper, proj), nil)
  press(reaper, window, "enter")
  t:equal(selected(reaper, proj), "Electric piano")
  press(reaper, window, "end", "end", "right", "right", "right", "right", "right", "right", "right", "right")
  t:has(t:text(), "Strings and singing")
  press(reaper, window, "home", "left", "up")
  t:has(t:text(), "Drums and")
  press(reaper, window, "escape")
  t:equal({ window:is_open(), reaper.window }, { false, false })
end

tests["a cell in full sentences"] = function(t)
  t:reaper({ bridge = false })
  local words = t:module("words")
  local function told(share, score)
    local first, second = words.told({ name = "Bass" }, { tag = "rock", score = score }, share)
    return first .. second
  end
  t:equal(told({ value = 0.21, low = 0.18, high = 0.24, mute = -0.09, solo = 0.3 }, 0.63),
    "Bass and rock: 21 of 63 points, somewhere between 18 and 24. Muting it takes 9 points away. "
    .. "Alone it adds 30 points.")
  t:equal(told({ value = -0.04, low = -0.04, high = -0.04, mute = 0.001, solo = -0.02 }, 0.1),
    "Bass and rock: −4 of 10 points. Muting it changes nothing. Alone it takes 2 points away.")
  t:equal({ words.points(-0.004), words.points(0.005), words.points(-0.995) },
    { "0", "1", "−100" })
end

tests["a long name is cut where it does not fit, between letters"] = function(t)
  t:reaper({ bridge = false })
  local words, measured = t:module("words"), 0
  local function measure(text)
    measured = measured + 1
    return utf8.len(text) or #text
  end
  t:equal(words.fitted("Gr\u{fc}\u{df}e", 5, "normal", measure), "Gr\u{fc}\u{df}e")
  t:equal(words.fitted("Gr\u{fc}\u{df}e", 4, "normal", measure), "Gr\u{fc}…")
  t:equal({ words.fitted("abc", 1, "normal", measure), words.fitted("abc", 0, "normal", measure) },
    { "…", "…" })
  t:equal(words.fitted("caf\xe9 noir", 4, "normal", function(text) return #text - 2 end), "caf…")
  measured = 0
  t:equal(#words.fitted(("x"):rep(5000), 100, "normal", measure), 99 + #"…")
  t:equal(measured < 20, true, "and quickly")
end

-- Forty tracks and thirty tags.
local function many()
  local it = { project = "Long", stems = {}, tags = {}, notes = {}, markers = {}, warnings = {} }
  for index = 1, 40 do
    it.stems[index] = { id = "s" .. index, name = ("Track %d äöü 🎸"):format(index), kind = "track" }
  end
  for column = 1, 30 do
    local shares = {}
    for index = 1, 40 do
      shares[index] = { stem = "s" .. index, value = 0.01 * (index - 20), low = -0.3, high = 0.3,
        mute = 0, solo = 0 }
    end
    it.tags[column] = { tag = "tag " .. column, kind = "genre", score = 0.5, baseline = 0,
      shares = shares }
  end
  return it
end

tests["many tracks and tags scroll, by wheel and by keys, and never too far"] = function(t)
  local reaper, window = ready(t, many())
  t:equal({ t:sees("Track 2 äöü"), t:sees("Track 40"), t:sees("tag 30") }, { true, false, false })
  reaper.gfx.mouse_wheel = -100000
  window:frame()
  t:equal({ t:sees("Track 2 äöü"), t:sees("Track 40") }, { false, true })
  reaper.gfx.mouse_wheel, reaper.gfx.mouse_hwheel = 100000, 100000
  window:frame()
  t:equal({ t:sees("Track 2 äöü"), t:sees("tag 30"), t:sees("tag 1") }, { true, true, true })
  press(reaper, window, "end")
  t:equal(t:sees("Track 40"), true)
  press(reaper, window, "home", "page_down")
  t:has(t:text(), "Track 12 äöü 🎸 and")
end

tests["what is covered by names and headings cannot be clicked"] = function(t)
  local reaper, window, _, proj = ready(t, many())
  reaper.gfx.mouse_wheel = -30 -- half a row
  window:frame()
  click(reaper, window, 300, 20) -- the title
  click(reaper, window, 300, 540) -- the details
  click(reaper, window, 300, 487) -- their upper edge, with half a row behind it
  reaper.gfx.mouse_hwheel = 60
  window:frame()
  click(reaper, window, 100, 70) -- the corner, with half a tag behind it
  t:equal(window.view.row, 1)
  t:equal({ #reaper.commands, selected(reaper, proj) }, { 0 })
  click(reaper, window, 300, 70) -- a tag, though a row lies behind it
  t:equal({ window.view.row, window.view.sorted_by }, { 40, 2 }, "the chosen track went to the end")
end

tests["it fits windows from tiny to huge"] = function(t)
  local reaper, window = ready(t, many())
  for _, size in ipairs({ { 200, 120 }, { 320, 200 }, { 600, 1200 }, { 3000, 1500 }, { 1, 1 } }) do
    reaper.gfx.w, reaper.gfx.h = size[1], size[2]
    window:frame()
    for _, call in ipairs(reaper.frame) do
      assert(call.kind ~= "rect" or (call.w >= 0 and call.h >= 0), "a rectangle inside out")
    end
  end
end

tests["a screen with two pixels to a point: the same picture, twice as large"] = function(t)
  local reaper, window, _, proj = ready(t, nil, { bridge = false })
  local x, y = place(reaper, "Bass")
  local small = #reaper.frame
  window:close()
  reaper.retina, reaper.frame, reaper.os = 2, nil, "OSX64"
  local large = t:module("window").open()
  large:show(demo, proj)
  large:frame()
  t:equal(#reaper.frame, small)
  local x2, y2 = place(reaper, "Bass")
  t:equal({ x2 - 3, y2 }, { 2 * (x - 3), 2 * y })
  click(reaper, large, x2, y2)
  t:equal(selected(reaper, proj), "Bass")
end

tests["a window comes back as large as it was on a screen of any system"] = function(t)
  local reaper = t:reaper({ bridge = false })
  reaper:project({ name = "Demo" })
  for system, first in pairs({ OSX64 = "900 560", ["macOS-arm64"] = "900 560", Win64 = "1350 840",
    Other = "1350 840" }) do
    reaper.os, reaper.retina, reaper.ext["stemlens/window"] = system, 1.5, nil
    for _ = 1, 3 do
      local window = t:module("window").open()
      t:equal({ t.env.gfx.w, t.env.gfx.h }, { 1350, 840 }, system)
      window:close()
      t:equal(reaper.ext["stemlens/window"][1], first .. " 0 120 120", system)
    end
  end
end

tests["it is drawn only when something has changed"] = function(t)
  local reaper, window = ready(t)
  local frames = reaper.frames
  for _ = 1, 30 do
    reaper.clock = reaper.clock + 0.033
    window:frame()
  end
  t:equal(reaper.frames, frames)
  reaper.gfx.w = 700
  window:frame()
  t:equal(reaper.frames, frames + 1)
end

tests["waiting shows what goes on and how far it is, and moves where nobody knows"] = function(t)
  local reaper, window = ready(t)
  window:wait_for("Reading the routing", nil)
  window:frame()
  t:equal({ t:sees("Stemlens is listening"), t:sees("Reading the routing"),
    t:sees("Stop the analysis") }, { true, true, true })
  local frames = reaper.frames
  reaper.clock = reaper.clock + 0.1
  window:frame()
  t:equal(reaper.frames, frames + 1)
  window:wait_for("Tagging", 0.5)
  window:frame()
  local widths = {}
  for _, call in ipairs(reaper.frame) do
    if call.kind == "rect" and call.h == 8 then
      widths[#widths + 1] = call.w
    end
  end
  t:equal(widths[2] * 2, widths[1])
end

tests["warnings are told, all of them on request"] = function(t)
  local it = { project = "Demo", stems = demo.stems, tags = demo.tags, warnings = {
    { code = "a", message = "The stems differ from the mix by −31 dB." },
    { code = "b", message = "Two tracks are silent." } } }
  local reaper, window = ready(t, it)
  t:has(t:text(), "The stems differ from the mix by −31 dB. (and 1 more: press N)")
  press(reaper, window, "n")
  t:equal({ t:window_is("notes"), t:sees("Two tracks are silent.") }, { true, true })
  press(reaper, window, "escape")
  t:equal(t:window_is("results"), true)
end

tests["a result without tags, and one for tracks that are gone"] = function(t)
  local reaper, window = ready(t, { project = "x", stems = {}, tags = {}, warnings = {} })
  t:equal(t:window_is("empty"), true)
  press(reaper, window, "down", "enter", "left")
  window:show(many(), reaper.front)
  window:frame()
  click(reaper, window, place(reaper, "Track 2 äöü 🎸"))
  t:has(t:text(), "is no longer there")
  -- And another project in front: nothing is selected in the wrong one.
  local other = reaper:project({ name = "Other" })
  reaper:track(other, "Bass")
  window:show(demo, reaper.projects[1])
  window:frame()
  click(reaper, window, place(reaper, "Bass"))
  t:equal(reaper.data[other].selection, {})
end

tests["it comes back where it was"] = function(t)
  local reaper, window = ready(t)
  reaper.gfx.w, reaper.gfx.h = 777, 333
  window:close()
  t:equal(reaper.ext["stemlens/window"], { "777 333 0 120 120", true })
  t:module("window").open()
  t:equal({ reaper.gfx.w, reaper.gfx.h }, { 777, 333 })
end

tests["the picture for the manual is the one that is drawn"] = function(t)
  local reaper = ready(t)
  local svg = picture.svg(reaper.frame, reaper.gfx.w, reaper.gfx.h)
  t:has(svg, ">Overdriven guitar</text>")
  t:has(svg, "</svg>")
end

-- --------------------------------------------------------------------------------- verdicts

local function judged(t, verdicts)
  local reaper = t:reaper()
  t:band()
  t.bridge.findings = function(id, session)
    local found = getmetatable(t.bridge).__index.found(id, session)
    found.verdicts = verdicts
    return found
  end
  return reaper
end

local function verdict(tag, word)
  return { tag = tag, verdict = word, score = 0.3, sentence = ("%s: %s, 30 of 100."):format(tag,
    word) }
end

tests["whether the mix is heard as it is meant stands at the top"] = function(t)
  local reaper = judged(t, { verdict("rock", "heard"), verdict("sad", "not heard") })
  t:act("Analyze session")
  t:equal({ t:sees("rock: heard, 30 of 100."), t:sees("sad: not heard, 30 of 100.") },
    { true, true })
  local rows = {}
  for _, call in ipairs(reaper.frame) do
    if call.kind == "text" then
      rows[call.text] = call.y
    end
  end
  t:equal({ rows["rock: heard, 30 of 100."] < rows["sad: not heard, 30 of 100."],
    rows["sad: not heard, 30 of 100."] < rows.Track, rows.Track < rows.Drums },
    { true, true, true })
  t:click("rock: heard, 30 of 100.")
  t:equal({ t:window_is("notes"), t:sees("sad: not heard, 30 of 100.") }, { true, true })
end

tests["more verdicts than there is room for are counted, and all told by N"] = function(t)
  local reaper = judged(t, { verdict("rock", "heard"), verdict("sad", "weak"),
    verdict("60s", "weak"), verdict("pop", "heard"), verdict("folk", "not heard") })
  t:act("Analyze session")
  t:equal({ t:sees("(and 2 more: press N)"), t:sees("folk: not heard") }, { true, false })
  t:press("n")
  t:equal(t:sees("folk: not heard, 30 of 100."), true)
end

tests["where the window was closed the verdicts are the last word"] = function(t)
  local reaper = judged(t, { verdict("rock", "heard"), verdict("sad", "not heard") })
  local script = reaper:run("Analyze session")
  reaper:until_("it is at work", function() return #t.bridge:of("submit") > 0 end)
  t:close_window()
  reaper:until_("it is over", function() return script.over end)
  t:equal(t:last_message(), "rock: heard, 30 of 100.\n\nsad: not heard, 30 of 100.")
end

return tests
