-- @noindex
-- Opens the window with the shares of all tags, track by track.

local here = select(2, reaper.get_action_context()):match("^.*[/\\]")
package.path = here .. "lib/?.lua;" .. package.path
require("actions").show()
