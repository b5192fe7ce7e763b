-- @noindex
-- Adds all other Stemlens actions to the action list. Needed once, where the installer could not.

local here = select(2, reaper.get_action_context()):match("^.*[/\\]")
local own = select(2, reaper.get_action_context()):match("[^/\\]*$")

local names = {}
local index = 0
reaper.EnumerateFiles(here, -1) -- REAPER remembers what was there; now it looks again
while true do
  local name = reaper.EnumerateFiles(here, index)
  if not name then
    break
  end
  if name:match("^Stemlens_.*%.lua$") and name ~= own then
    names[#names + 1] = name
  end
  index = index + 1
end
table.sort(names)

local refused = {}
for at, name in ipairs(names) do
  -- The list of actions is saved once, with the last one.
  if reaper.AddRemoveReaScript(true, 0, here .. name, at == #names) == 0 then
    refused[#refused + 1] = name
  end
end

if #names == 0 then
  reaper.MB("There are no Stemlens actions in " .. here .. ".", "Stemlens", 0)
elseif #refused > 0 then
  local which = table.concat(refused, "\n")
  reaper.MB("REAPER did not take these actions:\n\n" .. which, "Stemlens", 0)
else
  local where = "They are in the action list: type Stemlens into its filter."
  reaper.MB(#names .. " actions were added. " .. where, "Stemlens", 0)
end
