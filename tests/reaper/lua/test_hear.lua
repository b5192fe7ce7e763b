-- Hear why: the tag, the sounds on tracks of their own, listening, and that none of it is ever
-- bounced.

local standin = require("standin")

local tests = {}

local NAMES = { "only", "without", "crossfade", "only, whole song", "without, whole song",
  "crossfade, whole song" }

-- What the bridge tells of a tag: six sounds, the passage from 2 to 5 s of a song of 8 s.
local function explained(t, request)
  local sounds = {}
  for index, name in ipairs(NAMES) do
    local whole = index > 3
    sounds[index] = {
      name = name, kind = NAMES[(index - 1) % 3 + 1], span = whole and "whole" or "passage",
      start_s = whole and 0.0 or 2.0, end_s = whole and 8.00002 or 5.0,
      score = index % 3 ~= 0 and 0.63 or nil, tracks = { "{1}" },
      path = t:written(("%s/renders/%s-%d.wav"):format(t.folder, request.tag, index),
        "RIFF " .. request.tag .. index),
      sentence = "The bass and the drums alone: rock 63 points.",
    }
  end
  return { schema = "stemlens.explained/1", job = request.job, request = request.request,
    tag = request.tag, name = "why " .. request.tag, path = "/x.json", sounds = sounds }
end

-- A band that was analysed, and a server that explains what it is asked.
local function ready(t, options)
  local reaper, band, it = t:analysed(options)
  t.bridge.explains = function(request)
    return { state = "done", found = explained(t, request) }
  end
  return reaper, band, it
end

local function hear(t, typed)
  table.insert(t.rpr.inputs, { typed })
  local script = t.rpr:run("Hear why")
  t.rpr:until_("the sounds are there", function()
    return script.over or t:sees("Take back") or t:window_is("failed") or t:window_is("stopped")
  end)
  return script
end

local function strips(it)
  local found = {}
  for index = 1, 9 do
    found[index] = standin.copy(it.states[it.state.tracks[index]])
  end
  return found
end

tests["the sounds lie on muted tracks of a folder of their own, where they belong"] = function(t)
  local reaper, band, it = ready(t)
  local at, before = it.at, strips(it)
  hear(t, "rock")
  local asked = t.bridge:of("explain")
  t:equal({ #asked, asked[1].tag, asked[1].job }, { 1, "rock", t.bridge:of("submit")[1].job })
  t:equal(t:track_names(it, 10), { "Stemlens: why rock", table.unpack(NAMES) })
  t:equal({ it.at - at, it.undo[it.at].name }, { 1, "Stemlens: hear why" })
  t:equal(strips(it), before, "nothing of the user's changes")
  local folder = it.state.tracks[10]
  for index, name in ipairs(NAMES) do
    local track = it.state.tracks[10 + index]
    local state = it.states[track]
    t:equal(reaper.reaper.GetParentTrack(track), folder, name)
    t:equal({ state.values.B_MUTE, #state.items, #state.items[1].takes }, { 1, 1, 1 }, name)
    t:equal(state.items[1].from, index > 3 and 0 or 2.0, name)
    t:has(state.items[1].takes[1].path, t.folder .. "/recordings/Stemlens takes/why rock ")
    t:equal(standin.read(state.items[1].takes[1].path), "RIFF rock" .. index,
      "a copy that lasts as long as the project")
  end
  t:equal(reaper.reaper.GetProjectLength(band.proj), 8.0, "the song becomes no longer")
  t:equal({ t:sees("Why rock?"), t:sees("only, 0:02 to 0:05"), t:sees("63 of 100") },
    { true, true, true })
  t:close_window()
  t:equal(#it.state.tracks, 16, "they stay when the window is closed")
  reaper:undo(band.proj)
  t:equal(#it.state.tracks, 9)
end

tests["the tag that the song is most like is offered, then the one that was asked for"] = function(t)
  local reaper = ready(t)
  hear(t) -- what stands in the dialog is agreed to
  t:equal(t.bridge:of("explain")[1].tag, "rock")
  t:close_window()
  hear(t, " 60s ")
  t:close_window()
  hear(t)
  local asked = t.bridge:of("explain")
  t:equal({ asked[2].tag, asked[3].tag }, { "60s", "60s" })
  t:equal({ asked[3].request == asked[2].request, asked[2].request == asked[1].request },
    { true, false }, "the same tag of the same bounce is the same question")
  reaper.inputs = { { " " }, false }
  t:close_window()
  local script = reaper:run("Hear why")
  reaper:until_("it is over", function() return script.over or t:window_is("stopped") end)
  t:has(t:last_message(), "Write one tag")
  t:equal(#t.bridge:of("explain"), 3)
end

tests["again for a tag takes the place of the former; another tag gets a folder of its own"] = function(t)
  local _, _, it = ready(t)
  hear(t, "rock")
  t:close_window()
  hear(t, "sad")
  t:close_window()
  t:equal({ #it.state.tracks, it.states[it.state.tracks[17]].name }, { 23, "Stemlens: why sad" })
  hear(t, "rock")
  t:equal({ #it.state.tracks, it.states[it.state.tracks[10]].name,
    it.states[it.state.tracks[17]].name }, { 23, "Stemlens: why sad", "Stemlens: why rock" })
  local at = it.at
  t:press("t")
  t:equal({ #it.state.tracks, it.at - at, it.undo[it.at].name },
    { 16, 1, "Stemlens: take explanation back" })
  t:equal(it.states[it.state.tracks[10]].name, "Stemlens: why sad")
  t:press("t")
  t:equal(t:sees("nothing to take back"), true)
  t:press("enter")
  t:equal(t:sees("Its track is no longer there"), true)
end

tests["what is chosen is soloed while it is heard; then all is as it was"] = function(t)
  local reaper, band, it = ready(t)
  reaper:state(band.kick).values.I_SOLO = 2
  it.cursor = 7.5
  reaper:settle(band.proj)
  hear(t, "rock")
  local before, at = reaper:picture(band.proj).undoable, it.at
  local function heard()
    local found = {}
    for index = 1, #it.state.tracks do
      local values = it.states[it.state.tracks[index]].values
      if values.I_SOLO ~= 0 then
        found[#found + 1] = { it.states[it.state.tracks[index]].name, values.B_MUTE }
      end
    end
    return found
  end
  t:press("enter")
  t:equal({ heard(), it.transport, it.cursor, t:sees("playing") },
    { { { "only", 0 } }, 1, 2.0, true })
  it.cursor = 3.3 -- where it plays meanwhile
  t:press("down", "enter")
  t:equal({ heard(), it.cursor }, { { { "without", 0 } }, 3.3 }, "from the one to the other at once")
  t:press("down", "enter")
  t:equal({ heard(), it.cursor }, { { { "crossfade", 0 } }, 2.0 }, "a crossfade from its start")
  t:click("without, whole song")
  t:click("Play")
  t:equal({ heard(), it.cursor }, { { { "without, whole song", 0 } }, 0.0 })
  t:press("s")
  t:equal({ it.transport, it.cursor, it.at }, { 0, 7.5, at })
  t:equal(reaper:picture(band.proj).undoable, before)
  t:press("enter")
  t:close_window()
  t:equal({ it.transport, reaper:picture(band.proj).undoable }, { 0, before })
end

tests["nothing is heard while REAPER records, or another project is in front"] = function(t)
  local reaper, band, it = ready(t)
  hear(t, "rock")
  it.transport = 4
  t:press("enter")
  t:equal(t:sees("REAPER is recording"), true)
  it.transport = 0
  local other = reaper:project({ name = "Other" })
  t:press("enter")
  t:equal(t:sees('Go back to the tab of "Song" first'), true)
  t:equal(#reaper.data[other].state.tracks, 0)
  reaper:to_front(band.proj)
end

tests["no sound of it is a stem, or part of the mix, even where it is heard"] = function(t)
  local reaper, band, it = ready(t)
  hear(t, "rock")
  t:close_window()
  local script = reaper:run("Analyze again")
  reaper:until_("it says so", function() return script.over or t:window_is("results") end)
  t:equal(t:sees("No stem has changed"), true)
  t:close_window()
  for _, name in ipairs({ "only", "without" }) do
    reaper:state(reaper:find(band.proj, name)).values.B_MUTE = 0
  end
  reaper:user(band.proj, "move", function() reaper:state(band.bass).values.D_VOL = 0.5 end)
  t:act("Analyze again")
  t:close_window()
  local done = it.rendered[#it.rendered]
  t:equal(done.names, { "MASTER", "Bass" })
  for _, name in ipairs(NAMES) do
    t:has(table.concat(done.muted, "|"), name)
  end
  t:equal(reaper:state(reaper:find(band.proj, "only")).values.B_MUTE, 0, "and then as before")
  t:act("Analyze session")
  t:equal(#t.bridge.session.stems, 4)
  t:equal(#reaper.messages, 1, "the list of stems is the same, so nobody is asked again")
end

tests["a folder without an end swallows nothing of ours"] = function(t)
  local reaper, band, it = ready(t)
  reaper:user(band.proj, "folder", function()
    reaper:state(band.ideas).values.I_FOLDERDEPTH = 1
  end)
  hear(t, "rock")
  t:equal({ #it.state.tracks, t:track_names(it)[1], t:track_names(it)[8] }, { 16, "Stemlens: why rock", "Drums" })
  t:equal(reaper.reaper.GetParentTrack(it.state.tracks[1]), nil)
  t:equal(reaper.reaper.GetParentTrack(band.drums), nil)
end

tests["what changed since the bounce is told"] = function(t)
  local reaper, band = ready(t)
  reaper:user(band.proj, "move", function() reaper:state(band.bass).values.D_VOL = 0.5 end)
  hear(t, "rock")
  t:has(t:text():gsub("\n", " "), '"Bass" was changed; what you hear is the bounce')
end

tests["what cannot be read changes nothing"] = function(t)
  local reaper, band, it = ready(t)
  local before = reaper:picture(band.proj).undoable.state
  local function broken(change)
    t.bridge.explains = function(request)
      local found = explained(t, request)
      change(found)
      return { state = "done", found = found }
    end
    hear(t, "rock")
    local said = t:text():gsub("\n", " ")
    t:close_window()
    t:equal(reaper:picture(band.proj).undoable.state, before)
    return said
  end
  t:has(broken(function(found) os.remove(found.sounds[2].path) end), "cannot be read here")
  t:has(broken(function(found) t:written(found.sounds[6].path, "no sound") end), "REAPER cannot read")
  t:has(broken(function(found) found.sounds = {} end), "sent no sounds")
  t:equal(#it.state.tracks, 9)
end

tests["a tag that the server does not know is a sentence"] = function(t)
  ready(t)
  t.bridge.explains = function()
    return { state = "failed", code = "goal_invalid", message = "No tag is called rok." }
  end
  hear(t, "rok")
  t:equal(t:sees("No tag is called rok."), true)
end

-- A server that is at work for a tag.
local function at_work(t)
  local reaper, band, it = ready(t)
  t.bridge.explains = function() return { state = "running", stage = "rendering", fraction = 0.4 } end
  reaper.inputs = { { "rock" } }
  reaper:run("Hear why")
  reaper:until_("it is at work", function() return t:sees("Rendering") end)
  return reaper, band, it
end

-- The same, and its sounds come while another project is in front.
local function done_elsewhere(t)
  local reaper, band, it = at_work(t)
  local other = reaper:project({ name = "Other" })
  local request = t.bridge:of("explain")[1]
  t.bridge:tell_trial(request.request, { state = "done", found = explained(t, request) })
  reaper:until_("it waits", function() return t:sees("go back to the tab") end)
  return reaper, band, it, other
end

tests["it tells how far it is and can be stopped"] = function(t)
  local reaper, _, it = at_work(t)
  t:click("Stop the explanation")
  reaper:until_("it stops", function() return t:window_is("stopped") end)
  local asked, cancelled = t.bridge:of("explain"), t.bridge:of("cancel")
  t:equal({ #cancelled, cancelled[1].request, #it.state.tracks }, { 1, asked[1].request, 9 })
end

tests["sounds that come while another project is in front wait for the right tab"] = function(t)
  local reaper, band, it, other = done_elsewhere(t)
  t:equal(#reaper.data[other].state.tracks, 0)
  reaper:to_front(band.proj)
  reaper:until_("they are there", function() return t:sees("Take back") end)
  t:equal({ #it.state.tracks, #reaper.data[other].state.tracks }, { 16, 0 })
end

tests["who does not go back to the tab can stop it there"] = function(t)
  local reaper, band, it, other = done_elsewhere(t)
  t:click("Stop the explanation")
  reaper:until_("it stops", function() return t:window_is("stopped") end)
  t:equal({ #it.state.tracks, #reaper.data[other].state.tracks, reaper.front == band.proj },
    { 9, 0, false })
end

return tests
