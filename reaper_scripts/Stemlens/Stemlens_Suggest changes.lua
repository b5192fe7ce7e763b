-- @noindex
-- Asks for a goal, shows changes that were tried and bring the mix nearer to it, and applies one.

local here = select(2, reaper.get_action_context()):match("^.*[/\\]")
package.path = here .. "lib/?.lua;" .. package.path
require("actions").suggest()
