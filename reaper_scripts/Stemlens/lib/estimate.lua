-- @noindex
-- What a bounce will be, before it begins: stems, minutes of audio, and room on the disk.

local failure = require("failure")

local estimate = {}

local CHANNELS, BYTES = 2, 4
local WHOLE_MB = 1e6
local SPARE_MB = 500 -- left free on the disk at least

local function sample_rate(proj)
  if reaper.GetSetProjectInfo(proj, "PROJECT_SRATE_USE", 0, false) ~= 0 then
    return reaper.GetSetProjectInfo(proj, "PROJECT_SRATE", 0, false)
  end
  local _, rate = reaper.GetAudioDeviceInfo("SRATE")
  return tonumber(rate) or 48000
end

-- What a bounce will be: {stems =, files =, seconds = of audio in all, megabytes =, free_mb =}.
function estimate.of(proj, stems, with_mix, seconds)
  local count = stems + (with_mix and 1 or 0)
  return {
    stems = stems,
    files = count,
    seconds = count * seconds,
    megabytes = count * seconds * sample_rate(proj) * CHANNELS * BYTES / WHOLE_MB,
    free_mb = reaper.GetFreeDiskSpaceForRecordPath(proj, 0),
  }
end

local function size(megabytes)
  if megabytes >= 1000 then
    return ("%.1f GB"):format(megabytes / 1000)
  end
  return ("%d MB"):format(math.max(1, math.ceil(megabytes)))
end

local function duration(seconds)
  local whole = math.max(1, math.floor(seconds + 0.5))
  if whole < 60 then
    return ("%d seconds"):format(whole)
  end
  return ("%d:%02d minutes"):format(whole // 60, whole % 60)
end

-- The estimate in words.
function estimate.told(it)
  local mix = it.files > it.stems and " and the mix" or ""
  return ("%d stem%s%s: %s of audio in all, %s on the disk (%s are free). REAPER cannot be used "
    .. "while it renders."):format(it.stems, it.stems == 1 and "" or "s", mix,
    duration(it.seconds), size(it.megabytes), size(it.free_mb))
end

function estimate.require_space(it)
  if it.megabytes + SPARE_MB > it.free_mb then
    failure.raise("The bounce needs %s and only %s are free on the disk of the project's "
      .. "recordings. Make room, or analyse a time selection.", size(it.megabytes),
      size(it.free_mb))
  end
end

return estimate
