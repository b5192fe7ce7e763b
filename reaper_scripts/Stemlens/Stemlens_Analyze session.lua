-- @noindex
-- Bounces all stems of the project, has them analysed and writes the answers on the tracks.

local here = select(2, reaper.get_action_context()):match("^.*[/\\]")
package.path = here .. "lib/?.lua;" .. package.path
require("actions").analyze("session")
