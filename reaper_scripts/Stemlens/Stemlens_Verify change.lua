-- @noindex
-- Bounces again and says whether the suggestion that was applied last keeps its promise.

local here = select(2, reaper.get_action_context()):match("^.*[/\\]")
package.path = here .. "lib/?.lua;" .. package.path
require("actions").verify()
