-- Bouncing: the recipe, what is put back, and everything that can go wrong with it.

local standin = require("standin")

local tests = {}

local function stems(t, band, ...)
  local found = {}
  for index, name in ipairs({ ... }) do
    local track = band[name]
    local number
    for at, other in ipairs(t.rpr.data[band.proj].state.tracks) do
      number = other == track and at or number
    end
    found[index] = { id = t.rpr:state(track).guid, name = name, track = track, number = number }
  end
  return found
end

local function wanted(t, band, more)
  local it = { stems = stems(t, band, "drums", "bass"), from_s = 1, to_s = 3, with_mix = true,
    folder = t.folder .. "/recordings/Stemlens bounces/x" }
  for key, value in pairs(more or {}) do
    it[key] = value
  end
  return it
end

local function ready(t)
  local reaper = t:reaper({ bridge = false })
  local band = t:band()
  local it = reaper.data[band.proj]
  it.selection = { [band.guitar] = true, [band.click] = true, [it.master] = true }
  it.states[band.bass].values.I_SOLO = 1
  it.states[it.master].values.D_VOL = 0.7
  return reaper, band, it, reaper:picture(band.proj)
end

local function unchanged(t, band, before)
  local after = t.rpr:picture(band.proj)
  for key in pairs(before) do
    t:equal(after[key], before[key], key)
  end
  t:equal(t.rpr.config.renderclosewhendone, 16)
  t:equal(t.rpr.refresh, 0)
end

tests["stems and mix in one pass, and everything is put back"] = function(t)
  local reaper, band, it, before = ready(t)
  local by_id, mix = t:module("bounce").run(band.proj, wanted(t, band))
  t:equal(#it.rendered, 1)
  t:equal(it.rendered[1].numbers.RENDER_SETTINGS, 1)
  t:equal(it.rendered[1].names, { "MASTER", "Drums", "Bass" })
  t:equal({ it.rendered[1].from, it.rendered[1].to, it.rendered[1].master_fx,
    it.rendered[1].master_volume, it.rendered[1].solo }, { 1, 3, 0, 1, false })
  t:has(by_id[reaper:state(band.bass).guid], "/stem-4.wav")
  t:has(mix, "/stem-0.wav")
  unchanged(t, band, before)
end

tests["the master is told apart however REAPER numbers it"] = function(t)
  for _, number in ipairs({ "0", "", "00", "MASTER", "master" }) do
    local reaper, band, it = ready(t)
    reaper.master_number = number
    local by_id, mix = t:module("bounce").run(band.proj,
      wanted(t, band, { folder = t.folder .. "/" .. number .. "x" }))
    t:equal(#it.rendered, 1)
    t:has(by_id[reaper:state(band.drums).guid], "/stem-1.wav")
    t:has(mix, "/stem-" .. number .. ".wav")
    t.env = nil
  end
end

tests["two passes where the master's name collides with a track's"] = function(t)
  local reaper, band, it, before = ready(t)
  reaper.master_number = "4" -- as if REAPER called it like the bass
  local by_id, mix = t:module("bounce").run(band.proj, wanted(t, band))
  t:equal(#it.rendered, 2)
  t:equal(it.rendered[1].names, { "Drums", "Bass" })
  t:equal(it.rendered[1].numbers.RENDER_SETTINGS, 3)
  t:equal(it.rendered[2].names, { "MASTER" })
  t:equal(it.rendered[2].numbers.RENDER_SETTINGS, 0)
  t:has(by_id[reaper:state(band.bass).guid], "/stem-4.wav")
  t:has(mix, "/mix.wav")
  unchanged(t, band, before)
end

tests["returns printed with their source go through the master, in a pass of their own"] = function(t)
  local _, band, it, before = ready(t)
  t:module("bounce").run(band.proj, wanted(t, band, { via_master = true }))
  t:equal({ it.rendered[1].numbers.RENDER_SETTINGS, it.rendered[1].master_fx }, { 128, 0 })
  t:equal(it.rendered[2].numbers.RENDER_SETTINGS, 0)
  unchanged(t, band, before)
end

tests["a mix alone when no stem has changed"] = function(t)
  local _, band, it = ready(t)
  local _, mix = t:module("bounce").run(band.proj, wanted(t, band, { stems = {} }))
  t:equal(it.rendered[1].names, { "MASTER" })
  t:has(mix, "/mix.wav")
end

tests["a render that was stopped is told, and leaves nothing"] = function(t)
  local reaper, band, _, before = ready(t)
  reaper.render_fault = function(index) return index == 2 and "stop" or nil end
  local it = wanted(t, band)
  t:raises("2 of 3 files were not written (drums, bass)", t:module("bounce").run, band.proj, it)
  t:equal(standin.list(it.folder), {})
  t:equal(standin.list(t.folder .. "/recordings/Stemlens bounces", "d"), {})
  unchanged(t, band, before)
end

tests["a render that was stopped half way: files are there, but too short"] = function(t)
  local reaper, band, _, before = ready(t)
  reaper.stopped_at_s = 1.2 -- of 2 seconds
  local it = wanted(t, band)
  t:raises("3 of 3 files are too short (drums, bass, the mix)", t:module("bounce").run, band.proj, it)
  t:equal(standin.list(t.folder .. "/recordings/Stemlens bounces", "d"), {})
  unchanged(t, band, before)
end

tests["how long a file is, whatever its header says"] = function(t)
  ready(t)
  local wav = t:module("wav")
  local path = t.folder .. "/x.wav"
  local function seconds(text)
    local file = io.open(path, "wb")
    file:write(text)
    file:close()
    return wav.seconds(path)
  end
  local format = "fmt " .. string.pack("<I4I2I2I4I4I2I2", 16, 1, 2, 10, 40, 4, 16)
  local sound = ("x"):rep(80)
  t:equal(seconds("RIFF\0\0\0\0WAVE" .. format .. "data" .. string.pack("<I4", 80) .. sound), 2.0)
  t:equal(seconds("RIFF\0\0\0\0WAVELIST\3\0\0\0abc\0" .. format .. "data"
    .. string.pack("<I4", 80) .. sound .. "LIST\4\0\0\0abcd"), 2.0)
  t:equal(seconds("RF64\255\255\255\255WAVE" .. format .. "data\255\255\255\255" .. sound), 2.0)
  t:equal(seconds("RIFF\0\0\0\0WAVE" .. format .. "data\0\0\0\0" .. sound), 2.0, "never finished")
  t:equal({ seconds("RIFF\0\0\0\0WAVE" .. format), seconds("fLaC"), seconds("") }, {})
  t:equal(wav.seconds(t.folder .. "/nothing.wav"), nil)
end

tests["the master is out of the way: fader, pan, width, phase, and its automation"] = function(t)
  local reaper, band, it = ready(t)
  local master = it.states[it.master]
  for key, value in pairs({ D_PAN = 0.5, D_WIDTH = 0.2, B_PHASE = 1, D_DUALPANL = 0.1,
    D_DUALPANR = 0.2, D_PANLAW = 0.7 }) do
    master.values[key] = value
  end
  for index, kind in ipairs({ "MASTERVOLENV2", "MASTERPANENV", "TEMPOENVEX", "MASTERPLAYSPEEDENV",
    "PARMENV", "MASTERWIDTHENV2" }) do
    master.envelopes[index] = { kind = kind, active = true, handle = setmetatable({},
      { __name = "TrackEnvelope" }) }
  end
  it.rate = 1.25
  local before = reaper:picture(band.proj)
  t:module("bounce").run(band.proj, wanted(t, band))
  local pass = it.rendered[1]
  t:equal(pass.envelopes, { "TEMPOENVEX", "PARMENV" }, "the tempo stays, effects are off anyway")
  t:equal({ pass.rate, pass.master.D_PAN, pass.master.D_WIDTH, pass.master.B_PHASE,
    pass.master.D_DUALPANL, pass.master.D_DUALPANR, pass.master.D_PANLAW }, { 1, 0, 1, 0, -1, 1, 1 })
  unchanged(t, band, before)
end

tests["a folder whose name has a semicolon"] = function(t)
  local reaper, band = ready(t)
  local by_id, mix = t:module("bounce").run(band.proj,
    wanted(t, band, { folder = t.folder .. "/it's 100%; \u{1f3b8} a;b" }))
  t:has(by_id[reaper:state(band.bass).guid], "a;b/stem-4.wav")
  t:has(mix, "a;b/stem-0.wav")
end

tests["a folder where nothing can be written is told before REAPER renders"] = function(t)
  local reaper, band, it, before = ready(t)
  reaper.write_fault = "Stemlens bounces"
  t:raises("cannot be written (No space left on device)", t:module("bounce").run, band.proj,
    wanted(t, band))
  reaper.write_fault, reaper.no_folders = nil, "Stemlens bounces"
  t:raises("cannot be written", t:module("bounce").run, band.proj, wanted(t, band))
  t:equal(#it.rendered, 0)
  t:equal(standin.list(t.folder .. "/recordings", "d"), { "Stemlens bounces" })
  t:equal(standin.list(t.folder .. "/recordings/Stemlens bounces", "d"), {})
  unchanged(t, band, before)
end

tests["one file that is missing is told by the track's name"] = function(t)
  local reaper, band = ready(t)
  reaper.render_fault = function(index) return index == 3 and "skip" or nil end
  t:raises("1 of 3 files were not written (bass)", t:module("bounce").run, band.proj,
    wanted(t, band))
end

tests["a target that exists is refused before anything is rendered, and kept"] = function(t)
  local _, band, rendered, before = ready(t)
  local it = wanted(t, band)
  standin.make_folder(it.folder)
  local file = io.open(it.folder .. "/stem-4.wav", "wb")
  file:write("the user's")
  file:close()
  t:raises("stem-4.wav is already there", t:module("bounce").run, band.proj, it)
  t:equal(#rendered.rendered, 0)
  t:equal(standin.read(it.folder .. "/stem-4.wav"), "the user's")
  unchanged(t, band, before)
end

tests["a fault in the middle puts everything back"] = function(t)
  local reaper, band, _, before = ready(t)
  reaper.render_fault = function() error("a plug-in crashed the script") end
  t:raises("a plug-in crashed", t:module("bounce").run, band.proj, wanted(t, band))
  unchanged(t, band, before)
end

tests["a fault while putting back does not keep the rest from being put back"] = function(t)
  local reaper, band, it, before = ready(t)
  reaper.value_fault = function(key, value) return key == "I_SOLO" and value ~= 0 end
  t:raises("a fault in the middle", t:module("bounce").run, band.proj, wanted(t, band))
  t:equal(it.strings, before.strings)
  t:equal(it.numbers, before.numbers)
  t:equal(it.selection, before.selection)
  t:equal(it.states[it.master].values, before.undoable.states[it.master].values)
end

tests["REAPER closes its render window by itself, where SWS can say so"] = function(t)
  local reaper, band = ready(t)
  local during
  reaper.render_fault = function()
    during = reaper.config.renderclosewhendone
  end
  t:module("bounce").run(band.proj, wanted(t, band))
  t:equal({ during, reaper.config.renderclosewhendone }, { 17, 16 })
end

tests["it works without SWS"] = function(t)
  local reaper = t:reaper({ bridge = false, sws = false })
  local band = t:band()
  t:module("bounce").run(band.proj, wanted(t, band))
  t:equal(reaper.config.renderclosewhendone, 16)
end

tests["stems, minutes and gigabytes are told before, and a full disk"] = function(t)
  local reaper, band, it = ready(t)
  local estimate = t:module("estimate")
  local size = estimate.of(band.proj, 14, true, 200)
  t:equal(estimate.told(size), "14 stems and the mix: 50:00 minutes of audio in all, 1.2 GB on "
    .. "the disk (100.0 GB are free). REAPER cannot be used while it renders.")
  estimate.require_space(size)
  it.free_mb = 1500
  t:raises("The bounce needs 1.2 GB and only 1.5 GB are free", estimate.require_space,
    estimate.of(band.proj, 14, true, 200))
  t:has(estimate.told(estimate.of(band.proj, 1, false, 30)), "1 stem: 30 seconds")
  -- A project without a sample rate of its own has the device's.
  it.numbers.PROJECT_SRATE_USE = 0
  reaper.device_rate = 96000
  t:equal(estimate.of(band.proj, 1, false, 100).megabytes, 76.8)
  reaper.device_rate = nil
  t:equal(estimate.of(band.proj, 1, false, 100).megabytes, 38.4)
end

-- ------------------------------------------------------------------------------------- retention

local function made(t, name, values, files_, stems_)
  local folder = t.folder .. "/recordings/Stemlens bounces/" .. name
  standin.make_folder(folder)
  for _, file in ipairs(files_) do
    local out = io.open(folder .. "/" .. file, "wb")
    out:write("x")
    out:close()
  end
  values.made = values.made or name
  t:module("shelf").mark(folder, values, files_, stems_ or {}, {})
  return folder
end

tests["old bounces go, but only what a mark lists, and none that is still borrowed from"] = function(t)
  local _, band = ready(t)
  local shelf = t:module("shelf")
  local one = made(t, "1", { project = "Song" }, { "a.wav" })
  local two = made(t, "2", { project = "Song" }, { "b.wav" })
  local three = made(t, "3", { project = "Song" }, { "c.wav" })
  local other = made(t, "0", { project = "Another" }, { "d.wav" })
  local four = made(t, "4", { project = "Song" }, { "e.wav" }, { { id = "x", folder = "1" } })
  local file = io.open(two .. "/my notes.txt", "wb")
  file:write("mine")
  file:close()
  standin.make_folder(t.folder .. "/recordings/Stemlens bounces/5")
  shelf.retain(band.proj, "Song", 1)
  t:equal(standin.list(one), { "a.wav", "stemlens-bounce.txt" })
  t:equal(standin.list(two), { "my notes.txt" }, "what is not ours stays")
  t:equal(standin.list(t.folder .. "/recordings/Stemlens bounces", "d"),
    { "0", "1", "2", "4", "5" })
  t:equal(#standin.list(four), 2)
  t:equal(#standin.list(other), 2)
  t:equal(standin.read(three .. "/c.wav"), nil)
end

tests["a folder without our mark, or with a forged path in it, is never touched"] = function(t)
  ready(t)
  local shelf = t:module("shelf")
  local folder = made(t, "1", { project = "Song" }, { "a.wav" })
  local outside = t.folder .. "/recordings/song.wav"
  local file = io.open(outside, "wb")
  file:write("mine")
  file:close()
  file = io.open(folder .. "/stemlens-bounce.txt", "ab")
  file:write("file name=..%2F..%2Fsong.wav\n")
  file:close()
  shelf.delete(folder)
  t:equal(standin.read(outside), "mine")
  standin.make_folder(folder)
  file = io.open(folder .. "/stemlens-bounce.txt", "wb")
  file:write("somebody's\nfile name=a.wav\n")
  file:close()
  t:equal(shelf.delete(folder), false)
end

return tests
