-- Suggestions: the goal, the list, listening, applying in one undo step, and whether it held.

local standin = require("standin")

local tests = {}

local function tags()
  return { { tag = "metal", before = 0.2, after = 0.28, change = 0.08, low = 0.05, high = 0.11 } }
end

-- A trial with edits {track, actions, path}.
local function trial(t, rank, ...)
  local edits = {}
  for index, it in ipairs({ ... }) do
    edits[index] = { rank = rank, track = t.rpr:state(it[1]).guid, preset = "gentler",
      amount = 0.5, words = "−3 dB at 2.5 kHz, Q 0.7", loudness_db = 0, actions = it[2],
      path = it[3] or "", verify = "" }
  end
  return {
    rank = rank, edits = edits, tags = tags(), shares = {}, words = "Bass: gentler, rank " .. rank,
    sentence = "metal 20 → 28 points, happy as before.", loudness_db = -0.5, spectrum_db = 1.25,
    audible = "plain to hear", heard = 1, verify = rank == 2 and 1 or 0, gain = 0.08, low = 0.05,
    high = 0.11,
    before_path = t:written(t.folder .. "/renders/" .. rank .. "-before.wav", "RIFF before"),
    after_path = t:written(t.folder .. "/renders/" .. rank .. "-after.wav", "RIFF after"),
  }
end

local LEVEL = { ["do"] = "level", db = -6.0 }
local EQ = { ["do"] = "eq", bands = { { shape = "bell", hz = 2500.0, db = -3.0, q = 0.7 } } }
local TAKE = { ["do"] = "take" }

-- A band that was analysed, and a server whose answer is `make(t, band)`.
local function ready(t, make, options)
  local reaper, band, it = t:analysed(options)
  local list = make and make(band) or {}
  t.bridge.suggests = function(request)
    return { state = "done", found = { schema = "stemlens.tried/1", job = request.job,
      request = request.request, path = "/x.json", trials = list, suggestion = {
        goal = request.goal, sentence = #list > 0 and "The best of 40 edits."
          or "None of 40 edits gets nearer to it.", trials = #list, tried = 40, taggings = 2500 } } }
  end
  return reaper, band, it
end

local function suggest(t, typed)
  table.insert(t.rpr.inputs, { typed or "+metal =happy" })
  local script = t.rpr:run("Suggest changes")
  t.rpr:until_("the list is there", function()
    return script.over or t:sees("Suggestions for") or t:sees("Nothing that was tried helps")
      or t:window_is("failed") or t:window_is("stopped")
  end)
  return script
end

tests["the goal is asked, remembered, and told to the server"] = function(t)
  local reaper = ready(t, function(band) return { trial(t, 1, { band.bass, { LEVEL } }) } end)
  suggest(t, "+metal, =happy")
  local asked = t.bridge:of("suggest")
  t:equal({ #asked, asked[1].goal, asked[1].job }, { 1, "+metal =happy",
    t.bridge:of("submit")[1].job })
  t:equal(t:sees("The best of 40 edits."), true)
  t:equal(t:sees("Bass: gentler, rank 1"), true)
  t:equal(t:sees("+5.0 to +11.0"), true)
  t:close_window()
  reaper.inputs = { {} } -- what stands in the dialog is agreed to
  suggest(t)
  local again = t.bridge:of("suggest")
  t:equal(again[2].goal, "+metal =happy")
  t:equal(again[2].request, again[1].request, "the same goal for the same bounce")
end

tests["who gives no goal has changed nothing"] = function(t)
  local reaper = ready(t)
  local before = reaper:picture(reaper.front)
  reaper.inputs = { false }
  local script = reaper:run("Suggest changes")
  reaper:until_("it is over", function() return script.over or t:window_is("stopped") end)
  t:equal(#t.bridge:of("suggest"), 0)
  t:equal(reaper:picture(reaper.front), before)
  reaper.inputs = { { "  " }, false }
  t:close_window()
  script = reaper:run("Suggest changes")
  reaper:until_("it is over", function() return script.over or t:window_is("stopped") end)
  t:has(t:last_message(), "Write what the mix shall become")
end

tests["nothing that helps is said honestly"] = function(t)
  local reaper, _, it = ready(t)
  suggest(t)
  t:equal(t:sees("Nothing that was tried helps"), true)
  t:equal(t:sees("None of 40 edits"), true)
  t:equal({ t:sees("Apply"), t:sees("A: before") }, { false, false })
  local at = it.at
  t:press("enter", "a", "b", "v", "t", "down")
  t:equal({ it.at, #it.state.tracks, #reaper.messages }, { at, 9, 1 })
end

tests["a project that changed since the bounce gets no suggestions"] = function(t)
  local reaper, band = ready(t)
  reaper:user(band.proj, "move", function() reaper:state(band.bass).values.D_VOL = 0.5 end)
  local script = reaper:run("Suggest changes")
  reaper:until_("it says so", function() return script.over or t:window_is("failed") end)
  t:has(t:text():gsub("\n", " "), '"Bass" was changed since the bounce')
  t:equal(#t.bridge:of("suggest"), 0)
end

tests["a search can be stopped"] = function(t)
  local reaper = ready(t)
  t.bridge.suggests = function() return { state = "running", stage = "trying", fraction = 0.4 } end
  reaper.inputs = { { "+metal" } }
  reaper:run("Suggest changes")
  reaper:until_("it searches", function() return t:sees("Trying") end)
  t:equal(t:sees("Stop the search"), true)
  t:click("Stop the search")
  reaper:until_("it stops", function() return t:window_is("stopped") end)
  local asked, cancelled = t.bridge:of("suggest"), t.bridge:of("cancel")
  t:equal({ #cancelled, cancelled[1].request }, { 1, asked[1].request })
end

tests["a bridge that dies meanwhile is started and asked the same again"] = function(t)
  local reaper, band = ready(t)
  local list = { trial(t, 1, { band.bass, { LEVEL } }) }
  local answer = t.bridge.suggests
  t.bridge.suggests = function() return { state = "running", stage = "trying", fraction = 0.4 } end
  reaper.inputs = { { "+metal" } }
  reaper:run("Suggest changes")
  reaper:until_("it searches", function() return t:sees("Trying") end)
  t.bridge:kill()
  t.bridge.suggests = function(request)
    local state = answer(request)
    state.found.trials = list
    return state
  end
  reaper:until_("the list is there", function() return t:sees("Suggestions for") end)
  local asked = t.bridge:of("suggest")
  t:equal({ #asked, t.bridge.starts }, { 2, 2 })
  t:equal(asked[1].request, asked[2].request)
end

tests["what the server says no to is told"] = function(t)
  ready(t)
  t.bridge.suggests = function()
    return { state = "failed", code = "goal_invalid", message = "No tag is called metl." }
  end
  suggest(t, "+metl")
  t:equal(t:sees("No tag is called metl."), true)
end

-- -------------------------------------------------------------------------------- listening

tests["A and B are takes on a soloed scratch track, and nothing of it stays"] = function(t)
  local reaper, band, it = ready(t, function(band)
    return { trial(t, 1, { band.bass, { LEVEL } }) }
  end)
  reaper:state(band.kick).values.I_SOLO = 2
  it.cursor = 3.5
  local before = reaper:picture(band.proj)
  suggest(t)
  t:press("b")
  local scratch = it.state.tracks[1]
  local state = it.states[scratch]
  t:equal({ state.name, state.values.I_SOLO, state.values.B_MUTE }, { "Stemlens A/B", 1, 0 })
  t:equal(reaper:state(band.kick).values.I_SOLO, 0)
  local item = state.items[1]
  t:equal({ #state.items, #item.takes, item.from, item.length }, { 1, 2, 0.0, 8.0 })
  t:equal(item.takes[2].path, t.folder .. "/renders/1-after.wav")
  t:equal({ item.take == item.takes[2].handle, it.transport, it.cursor }, { true, 1, 0.0 })
  t:equal(t:sees("playing: after"), true)
  t:press("a")
  t:equal({ item.take == item.takes[1].handle, #it.state.tracks }, { true, 10 })
  t:press("s")
  t:equal({ it.transport, it.cursor }, { 0, 3.5 })
  before.ext = reaper:picture(band.proj).ext -- the request is remembered there
  t:equal(standin.same(reaper:picture(band.proj).undoable.state, before.undoable.state), true)
  t:equal(reaper:state(band.kick).values.I_SOLO, 2)
  t:press("b")
  local at = it.at
  t:close_window()
  t:equal({ t:track_names(it)[1], it.transport, reaper:state(band.kick).values.I_SOLO }, { "Drums", 0, 2 })
  t:equal(it.at, at, "nor is it an undo step")
end

tests["the mouse does what the keys do"] = function(t)
  local reaper, band, it = ready(t, function(band)
    return { trial(t, 1, { band.drums, { LEVEL } }), trial(t, 2, { band.bass, { LEVEL } }) }
  end)
  suggest(t)
  t:equal(t:sees("verify by bounce"), true)
  t:click("Bass: gentler, rank 2")
  t:click("B: after")
  t:equal(it.states[it.state.tracks[1]].items[1].takes[2].path, t.folder .. "/renders/2-after.wav")
  t:click("Stop")
  t:equal(#it.state.tracks, 9)
  t:click("Apply")
  t:equal({ reaper:state(band.bass).values.D_VOL < 1, reaper:state(band.drums).values.D_VOL },
    { true, 1 })
  t:click("Take back")
  t:equal(reaper:state(band.bass).values.D_VOL, 1)
  t:click("Close")
  t:equal(reaper.window, false)
end

tests["a rendered file that cannot be read here is a sentence, and the list stays"] = function(t)
  local _, _, it = ready(t, function(band)
    local one, two = trial(t, 1, { band.bass, { LEVEL } }), trial(t, 2, { band.bass, { LEVEL } })
    os.remove(one.after_path)
    two.before_path, two.after_path = "", ""
    return { one, two }
  end)
  suggest(t)
  t:press("b")
  t:has(t:text(), "1-after.wav cannot be read here")
  t:press("down", "a")
  t:has(t:text(), "Nothing was rendered for this")
  t:equal(#it.state.tracks, 9)
end

-- --------------------------------------------------------------------------------- applying

local function applied(t, make, options)
  local reaper, band, it = ready(t, make, options)
  if t.before then
    t.before(reaper, band, it)
  end
  reaper:settle(band.proj)
  suggest(t)
  local steps, before = it.at, reaper:picture(band.proj).undoable
  t:press("enter")
  return reaper, band, it, it.at - steps, before
end

tests["a level moves the fader by so much, in one undo step"] = function(t)
  local reaper, band, it, steps, before = applied(t, function(band)
    return { trial(t, 1, { band.bass, { LEVEL } }) }
  end)
  t:equal(math.abs(reaper:state(band.bass).values.D_VOL - 10 ^ (-6 / 20)) < 1e-12, true)
  t:equal({ steps, it.undo[it.at].name }, { 1, "Stemlens: apply suggestion" })
  t:has(t:text(), '"Bass": fader -6.0 dB.')
  t:equal({ t:sees("applied"), t:sees("Verify"), t:sees("Take back") }, { true, true, true })
  reaper:undo(band.proj)
  t:equal(reaper:picture(band.proj).undoable, before)
  reaper:advance(0.3)
  t:equal(t:sees("Take back"), false, "the undo is seen")
end

tests["bells become ReaEQ, which shows what was promised, beside a level"] = function(t)
  local reaper, band, it, steps = applied(t, function(band)
    return { trial(t, 1, { band.bass, { EQ, LEVEL } }) }
  end)
  local fx = reaper:state(band.bass).fx
  t:equal({ #fx, fx[1].name, steps }, { 1, "ReaEQ (Cockos)", 1 })
  local on = {}
  for _, band_ in ipairs(fx[1].bands) do
    if band_.on then
      on[#on + 1] = band_
    end
  end
  t:equal({ #on, on[1].kind }, { 1, 2 })
  local hz, db = 20 * 1200 ^ on[1][0], 20 * math.log(4 * on[1][1], 10)
  local octaves = 0.01 + 3.99 * on[1][2]
  -- A Q of 0.7 is 1.92 octaves (R. Bristow-Johnson's table: Q 0.667 is two octaves).
  t:equal({ math.abs(hz / 2500 - 1) < 0.001, math.abs(db + 3) < 0.06,
    math.abs(octaves - 1.918) < 0.02 }, { true, true, true })
  t:equal(math.abs(reaper:state(band.bass).values.D_VOL - 10 ^ (-6 / 20)) < 1e-12, true)
  t:equal(#it.state.tracks, 9, "no take is needed")
end

tests["more bells than a ReaEQ has take a second one"] = function(t)
  local reaper, band = applied(t, function(band)
    local many = { ["do"] = "eq", bands = {} }
    for index = 1, 3 do
      many.bands[index] = { shape = "bell", hz = 500.0 * index, db = 2.0, q = 1.0 }
    end
    return { trial(t, 1, { band.bass, { many } }) }
  end)
  t:equal(#reaper:state(band.bass).fx, 2)
end

local function with_take(t, actions)
  return function(band)
    local path = t:written(t.folder .. "/renders/1-bass.wav", "RIFF rendered bass")
    return { trial(t, 1, { band.guitar, actions, path }) }
  end
end

tests["what REAPER cannot do itself is the rendered file on a new track, the old one muted"] = function(t)
  local reaper, band, it, steps, before = applied(t, with_take(t, { TAKE }))
  t:equal({ steps, t:track_names(it)[6], t:track_names(it)[7] }, { 1, "Guitar (Stemlens)", "Guitar" })
  local new = it.states[it.state.tracks[6]]
  t:equal(reaper.reaper.GetParentTrack(it.state.tracks[6]), band.band, "in the same folder")
  t:equal({ reaper:state(band.guitar).values.B_MUTE, new.values.B_MUTE }, { 1, 0 })
  t:equal({ #new.items, new.items[1].from, new.items[1].values.B_LOOPSRC }, { 1, 0.0, 0 })
  local path = new.items[1].takes[1].path
  t:has(path, t.folder .. "/recordings/Stemlens takes/Guitar ")
  t:equal(standin.read(path), "RIFF rendered bass", "a copy that lasts as long as the project")
  t:equal({ #new.sends, new.sends[1].D_VOL, new.sends[1].P_DESTTRACK == band.reverb },
    { 1, 0.5, true }, "the reverb hears it, as it heard the muted one")
  reaper:undo(band.proj)
  t:equal(reaper:picture(band.proj).undoable, before)
end

tests["without ReaEQ, or one that does not show what it was told, the file plays"] = function(t)
  local function never() return "?" end
  local function stuck() return "1.0" end
  for number, fault in ipairs({ { no_reaeq = true },
    { eq_shows = { [0] = never, [1] = never, [2] = never } },
    { eq_shows = { [0] = stuck, [1] = stuck, [2] = stuck } } }) do
    t.before = function(reaper)
      reaper.no_reaeq, reaper.eq_shows = fault.no_reaeq, fault.eq_shows
    end
    local reaper, band, it, steps = applied(t, with_take(t, { EQ, LEVEL }),
      { root = t.folder .. "/" .. number })
    t:equal({ steps, #reaper:state(band.guitar).fx, t:track_names(it)[6] }, { 1, 0, "Guitar (Stemlens)" })
    t:equal(reaper:state(band.guitar).values.D_VOL, 1, "the level is in the file")
    t:close_window()
  end
end

tests["without ReaEQ and without a file it is left to the user, in words"] = function(t)
  t.before = function(reaper) reaper.no_reaeq = true end
  local reaper, band, it = applied(t, function(band)
    return { trial(t, 1, { band.bass, { EQ, LEVEL } }) }
  end)
  t:has(t:text(), "ReaEQ could not be set")
  t:equal({ #it.state.tracks, reaper:state(band.bass).values.D_VOL }, { 9, 1 })
end

tests["a fader that is automated is left to the user"] = function(t)
  local reaper = t:reaper({ bridge = false })
  local song = t:band()
  reaper:state(song.bass).envelopes = { { kind = "VOLENV2", handle = setmetatable({ id = "e" },
    { __name = "TrackEnvelope" }) } }
  local applying = t:module("applying")
  local report = applying.apply(song.proj, trial(t, 1, { song.bass, { LEVEL } }), "r", 0)
  t:equal(reaper:state(song.bass).values.D_VOL, 1)
  t:has(report.problems[1], 'The volume of "Bass" is automated')
  t:has(report.problems[1], "-6.0 dB")
end

tests["a track that is gone, or a file, changes nothing at all"] = function(t)
  local reaper = t:reaper({ bridge = false })
  local band = t:band()
  local applying = t:module("applying")
  local gone = trial(t, 1, { band.bass, { LEVEL } }, { band.ideas, { LEVEL } })
  reaper.reaper.DeleteTrack(band.ideas)
  reaper:settle(band.proj)
  local before = reaper:picture(band.proj)
  t:raises("no longer there", applying.apply, band.proj, gone, "r", 0)
  local missing = trial(t, 1, { band.bass, { TAKE }, t.folder .. "/nowhere.wav" })
  t:raises("cannot be read here", applying.apply, band.proj, missing, "r", 0)
  t:raises("none was written", applying.apply, band.proj, trial(t, 1, { band.bass, { TAKE } }), "r", 0)
  local full = trial(t, 1, { band.bass, { LEVEL } },
    { band.guitar, { TAKE }, t:written(t.folder .. "/g.wav", "RIFF") })
  reaper.write_fault = "Stemlens takes"
  t:raises("cannot be copied", function()
    t:module("applying").apply(band.proj, full, "r", 0)
  end)
  t:equal(reaper:picture(band.proj), before)
end

tests["several edits are one step, taken back in one; what the user changed since stays"] = function(t)
  local reaper = t:reaper({ bridge = false })
  local band = t:band()
  local it = reaper.data[band.proj]
  local applying = t:module("applying")
  local path = t:written(t.folder .. "/g.wav", "RIFF rendered")
  local many = trial(t, 1, { band.bass, { EQ, LEVEL } }, { band.guitar, { TAKE }, path },
    { band.drums, { LEVEL } })
  local before = reaper:picture(band.proj).undoable
  local at = it.at
  applying.apply(band.proj, many, "r", 2.5)
  t:equal({ it.at - at, it.states[it.state.tracks[6]].items[1].from }, { 1, 2.5 })
  t:raises("applied already", applying.apply, band.proj, many, "r", 0)
  t:equal(applying.take_back(band.proj, "r"), 4)
  t:equal({ it.at - at, it.undo[it.at].name }, { 2, "Stemlens: take suggestion back" })
  local after = reaper:picture(band.proj).undoable
  for track, state in pairs(before.states) do
    t:equal(after.states[track], state, state.name)
  end
  t:equal(after.state.tracks, before.state.tracks)
  applying.apply(band.proj, many, "r2", 0)
  reaper:state(band.bass).values.D_VOL = 0.123
  applying.take_back(band.proj, "r2")
  t:equal(reaper:state(band.bass).values.D_VOL, 0.123)
end

tests["tracks of one name get a file each"] = function(t)
  local reaper = t:reaper({ bridge = false })
  local band = t:band()
  reaper:state(band.guitar).name = "Bass"
  local one = t:written(t.folder .. "/1.wav", "RIFF one")
  local two = t:written(t.folder .. "/2.wav", "RIFF two")
  t:module("applying").apply(band.proj, trial(t, 1, { band.bass, { TAKE }, one },
    { band.guitar, { TAKE }, two }), "r", 0)
  local heard = {}
  for _, track in ipairs(reaper.data[band.proj].state.tracks) do
    local state = reaper:state(track)
    if state.name == "Bass (Stemlens)" then
      heard[#heard + 1] = standin.read(state.items[1].takes[1].path)
    end
  end
  t:equal(heard, { "RIFF one", "RIFF two" })
end

tests["what changed while listening is not built on"] = function(t)
  local reaper, band = ready(t, function(band)
    return { trial(t, 1, { band.bass, { LEVEL } }) }
  end)
  suggest(t)
  reaper:user(band.proj, "plug-in", function() reaper:state(band.bass).fx = { { name = "eq" } } end)
  t:press("enter")
  t:has(t:text(), '"Bass" was changed')
  t:equal(reaper:state(band.bass).values.D_VOL, 1)
end

-- -------------------------------------------------------------------------------- verifying

local function promises(t)
  t.bridge.verifies = function()
    return { state = "done", found = { sentence = "metal kept its promise; happy did not.", tags = {
      { tag = "metal", promised = 0.08, low = 0.05, high = 0.11, real = 0.07, held = 1 },
      { tag = "happy", promised = 0.0, low = -0.01, high = 0.01, real = -0.05, held = 0 } } } }
  end
end

tests["verifying bounces again at the same level, and shows promised and real"] = function(t)
  local reaper, _, it = applied(t, function(band)
    return { trial(t, 1, { band.bass, { LEVEL } }) }
  end)
  promises(t)
  t:press("v")
  reaper:until_("it was verified", function() return t:sees("Did the promise hold?") end)
  t:equal(it.rendered[#it.rendered].names, { "MASTER", "Bass" })
  local submits, asked = t.bridge:of("submit"), t.bridge:of("verify")
  t:equal(submits[2].options.same_level_as, submits[1].job)
  t:equal(submits[1].options.same_level_as, nil)
  t:equal({ asked[1].job, asked[1].before, asked[1].rank },
    { submits[2].job, submits[1].job, 1 })
  t:equal(asked[1].request, t.bridge:of("suggest")[1].request)
  for _, text in ipairs({ "metal kept its promise", "+8.0 (+5.0 to +11.0)", "+7.0", "held",
    "−5.0", "not held" }) do
    t:equal(t:sees(text), true, text)
  end
  t:press("escape")
  t:equal(t:sees("Suggestions for"), true)
  t:close_window()
  local script = reaper:run("Verify change")
  reaper:until_("again, without a new bounce", function()
    return script.over or t:sees("Did the promise hold?") or t:window_is("failed")
  end)
  t:equal(t:sees("Did the promise hold?"), true)
  t:equal(#t.bridge:of("submit"), 2)
end

tests["a take is bounced in place of what it replaces"] = function(t)
  local reaper, _, it = applied(t, with_take(t, { TAKE }))
  promises(t)
  t:press("v")
  reaper:until_("it was verified", function() return t:sees("Did the promise hold?") end)
  t:equal(it.rendered[#it.rendered].names, { "MASTER", "Guitar (Stemlens)", "Reverb" })
end

tests["nothing applied, or undone, is nothing to verify"] = function(t)
  local reaper, band = applied(t, function(band)
    return { trial(t, 1, { band.bass, { LEVEL } }) }
  end)
  t:close_window()
  reaper:undo(band.proj)
  local script = reaper:run("Verify change")
  reaper:until_("it says so", function() return script.over or t:window_is("failed") end)
  t:equal(t:sees("No suggestion is applied"), true)
  t:equal(#t.bridge:of("submit"), 1)
end

return tests
