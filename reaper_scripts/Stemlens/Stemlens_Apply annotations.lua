-- @noindex
-- Writes the last results of the project on its tracks once more.

local here = select(2, reaper.get_action_context()):match("^.*[/\\]")
package.path = here .. "lib/?.lua;" .. package.path
require("actions").apply()
