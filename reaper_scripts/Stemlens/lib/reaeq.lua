-- @noindex
-- Bells of a suggestion as bands of ReaEQ, checked by what ReaEQ itself shows.
--
-- REAPER's API sets a band's frequency (paramtype 0), gain (1) and "Q" (2) between 0 and 1, or in
-- units that it does not state and that differ from what is shown. So each is searched between 0
-- and 1 until ReaEQ shows the wanted value. A width whose largest value is at most MOST_OCTAVES is
-- one in octaves, as ReaEQ's window shows it; otherwise it is a Q.
--
-- Assumption: ReaEQ's bell is that of an analogue filter with so many octaves between the points
-- of half the gain in dB, bw = 2 / ln 2 · asinh(1 / (2 Q)) (R. Bristow-Johnson, "Cookbook formulae
-- for audio EQ biquad filter coefficients"), and not warped more than JUCE's near the top.

local reaeq = {}

reaeq.NAME = "ReaEQ (Cockos)"

local BELL = 2 -- bandtype "band"
local FREQUENCY, GAIN, WIDTH = 0, 1, 2
local ALWAYS_NEW = -1
local MOST_OCTAVES = 10
local HALVINGS = 40
local MOST_PARAMETERS = 200
-- How far what is shown may be off: a part of the frequency and of the width; dB.
local NEAR, NEAR_DB = 0.02, 0.1

function reaeq.octaves(q)
  local half = 1 / (2 * q)
  return 2 / math.log(2) * math.log(half + math.sqrt(half * half + 1))
end

-- The number in a text as "2500.0 Hz", "2.5 kHz", "−3.0", "-inf dB"; nil without one.
function reaeq.shown(text)
  local plain = text:gsub("−", "-"):gsub(",", ".")
  if plain:lower():find("inf", 1, true) then
    return plain:find("-", 1, true) and -math.huge or math.huge
  end
  local number = tonumber(plain:match("%-?%d+%.?%d*"))
  return number and plain:find("%d%s*[kK]") and 1000 * number or number
end

-- The bands of an instance: {type, index, parameters = {[paramtype] = index of the parameter}}.
local function bands_of(track, fx)
  local bands, known = {}, {}
  for index = 0, MOST_PARAMETERS do
    local there, kind, at, parameter = reaper.TrackFX_GetEQParam(track, fx, index)
    if not there then
      break
    end
    local key = kind .. " " .. at
    if kind >= 0 and not known[key] then
      known[key] = { kind = kind, at = at, parameters = {} }
      bands[#bands + 1] = known[key]
    end
    if known[key] then
      known[key].parameters[parameter] = index
    end
  end
  return bands
end

local function look(track, fx, band, parameter)
  local _, text = reaper.TrackFX_GetFormattedParamValue(track, fx, band.parameters[parameter])
  return reaeq.shown(text)
end

local function set(track, fx, band, parameter, value)
  reaper.TrackFX_SetEQParam(track, fx, band.kind, band.at, parameter, value, true)
  return look(track, fx, band, parameter)
end

-- Turns a knob until it shows the wanted value; whether it does.
local function turn(track, fx, band, parameter, wanted, tolerance)
  local low, high, found = 0, 1, nil
  local rises = (set(track, fx, band, parameter, 1) or 0)
    > (set(track, fx, band, parameter, 0) or 0)
  for _ = 1, HALVINGS do
    local middle = (low + high) / 2
    found = set(track, fx, band, parameter, middle)
    if not found then
      return false
    elseif (found < wanted) == rises then
      low = middle
    else
      high = middle
    end
  end
  return math.abs(found - wanted) <= tolerance
end

local function set_bell(track, fx, band, bell)
  for _, parameter in ipairs({ FREQUENCY, GAIN, WIDTH }) do
    if not band.parameters[parameter] then
      return false
    end
  end
  local most = set(track, fx, band, WIDTH, 1) or 0
  local width = most <= MOST_OCTAVES and reaeq.octaves(bell.q) or bell.q
  return reaper.TrackFX_SetEQBandEnabled(track, fx, band.kind, band.at, true)
    and turn(track, fx, band, FREQUENCY, bell.hz, NEAR * bell.hz)
    and turn(track, fx, band, GAIN, bell.db, NEAR_DB)
    and turn(track, fx, band, WIDTH, width, NEAR * width + 0.01)
end

-- Puts bells {shape = "bell", hz, db, q} at the end of a track's effects, in as many ReaEQs as they
-- take. Returns the GUIDs of these, or nil where ReaEQ is not there or does not show what it was
-- told; the track is then as it was.
function reaeq.add(track, bells)
  local guids, next_bell = {}, 1
  local before = reaper.TrackFX_GetCount(track)
  local function take_out()
    for fx = reaper.TrackFX_GetCount(track) - 1, before, -1 do
      reaper.TrackFX_Delete(track, fx)
    end
    return nil
  end
  while next_bell <= #bells do
    local fx = reaper.TrackFX_AddByName(track, reaeq.NAME, false, ALWAYS_NEW)
    if fx < 0 then
      return take_out()
    end
    local first = next_bell
    for _, band in ipairs(bands_of(track, fx)) do
      local bell = band.kind == BELL and bells[next_bell]
      if not bell then -- the user's default may have it on
        reaper.TrackFX_SetEQBandEnabled(track, fx, band.kind, band.at, false)
      elseif bell.shape ~= "bell" or not set_bell(track, fx, band, bell) then
        return take_out()
      else
        next_bell = next_bell + 1
      end
    end
    if next_bell == first then
      return take_out() -- an instance without bells
    end
    guids[#guids + 1] = reaper.TrackFX_GetFXGUID(track, fx)
  end
  return guids
end

-- Takes out those of the effects that are still there.
function reaeq.remove(track, guids)
  local ours = {}
  for _, guid in ipairs(guids) do
    ours[guid] = true
  end
  for fx = reaper.TrackFX_GetCount(track) - 1, 0, -1 do
    if ours[reaper.TrackFX_GetFXGUID(track, fx)] then
      reaper.TrackFX_Delete(track, fx)
    end
  end
end

return reaeq
