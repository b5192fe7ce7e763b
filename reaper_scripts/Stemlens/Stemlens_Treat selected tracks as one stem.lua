-- @noindex
-- Keeps each selected folder or bus together, with everything inside.

local here = select(2, reaper.get_action_context()):match("^.*[/\\]")
package.path = here .. "lib/?.lua;" .. package.path
require("actions").treat("one")
