-- @noindex
-- Looks inside each selected folder or bus, even if it has effects.

local here = select(2, reaper.get_action_context()):match("^.*[/\\]")
package.path = here .. "lib/?.lua;" .. package.path
require("actions").treat("open")
