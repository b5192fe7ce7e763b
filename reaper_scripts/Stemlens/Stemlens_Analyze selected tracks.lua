-- @noindex
-- The same for the selected tracks alone, as if there were no others.

local here = select(2, reaper.get_action_context()):match("^.*[/\\]")
package.path = here .. "lib/?.lua;" .. package.path
require("actions").analyze("selected tracks")
