-- The whole way: plan, agreement, bounce, results, annotations, and taking them away again.

local standin = require("standin")

local tests = {}

local function names(reaper, proj)
  local found = {}
  for _, track in ipairs(reaper.data[proj].state.tracks) do
    found[#found + 1] = reaper:state(track).name
  end
  return found
end

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
  t:equal(names(reaper, band.proj)[4], "Bass", "names are left alone unless asked for")
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

return tests
