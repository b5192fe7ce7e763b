-- @noindex
-- Stops the analysis that is under way.

local here = select(2, reaper.get_action_context()):match("^.*[/\\]")
package.path = here .. "lib/?.lua;" .. package.path
require("actions").cancel()
