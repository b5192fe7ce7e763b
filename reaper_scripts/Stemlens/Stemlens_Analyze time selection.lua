-- @noindex
-- The same for the time selection.

local here = select(2, reaper.get_action_context()):match("^.*[/\\]")
package.path = here .. "lib/?.lua;" .. package.path
require("actions").analyze("time selection")
