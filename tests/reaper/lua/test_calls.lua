-- Every call into REAPER, in every script: does the function exist, with so many arguments?

local api = require("api")
local calls = require("calls")
local standin = require("standin")

local tests = {}

local function sources(t)
  local found = {}
  for _, folder in ipairs({ t.scripts, t.scripts .. "/lib" }) do
    for _, name in ipairs(standin.list(folder)) do
      if name:find("%.lua$") then
        found[#found + 1] = { name = name, text = standin.read(folder .. "/" .. name) }
      end
    end
  end
  return found
end

tests["all calls are in REAPER's API with so many arguments"] = function(t)
  local all, uses = {}, 0
  for _, source in ipairs(sources(t)) do
    local wrong, count = calls.check(source.text, api.functions, source.name)
    table.move(wrong, 1, #wrong, #all + 1, all)
    uses = uses + count
  end
  t:equal(all, {})
  assert(uses > 150, "too few calls were found: " .. uses)
end

tests["the checker finds what is wrong"] = function(t)
  local function wrong(source)
    return calls.check(source, api.functions, "x")[1] or ""
  end
  t:equal(wrong("reaper.CountTracks(0)"), "")
  t:has(wrong("reaper.CountTrackz(0)"), "not in REAPER's API")
  t:has(wrong("reaper.CountTracks()"), "at least 1")
  t:has(wrong("reaper.CountTracks(0, 1)"), "at most 1")
  t:has(wrong("local f = reaper.Nothing"), "not in REAPER's API")
  t:has(wrong("local r = reaper"), "as a whole")
  t:has(wrong("gfx.init()"), "at least 1")
  t:has(wrong("gfx.w2 = 3"), "not in REAPER's API")
  t:equal(wrong("gfx.w = 3"), "")
  -- Commas that do not count, and those that do.
  t:equal(wrong("reaper.MB(f(1, 2), '(,', 0)"), "")
  t:equal(wrong("reaper.defer(function() local a, b = 1, 2; if a then g(a, b) end end)"), "")
  t:has(wrong("reaper.MB([[a, b]], {1, 2})"), "at least 3")
  t:equal(wrong("reaper.MB(table.unpack(x))"), "")
  t:equal(wrong("-- reaper.Nothing()\n--[[ reaper.Nothing() ]] local s = 'reaper.Nothing()'"), "")
  t:equal(wrong("self.reaper.Nothing()"), "")
end

tests["a call is also checked as it happens"] = function(t)
  local reaper = t:reaper().reaper
  t:raises("there is no function", function() return reaper.CountTrackz(0) end)
  t:raises("takes 1 to 1", function() reaper.CountTracks() end)
  t:raises("must be MediaTrack", function() reaper.GetTrackGUID("track") end)
  t:raises("must be integer", function() reaper.GetTrack(0, 1.5) end)
end

return tests
