-- The package: headers, versions, and that every action runs in a REAPER without anything.

local standin = require("standin")

local tests = {}

local function lua_files(folder)
  local found = {}
  for _, name in ipairs(standin.list(folder)) do
    if name:find("%.lua$") then
      found[#found + 1] = name
    end
  end
  return found
end

tests["one package; everything else is provided by it"] = function(t)
  t:reaper({ bridge = false })
  local head = standin.read(t.scripts .. "/Stemlens.lua")
  for _, tag in ipairs({ "@description", "@version", "@author", "@about", "@provides" }) do
    t:has(head, tag)
  end
  for _, folder in ipairs({ t.scripts, t.scripts .. "/lib" }) do
    for _, name in ipairs(lua_files(folder)) do
      if name ~= "Stemlens.lua" then
        t:equal(standin.read(folder .. "/" .. name):match("^[^\n]*"), "-- @noindex", name)
      end
    end
  end
end

tests["scripts and package are of the same version"] = function(t)
  t:reaper({ bridge = false })
  local head = standin.read(t.scripts .. "/Stemlens.lua")
  t:equal(t:module("version").scripts, head:match("@version (%S+)"))
end

tests["every action says something sensible in an empty REAPER"] = function(t)
  for index, name in ipairs(lua_files(t:reaper({ bridge = false }) and t.scripts)) do
    local action = name:match("^Stemlens_(.+)%.lua$")
    if action and action ~= "Register actions" then
      local reaper = t:reaper({ bridge = false, sws = false, root = t.folder .. "/" .. index })
      reaper:project({ name = "" })
      reaper.inputs = { false }
      local script = reaper:run(action)
      reaper:until_("it says something", function()
        return script.over or t:window_is("failed")
      end)
      local said = (reaper.window and t:text() or "") .. t:last_message()
      t:equal(said:find("fault of its own"), nil, action)
      t:close_window()
      t:equal(script.over, true, action)
    end
  end
end

tests["the actions can be registered"] = function(t)
  local reaper = t:reaper({ bridge = false })
  reaper:run("Register actions")
  t:has(t:last_message(), #reaper.registered .. " actions were added")
  t:equal(#reaper.registered, #lua_files(t.scripts) - 2, "all but the package and itself")
end

tests["nothing that only newer Lua knows"] = function(t)
  t:reaper({ bridge = false })
  for _, folder in ipairs({ t.scripts, t.scripts .. "/lib" }) do
    for _, name in ipairs(lua_files(folder)) do
      local source = standin.read(folder .. "/" .. name)
      t:equal(source:find("<const>") or source:find("<close>") or source:find("warn%("), nil, name)
    end
  end
end

return tests
