-- @noindex
-- What has changed in a project since a bounce of it.

local fingerprint = require("fingerprint")
local project = require("project")

local since = {}

-- Which track is no longer as it was at the bounce; nil where none can be told. Without `faders`
-- the stems' own faders and mutes do not count.
local function culprit(proj, tracks, marked, faders)
  for _, entry in ipairs(project.tracks(proj)) do
    local now, then_ = tracks[entry.id], marked.tracks[entry.id]
    if now and then_ then
      local strip = ("%.9g"):format(now.volume) ~= then_.volume
        or tostring(now.muted) ~= then_.muted
      if now.state ~= then_.state or strip and (faders or not marked.stems[entry.id]) then
        return entry.name
      end
    end
  end
  return nil
end

-- Why a stem no longer sounds as it was bounced; nil while all do. `faders`: whether moves of the
-- stems' own faders and mutes count. `pause` gives REAPER its turn.
function since.changed(proj, pause, marked, faders)
  local tracks = fingerprint.tracks(proj, pause)
  if not project.is_open(proj) then
    return nil
  end
  local feeders = fingerprint.feeders(proj)
  for id, stem in pairs(marked.stems) do
    if not tracks[id] then
      return ('"%s" was deleted'):format(stem.name)
    end
  end
  local loose = not faders and marked.stems or nil
  for id, stem in pairs(marked.stems) do
    if fingerprint.stem(id, tracks, feeders, loose) ~= (faders and stem.sound or stem.still) then
      return ('"%s" was changed'):format(culprit(proj, tracks, marked, faders) or stem.name)
    end
  end
  return nil
end

return since
