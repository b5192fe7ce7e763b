-- The settings: what can be typed, what is kept, what the server is told.

local tests = {}

local DEFAULTS = {
  tags = 3, kinds = { "top", "genre", "mood" }, min_share = 3, colour = "no", names = false,
  markers = true, moments = { "peak", "highlight" }, apply = true, returns = "own", keep = 3,
  tagger = "msd-musicnn", intended = {},
  server = "127.0.0.1:9420",
}

-- A REAPER without a bridge, with a song.
local function plain(t)
  local reaper = t:reaper({ bridge = false })
  reaper:project({ name = "Song" })
  return reaper
end

tests["the defaults are the least intrusive"] = function(t)
  plain(t)
  local settings = t:module("settings")
  t:equal(settings.get(), DEFAULTS)
  local options = t:module("json").write(settings.options(settings.get()))
  t:equal(require("json").read(options), { tagger = "msd-musicnn", annotations = { tags = 3,
    kinds = { "top", "genre", "mood" }, min_share = 3.0, colour = "tag", markers = true,
    moments = { "peak", "highlight" } } })
end

tests["what is typed is kept, and reaches the server"] = function(t)
  local reaper = t:reaper()
  t:band()
  reaper.inputs = { { [1] = "1", [2] = "Instruments mood", [4] = "sign", [5] = "YES",
    [7] = "peaks entry", [9] = "with source", [13] = "studio:9999" } }
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
  t:equal(t.bridge.options.intended, nil)
end

tests["as what a song is meant is kept with the song, and reaches the server"] = function(t)
  local reaper = t:reaper()
  local band = t:band()
  reaper.inputs = { { [12] = " rock;hip-hop  easy_listening " } }
  reaper:run("Settings")
  t:act("Analyze session")
  t:equal(t.bridge.options.intended, "rock, hip-hop, easy_listening")
  t:close_window()
  local other = reaper:project({ name = "Other" })
  t:equal(t:module("settings").get().intended, {}, "another song is meant otherwise")
  reaper:to_front(band.proj)
  t:act("Remove all annotations")
  t:equal(#t:module("settings").get().intended, 3)
  reaper.inputs = { {} }
  reaper:run("Settings")
  t:equal(#t:module("settings").get().intended, 3, "what stands there is agreed to")
  reaper.inputs = { { [12] = "" } }
  reaper:run("Settings")
  t:equal(t:module("settings").get().intended, {})
  t:equal(other ~= band.proj, true)
end

tests["what the server is told otherwise is a new analysis, though no stem has changed"] = function(t)
  local reaper, band = t:analysed()
  reaper.inputs = { { [12] = "rock" } }
  reaper:run("Settings")
  t:act("Analyze again")
  t:close_window()
  local rendered = reaper.data[band.proj].rendered
  t:equal(rendered[#rendered].names, { "MASTER" }, "the stems are those of the last bounce")
  t:equal({ #t.bridge:of("submit"), t.bridge.options.intended, #t.bridge.session.stems },
    { 2, "rock", 4 })
  reaper:advance(61)
  t:act("Analyze again")
  t:equal(t:sees("No stem has changed"), true)
end

tests["a tag that nobody knows is what the server says of it"] = function(t)
  local reaper = t:reaper({ bridge = { fails = { code = "bad_options",
    message = 'The option intended: no tag is called "rok"; did you mean rock?' } } })
  t:band()
  reaper.inputs = { { [12] = "rok" } }
  reaper:run("Settings")
  t:act("Analyze session")
  t:equal(t:sees("did you mean rock?"), true)
end

tests["what cannot be is said, and asked again with what was typed"] = function(t)
  local reaper = plain(t)
  local wrong = {
    { { [1] = "many" }, '"Tags told per track" is "many"; it can be a whole number from 0 to 9.' },
    { { [2] = "genres moods loudness" }, "top genre mood instrument voice era quality" },
    { { [7] = "drops" }, "peak entry exit section highlight" },
    { { [13] = "nowhere" }, "host:port" },
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
  local reaper = plain(t)
  reaper.inputs = { false }
  reaper:run("Settings")
  t:equal(reaper.ext, {})
end

tests["what an older version kept and nobody understands counts as its default"] = function(t)
  local reaper = plain(t)
  reaper.reaper.SetExtState("stemlens", "tags", "lots", true)
  reaper.reaper.SetExtState("stemlens", "kinds", "smell", true)
  t:equal(t:module("settings").get(), DEFAULTS)
end

tests["another server: the bridge that talks to the former one makes room"] = function(t)
  local reaper = t:reaper()
  t:band()
  t:act("Analyze session")
  t:close_window()
  reaper.inputs = { { [13] = "127.0.0.1:9999" } }
  reaper:run("Settings")
  reaper:advance(1)
  t:equal(#t.bridge:of("bye"), 1)
  t:act("Analyze session")
  t:has(reaper.started[2], "--server 127.0.0.1:9999")
end

return tests
