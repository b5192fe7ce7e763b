-- @noindex
-- Writing what was found on tracks and time line, and taking it away again without a trace.
--
-- Least intrusive first. Each track gets a record of its own (P_EXT:stemlens, invisible, saved in
-- the project), which also remembers what was there before. SWS track notes, where SWS is there,
-- get a block of ours between [Stemlens] and [/Stemlens]; the rest of them is the user's. Regions
-- begin with "stemlens: ". A track's colour and the label behind its name are written on request.
--
-- Writing first takes away what was written before, so nothing piles up. Tracks are found by GUID.

local marks = require("marks")
local project = require("project")
local record = require("record")

local annotate = {}

local KEY = "stemlens"
local CUSTOM_COLOUR = 0x1000000 -- set in a colour that counts

local function has_notes()
  return reaper.APIExists("NF_GetSWSTrackNotes") and reaper.APIExists("NF_SetSWSTrackNotes")
end

-- ------------------------------------------------------------------------------ taking it away

local function native(colour)
  local red, green, blue = colour:match("^#(%x%x)(%x%x)(%x%x)$")
  if not red then
    return nil
  end
  return reaper.ColorToNative(tonumber(red, 16), tonumber(green, 16), tonumber(blue, 16))
    | CUSTOM_COLOUR
end

local function custom_name(track)
  local _, name = reaper.GetSetMediaTrackInfo_String(track, "P_NAME", "", false)
  return name
end

local function clean_track(track, report)
  local kept = record.read(project.note(track, KEY))
  local noted = false
  if has_notes() then
    local notes = reaper.NF_GetSWSTrackNotes(track)
    local own = marks.taken_out(notes)
    if own ~= notes then
      reaper.NF_SetSWSTrackNotes(track, own)
      noted = true
    end
  elseif kept and kept.notes then
    report.without_sws = report.without_sws + 1
  end
  if kept then
    local now = reaper.GetMediaTrackInfo_Value(track, "I_CUSTOMCOLOR")
    if kept.colour and math.floor(now) == tonumber(kept.colour) then -- else the user chose another
      reaper.SetMediaTrackInfo_Value(track, "I_CUSTOMCOLOR", tonumber(kept.colour_before) or 0)
    end
    local suffix = kept.label and " {" .. kept.label .. "}"
    local name = custom_name(track)
    if suffix and name:sub(-#suffix) == suffix then
      local before = name:sub(1, -#suffix - 1)
      -- A track without a name has none again, not the one that REAPER showed instead.
      if kept.unnamed and before == kept.unnamed then
        before = ""
      end
      reaper.GetSetMediaTrackInfo_String(track, "P_NAME", before, true)
    end
    project.set_note(track, KEY, "")
  end
  if kept or noted then
    report.tracks = report.tracks + 1
  end
end

local function clean_markers(proj, report)
  local _, markers, regions = reaper.CountProjectMarkers(proj)
  for index = markers + regions - 1, 0, -1 do
    local _, _, _, _, name = reaper.EnumProjectMarkers3(proj, index)
    if name:sub(1, #marks.MARKER_PREFIX) == marks.MARKER_PREFIX then
      reaper.DeleteProjectMarkerByIndex(proj, index)
      report.markers = report.markers + 1
    end
  end
end

local function clean(proj)
  local report = { tracks = 0, markers = 0, without_sws = 0 }
  for _, entry in ipairs(project.tracks(proj)) do
    clean_track(entry.track, report)
  end
  clean_markers(proj, report)
  return report
end

-- Whether a project has anything of ours in it.
function annotate.is_there(proj)
  for _, entry in ipairs(project.tracks(proj)) do
    if project.note(entry.track, KEY) ~= ""
      or has_notes() and marks.is_in(reaper.NF_GetSWSTrackNotes(entry.track)) then
      return true
    end
  end
  local _, markers, regions = reaper.CountProjectMarkers(proj)
  for index = 0, markers + regions - 1 do
    local _, _, _, _, name = reaper.EnumProjectMarkers3(proj, index)
    if name:sub(1, #marks.MARKER_PREFIX) == marks.MARKER_PREFIX then
      return true
    end
  end
  return false
end

-- Takes everything of ours out of a project, as one undo step. Returns how much it was:
-- {tracks =, markers =, without_sws = tracks whose notes cannot be reached without SWS}.
function annotate.remove(proj)
  local report = { tracks = 0, markers = 0, without_sws = 0 }
  if annotate.is_there(proj) then
    project.in_one_step(proj, "Stemlens: remove all annotations", function()
      report = clean(proj)
    end)
  end
  project.forget(proj)
  return report
end

-- --------------------------------------------------------------------------------- writing it

local function write_track(track, note, job, settings)
  local kept = { job = job, text = note.text }
  local colour = settings.colour ~= "no" and native(note.color)
  if colour then
    kept.colour = colour
    kept.colour_before = math.floor(reaper.GetMediaTrackInfo_Value(track, "I_CUSTOMCOLOR"))
    reaper.SetMediaTrackInfo_Value(track, "I_CUSTOMCOLOR", colour)
  end
  if settings.names then
    local name = custom_name(track)
    if name == "" then
      name = project.track_name(track)
      kept.unnamed = name
    end
    kept.label = note.label
    reaper.GetSetMediaTrackInfo_String(track, "P_NAME", name .. " {" .. note.label .. "}", true)
  end
  if has_notes() then
    kept.notes = "1"
    reaper.NF_SetSWSTrackNotes(track, marks.put(reaper.NF_GetSWSTrackNotes(track), note.text))
  end
  project.set_note(track, KEY, record.write(kept))
end

local function write_marker(proj, marker, colours)
  local region = marker.end_s > marker.start_s
  local name = marks.MARKER_PREFIX .. marker.text
  reaper.AddProjectMarker2(proj, region, marker.start_s, marker.end_s, name, -1,
    colours[marker.track] or 0)
end

-- What became of the tracks since the bounce, in sentences. `marked` is the bounce's mark.
local function changes(findings, present, marked)
  local told = {}
  for _, stem in ipairs(findings.stems) do
    local entry = present[stem.id]
    local then_ = marked and marked.stems[stem.id]
    if not entry then
      if stem.kind ~= "rest" then  -- which never was a track
        told[#told + 1] = ('"%s" is no longer there; nothing was written for it.'):format(stem.name)
      end
    else
      if entry.name ~= stem.name then
        told[#told + 1] = ('"%s" is called "%s" now; it is the same track.')
          :format(stem.name, entry.name)
      end
      local parent = reaper.GetParentTrack(entry.track)
      local parent_id = parent and reaper.GetTrackGUID(parent) or ""
      if then_ and then_.parent and then_.parent ~= parent_id then
        local place = parent and ('into "%s"'):format(project.track_name(parent))
          or "out of its folder"
        told[#told + 1] = ('"%s" was moved %s since; what is written tells how it was before.')
          :format(entry.name, place)
      end
    end
  end
  return told
end

-- Writes findings on the tracks of a project, as one undo step; what was written before is taken
-- away first. Returns {tracks =, markers =, problems = sentences}.
function annotate.apply(proj, findings, settings, marked)
  local present = project.tracks_by_id(proj)
  local report = { tracks = 0, markers = 0, problems = changes(findings, present, marked) }
  local nothing = #findings.notes == 0 and #findings.markers == 0
  if nothing and not annotate.is_there(proj) then
    return report
  end
  project.in_one_step(proj, "Stemlens: apply annotations", function()
    clean(proj)
    local colours = {}
    for _, note in ipairs(findings.notes) do
      local entry = present[note.track]
      colours[note.track] = native(note.color)
      if entry then
        write_track(entry.track, note, findings.job, settings)
        report.tracks = report.tracks + 1
      end
    end
    if settings.markers then
      for _, marker in ipairs(findings.markers) do
        if marker.track == "" or present[marker.track] then -- one of the song belongs to no track
          write_marker(proj, marker, colours)
          report.markers = report.markers + 1
        end
      end
    end
  end)
  return report
end

-- A report in words.
function annotate.told(report)
  local told = ("%d track%s and %d region%s were written on."):format(
    report.tracks, report.tracks == 1 and "" or "s",
    report.markers, report.markers == 1 and "" or "s")
  if #report.problems > 0 then
    told = told .. "\n\n" .. table.concat(report.problems, "\n")
  end
  return told
end

return annotate
