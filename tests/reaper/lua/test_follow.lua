-- Following faders: moves relative to the bounce, solo as mutes, and when the result is stale.

local tests = {}

local function ready(t, options)
  local reaper = t:reaper(options)
  local band = t:band()
  t:act("Analyze session")
  t:close_window()
  reaper:advance(1)
  return reaper, band, reaper.data[band.proj]
end

local function id(t, track)
  return t.rpr:state(track).guid
end

-- What the server was told since the last look, as {[name] = {gain_db, muted}}.
local function told(t)
  local reaper, all = t.rpr, {}
  reaper:advance(1)
  for _, request in ipairs(t.bridge:of("live")) do
    if not request.looked then
      request.looked = true
      for _, move in ipairs(request.moves) do
        for _, it in pairs(reaper.data) do
          for _, state in pairs(it.states) do
            if state.guid == move.track then
              local known = all[state.name] or {}
              all[state.name] = known
              if move.gain_db then
                known.gain_db = math.floor(move.gain_db * 100 + 0.5) / 100
              end
              if move.muted ~= nil then
                known.muted = move.muted
              end
            end
          end
        end
      end
    end
  end
  return all
end

local function set(t, track, key, value)
  local reaper = t.rpr
  local state, it = reaper:state(track)
  state.values[key] = value
  it.changes = it.changes + 1
end

tests["faders, mutes and solos, each as it happens"] = function(t)
  local reaper, band = ready(t)
  local script = reaper:run("Follow faders")
  t:equal(told(t), {}, "nothing has moved since the bounce")
  set(t, band.bass, "D_VOL", 0.5)
  t:equal(told(t), { Bass = { gain_db = -6.02 } })
  set(t, band.bass, "D_VOL", 0)
  t:equal(told(t), { Bass = { gain_db = -150.0 } })
  set(t, band.bass, "D_VOL", 1)
  set(t, band.drums, "B_MUTE", 1)
  t:equal(told(t), { Bass = { gain_db = 0.0 }, Drums = { muted = true } })
  set(t, band.drums, "B_MUTE", 0)
  set(t, band.bass, "I_SOLO", 1)
  t:equal(told(t), { Guitar = { muted = true }, Reverb = { muted = true } })
  set(t, band.bass, "I_SOLO", 0)
  t:equal(told(t), { Drums = { muted = false }, Guitar = { muted = false },
    Reverb = { muted = false } })
  t:equal(t.bridge:of("live")[1].job, t.bridge:of("submit")[1].job)
  t:equal(reaper:is_running(script), true)
end

tests["moves are relative to the bounce, whatever the fader was then"] = function(t)
  local reaper = t:reaper()
  local band = t:band()
  reaper:state(band.bass).values.D_VOL = 0.25
  t:act("Analyze session")
  t:close_window()
  reaper:run("Follow faders")
  t:equal(told(t), {})
  set(t, band.bass, "D_VOL", 0.5)
  t:equal(told(t), { Bass = { gain_db = 6.02 } })
end

tests["a move before following began is told at once"] = function(t)
  local reaper, band = ready(t)
  set(t, band.bass, "D_VOL", 0.5)
  reaper:run("Follow faders")
  t:equal(told(t), { Bass = { gain_db = -6.02 } })
end

tests["an opened folder moves what is in it"] = function(t)
  local reaper, band = ready(t)
  reaper:run("Follow faders")
  set(t, band.band, "D_VOL", 0.5)
  t:equal(told(t), { Guitar = { gain_db = -6.02 } })
  set(t, band.band, "B_MUTE", 1)
  t:equal(told(t), { Guitar = { muted = true } })
  set(t, band.band, "B_MUTE", 0)
  set(t, band.band, "I_SOLO", 1)
  t:equal(told(t), { Guitar = { muted = false }, Bass = { muted = true }, Drums = { muted = true },
    Reverb = { muted = true } })
end

tests["solo in place keeps the returns that the soloed track feeds"] = function(t)
  local reaper, band = ready(t)
  reaper:run("Follow faders")
  set(t, band.guitar, "I_SOLO", 2)
  t:equal(told(t), { Bass = { muted = true }, Drums = { muted = true } })
  set(t, band.guitar, "I_SOLO", 1)
  t:equal(told(t), { Reverb = { muted = true } })
end

tests["a track that is safe from solo goes on"] = function(t)
  local reaper, band = ready(t)
  set(t, band.bass, "B_SOLO_DEFEAT", 1)
  reaper:run("Follow faders")
  set(t, band.drums, "I_SOLO", 1)
  t:equal(told(t), { Guitar = { muted = true }, Reverb = { muted = true } })
end

tests["a solo inside a bus cannot be told from the bounce: the result is stale"] = function(t)
  local reaper, band = ready(t)
  local script = reaper:run("Follow faders")
  set(t, band.kick, "I_SOLO", 1)
  told(t)
  local last = t.bridge:of("live")
  t:equal(last[#last].stale, "a track inside a bus was soloed")
  t:equal(reaper:is_running(script), true)
end

tests["any other change makes the result stale, and following ends"] = function(t)
  local changes = {
    ['"Bass" was changed'] = function(reaper, band) reaper:state(band.bass).fx = { { name = "eq" } } end,
    ['"Kick" was changed'] = function(reaper, band) reaper:state(band.kick).values.D_VOL = 0.5 end,
    ['"Guitar" was changed'] = function(reaper, band) reaper:state(band.guitar).values.D_PAN = 1 end,
    ['"Bass" was deleted'] = function(reaper, band) table.remove(reaper.data[band.proj].state.tracks, 4) end,
  }
  local number = 0
  for reason, change in pairs(changes) do
    number = number + 1
    local reaper, band, it = ready(t, { root = t.folder .. "/" .. number })
    local script = reaper:run("Follow faders")
    reaper:advance(3)
    t:equal(reaper:is_running(script), true, "nothing has changed")
    change(reaper, band)
    it.changes = it.changes + 1
    reaper:until_("it ends", function() return t:window_is("failed") end)
    t:has(t:text():gsub("\n", " "), reason)
    reaper:advance(1)
    local last = t.bridge:of("live")
    t:has(last[#last - 1].stale, reason)
    t:equal(last[#last].ended, true)
    t:close_window()
    t:equal(script.over, true)
    t:act("Show results")
    t:has(t:text(), "Since the bounce, " .. reason)
    t:close_window()
  end
end

tests["looking around is no change"] = function(t)
  local reaper, band, it = ready(t)
  local script = reaper:run("Follow faders")
  reaper:advance(2)
  it.selection = { [band.bass] = true }
  reaper:state(band.bass).shown, reaper:state(band.bass).name = true, "Sub"
  it.changes = it.changes + 1
  reaper:advance(4)
  t:equal(reaper:is_running(script), true)
  t:equal(#t.bridge:of("live"), 1, "what opens the live mix")
  t:equal(#t.bridge:of("live")[1].moves, 0)
  reaper:advance(200)
  t:equal(#t.bridge:of("live"), 4, "somebody is still there")
end

tests["analysed anew while followed: moves are relative to the new bounce"] = function(t)
  local reaper, band = ready(t)
  reaper:run("Follow faders")
  set(t, band.bass, "D_VOL", 0.5)
  t:equal(told(t), { Bass = { gain_db = -6.02 } })
  t:act("Analyze again")
  table.insert(reaper.keys, 27) -- for the window of the analysis, which is in front
  t:equal(told(t), {})
  set(t, band.bass, "D_VOL", 1)
  t:equal(told(t), { Bass = { gain_db = 6.02 } })
  local live, submits = t.bridge:of("live"), t.bridge:of("submit")
  t:equal(live[#live].job, submits[2].job)
end

-- Before 7.03 REAPER asks what to do, and the user says: a new instance.
for _, version in ipairs({ "6.80/win64", "7.22/linux-x86_64" }) do
  tests["run again it ends, and REAPER shows whether it is on: " .. version:sub(1, 4)] = function(t)
    local reaper = ready(t)
    reaper.version = version
    local first = reaper:run("Follow faders")
    reaper:advance(1)
    t:equal(reaper.toggles[50000 + first.number], 1)
    local second = reaper:run("Follow faders")
    reaper:advance(0.2)
    t:equal({ first.over, reaper.toggles[50000 + first.number] }, { true, 0 })
    t:equal(second == nil, version:sub(1, 1) == "7", "no second script is begun where REAPER knows")
    local third = reaper:run("Follow faders")
    reaper:advance(1)
    t:equal(reaper:is_running(third), true)
  end
end

tests["a flood of moves is told at the bridge's pace, and the last one arrives"] = function(t)
  local reaper, band = ready(t)
  reaper:run("Follow faders")
  reaper:advance(1)
  for step = 1, 200 do
    set(t, band.bass, "D_VOL", 1 - step / 400)
    reaper:advance(0.01, 0.01)
  end
  reaper:advance(1)
  local all = t.bridge:of("live")
  t:equal(#all < 60, true, "not one for each: " .. #all)
  t:equal(math.abs(all[#all].moves[1].gain_db + 6.02) < 0.01, true)
end

tests["a server that cannot play moves yet is a sentence"] = function(t)
  local reaper, band = ready(t, { bridge = { live = false } })
  local script = reaper:run("Follow faders")
  reaper:advance(1)
  set(t, band.bass, "D_VOL", 0.5)
  reaper:until_("it ends", function() return t:window_is("failed") end)
  t:equal(script.over, nil, "its window is still there")
  t:has(t:text():gsub("\n", " "), "cannot play fader moves yet")
  t:equal(reaper.ext["stemlens/following"], nil)
end

tests["a closed project is not followed any more"] = function(t)
  local reaper, band = ready(t)
  reaper:project({ name = "Other", behind = true })
  local script = reaper:run("Follow faders")
  reaper:advance(1)
  reaper:close_project(band.proj)
  reaper:advance(1)
  t:equal({ script.over, t:last_message():find("fault") }, { true, nil })
end

-- What the bridge knows of the live mix.
local function live(t, values)
  local all = {
    number = 1, message = "", start_s = 12, end_s = 24, fresh = true,
    tags = { { tag = "rock", score = 0.63, change = 0.04 },
      { tag = "sad", score = 0.31, change = -0.02 } },
    faders = {
      { track = id(t, t.members.bass), mute = { { tag = "rock", value = -0.21 } },
        up = { { tag = "sad", value = 0.004 }, { tag = "rock", value = -0.0123 } } },
      { track = id(t, t.members.guitar), mute = {}, up = { { tag = "rock", value = 0.02 } } },
    },
  }
  for key, value in pairs(values or {}) do
    all[key] = value
  end
  t.bridge:tell_live(t.bridge:of("submit")[1].job, all)
  t.rpr:advance(0.3)
end

tests["the window shows the tags of the mix and what a dB on each fader would do"] = function(t)
  local reaper, band = ready(t)
  t.members = band
  reaper:run("Follow faders")
  reaper:advance(0.5)
  t:has(t:text(), "opening")
  live(t, { message = "reading stems, 40 %", tags = {}, faders = {} })
  t:has(t:text(), "reading stems, 40 %")
  live(t, { number = 2 })
  for _, text in ipairs({ "Live mix, 0:12 to 0:24", "rock", "63", "+4", "−2", "Bass", "Guitar",
    "sad +0.4   rock −1.2", "rock −21.0" }) do
    t:has(t:text(), text)
  end
  t:equal(t:sees("opening"), false)
  local told = t:text()
  t:equal(told:find("Guitar") < told:find("Bass"), true, "what does most comes first")
  local frames = reaper.frames
  reaper:advance(1)
  t:equal(reaper.frames, frames, "nothing is drawn again that has not changed")
  live(t, { number = 3, message = "another client has opened one" })
  t:has(t:text(), "another client has opened one")
end

tests["closing its window ends following"] = function(t)
  local reaper = ready(t)
  local script = reaper:run("Follow faders")
  reaper:advance(1)
  t:close_window()
  reaper:advance(0.2)
  local last = t.bridge:of("live")
  t:equal({ script.over, last[#last].ended, reaper.ext["stemlens/following"] == nil },
    { true, true, true })
end

tests["the live page fits its window, whatever is on it"] = function(t)
  ready(t)
  local layout = t:module("layout")
  local function measure(text)
    return 7 * utf8.len(text)
  end
  for _, size in ipairs({ { 300, 120 }, { 900, 560 }, { 2000, 1200 } }) do
    local faders, tags = {}, {}
    for index = 1, 60 do
      faders[index] = { name = ("Bässe %d "):format(index):rep(9), mute = {},
        up = { { tag = "rock", value = index / 1000 }, { tag = "a long tag", value = 0.1 } } }
    end
    for index = 1, 10 do
      tags[index] = { tag = "tag " .. index, score = 1.2 - index / 5, change = 0.5 - index / 6 }
    end
    local view = { state = "live", live = { message = "", start_s = -3, end_s = 9, fresh = false,
      tags = tags, faders = faders } }
    local found = layout.compute(view, size[1], size[2], measure)
    for _, shape in ipairs(found) do
      t:equal(shape.y + shape.h <= size[2] + 26 and shape.w >= 0, true, "below the window")
      if shape.kind == "text" and size[1] > 800 then
        t:equal(measure(shape.text) <= shape.w + 1, true, shape.text)
      end
    end
  end
end

tests["the arithmetic: buses by sends, stems within nothing, tracks that are gone"] = function(t)
  ready(t)
  local follow = t:module("follow")
  local function strip(volume, more)
    local it = { volume = volume, muted = false, solo = 0, safe = false }
    for key, value in pairs(more or {}) do
      it[key] = value
    end
    return it
  end
  local stems = { a = { inside = {}, feeds = {} }, b = { inside = {}, feeds = {} } }
  local strips = { a = strip(0.5, { through = "bus" }), bus = strip(0.5, { through = "top" }),
    top = strip(1, { through = "bus" }) } -- a loop, as only a broken project has it
  local gains = follow.gains(strips, stems, { a = 1, bus = 1, top = 1, b = 1 })
  t:equal(math.floor(gains.a * 100), -1205)
  t:equal(gains.b, 0)
  t:equal(follow.heard(strips, stems), { a = true, b = false })
  t:equal(id ~= nil, true)
end

return tests
