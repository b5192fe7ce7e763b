-- The mailbox: a bridge that is missing, dead, deaf, of another version; and what is refused.

local standin = require("standin")

local tests = {}

-- Runs an action until it has failed, and returns what it says: in the window, or, for every other
-- one, in a message box because the window was closed meanwhile.
local function said_by(t, name, closed)
  local reaper = t.rpr
  local script = reaper:run(name)
  if closed then
    table.insert(reaper.keys, 27)
  end
  reaper:until_(name .. " has failed", function()
    return script.over or t:window_is("failed")
  end, 100)
  local said = reaper.window and t:text():gsub("\n", " ") or t:last_message()
  t:close_window()
  reaper:until_("it is over", function() return script.over end)
  return said
end

tests["no bridge was ever installed"] = function(t)
  local reaper = t:reaper({ bridge = false })
  t:band()
  local said = said_by(t, "Analyze session")
  t:has(said, "does not know yet where its bridge is")
  t:has(said, "stemlens-bridge reaper install")
  t:equal(#reaper.started, 0)
end

tests["a bridge of another mailbox is installed, or runs"] = function(t)
  t:reaper({ bridge = { installed_mailbox = 2, version = "0.9" } })
  t:band()
  local said = said_by(t, "Analyze session")
  t:has(said, "different versions (the bridge is 0.9, the scripts are 0.1.0)")
  t:has(said, "reaper install")
  local reaper = t:reaper({ bridge = { mailbox = 2 }, root = t.folder .. "/2" })
  t:band()
  t:has(said_by(t, "Analyze session"), "a bridge of version 0.1.0 is running")
  t:equal(reaper.started[1] ~= nil, true)
end

tests["a bridge that does not start"] = function(t)
  local reaper = t:reaper({ bridge = { broken = true } })
  local band = t:band()
  local said = said_by(t, "Analyze session", true)
  t:has(said, "The bridge does not start")
  t:has(said, reaper.started[1])
  t:equal(#reaper.started, 1)
  t:equal(#reaper.data[band.proj].rendered, 0, "nothing is bounced for nobody")
end

tests["a living bridge is not started again, a dead one is"] = function(t)
  local reaper = t:reaper()
  t:band()
  t:act("Analyze session")
  t:equal(t.bridge.starts, 1)
  t:close_window()
  t:act("Show results")
  t:close_window()
  t:act("Analyze session")
  t:equal(t.bridge.starts, 1)
  t:close_window()
  t.bridge:kill() -- its last beat stays there
  reaper:advance(5)
  t:act("Analyze session")
  t:equal(t.bridge.starts, 2)
  t:equal(t:window_is("results"), true)
end

tests["a bridge that lives but does not answer"] = function(t)
  local reaper = t:reaper({ bridge = { deaf = true } })
  t:band()
  t:has(said_by(t, "Analyze session"), "The bridge does not answer")
  t:equal(reaper.refresh, 0)
end

tests["the server is not there"] = function(t)
  local reaper = t:reaper({ bridge = { server = { reachable = false,
    message = "Nothing listens on 127.0.0.1:9420; start it with 'stemlens serve'." } } })
  local band = t:band()
  t:equal(said_by(t, "Analyze session", true),
    "Nothing listens on 127.0.0.1:9420; start it with 'stemlens serve'.")
  t:equal(#reaper.data[band.proj].rendered, 0)
end

tests["a bridge that dies while a job runs is started again, and asked for the results"] = function(t)
  local reaper = t:reaper({ bridge = { takes_s = 30 } })
  t:band()
  local script = reaper:run("Analyze session")
  reaper:until_("it runs", function() return #t.bridge:of("submit") == 1 end)
  reaper:advance(3)
  t.bridge:kill()
  reaper:until_("it is started again", function() return t.bridge.starts == 2 end)
  reaper:until_("there are results", function() return t:window_is("results") end)
  t:equal(#t.bridge:of("results"), 1)
  t:equal(reaper:is_running(script), true)
end

tests["a job that failed says why"] = function(t)
  t:reaper({ bridge = { fails = { code = "out_of_memory", message = "The machine has no memory left." } } })
  t:band()
  t:equal(said_by(t, "Analyze session", true), "The machine has no memory left.")
end

tests["two stems with the same sound are told by the bridge"] = function(t)
  local reaper = t:reaper()
  local band = t:band()
  local real = reaper.sound
  function reaper.sound(target, state)
    return target.track == reaper.data[band.proj].master and "the mix" or
      state.name == "Guitar" and "a" or state.name == "Bass" and "a" or "b" .. state.name
  end
  t:has(said_by(t, "Analyze session", true), "exactly the same sound for Bass and Guitar")
  t:equal(real, nil)
end

tests["answers are taken away, and half of one is no answer"] = function(t)
  local reaper = t:reaper()
  t:band()
  t:act("Analyze session")
  t:equal(#standin.list(t.bridge.folder .. "/to-bridge"), 0)
  for _, name in ipairs(standin.list(t.bridge.folder .. "/to-reaper")) do
    t:equal(name:find("^job%-") ~= nil or name:find("^findings%-") ~= nil, true, name)
  end
  local box = t:module("mailbox").open("127.0.0.1:9420", function() end)
  local path = t.bridge.folder .. "/to-reaper/x.lua"
  for _, text in ipairs({ "return {ok=tr", "", "return 5", "error('x')", "return os.exit(1)" }) do
    local file = io.open(path, "wb")
    file:write(text)
    file:close()
    t:equal(box:answer("x"), nil, text)
  end
  t:equal(reaper.refresh, 0)
end

tests["a request that nobody answered is taken back"] = function(t)
  local reaper = t:reaper({ bridge = { deaf = true } })
  t:band()
  t.bridge.take = function() end -- does not even read
  t:has(said_by(t, "Analyze session"), "does not answer")
  t:equal(standin.list(t.bridge.folder .. "/to-bridge"), {})
  t:equal(reaper.refresh, 0)
end

tests["requests are taken in the order in which they were made"] = function(t)
  t:reaper()
  local box = t:module("mailbox").open("127.0.0.1:9420", function() end)
  local names = {}
  for _ = 1, 12 do
    box:post("live", { job = "x" })
  end
  for _, name in ipairs(standin.list(t.bridge.folder .. "/to-bridge")) do
    names[#names + 1] = tonumber(name:match("%-(%d+)%-live"))
  end
  t:equal(names, { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 })
end

tests["a full disk is a sentence"] = function(t)
  local reaper = t:reaper()
  t:band()
  reaper.write_fault = "session.json"
  local said = said_by(t, "Analyze session", true)
  t:has(said, "session.json cannot be written (No space left on device)")
end

return tests
