-- The routing as facts, as the bridge takes them; the user's wishes; the tempo map.

local tests = {}

local function facts(t, proj, from, to)
  local by_name = {}
  for _, track in ipairs(t:module("routing").tracks(proj, from or 0, to or 8)) do
    by_name[track.name] = track
  end
  return by_name
end

local function ready(t)
  local reaper = t:reaper({ bridge = false })
  return reaper, reaper:project({ name = "Song" })
end

tests["folders, sends and sidechains"] = function(t)
  local reaper, proj = ready(t)
  local drums = reaper:track(proj, "Drums", { folder = 1, values = { D_VOL = 0.5, D_PAN = -0.25 } })
  local rooms = reaper:track(proj, "Rooms", { folder = 1 })
  local left = reaper:track(proj, "Left", { folder = -2 })
  local bass = reaper:track(proj, "Bass")
  local bus = reaper:track(proj, "Bus", { items = {} })
  local kick = reaper:track(proj, "Kick", { values = { B_MAINSEND = 0 } })
  reaper:send(proj, kick, bus)
  reaper:send(proj, kick, bass, { I_DSTCHAN = 2 })
  reaper:send(proj, bass, bus, { D_VOL = 0.1, I_SENDMODE = 3, I_DSTCHAN = 1024 })
  reaper:send(proj, bass, bus, { I_SRCCHAN = -1 }) -- MIDI alone
  reaper:send(proj, bass, bus, { B_MUTE = 1 })
  local it = facts(t, proj)
  local function id(track) return reaper:state(track).guid end
  t:equal(it.Drums.output, "")
  t:equal({ math.floor(it.Drums.fader_db * 100), it.Drums.pan }, { -603, -0.25 })
  t:equal(it.Rooms.output, id(drums))
  t:equal(it.Left.output, id(rooms))
  t:equal(it.Bass.output, "", "the folders end where REAPER ends them")
  t:equal(tostring(it.Kick.output), "null")
  t:equal(it.Kick.sends, {
    { to = id(bus), gain_db = 0.0, pre_fader = false, sidechain = false },
    { to = id(bass), gain_db = 0.0, pre_fader = false, sidechain = true },
  })
  t:equal(#it.Bass.sends, 1)
  t:equal({ it.Bass.sends[1].gain_db, it.Bass.sends[1].pre_fader, it.Bass.sends[1].sidechain },
    { -20.0, true, false })
  t:equal(id(left) ~= nil, true)
end

tests["a main send to other channels is none, and steers its folder's effects"] = function(t)
  local reaper, proj = ready(t)
  local pad = reaper:track(proj, "Pad", { folder = 1 })
  reaper:track(proj, "Trigger", { folder = -1, values = { C_MAINSEND_OFFS = 2 } })
  reaper:track(proj, "Outboard", { values = { C_MAINSEND_OFFS = 4 } })
  local it = facts(t, proj)
  t:equal(tostring(it.Trigger.output), "null")
  t:equal(it.Trigger.sends, { { to = reaper:state(pad).guid, sidechain = true } })
  t:equal({ tostring(it.Outboard.output), #it.Outboard.sends }, { "null", 0 })
end

tests["what sounds: items in time, instruments, MIDI with effects"] = function(t)
  local reaper, proj = ready(t)
  local synth = { { name = "synth", instrument = true } }
  reaper:track(proj, "Audio")
  reaper:track(proj, "Late", { items = { { from = 6, length = 2 } } })
  reaper:track(proj, "Muted item", { items = { { from = 0, length = 8, mute = true } } })
  reaper:track(proj, "Empty item", { items = { { from = 0, length = 8, empty = true } } })
  reaper:track(proj, "Synth", { items = { { from = 0, length = 8, midi = true } }, fx = synth })
  reaper:track(proj, "Played from elsewhere", { items = {}, fx = synth })
  reaper:track(proj, "MIDI alone", { items = { { from = 0, length = 8, midi = true } } })
  reaper:track(proj, "Synth bypassed", { items = {}, fx = { { instrument = true, bypassed = true } } })
  reaper:track(proj, "Pulled down", { values = { D_VOL = 0 } })
  reaper:track(proj, "Instrument bypassed, an equaliser on", { items = {},
    fx = { { instrument = true, bypassed = true }, {} } })
  reaper:track(proj, "No length", { items = { { from = 2, length = 0 } } })
  reaper:track(proj, "Ridden", { values = { D_VOL = 0 }, envelopes = { { active = true } } })
  local it = facts(t, proj, 1, 4)
  local function of(name) return { it[name].sounds, it[name].silent } end
  t:equal(of("Audio"), { true, false })
  t:equal(of("Late"), { true, true })
  t:equal(of("Muted item"), { false, false })
  t:equal(of("Empty item"), { false, false })
  t:equal(of("Synth"), { true, false })
  t:equal(of("Played from elsewhere"), { true, false })
  t:equal(of("MIDI alone"), { false, false })
  t:equal(of("Synth bypassed"), { false, false })
  t:equal({ it["Pulled down"].output, it.Ridden.output }, { t:module("json").null, "" })
  t:equal(of("Instrument bypassed, an equaliser on"), { false, false })
  t:equal(of("No length"), { false, false })
end

tests["a fader pulled down lets through what is sent before it, and nothing else"] = function(t)
  local reaper, proj = ready(t)
  local verb = reaper:track(proj, "Verb", { items = {}, fx = { {} } })
  local delay = reaper:track(proj, "Delay", { items = {}, fx = { {} } })
  local wet = reaper:track(proj, "Wet alone", { values = { D_VOL = 0 } })
  reaper:send(proj, wet, verb, { I_SENDMODE = 3 })
  reaper:send(proj, wet, delay)
  local it = facts(t, proj)["Wet alone"]
  t:equal({ tostring(it.output), it.silent, #it.sends, it.sends[1].to },
    { "null", false, 1, reaper:state(verb).guid })
end

tests["a strip does something by its phase, its width, its two pans, or a VCA fader"] = function(t)
  local reaper, proj = ready(t)
  reaper:track(proj, "Plain")
  reaper:track(proj, "Phase", { values = { B_PHASE = 1 } })
  reaper:track(proj, "Width", { values = { D_WIDTH = 0.3 } })
  reaper:track(proj, "Not dual", { values = { D_DUALPANL = 0 } })
  reaper:track(proj, "Dual", { values = { I_PANMODE = 6, D_DUALPANL = 0 } })
  local led = reaper:track(proj, "Led")
  local high = reaper:track(proj, "Led in a high group")
  local vca = reaper:track(proj, "VCA", { items = {}, values = { D_VOL = 0.5 } })
  reaper:state(vca).groups = { VOLUME_VCA_LEAD = 6 }
  reaper:state(vca).high_groups = { VOLUME_VCA_LEAD = 1 }
  reaper:state(led).groups = { VOLUME_VCA_FOLLOW = 2 }
  reaper:state(high).high_groups = { VOLUME_VCA_FOLLOW = 1 }
  local it, does = facts(t, proj), {}
  for name, track in pairs(it) do
    does[name] = track.effects or nil
  end
  t:equal(does, { Phase = true, Width = true, Dual = true, Led = true,
    ["Led in a high group"] = true })
  reaper:state(vca).values.D_VOL = 1
  t:equal(facts(t, proj).Led.effects, false)
end

tests["a track without a main send goes where the bridge's cut says that it does"] = function(t)
  local reaper, proj = ready(t)
  local bus = reaper:track(proj, "Bus", { items = {} })
  local away = { values = { B_MAINSEND = 0 } }
  local routing = t:module("routing")
  local function goes(...)
    local track = reaper:track(proj, "x", away)
    for _, values in ipairs({ ... }) do
      reaper:send(proj, track, bus, values)
    end
    return routing.downstream(track) == reaper:state(bus).guid
  end
  t:equal(goes({}), true)
  t:equal(goes({}, { I_SRCCHAN = -1 }, { I_DSTCHAN = 2 }, { B_MUTE = 1 }), true)
  t:equal({ goes(), goes({}, {}), goes({ D_VOL = 0.5 }), goes({ I_SENDMODE = 3 }) },
    { false, false, false, false })
end

tests["effects and automation count only where they are on"] = function(t)
  local reaper, proj = ready(t)
  reaper:track(proj, "On", { fx = { {} } })
  reaper:track(proj, "Bypassed", { fx = { { bypassed = true } } })
  reaper:track(proj, "Offline", { fx = { { offline = true } } })
  reaper:track(proj, "All off", { fx = { {} }, values = { I_FXEN = 0 } })
  reaper:track(proj, "Automated", { envelopes = { { active = false }, { active = true } } })
  reaper:track(proj, "Once automated", { envelopes = { { active = false } } })
  local it = facts(t, proj)
  t:equal({ it.On.effects, it.Bypassed.effects, it.Offline.effects, it["All off"].effects },
    { true, false, false, false })
  t:equal({ it.On.automation, it.Automated.automation, it["Once automated"].automation },
    { false, true, false })
end

tests["our own label is no part of a name, and a track without one has REAPER's"] = function(t)
  local reaper, proj = ready(t)
  reaper:track(proj, "Guitar {rock 21 of 63 points}")
  reaper:track(proj, "")
  reaper:track(proj, "Choir {take 2}")
  local it = t:module("routing").tracks(proj, 0, 8)
  t:equal({ it[1].name, it[2].name, it[3].name }, { "Guitar", "Track 2", "Choir {take 2}" })
end

tests["a wish is one undo step, and travels with the track"] = function(t)
  local reaper = t:reaper({ bridge = false })
  local band = t:band()
  local it = reaper.data[band.proj]
  it.selection = { [band.drums] = true, [band.bass] = true }
  reaper:run("Open selected folders into their tracks")
  local routing = t:module("routing")
  t:equal({ routing.choice(band.drums), routing.choice(band.bass), routing.choice(band.kick) },
    { "open", "open", nil })
  t:equal(#it.undo, 2)
  it.selection = { [band.bass] = true }
  reaper:run("Leave selected tracks out")
  t:equal(routing.choices(band.proj), { [reaper:state(band.drums).guid] = "open",
    [reaper:state(band.bass).guid] = "skip" })
  reaper:run("Treat selected tracks by default")
  t:equal(routing.choice(band.bass), nil)
  t:equal(reaper:state(band.bass).ext, {})
  it.selection = {}
  reaper:run("Treat selected tracks as one stem")
  t:has(t:last_message(), "No tracks are selected")
  reaper:undo(band.proj)
  t:equal(routing.choice(band.bass), "skip")
end

tests["for selected tracks what they lie in is opened and the rest left out"] = function(t)
  local reaper = t:reaper({ bridge = false })
  local band = t:band()
  local function id(name) return reaper:state(band[name]).guid end
  local choices = t:module("routing").choices(band.proj, { [id("kick")] = true, [id("band")] = true })
  t:equal({ choices[id("drums")], choices[id("kick")], choices[id("snare")] },
    { "open", nil, "skip" })
  t:equal({ choices[id("band")], choices[id("guitar")], choices[id("reverb")] },
    { nil, nil, "skip" })
end

tests["the tempo map has meters, and ramps as steps that keep their beats"] = function(t)
  local reaper = t:reaper({ bridge = false })
  local proj = reaper:project({ name = "Song", tempo = { bpm = 90, markers = {
    { time = 0, bpm = 90, numerator = 3, denominator = 4 }, { time = 4, bpm = 120, ramp = true },
    { time = 12, bpm = 60, numerator = 7, denominator = 8 } } } })
  local map = t:module("project").tempo(proj)
  t:equal(map[1], { start_s = 0.0, bpm = 90.0, numerator = 3, denominator = 4 })
  t:equal(map[#map], { start_s = 12.0, bpm = 60.0, numerator = 7, denominator = 8 })
  local beats = 0
  for index = 2, #map - 1 do
    beats = beats + (map[index + 1].start_s - map[index].start_s) * map[index].bpm / 60
  end
  t:equal(math.abs(beats - 8 * 90 / 60) < 1e-6, true)
end

tests["a tempo map of very many ramps is told more coarsely, and markers at one time once"] = function(t)
  local reaper = t:reaper({ bridge = false })
  local markers = { { time = 0, bpm = 100, ramp = true }, { time = 0, bpm = 110, ramp = true } }
  for index = 1, 300 do
    markers[#markers + 1] = { time = 20 * index, bpm = 100 + index % 2, ramp = true }
  end
  local proj = reaper:project({ name = "Song", tempo = { bpm = 100, markers = markers } })
  local map = t:module("project").tempo(proj)
  t:equal({ #map < 5000, #map > 3000 }, { true, true })
  for index = 2, #map do
    assert(map[index].start_s > map[index - 1].start_s)
  end
  local plain = reaper:project({ name = "Plain", tempo = { bpm = 90, markers = {
    { time = 4, bpm = 120, numerator = 6, denominator = 8 } } } })
  t:equal(t:module("project").tempo(plain), {
    { start_s = 0, bpm = 90.0, numerator = 4, denominator = 4 },
    { start_s = 4.0, bpm = 120.0, numerator = 6, denominator = 8 } })
end

tests["JSON is JSON whatever tracks are called"] = function(t)
  t:reaper({ bridge = false })
  local written, read = t:module("json"), require("json")
  local odd = { 'say "hi"\\', "tab\tline\nend\0", "Gr\u{fc}\u{df}e \u{1f3b8}", "", "a/b" }
  t:equal(read.read(written.write(written.list(odd))), odd)
  t:equal(read.read(written.write("caf\xe9")), "caf?")
  t:equal(written.write({ b = written.list(), a = { x = 1.5, y = written.null } }),
    '{"a":{"x":1.5,"y":null},"b":[]}')
  t:raises("JSON has no", written.write, { x = 0 / 0 })
  t:raises("JSON has no", written.write, { x = print })
end

return tests
