-- @noindex
-- Tells the server of every move of a fader, mute or solo until it is stopped.

local here = select(2, reaper.get_action_context()):match("^.*[/\\]")
package.path = here .. "lib/?.lua;" .. package.path
require("actions").follow()
