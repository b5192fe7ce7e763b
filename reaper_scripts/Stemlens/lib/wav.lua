-- @noindex
-- How long the sound in a WAV file is, by its format and its size.
--
-- What a header says of the length is not to be relied on: it is 0 in a file that was never
-- finished, and all ones in one of more than 4 GB (RF64). Source: Microsoft's RIFF, EBU Tech 3306.

local wav = {}

local HEAD = 8 -- bytes of the head of a chunk: its name and size

local function chunk(file)
  local head = file:read(HEAD)
  if head and #head == HEAD then
    return head:sub(1, 4), (string.unpack("<I4", head, 5))
  end
end

-- Seconds; nil where it is no WAV file, or one without sound.
local function seconds(file)
  local head = file:read(12)
  if not head or not head:find("^R[IF][F6][F4]....WAVE$") then
    return nil
  end
  local bytes_per_s = nil
  for name, size in chunk, file do
    if name == "fmt " then
      bytes_per_s = string.unpack("<I4", file:read(size), 9)
    elseif name == "data" and bytes_per_s and bytes_per_s > 0 then
      local from = file:seek()
      local there = file:seek("end") - from
      local told = size > 0 and size < 0xFFFFFFFF and size or there
      return math.min(told, there) / bytes_per_s
    else
      file:seek("cur", size)
    end
    file:seek("cur", size % 2) -- chunks begin at even places
  end
  return nil
end

function wav.seconds(path)
  local file = io.open(path, "rb")
  local good, found = false, nil
  if file then
    good, found = pcall(seconds, file)
    file:close()
  end
  return good and found or nil
end

return wav
