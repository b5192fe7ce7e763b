-- Writing annotations and taking them away again: nothing of the user's is lost, nothing piles up.

local standin = require("standin")

local tests = {}

local function found(t, band, more)
  local function id(name) return t.rpr:state(band[name]).guid end
  local it = {
    schema = "stemlens.findings/1", job = "job-1", project = "Song",
    stems = { { id = id("drums"), name = "Drums", kind = "bus" },
      { id = id("bass"), name = "Bass", kind = "track" },
      { id = id("guitar"), name = "Guitar", kind = "track" } },
    tags = {}, warnings = {},
    notes = {
      { track = id("bass"), text = "rock: 21 of 63 points (muting it: −9)",
        label = "rock 21 of 63 points", color = "#D55E00" },
      { track = id("guitar"), text = "sad: −8 of 40 points (muting it: +3)",
        label = "sad -8 of 40 points", color = "#0072B2" } },
    markers = { { track = id("bass"), start_s = 2.5, end_s = 5.5, text = "Bass: +30 points of rock" },
      { track = id("guitar"), start_s = 1.0, end_s = 1.0, text = "Guitar: −12 points of sad" } },
  }
  for key, value in pairs(more or {}) do
    it[key] = value
  end
  return it
end

local ALL = { colour = "tag", names = true, markers = true }
local LEAST = { colour = "no", names = false, markers = true }

local function ready(t, sws)
  local reaper = t:reaper({ bridge = false, sws = sws })
  return reaper, t:band(), t:module("annotate")
end

tests["colours, names, notes and regions, and back to what was there"] = function(t)
  local reaper, band, annotate = ready(t)
  local bass, guitar = reaper:state(band.bass), reaper:state(band.guitar)
  bass.values.I_CUSTOMCOLOR = 0x1123456
  bass.notes = "new strings!\n\n"
  guitar.name = ""
  local markers = reaper.data[band.proj].state.markers
  markers[1] = { region = true, from = 0, to = 4, name = "Verse", number = 1, colour = 0 }
  markers[2] = { region = false, from = 3, to = 0, name = "my stemlens: idea", number = 2, colour = 0 }
  reaper:settle(band.proj)
  local before = reaper:picture(band.proj)
  local report = annotate.apply(band.proj, found(t, band), ALL)
  bass, guitar = reaper:state(band.bass), reaper:state(band.guitar)
  t:equal({ report.tracks, report.markers }, { 2, 2 })
  t:equal({ bass.name, guitar.name }, { "Bass {rock 21 of 63 points}",
    "Track 6 {sad -8 of 40 points}" })
  t:equal(bass.notes, "new strings!\n\n\n[Stemlens] rock: 21 of 63 points (muting it: −9) [/Stemlens]")
  t:equal(bass.values.I_CUSTOMCOLOR, 0x1000000 + 0xD5 + 0x5E * 256)
  t:equal(#reaper.data[band.proj].state.markers, 4)
  t:equal(reaper.data[band.proj].state.markers[2].region, false, "a marker where nothing lasts")
  annotate.remove(band.proj)
  local same, key = standin.same(before, reaper:picture(band.proj))
  t:equal(same, true, "but for " .. tostring(key))
end

tests["the least by default: no colour, no name; the record is there without SWS"] = function(t)
  local reaper, band, annotate = ready(t, false)
  annotate.apply(band.proj, found(t, band), LEAST)
  local bass = reaper:state(band.bass)
  t:equal({ bass.name, bass.values.I_CUSTOMCOLOR, bass.notes }, { "Bass", 0, "" })
  local kept = t:module("record").read(bass.ext.stemlens)
  t:equal(kept, { job = "job-1", text = "rock: 21 of 63 points (muting it: −9)" })
end

tests["what belongs to no track is a region of the song, and goes as all others"] = function(t)
  local reaper, band, annotate = ready(t)
  local before = reaper:picture(band.proj)
  local song = found(t, band, { markers = {
    { track = "", start_s = 4.0, end_s = 20.0, text = "highlight: rock" },
    { track = "gone", start_s = 1.0, end_s = 2.0, text = "Lost: +3 points of rock" } } })
  local report = annotate.apply(band.proj, song, ALL)
  local markers = reaper.data[band.proj].state.markers
  t:equal({ #markers, report.markers }, { 1, 1 })
  t:equal({ markers[1].name, markers[1].region, markers[1].from, markers[1].to },
    { "stemlens: highlight: rock", true, 4.0, 20.0 })
  annotate.remove(band.proj)
  t:equal(standin.same(before, reaper:picture(band.proj)), true)
end

tests["running it again replaces, and never piles up"] = function(t)
  local reaper, band, annotate = ready(t)
  local before = reaper:picture(band.proj)
  annotate.apply(band.proj, found(t, band), ALL)
  local once = reaper:picture(band.proj)
  annotate.apply(band.proj, found(t, band), ALL)
  t:equal(reaper:picture(band.proj).undoable.states, once.undoable.states)
  t:equal(#reaper.data[band.proj].state.markers, 2)
  -- The next analysis says nothing of the guitar: what was said before goes.
  local less = found(t, band, { job = "job-2", markers = {} })
  table.remove(less.notes)
  annotate.apply(band.proj, less, LEAST)
  t:equal({ reaper:state(band.guitar).ext, reaper:state(band.guitar).notes,
    reaper:state(band.guitar).name }, { {}, "", "Guitar" })
  t:equal({ #reaper.data[band.proj].state.markers, reaper:state(band.bass).name }, { 0, "Bass" })
  annotate.remove(band.proj)
  t:equal(standin.same(before, reaper:picture(band.proj)), true)
end

tests["each is one undo step, notes included, and redoing nothing adds none"] = function(t)
  local reaper, band, annotate = ready(t)
  local it = reaper.data[band.proj]
  annotate.apply(band.proj, found(t, band), ALL)
  annotate.apply(band.proj, found(t, band), LEAST)
  annotate.remove(band.proj)
  t:equal(#it.undo, 4)
  annotate.remove(band.proj)
  t:equal(#it.undo, 4, "nothing to remove is no step")
  reaper:undo(band.proj)
  t:has(reaper:state(band.bass).notes, "rock: 21")
  t:equal(reaper:state(band.bass).name, "Bass")
  reaper:undo(band.proj)
  t:equal(reaper:state(band.bass).name, "Bass {rock 21 of 63 points}")
  reaper:undo(band.proj)
  t:equal(reaper:state(band.bass), it.undo[1].state.states[band.bass])
  -- What the user does afterwards does not take the notes along.
  annotate.apply(band.proj, found(t, band), LEAST)
  reaper:user(band.proj, "move", function() reaper:state(band.bass).values.D_VOL = 0.5 end)
  reaper:undo(band.proj)
  t:has(reaper:state(band.bass).notes, "rock: 21")
end

tests["what the user changed meanwhile stays the user's"] = function(t)
  local reaper, band, annotate = ready(t)
  annotate.apply(band.proj, found(t, band), ALL)
  local bass, guitar = reaper:state(band.bass), reaper:state(band.guitar)
  bass.name = "Sub {rock 21 of 63 points}"
  bass.values.I_CUSTOMCOLOR = 0x1000001
  bass.notes = "before\n" .. bass.notes .. "\nafter"
  guitar.name = "Guitar solo"
  annotate.remove(band.proj)
  bass, guitar = reaper:state(band.bass), reaper:state(band.guitar)
  t:equal({ bass.name, bass.values.I_CUSTOMCOLOR, guitar.name }, { "Sub", 0x1000001, "Guitar solo" })
  t:equal(bass.notes, "before\nafter")
end

tests["a renamed, moved or deleted track is told, never taken for another"] = function(t)
  local reaper, band, annotate = ready(t)
  local findings = found(t, band)
  table.insert(findings.stems, { id = "master-rest", name = "Master bus (rest)", kind = "rest" })
  local marked = { stems = {} }
  for _, name in ipairs({ "drums", "bass", "guitar" }) do
    local parent = name == "guitar" and reaper:state(band.band).guid or ""
    marked.stems[reaper:state(band[name]).guid] = { parent = parent }
  end
  local it = reaper.data[band.proj]
  reaper:state(band.bass).name = "Guitar" -- the name of another one
  table.remove(it.state.tracks, 6) -- the guitar is gone
  reaper:state(band.band).values.I_FOLDERDEPTH = 0
  local report = annotate.apply(band.proj, findings, ALL, marked)
  t:equal(report.problems, { '"Bass" is called "Guitar" now; it is the same track.',
    '"Guitar" is no longer there; nothing was written for it.' })
  t:equal(reaper:state(band.bass).name, "Guitar {rock 21 of 63 points}")
  t:equal(report.markers, 1, "no region for what is not there")
  -- Moved: the drums into the plain folder.
  local drums = table.remove(it.state.tracks, 1)
  reaper:state(drums).values.I_FOLDERDEPTH = 0
  reaper:state(band.snare).values.I_FOLDERDEPTH = 0
  reaper:state(band.band).values.I_FOLDERDEPTH = 1
  table.insert(it.state.tracks, 5, drums)
  report = annotate.apply(band.proj, findings, ALL, marked)
  t:has(table.concat(report.problems, "|"), '"Drums" was moved into "Band" since')
end

tests["the order of tracks does not matter, their ids do"] = function(t)
  local reaper, band, annotate = ready(t)
  local it = reaper.data[band.proj]
  local findings = found(t, band)
  table.insert(it.state.tracks, 1, table.remove(it.state.tracks, 4))
  reaper:track(band.proj, "New", { at = 1 })
  t:equal(annotate.apply(band.proj, findings, LEAST).problems, {})
  t:has(reaper:state(band.bass).ext.stemlens, "rock")
end

tests["a copy of an annotated track loses its copy of the annotation too"] = function(t)
  local reaper, band, annotate = ready(t)
  annotate.apply(band.proj, found(t, band), ALL)
  local twin = reaper:track(band.proj, "x")
  local it, guid = reaper.data[band.proj], reaper:state(twin).guid
  it.states[twin] = standin.copy(it.states[band.bass])
  it.states[twin].guid = guid
  annotate.remove(band.proj)
  t:equal({ reaper:state(twin).name, reaper:state(twin).notes, reaper:state(twin).ext },
    { "Bass", "", {} })
end

tests["notes that were written with SWS are told when it is gone"] = function(t)
  local reaper, band, annotate = ready(t)
  annotate.apply(band.proj, found(t, band), LEAST)
  reaper.sws = false
  reaper:run("Remove all annotations")
  t:has(t:last_message(), "notes of 2 tracks were written with the SWS extension")
  t:equal(reaper:state(band.bass).ext, {})
end

tests["a record that somebody forged does no harm"] = function(t)
  local reaper, band, annotate = ready(t)
  reaper:state(band.bass).ext.stemlens = "job=x&colour=os.exit()&label=%5D%5D&&=&text"
  reaper:state(band.kick).ext.stemlens = "\1\2%"
  annotate.remove(band.proj)
  t:equal({ reaper:state(band.bass).ext, reaper:state(band.kick).ext }, { {}, {} })
end

tests["a block is put and taken out to the letter"] = function(t)
  ready(t)
  local marks = t:module("marks")
  for _, text in ipairs({ "", "a", "a\n", "\n", "a\r\nb", "[Stemlens] [/Stemlens", "100 % {x}" }) do
    local put = marks.put(text, "rock: 21 of 63 points [/Stemlens] ")
    t:equal(marks.taken_out(put), text)
    t:equal(marks.put(put, "sad"), marks.put(text, "sad"))
  end
end

tests["an annotation of nothing makes no undo step"] = function(t)
  local reaper, band, annotate = ready(t)
  local report = annotate.apply(band.proj, found(t, band, { notes = {}, markers = {} }), ALL)
  t:equal({ report.tracks, #reaper.data[band.proj].undo }, { 0, 1 })
end

return tests
