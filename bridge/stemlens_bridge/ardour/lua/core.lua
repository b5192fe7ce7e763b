-- What Stemlens' actions in Ardour's menu do. Each action is this text and one call of it, since an
-- action of Ardour is a single file. Everything acts on the session that is handed in, so that it
-- runs without a window too; `editor` is nil there, and markers are then left as they are.
local stemlens = {}

local BEGIN, END = "[Stemlens] ", " [/Stemlens]"
local MARKER = "stemlens: "

-- Lua has no folders of its own; Ardour's paths use the system's separator.
local function in_folder(session, name)
  return ARDOUR.LuaAPI.build_filename(session:path(), "stemlens", name)
end

local function read(path)
  local file = io.open(path, "rb")
  if not file then
    return nil
  end
  local text = file:read("a")
  file:close()
  return text
end

local function starts(text, with)
  return text:sub(1, #with) == with
end

-- A table that the bridge wrote; it is data, so it gets nothing to work with.
function stemlens.load(session, name)
  local text = read(in_folder(session, name))
  local chunk = text and load(text, name, "t", {})
  return chunk and chunk()
end

-- Where the next block lies from a place on: its first and last byte; nil without one. A beginning
-- without its end is no block.
local function block(text, from)
  local first
  while true do
    local begins = text:find(BEGIN, from, true)
    local ends, last = text:find(END, first and first + #BEGIN or from, true)
    if begins and (not ends or begins < ends) then
      first, from = begins, begins + #BEGIN
    elseif not ends then
      return nil
    elseif first then
      return first, last
    else
      from = ends + 1
    end
  end
end

-- The user's text alone, by the rules of the bridge's marks.py; a test asks both.
function stemlens.taken_out(text)
  local parts, from = {}, 1
  local first, last = block(text, 1)
  while first do
    parts[#parts + 1] = text:sub(from, first - 1):gsub("\n$", "")
    from = last + 1
    first, last = block(text, from)
  end
  return table.concat(parts) .. text:sub(from)
end

function stemlens.put(text, ours)
  local own = stemlens.taken_out(text)
  local words = ours:gsub("%[(/?Stemlens)%]", "(%1)")
  return (own == "" and "" or own .. "\n") .. BEGIN .. words .. END
end

-- The colours that were replaced, by snapshot and route: one a line, separated by tabs. The bridge
-- reads and writes the same file.
local function read_colors(session)
  local colors, others = {}, {}
  for line in (read(in_folder(session, "colors.txt")) or ""):gmatch("[^\n]+") do
    local snapshot, id, before, ours = line:match("^([^\t]*)\t(%d+)\t(%d+)\t(%d+)$")
    if snapshot == session:snap_name() then
      colors[id] = {before = math.tointeger(before), ours = math.tointeger(ours)}
    elseif snapshot then
      others[#others + 1] = line
    end
  end
  return colors, others
end

local function write_colors(session, colors, others)
  local lines = {table.unpack(others)}
  for id, color in pairs(colors) do
    lines[#lines + 1] = table.concat({session:snap_name(), id, color.before, color.ours}, "\t")
  end
  local path = in_folder(session, "colors.txt")
  if #lines == 0 then
    os.remove(path)
    return
  end
  local file = assert(io.open(path, "wb"))
  file:write(table.concat(lines, "\n"), "\n")
  file:close()
end

local function mark_names(session)
  local names = {}
  for location in session:locations():list():iter() do
    names[location:name()] = true
  end
  return names
end

local function write_marks(session, editor, marks)
  local locations, ours = session:locations(), {}
  for location in locations:list():iter() do
    if location:is_mark() and starts(location:name(), MARKER) then
      ours[#ours + 1] = location
    end
  end
  for _, location in ipairs(ours) do
    locations:remove(location)
  end
  for _, mark in ipairs(marks) do
    local at = math.floor(mark.start_s * session:nominal_sample_rate() + 0.5)
    local known = mark_names(session)
    editor:mouse_add_new_marker(Temporal.timepos_t(at), ARDOUR.LocationFlags.IsMark, 0)
    for location in locations:list():iter() do -- the new one is called "mark1" or so
      if location:is_mark() and location:start():samples() == at and not known[location:name()] then
        location:set_name(mark.name)
      end
    end
  end
end

-- Makes the session show what is given (comments and colors by route id, marks), and nothing else
-- of ours; returns how many tracks have a comment of ours now.
function stemlens.apply(session, editor, given)
  local count = 0
  local colors, others = read_colors(session)
  local new_colors = {}
  for route in session:get_routes():iter() do
    local id = route:to_stateful():id():to_s()
    local text, ours = route:comment(), given.comments[id]
    local wanted = ours and stemlens.put(text, ours) or stemlens.taken_out(text)
    count = count + (ours and 1 or 0)
    if wanted ~= text then
      route:set_comment(wanted, nil)
    end
    local info, known, color = route:presentation_info_ptr(), colors[id], given.colors[id]
    if known and info:color() ~= known.ours then
      known = nil -- the user has given it another one since
    end
    if color then
      new_colors[id] = {before = known and known.before or info:color(), ours = color}
      colors[id] = new_colors[id]
    elseif known then
      new_colors[id] = {ours = known.before}
      colors[id] = nil
    else
      colors[id] = nil
    end
  end
  write_colors(session, colors, others) -- before the first one is replaced
  for route in session:get_routes():iter() do
    local color = new_colors[route:to_stateful():id():to_s()]
    if color then
      route:presentation_info_ptr():set_color(color.ours)
    end
  end
  if editor then
    write_marks(session, editor, given.marks)
  end
  return count
end

local function tell(sentence)
  LuaDialog.Message(
    "Stemlens", sentence, LuaDialog.MessageType.Info, LuaDialog.ButtonType.Close):run()
end

-- Asks as what the song is meant, and has the bridge keep it: Lua makes no folders.
function stemlens.intend(session, command)
  local given = LuaDialog.Dialog("Stemlens: meant to sound like", {
    {type = "label", title = "Tags with commas between, such as: rock, sad"},
    {type = "entry", key = "tags", title = "Tags",
      default = (read(in_folder(session, "intended.txt")) or ""):gsub("%s+$", "")},
  }):run()
  if given then
    local words = {table.unpack(command)}
    for _, word in ipairs {"ardour", session:path(), "--snapshot", session:snap_name(),
      "--intended", given.tags, "--list"} do
      words[#words + 1] = word
    end
    os.forkexec(table.unpack(words))
  end
end

-- Starts the bridge beside Ardour, with the session as it is now in a snapshot of its own; the
-- bridge removes that again.
function stemlens.analyse(session, command, snapshot)
  -- As for an archive: a plain snapshot would make a copy of every MIDI file for the session to go
  -- on with. Ardour's Lua reads all six values, given or not.
  session:save_state(snapshot, false, false, false, true, false)
  local words = {table.unpack(command)}
  for _, word in ipairs {
    "ardour", session:path(), "--snapshot", snapshot, "--for-menu", session:snap_name()
  } do
    words[#words + 1] = word
  end
  os.forkexec(table.unpack(words))
  tell("Stemlens bounces and analyses the session beside Ardour; go on working. When it is done, "
    .. "choose Edit > Lua Scripts > Stemlens: write annotations.")
end

function stemlens.write(session, editor, with_colors)
  local state = stemlens.load(session, "state.lua")
  local given = stemlens.load(session, "annotations.lua")
  if state and state.state == "done" and given then
    given.colors = with_colors and given.colors or {}
    stemlens.apply(session, editor, given)
    if state.message ~= "" then -- what should be known of the result
      tell(state.message)
    end
  elseif state then
    tell(state.message)
  else
    tell("Nothing was analysed yet: choose Edit > Lua Scripts > Stemlens: analyse session.")
  end
end

function stemlens.remove(session, editor)
  stemlens.apply(session, editor, {comments = {}, colors = {}, marks = {}})
end

return stemlens
