-- @noindex
-- Asks what is written, where, and how effects returns are bounced.

local here = select(2, reaper.get_action_context()):match("^.*[/\\]")
package.path = here .. "lib/?.lua;" .. package.path
require("actions").settings()
