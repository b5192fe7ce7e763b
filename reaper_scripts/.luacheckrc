-- What REAPER's interpreter gives every script: Lua 5.3 (5.4 since 7.0) and two tables of its own.
std = "lua53"
read_globals = { "reaper" }
globals = { "gfx" }
max_line_length = 100
