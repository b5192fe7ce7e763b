-- @noindex
-- Whether a track still sounds as it did: a hash of its state without what cannot be heard.
--
-- A stem sounds as its track, the tracks inside, everything that sends into them (sidechains too)
-- and the VCA faders that work on them. Of a track's state chunk counts all but the lines below:
-- how it looks, what is selected, which windows are open, where folders begin and end (what lies in
-- them is told by the track inside), and our own words. Volume, mute and solo are left out too and
-- compared as numbers, so that a move of a fader is told from every other change.
--
-- What a plug-in or a media file changes without its project's noticing is not seen.

local project = require("project")
local routing = require("routing")

local fingerprint = {}

local SENDS = 0
local TURN_S = 0.015 -- so long REAPER may be kept busy at a time
local LINES = 500 -- of a state chunk between two looks at the clock

-- First words of lines in a track's state chunk that are not heard.
local NOT_HEARD = {}
for word in ([[
  NAME PEAKCOL BEAT AUTOMODE SEL REC VU TRACKHEIGHT INQ NCHANOLD FX_FLOAT SHOWINMIX BUSCOMP LAYOUTS
  TRACKIMGFN IMGFN TRACKID MUTESOLO RECCFG MIDICOLORMAPFN MIDINOTENAMES PERF_NOTE
  WNDRECT SHOW LASTSEL DOCKED FLOAT FLOATPOS WINDOW DOCK
  VIS ARM LANEHEIGHT HEIGHT TCPVIS VIEWLOC CURSOR
  CFGEDIT CFGEDITVIEW VELLANE EVTFILTER GRID CHASE KEYSNAP TRACKSEL LASTCLICK
  EGUID IGUID IID COLOR NOTES IMGRESOURCEFLAGS S&M_TRACKNOTES ISBUS
]]):gmatch("%S+") do
  NOT_HEARD[word] = true
end
-- Blocks that are left out whole: what extensions (we too) keep, and notes.
local NOT_HEARD_BLOCKS = {
  EXT = true, NOTES = true, ["S&M_TRACKNOTES"] = true, MIDINOTENAMES = true,
}

-- FNV-1a, eight bytes at a time: what counts is that other states give other numbers.
local PRIME, OFFSET = 0x100000001b3, -3750763034362895579

local function mixed(sum, text)
  local padded = text .. ("\0"):rep(-#text % 8)
  for at = 1, #padded, 8 do
    sum = (sum ~ string.unpack("<i8", padded, at)) * PRIME
    sum = sum ~ (sum >> 29)
  end
  return sum ~ #text
end

function fingerprint.hash(text)
  return ("%016x"):format(mixed(OFFSET, text))
end

-- A line without what cannot be heard of it.
local function plain(word, text)
  if word == "VOLPAN" then -- the fader itself is compared as a number
    return (text:gsub("^VOLPAN%s+%S+", "VOLPAN"))
  elseif word == "AUXRECV" then -- the source by its position, which any new track moves
    return (text:gsub("^AUXRECV%s+%S+", "AUXRECV"))
  elseif word == "e" or word == "em" then -- a note or another MIDI event that is selected
    return "E" .. text:sub(2)
  end
  return text
end

-- The hash of the lines of a chunk that can be heard; `breathe` is called every so many lines.
local function heard(chunk, breathe)
  local sum, lines, skipping, depth = OFFSET, {}, nil, 0
  local function take()
    sum = mixed(sum, table.concat(lines, "\n"))
    lines = {}
  end
  for line in chunk:gmatch("[^\r\n]+") do
    local text = line:match("^%s*(.*)$")
    local opens, closes = text:match("^<(%S+)"), text:match("^>%s*$")
    if opens then
      depth = depth + 1
      if not skipping and NOT_HEARD_BLOCKS[opens] then
        skipping = depth
      end
    end
    local word = text:match("^%S+")
    if not skipping and word and not NOT_HEARD[word] then
      lines[#lines + 1] = plain(word, text)
      if #lines == LINES then
        take()
        breathe()
      end
    end
    if closes then
      if skipping == depth then
        skipping = nil
      end
      depth = depth - 1
    end
  end
  take()
  return ("%016x"):format(sum)
end

-- What one track sounds like: {state = hash, volume =, muted =}.
local function of_track(track, breathe)
  local _, chunk = reaper.GetTrackStateChunk(track, "", false)
  local it = {
    volume = reaper.GetMediaTrackInfo_Value(track, "D_VOL"),
    muted = reaper.GetMediaTrackInfo_Value(track, "B_MUTE") ~= 0,
  }
  it.state = heard(chunk, breathe) -- last: the track may be gone after a breath
  return it
end

-- For each track's id the ids of the tracks that it depends on: children, what sends into it, and
-- the leaders of its VCA groups.
function fingerprint.feeders(proj)
  local feeders = {}
  local tracks = project.tracks(proj)
  for _, entry in ipairs(tracks) do
    feeders[entry.id] = {}
  end
  for _, entry in ipairs(tracks) do
    local function feeds(destination)
      local list = destination and feeders[reaper.GetTrackGUID(destination)]
      if list then
        list[#list + 1] = entry.id
      end
    end
    feeds(reaper.GetParentTrack(entry.track))
    for index = 0, reaper.GetTrackNumSends(entry.track, SENDS) - 1 do
      feeds(reaper.GetTrackSendInfo_Value(entry.track, SENDS, index, "P_DESTTRACK"))
    end
  end
  for id, leaders in pairs(routing.vca_leaders(tracks)) do
    for _, leader in ipairs(leaders) do
      table.insert(feeders[id], leader.id)
    end
  end
  return feeders
end

-- All tracks of a project by id: {state = hash, volume =, muted =}. `pause` is called whenever that
-- has taken a while; those of a project that was closed meanwhile are none.
function fingerprint.tracks(proj, pause)
  local found, since = {}, reaper.time_precise()
  local function breathe()
    if reaper.time_precise() - since > TURN_S then
      pause()
      since = reaper.time_precise()
    end
  end
  for _, entry in ipairs(project.tracks(proj)) do
    if not project.is_open(proj) then
      return {}
    elseif reaper.ValidatePtr2(proj, entry.track, "MediaTrack*") then
      found[entry.id] = of_track(entry.track, breathe)
    end
    breathe()
  end
  return found
end

-- What a stem sounds like, in one hash: its own track with all that feeds it. Faders and mutes of
-- the tracks in `loose` (a set of ids) do not count.
function fingerprint.stem(id, tracks, feeders, loose)
  local seen, waiting, parts = {}, { id }, {}
  while #waiting > 0 do
    local own = table.remove(waiting)
    local it = tracks[own]
    if not seen[own] and it then
      seen[own] = true
      local strip = ""
      if not (loose and loose[own]) then
        strip = ("%.9g %s"):format(it.volume, tostring(it.muted))
      end
      parts[#parts + 1] = ("%s %s %s"):format(own, it.state, strip)
      for _, feeder in ipairs(feeders[own] or {}) do
        waiting[#waiting + 1] = feeder
      end
    end
  end
  table.sort(parts)
  return fingerprint.hash(table.concat(parts, "\n"))
end

return fingerprint
