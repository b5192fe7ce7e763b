-- @noindex
-- Asks for a tag, and puts the sounds that explain it on tracks of their own, to be listened to.

local here = select(2, reaper.get_action_context()):match("^.*[/\\]")
package.path = here .. "lib/?.lua;" .. package.path
require("actions").hear()
