-- Analyze again: only what changed is bounced, and what was not is borrowed from the last bounce.

local standin = require("standin")

local tests = {}

local function again(t, change)
  local reaper = t.rpr
  reaper:user(reaper.front, "edit", change)
  t:act("Analyze again")
  t:close_window()
  local rendered = reaper.data[reaper.front].rendered
  return rendered[#rendered].names, rendered[#rendered]
end

tests["a change of one track is a bounce of its stem and the mix"] = function(t)
  local reaper, band = t:analysed()
  local before = t.bridge.session
  t:equal(again(t, function() reaper:state(band.bass).fx = { { name = "eq" } } end),
    { "MASTER", "Bass" })
  local session = t.bridge.session
  t:equal(#session.stems, 4)
  t:equal(session.stems[2].path, "stem-4.wav")
  t:has(session.stems[1].path, "../reaper-")
  t:has(session.stems[1].path, "/stem-1.wav")
  t:equal(session.mix, "stem-0.wav")
  t:equal(before.stems[1].path, "stem-1.wav")
  t:equal(#reaper.messages, 1, "the list has not changed, so nobody is asked again")
end

tests["a fader, a child, what feeds a return: each counts for the stems that it is heard in"] = function(t)
  local reaper, band = t:analysed()
  t:equal(again(t, function() reaper:state(band.bass).values.D_VOL = 0.5 end), { "MASTER", "Bass" })
  t:equal(again(t, function() reaper:state(band.kick).values.D_PAN = 0.5 end),
    { "MASTER", "Drums" })
  t:equal(again(t, function() reaper:state(band.guitar).items[1].from = 1 end),
    { "MASTER", "Guitar", "Reverb" })
  t:equal(again(t, function() reaper:state(band.guitar).sends[1].D_VOL = 0.1 end),
    { "MASTER", "Reverb" })
end

tests["a VCA fader counts for what it works on"] = function(t)
  local reaper, band = t:analysed()
  reaper:state(band.bass).groups = { VOLUME_VCA_FOLLOW = 1 }
  reaper:state(band.ideas).groups = { VOLUME_VCA_LEAD = 1 }
  again(t, function() end)
  t:equal(again(t, function() reaper:state(band.ideas).values.D_VOL = 0.5 end), { "MASTER", "Bass" })
end

tests["what cannot be heard is no change"] = function(t)
  local reaper, band, it = t:analysed()
  reaper:user(band.proj, "look", function()
    local bass = reaper:state(band.bass)
    bass.values.I_CUSTOMCOLOR, bass.name, bass.shown = 0x1000007, "Sub", true
    bass.notes, bass.ext.other = "hm", "1"
    bass.items[1].selected = true
    reaper:state(band.drums).shown = true
    reaper:track(band.proj, "Empty", { items = {}, at = 1 })
    it.selection = { [band.bass] = true }
    -- The plain folder ends one track later.
    reaper:state(band.guitar).values.I_FOLDERDEPTH = 0
    reaper:track(band.proj, "Nothing", { items = {}, folder = -1, at = 8 })
  end)
  t:act("Analyze again")
  t:equal(#it.rendered, 1)
  t:has(t:text(), "No stem has changed")
  t:equal(t:window_is("results"), true)
end

tests["a note that is selected sounds as before, one that is moved does not"] = function(t)
  local reaper, band, it = t:analysed()
  local item = reaper:state(band.bass).items[1]
  item.events = "E 480 90 3c 60\nEm 480 80 3c 00"
  t:equal(again(t, function() end), { "MASTER", "Bass" })
  reaper:user(band.proj, "select", function() item.events = "e 480 90 3c 60\nem 480 80 3c 00" end)
  t:act("Analyze again")
  t:close_window()
  t:equal(#it.rendered, 2)
  t:equal(again(t, function() item.events = "e 481 90 3c 60\nem 480 80 3c 00" end),
    { "MASTER", "Bass" })
end

tests["a track with a huge state keeps REAPER waiting no longer than a small one"] = function(t)
  local reaper, band = t:analysed()
  reaper:state(band.bass).items[1].events = ("E 480 90 3c 60\n"):rep(20000)
  local fingerprint, pauses = t:module("fingerprint"), 0
  reaper.tick = 0.004
  local once = fingerprint.tracks(band.proj, function() pauses = pauses + 1 end)
  t:equal(pauses >= 10, true)
  t:equal(fingerprint.tracks(band.proj, function() end), once)
  reaper.tick = 0.02
  t:equal(fingerprint.tracks(band.proj, function()
    if reaper.data[band.proj].open then
      reaper:close_project(band.proj)
    end
  end), {})
end

tests["another tempo or length changes everything"] = function(t)
  local reaper, _, it = t:analysed()
  t:equal(#again(t, function() it.tempo.bpm = 100 end), 5)
  t:equal(#again(t, function() it.length = 9 end), 5)
  reaper.reaper.SetExtState("stemlens", "returns", "with source", true)
  again(t, function() end)
  t:equal(it.rendered[#it.rendered - 1].numbers.RENDER_SETTINGS, 128)
  t:equal(it.rendered[#it.rendered - 1].names, { "Drums", "Bass", "Guitar" })
  t:has(t:last_message(), "Reverb (printed with its source)", "the list changed, so it is shown")
end

tests["leaving a track out may change what it feeds, so all is bounced again"] = function(t)
  local reaper, band, it = t:analysed()
  it.selection = { [band.bass] = true }
  reaper:run("Leave selected tracks out")
  t:equal(again(t, function() end), { "MASTER", "Drums", "Guitar", "Reverb" })
  t:equal(again(t, function() reaper:state(band.guitar).values.D_VOL = 0.5 end),
    { "MASTER", "Guitar", "Reverb" })
end

tests["a file of the last bounce that is gone is bounced again"] = function(t)
  local _, band, it = t:analysed()
  local home = t.folder .. "/recordings/Stemlens bounces"
  os.remove(home .. "/" .. standin.list(home, "d")[1] .. "/stem-4.wav")
  t:equal(again(t, function() end), { "MASTER", "Bass" })
  t:equal({ #it.rendered, band ~= nil }, { 2, true })
end

tests["what was deleted is no stem any more, what is new is one"] = function(t)
  local reaper, band, it = t:analysed()
  t:equal(again(t, function()
    table.remove(it.state.tracks, 4)
    reaper:track(band.proj, "Choir")
  end), { "MASTER", "Choir" })
  t:equal(#t.bridge.session.stems, 4)
  t:equal(#reaper.messages, 2, "and the list is shown anew")
end

tests["a borrowed file survives as long as something borrows it"] = function(t)
  local reaper, band = t:analysed()
  reaper.reaper.SetExtState("stemlens", "keep", "1", true)
  for index = 1, 4 do
    again(t, function() reaper:state(band.bass).values.D_VOL = 0.9 / index end)
    reaper:advance(2)
  end
  t:equal(t.bridge.refused, nil)
  local home = t.folder .. "/recordings/Stemlens bounces"
  t:equal(#standin.list(home, "d"), 2, "the first, which has the rest, and the newest")
end

tests["again without a bounce before is the first one; a time selection keeps its time"] = function(t)
  local reaper = t:reaper()
  local band = t:band()
  local it = reaper.data[band.proj]
  t:act("Analyze again")
  t:close_window()
  t:equal(#it.rendered[1].names, 5)
  it.loop = { 2, 6 }
  t:act("Analyze time selection")
  t:close_window()
  t:equal(t.bridge.session.start_s, 2.0)
  it.loop = { 0, 0 }
  local names, pass = again(t, function() reaper:state(band.bass).values.D_VOL = 0.3 end)
  t:equal({ names, pass.from, pass.to, t.bridge.session.start_s },
    { { "MASTER", "Bass" }, 2, 6, 2.0 })
end

return tests
