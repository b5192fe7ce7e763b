-- The settings: what can be typed, what is kept, what the server is told.

local tests = {}

local DEFAULTS = {
  tags = 3, kinds = { "genre", "mood" }, min_share = 3, colour = "no", names = false,
  markers = true, moments = { "peak", "highlight" }, apply = true, returns = "own", keep = 3, tagger = "msd-musicnn",
  server = "127.0.0.1:9420",
}

tests["the defaults are the least intrusive"] = function(t)
  t:reaper({ bridge = false })
  local settings = t:module("settings")
  t:equal(settings.get(), DEFAULTS)
  local options = t:module("json").write(settings.options(settings.get()))
  t:equal(require("json").read(options), { tagger = "msd-musicnn", annotations = { tags = 3,
    kinds = { "genre", "mood" }, min_share = 3.0, colour = "tag", markers = true,
    moments = { "peak", "highlight" } } })
end

tests["what is typed is kept, and reaches the server"] = function(t)
  local reaper = t:reaper()
  t:band()
  reaper.inputs = { { [1] = "1", [2] = "Instruments mood", [4] = "sign", [5] = "YES",
    [7] = "peaks entry", [9] = "with source", [12] = "studio:9999" } }
  reaper:run("Settings")
  local now = t:module("settings").get()
  t:equal({ now.tags, now.kinds, now.colour, now.names, now.returns, now.server },
    { 1, { "instrument", "mood" }, "sign", true, "with source", "studio:9999" })
  reaper:advance(0.2)
  t:act("Analyze session")
  t:has(reaper.started[1], "--server studio:9999")
  t:equal(t.bridge.options.annotations.kinds, { "instrument", "mood" })
  t:equal(t.bridge.options.annotations.moments, { "peak", "entry" })
  t:equal(t.bridge.options.annotations.colour, "sign")
end

tests["what cannot be is said, and asked again with what was typed"] = function(t)
  local reaper = t:reaper({ bridge = false })
  local wrong = {
    { { [1] = "many" }, '"Tags told per track" is "many"; it can be a whole number from 0 to 9.' },
    { { [2] = "genres moods loudness" }, "genre mood instrument voice era quality" },
    { { [7] = "drops" }, "peak entry exit section highlight" },
    { { [12] = "nowhere" }, "host:port" },
    { { [2] = "genre,mood" }, "Use spaces instead of commas" },
  }
  for _, it in ipairs(wrong) do
    reaper.inputs = { it[1], false }
    reaper:run("Settings")
    t:has(t:last_message(), it[2])
  end
  t:equal(t:module("settings").get(), DEFAULTS)
  reaper.inputs = { { [1] = "x", [10] = "7" }, { [1] = "4" } }
  reaper:run("Settings")
  local now = t:module("settings").get()
  t:equal({ now.tags, now.keep }, { 4, 7 }, "what was right the first time need not be typed again")
end

tests["a dialog that was cancelled changes nothing"] = function(t)
  local reaper = t:reaper({ bridge = false })
  reaper.inputs = { false }
  reaper:run("Settings")
  t:equal(reaper.ext, {})
end

tests["what an older version kept and nobody understands counts as its default"] = function(t)
  local reaper = t:reaper({ bridge = false })
  reaper.reaper.SetExtState("stemlens", "tags", "lots", true)
  reaper.reaper.SetExtState("stemlens", "kinds", "smell", true)
  t:equal(t:module("settings").get(), DEFAULTS)
end

tests["another server: the bridge that talks to the former one makes room"] = function(t)
  local reaper = t:reaper()
  t:band()
  t:act("Analyze session")
  t:close_window()
  reaper.inputs = { { [12] = "127.0.0.1:9999" } }
  reaper:run("Settings")
  reaper:advance(1)
  t:equal(#t.bridge:of("bye"), 1)
  t:act("Analyze session")
  t:has(reaper.started[2], "--server 127.0.0.1:9999")
end

return tests
