-- @noindex
-- Takes everything of ours out of the project, which is then as it was.

local here = select(2, reaper.get_action_context()):match("^.*[/\\]")
package.path = here .. "lib/?.lua;" .. package.path
require("actions").remove()
