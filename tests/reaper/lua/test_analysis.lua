-- The whole way: plan, agreement, bounce, results, annotations, and taking them away again.

local standin = require("standin")

local tests = {}

tests["a session is bounced, analysed and annotated, and nothing else is changed"] = function(t)
  local reaper = t:reaper()
  local band = t:band()
  reaper:state(band.bass).notes = "tuned down\nto D"
  reaper:state(band.bass).values.I_SOLO = 2
  reaper.data[band.proj].selection = { [band.click] = true }
  reaper:settle(band.proj)
  local before = reaper:picture(band.proj)
  t:act("Analyze session")

  t:equal(#reaper.data[band.proj].rendered, 1, "passes")
  local pass = reaper.data[band.proj].rendered[1]
  t:equal(pass.names, { "MASTER", "Drums", "Bass", "Guitar", "Reverb" }, "what was rendered")
  t:equal({ pass.from, pass.to }, { 0, 8 }, "the time")
  t:equal(pass.strings.RENDER_FORMAT, "ZXZhdyAAAQ==", "format")
  t:equal({ pass.master_fx, pass.solo, pass.numbers.RENDER_NORMALIZE, pass.numbers.RENDER_ADDTOPROJ,
    pass.numbers.RENDER_TAILFLAG, pass.numbers.RENDER_CHANNELS }, { 0, false, 0, 0, 0, 2 })

  local session = t.bridge.session
  t:equal(t.bridge.refused, nil)
  t:equal(session.mix_bypassed, true)
  t:equal(session.project, "Song")
  t:equal(#session.stems, 4)
  t:equal(session.stems[1].kind, "bus")
  t:equal(#session.stems[1].inside, 2)
  t:equal(session.stems[3].group, "Band")
  t:equal(session.stems[3].feeds, { reaper:state(band.reverb).guid })
  t:equal(session.stems[4].kind, "return")
  t:equal(session.tempo, { { start_s = 0.0, bpm = 120.0, numerator = 4, denominator = 4 } })

  local bass = reaper:state(band.bass)
  t:equal(bass.notes, "tuned down\nto D\n[Stemlens] rock: 22 of 63 points (muting it: −9) "
    .. "[/Stemlens]")
  t:equal(bass.ext.stemlens ~= nil, true)
  t:equal(reaper:state(band.kick).ext.stemlens, nil, "a track inside a stem")
  t:equal(t:track_names(reaper.data[band.proj])[4], "Bass", "names are left alone unless asked for")
  t:equal(bass.values.I_CUSTOMCOLOR, 0)
  local markers = reaper.data[band.proj].state.markers
  t:equal({ #markers, markers[1].name, markers[1].from, markers[1].to, markers[1].region },
    { 1, "stemlens: Drums: +21 points of rock", 1.5, 4.5, true })
  t:equal(t:window_is("results"), true)
  t:close_window()

  t:act("Remove all annotations")
  local after = reaper:picture(band.proj)
  local same, key = standin.same(before, after)
  t:equal(same, true, "the project is as it was, but for " .. tostring(key))
  t:equal(#reaper.data[band.proj].undo, 3, "one undo step for each change")
  reaper:undo(band.proj)
  t:has(reaper:state(band.bass).notes, "rock: 22 of 63")
  reaper:undo(band.proj)
  t:equal(reaper:state(band.bass).notes, "tuned down\nto D")
  t:equal(#reaper.data[band.proj].state.markers, 0)
end

-- Runs an action until it is over or its window says that it failed; what is said.
local function said_by(t, name)
  local reaper = t.rpr
  local script = reaper:run(name)
  reaper:until_(name .. " says something", function()
    return script.over or t:window_is("failed") or t:window_is("notes")
  end)
  local said = reaper.window and t:text():gsub("\n", " ") or t:last_message()
  t:close_window()
  return said
end

tests["what there is nothing to analyse of is said in a sentence"] = function(t)
  local reaper = t:reaper()
  local proj = reaper:project({ name = "Empty" })
  t:has(said_by(t, "Analyze session"), "There are no tracks in this project")
  reaper:track(proj, "Click", { values = { B_MUTE = 1 } })
  t:has(said_by(t, "Analyze selected tracks"), "No tracks are selected")
  t:has(said_by(t, "Analyze time selection"), "There is no time selection")
  t:has(said_by(t, "Analyze session"), "skipped: Click (muted)")
  reaper.data[proj].length = 0
  t:has(said_by(t, "Analyze session"), "The project is empty")
  t:has(said_by(t, "Show results"), 'There are no results for "Empty" yet')
  t:has(said_by(t, "Apply annotations"), 'There are no results for "Empty" yet')
  t:has(said_by(t, "Follow faders"), 'There is no bounce of "Empty" to follow')
  t:has(said_by(t, "Cancel analysis"), "No analysis is under way")
  t:equal(#reaper.data[proj].rendered, 0)
end

tests["selected tracks are analysed as if there were no others, without a mix"] = function(t)
  local reaper = t:reaper()
  local band = t:band()
  local it = reaper.data[band.proj]
  it.selection = { [band.kick] = true, [band.bass] = true }
  t:act("Analyze selected tracks")
  t:equal(it.rendered[1].names, { "Kick", "Bass" })
  t:equal(it.rendered[1].numbers.RENDER_SETTINGS, 3)
  t:equal({ t.bridge.session.mix, t.bridge.session.mix_bypassed }, {})
  t:equal(it.selection, { [band.kick] = true, [band.bass] = true })
end

tests["a track that was left out is no part of the mix either"] = function(t)
  local reaper = t:reaper()
  local band = t:band()
  local it = reaper.data[band.proj]
  it.selection = { [band.bass] = true }
  reaper:run("Leave selected tracks out")
  local before = reaper:picture(band.proj).undoable.states
  t:act("Analyze session")
  t:equal(it.rendered[1].names, { "MASTER", "Drums", "Guitar", "Reverb" })
  t:equal(it.rendered[1].muted, { "Bass", "Click" })
  t:act("Remove all annotations")
  t:equal(reaper:picture(band.proj).undoable.states, before)
end

tests["a time selection is in project time"] = function(t)
  local reaper = t:reaper()
  local band = t:band()
  reaper.data[band.proj].loop = { 2.5, 6 }
  t:act("Analyze time selection")
  t:equal({ t.bridge.session.start_s, reaper.data[band.proj].rendered[1].from }, { 2.5, 2.5 })
  t:equal(reaper.data[band.proj].state.markers[1].from, 4.0)
end

tests["who does not agree to the list gets nothing bounced, and no complaint"] = function(t)
  local reaper = t:reaper()
  local band = t:band()
  reaper.answers[1] = 2
  local script = reaper:run("Analyze session")
  table.insert(reaper.keys, 27)
  reaper:until_("over", function() return script.over end)
  t:equal(#reaper.messages, 1)
  t:act("Analyze session")
  t:equal({ t:window_is("stopped"), t:sees("Nothing was bounced.") }, { true, true })
  t:close_window()
  t:equal(#reaper.data[band.proj].rendered, 0)
  t:equal(reaper.ext["stemlens/running"], nil)
  t:equal(reaper:picture(band.proj).ext, {})
  t:has(t:last_message(), "4 stems: Drums, Bass, Guitar, Reverb; skipped: Click (muted)")
  t:has(t:last_message(), "of audio in all")
  reaper.answers[1] = 1
  t:act("Analyze session")
  t:close_window()
  reaper:advance(2)
  t:act("Analyze session")
  t:equal(#reaper.messages, 3, "who agreed once is not asked about the same list again")
end

tests["a list of very many stems still fits a message box"] = function(t)
  local reaper = t:reaper()
  local proj = reaper:project({ name = "Orchestra" })
  for index = 1, 200 do
    reaper:track(proj, "Gr\u{fc}ner \u{1f3bb} " .. index)
  end
  t:act("Analyze session")
  local said = reaper.messages[1].text
  t:equal({ #said < 2200, utf8.len(said) ~= nil }, { true, true })
  t:has(said, "200 stems and the mix")
end

tests["a recording is not ended, and a master in mono not bounced"] = function(t)
  local reaper = t:reaper()
  local band = t:band()
  local it = reaper.data[band.proj]
  it.transport = 5
  t:has(said_by(t, "Analyze session"), "REAPER is recording")
  it.transport, it.mono = 1, true
  t:has(said_by(t, "Analyze session"), "The master is switched to mono")
  it.selection = { [band.bass] = true }
  t:act("Analyze selected tracks") -- without a mix
  t:equal(it.rendered[1].names, { "Bass" })
  t:close_window()
  -- Begun while the bridge was asked.
  it.mono = false
  reaper:run("Analyze session")
  it.transport = 5
  reaper:until_("it says so", function() return t:window_is("failed") end)
  t:equal(#it.rendered, 1)
end

tests["a disk that is full is told before anything is rendered"] = function(t)
  local reaper = t:reaper()
  local band = t:band()
  reaper.data[band.proj].free_mb = 300
  t:has(said_by(t, "Analyze session"), "Make room, or analyse a time selection")
  t:equal(#reaper.data[band.proj].rendered, 0)
end

tests["cancelled while it waits: by the action, by the window, before the bounce"] = function(t)
  local reaper = t:reaper({ bridge = { takes_s = 1000 } })
  local band = t:band()
  local it = reaper.data[band.proj]
  local script = reaper:run("Analyze session")
  reaper:until_("it runs", function() return #t.bridge:of("submit") == 1 end)
  reaper:run("Cancel analysis")
  reaper:until_("it stops", function() return t:window_is("stopped") end)
  t:has(t:text(), "The analysis was stopped")
  t:close_window()
  reaper:until_("over", function() return script.over end)
  reaper:advance(1)
  t:equal(t.bridge.jobs[t.bridge:of("submit")[1].job].state, "cancelled")
  t:equal(#it.state.markers, 0)

  script = reaper:run("Analyze session")
  reaper:until_("it runs", function() return #t.bridge:of("submit") == 2 end)
  reaper:advance(1)
  for _, zone in ipairs(reaper.frame) do
    if zone.kind == "text" and zone.text == "Stop the analysis" then
      reaper.gfx.mouse_x, reaper.gfx.mouse_y = zone.x + 5, zone.y + 5
    end
  end
  reaper.gfx.mouse_cap = 1
  reaper:until_("it stops", function() return t:window_is("stopped") end)
  t:equal(#t.bridge:of("cancel"), 2)
  reaper.gfx.mouse_cap = 0
  t:close_window()

  local count = #it.rendered
  t.bridge:kill() -- so that it waits for the bridge first
  script = reaper:run("Analyze session")
  reaper:advance(1)
  reaper:run("Cancel analysis")
  reaper:until_("it stops", function() return t:window_is("stopped") end)
  t:close_window()
  t:equal({ #it.rendered, script.over }, { count, true })
end

tests["one analysis at a time"] = function(t)
  local reaper = t:reaper({ bridge = { takes_s = 1000 } })
  t:band()
  reaper:run("Analyze session")
  reaper:until_("it runs", function() return #t.bridge:of("submit") == 1 end)
  table.insert(reaper.keys, 27)
  reaper:advance(1)
  local second = reaper:run("Analyze session")
  reaper:until_("it says so", function() return t:window_is("failed") end)
  t:has(t:text():gsub("\n", " "), "An analysis is under way already")
  t:close_window()
  t:equal(second.over, true)
  t:equal(reaper.ext["stemlens/running"] ~= nil, true, "and the first goes on")
end

tests["an action is run again while its window shows what came of it: one window, anew"] = function(t)
  local reaper = t:reaper()
  t:band()
  t:act("Analyze session")
  local first = reaper:run("Show results")
  reaper:until_("it shows", function() return t:window_is("results") end)
  local second = reaper:run("Show results")
  reaper:advance(1)
  t:equal({ first.over, second.over, t:window_is("results") }, { true, nil, true })
end

tests["another tab in front when it is done: written when its own comes back"] = function(t)
  local reaper = t:reaper({ bridge = { takes_s = 5 } })
  local band = t:band()
  local other = reaper:project({ name = "Other", behind = true })
  reaper:track(other, "Bass")
  local before = reaper:picture(other)
  reaper:run("Analyze session")
  reaper:until_("it runs", function() return #t.bridge:of("submit") == 1 end)
  reaper:to_front(other)
  reaper:advance(20)
  t:equal(reaper:picture(other), before)
  t:equal(reaper:state(band.bass).ext.stemlens, nil)
  t:has(t:text():gsub("\n", " "), 'The results of "Song" are there')
  t:equal(reaper.ext["stemlens/running"], nil, "others may be analysed meanwhile")
  reaper:to_front(band.proj)
  reaper:until_("written", function() return t:window_is("results") end)
  t:has(reaper:state(band.bass).ext.stemlens, "rock")
  t:equal(reaper:picture(other), before)
end

for _, when in ipairs({ "while it looks for the server", "at the last moment" }) do
  tests["another tab in front " .. when .. ": nothing is rendered"] = function(t)
    local reaper = t:reaper()
    local band = t:band()
    local other = reaper:project({ name = "Other", behind = true })
    if when == "at the last moment" then
      reaper.answers[1] = function()
        reaper:to_front(other)
        return 1
      end
    end
    reaper:run("Analyze session")
    if when ~= "at the last moment" then
      reaper:to_front(other)
    end
    reaper:until_("it says so", function() return t:window_is("failed") end)
    t:has(t:text():gsub("\n", " "), "Another project came to the front")
    t:equal({ #reaper.data[band.proj].rendered, #reaper.data[other].rendered }, { 0, 0 })
  end
end

tests["the project is closed while it waits: its results are kept for it"] = function(t)
  local reaper = t:reaper({ bridge = { takes_s = 5 } })
  local band = t:band()
  local other = reaper:project({ name = "Other", behind = true })
  reaper:run("Analyze session")
  reaper:until_("it runs", function() return #t.bridge:of("submit") == 1 end)
  reaper:close_project(band.proj)
  reaper:until_("it says so", function() return t:window_is("notes") end)
  t:has(t:text():gsub("\n", " "), "Its results are kept")
  t:close_window()
  t:equal(reaper.front, other)
  -- Opened again, not saved: it is known by its file.
  local it = reaper.data[band.proj]
  it.open, it.ext = true, {}
  table.insert(reaper.projects, band.proj)
  reaper:to_front(band.proj)
  t:act("Apply annotations")
  t:has(reaper:state(band.bass).ext.stemlens, "rock")
end

tests["another project is opened in the same tab: nothing is written into it"] = function(t)
  local reaper = t:reaper({ bridge = { takes_s = 5 } })
  local band = t:band()
  reaper:run("Analyze session")
  reaper:until_("it runs", function() return #t.bridge:of("submit") == 1 end)
  reaper:open_instead(band.proj, { name = "Other" })
  reaper:track(band.proj, "Bass")
  reaper.data[band.proj].state.markers[1] = { region = true, from = 0, to = 4,
    name = "stemlens: Bass: +9 points of sad", number = 1, colour = 0 }
  reaper:settle(band.proj)
  local before = reaper:picture(band.proj)
  reaper:until_("it says so", function() return t:window_is("notes") end)
  t:has(t:text():gsub("\n", " "), "Its results are kept")
  t:equal(reaper:picture(band.proj), before)
end

tests["the newer of two analyses counts, though the project was saved in between"] = function(t)
  local reaper = t:reaper()
  local band = t:band()
  t:act("Analyze session")
  t:close_window()
  local saved = standin.copy(reaper.data[band.proj].ext)
  reaper:advance(61)
  reaper:user(band.proj, "edit", function() reaper:state(band.bass).values.D_VOL = 0.5 end)
  t:act("Analyze again")
  t:close_window()
  local newest = t.bridge:of("submit")[2].job
  reaper.data[band.proj].ext = saved -- closed without saving, and opened again
  t:equal(t:module("project").memory(band.proj).job, newest)
end

tests["an unsaved project does not remember the one that was in its tab before"] = function(t)
  local reaper = t:reaper()
  local band = t:band({ name = "" })
  t:act("Analyze session")
  t:close_window()
  reaper:open_instead(band.proj, { name = "" })
  reaper:track(band.proj, "Choir")
  t:has(said_by(t, "Show results"), "There are no results")
end

for _, change in ipairs({ "deleted", "moved" }) do
  tests["a track is " .. change .. " at the last moment"] = function(t)
    local reaper = t:reaper()
    local band = t:band()
    local it = reaper.data[band.proj]
    reaper.answers[1] = function()
      local bass = table.remove(it.state.tracks, 4)
      if change == "moved" then
        table.insert(it.state.tracks, 1, bass)
      end
      return 1
    end
    reaper:run("Analyze session")
    reaper:until_("it is over", function() return t:window_is("failed") or t:window_is("results") end)
    if change == "deleted" then
      t:has(t:text():gsub("\n", " "), '"Bass" was deleted before the bounce')
      t:equal(#it.rendered, 0)
    else
      t:equal(t.bridge.session.stems[1].path, "stem-2.wav", "the drums are the second track now")
    end
  end
end

for _, saved in ipairs({ true, false }) do
  tests["REAPER is closed while it waits, the project " .. (saved and "saved" or "not saved")] = function(t)
    local reaper = t:reaper({ bridge = { takes_s = 20 } })
    local band = t:band()
    reaper:run("Analyze session")
    reaper:until_("it runs", function() return #t.bridge:of("submit") == 1 end)
    reaper:restart(saved)
    t.bridge:kill()
    reaper:advance(1)
    t:act("Show results")
    t:equal(t:window_is("results"), true)
    t:equal(reaper:state(band.bass).ext.stemlens, nil, "looking is not writing")
    t:close_window()
    t:act("Apply annotations")
    t:has(reaper:state(band.bass).ext.stemlens, "rock")
    t:equal(#reaper.data[band.proj].rendered, 1, "nothing is bounced twice")
  end
end

tests["an unsaved project works too"] = function(t)
  local reaper = t:reaper()
  local band = t:band({ name = "" })
  t:act("Analyze session")
  t:equal(t.bridge.session.project, "unsaved project")
  t:has(reaper:state(band.bass).ext.stemlens, "rock")
  t:close_window()
  t:act("Remove all annotations")
  t:act("Apply annotations")
  t:has(reaper:state(band.bass).ext.stemlens, "rock")
end

tests["without SWS everything but track notes is written"] = function(t)
  local reaper = t:reaper({ sws = false })
  local band = t:band()
  t:act("Analyze session")
  t:has(reaper:state(band.bass).ext.stemlens, "rock")
  t:equal({ reaper:state(band.bass).notes, #reaper.data[band.proj].state.markers }, { "", 1 })
end

tests["the window may be closed; the analysis goes on"] = function(t)
  local reaper = t:reaper()
  local band = t:band()
  local script = reaper:run("Analyze session")
  table.insert(reaper.keys, 27)
  reaper:until_("over", function() return script.over end)
  t:has(reaper:state(band.bass).ext.stemlens, "rock")
  t:equal(reaper.window, false)
end

tests["written only when asked for, if the user wants it so"] = function(t)
  local reaper = t:reaper()
  local band = t:band()
  reaper.reaper.SetExtState("stemlens", "apply", "no", true)
  t:act("Analyze session")
  t:equal(#reaper.data[band.proj].undo, 1)
  t:close_window()
  t:act("Apply annotations")
  t:equal(#reaper.data[band.proj].undo, 2)
end

tests["a bounce never blocks REAPER but while it renders"] = function(t)
  local reaper = t:reaper({ bridge = { takes_s = 10 } })
  t:band()
  local worst, last = 0, reaper.clock
  table.insert(reaper.hooks, function()
    worst, last = math.max(worst, reaper.clock - last), reaper.clock
  end)
  t:act("Analyze session")
  t:equal(worst < 4.2, true, "one turn took the render's four seconds and no more")
  local commands = {}
  for _, command in ipairs(reaper.commands) do
    commands[#commands + 1] = command
  end
  t:equal(commands, { 42230 })
end

return tests
