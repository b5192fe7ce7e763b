-- The stand-in for REAPER behaves as REAPER does where it matters; else the other tests prove nothing.

local tests = {}

local function ready(t)
  local reaper = t:reaper({ bridge = false })
  local band = t:band()
  return reaper.reaper, band, reaper
end

tests["undo brings back names, colours, notes, records and regions"] = function(t)
  local r, band, reaper = ready(t)
  r.Undo_BeginBlock2(band.proj)
  r.SetMediaTrackInfo_Value(band.bass, "I_CUSTOMCOLOR", 5)
  r.GetSetMediaTrackInfo_String(band.bass, "P_EXT:x", "1", true)
  r.GetSetMediaTrackInfo_String(band.bass, "P_NAME", "Sub", true)
  r.NF_SetSWSTrackNotes(band.bass, "note")
  r.AddProjectMarker2(band.proj, true, 1, 2, "here", -1, 0)
  r.Undo_EndBlock2(band.proj, "change", -1)
  reaper:undo(band.proj)
  local state = reaper:state(band.bass)
  t:equal({ state.name, state.values.I_CUSTOMCOLOR, state.ext, state.notes }, { "Bass", 0, {}, "" })
  t:equal(reaper.data[band.proj].state.markers, {})
end

tests["SWS notes outside of an undo block are lost at the next undo"] = function(t)
  local r, band, reaper = ready(t)
  r.NF_SetSWSTrackNotes(band.bass, "note")
  reaper:user(band.proj, "move", function() end)
  reaper:undo(band.proj)
  t:equal(r.NF_GetSWSTrackNotes(band.bass), "")
end

tests["the render format is lost when other settings are set after it"] = function(t)
  local r, band = ready(t)
  r.GetSetProjectInfo_String(band.proj, "RENDER_FORMAT", "ZXZhdyAAAQ==", true)
  r.GetSetProjectInfo(band.proj, "RENDER_SRATE", 0, true)
  local _, format = r.GetSetProjectInfo_String(band.proj, "RENDER_FORMAT", "", false)
  t:equal(format, "")
end

tests["rendering stops at a dialog: a target that exists, an empty range"] = function(t)
  local r, band, reaper = ready(t)
  local it = reaper.data[band.proj]
  it.strings.RENDER_FILE, it.strings.RENDER_PATTERN = t.folder .. "/out", "x"
  r.Main_OnCommand(42230, 0)
  t:raises("overwrite", r.Main_OnCommand, 42230, 0)
  r.GetSetProjectInfo(band.proj, "RENDER_BOUNDSFLAG", 0, true)
  r.GetSetProjectInfo(band.proj, "RENDER_ENDPOS", 0, true)
  t:raises("Nothing to render", r.Main_OnCommand, 42230, 0)
end

tests["folder listings are cached until they are asked for anew"] = function(t)
  local r = ready(t)
  t:equal(r.EnumerateFiles(t.folder, 0), nil)
  io.open(t.folder .. "/a.txt", "w"):close()
  t:equal(r.EnumerateFiles(t.folder, 0), nil)
  r.EnumerateFiles(t.folder, -1)
  t:equal(r.EnumerateFiles(t.folder, 0), "a.txt")
end

tests["without SWS its functions are not there"] = function(t)
  local reaper = t:reaper({ bridge = false, sws = false }).reaper
  t:equal(reaper.APIExists("NF_GetSWSTrackNotes"), false)
  t:equal(reaper.APIExists("CountTracks"), true)
  t:raises("needs SWS", function() return reaper.NF_GetSWSTrackNotes end)
end

tests["a deleted track cannot be asked for anything"] = function(t)
  local r, band, reaper = ready(t)
  table.remove(reaper.data[band.proj].state.tracks, 4)
  t:equal(r.ValidatePtr2(band.proj, band.bass, "MediaTrack*"), false)
  t:raises("deleted", r.GetTrackName, band.bass)
end

tests["a question that nobody expects, and a script that raises, are errors"] = function(t)
  local r, _, reaper = ready(t)
  t:raises("nobody expected", r.MB, "really?", "x", 4)
  r.MB("just so", "x", 0)
  t:equal(#reaper.messages, 2)
end

return tests
