-- The routing of the tests' band as the scripts hand it to the bridge, as JSON on the output.
--
--   lua5.4 facts.lua FOLDER [SELECTED TRACK …]

local here = arg[0]:match("^(.*)/") or "."
package.path = here .. "/support/?.lua"

local case = require("case")
local t = case.new(here, arg[1])
local reaper = t:reaper({ bridge = false })
local band = t:band()
local only = arg[2] and {} or nil
for index = 2, #arg do
  only[reaper:state(band[arg[index]]).guid] = true
end
local routing = t:module("routing")
print(t:module("json").write({
  tracks = routing.tracks(band.proj, 0, 8), choices = routing.choices(band.proj, only),
}))
