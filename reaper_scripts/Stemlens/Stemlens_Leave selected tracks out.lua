-- @noindex
-- Makes no stems of the selected tracks and of what is inside them.

local here = select(2, reaper.get_action_context()):match("^.*[/\\]")
package.path = here .. "lib/?.lua;" .. package.path
require("actions").treat("skip")
