-- @noindex
-- The story of an explanation: the tag, the sounds, and listening to them.

local audition = require("audition")
local applying = require("applying")
local failure = require("failure")
local mailbox = require("mailbox")
local project = require("project")
local results = require("results")
local settings = require("settings")
local shelf = require("shelf")
local since = require("since")
local trials = require("trials")
local whytracks = require("whytracks")
local wishing = require("wishing")

local hearing = {}

local TITLE = "Stemlens: hear why"
local OFFERED = 5 -- tags that the question names

-- The tag that is asked for; the one that the song is most like is offered.
local function asked_tag(findings, memory)
  local names = {}
  for index = 1, math.min(OFFERED, #findings.tags) do
    names[index] = findings.tags[index].tag:gsub(",", " ")
  end
  local again = memory.explain_job == memory.job and memory.explain_asked
  while true do
    local agreed, text = reaper.GetUserInputs(TITLE, 1, ("Tag (%s …),extrawidth=160"):format(
      table.concat(names, " / ")), again or names[1] or "")
    if not agreed then
      error(failure.new("No tag was given.", "cancelled"), 0)
    end
    local tag = text:match("^%s*(.-)%s*$")
    if tag ~= "" then
      return tag
    end
    reaper.MB('Write one tag that the song is to be explained by, like "rock".', TITLE, 0)
  end
end

-- Files for the sounds that last as long as the project; raises where one cannot be had.
local function kept(proj, found)
  if #found.sounds == 0 then
    failure.raise("The server sent no sounds. Run the action once more.")
  end
  local paths = {}
  for _, sound in ipairs(found.sounds) do
    audition.require_readable(sound.path)
  end
  for index, sound in ipairs(found.sounds) do
    paths[index] = applying.keep(proj, sound.path, ("%s %s %s"):format(found.name, sound.name,
      found.request))
  end
  return paths
end

-- Waits until a project is in front; raises where it was closed instead, or the user stops it.
local function in_front(run, proj)
  local view = run.window.view
  while project.is_open(proj) and project.current() ~= proj do
    if run.window:cancel_asked() or not run.window:is_open() then
      error(failure.new("Nothing was put into the project.", "cancelled"), 0)
    end
    view.task = "explanation"
    run.say(('The sounds are there. They are put on tracks when you go back to the tab of "%s".')
      :format(project.name(proj)), 1)
    run.pause()
  end
  view.task = nil
  if not project.is_open(proj) then
    failure.raise("The project was closed meanwhile. Open it and run the action again; the server "
      .. "keeps the sounds.")
  end
end

-- What can be wished of an explanation. `it` = {run, proj, found, ears}.
local wishes = {}

function wishes.play(it, sound)
  local track = whytracks.find(it.proj, it.found.tag, it.found.request, sound.name)
  if not track then
    failure.raise("Its track is no longer there. Run the action again.")
  end
  -- A crossfade says nothing from the middle on, and another span is another time.
  local anew = sound.kind == "crossfade" or it.span ~= sound.span
  it.ears:hear(track, sound.start_s, anew)
  it.span = sound.span
  it.run.window.view.heard = sound.name
end

function wishes.stop(it)
  it.ears:finish()
  it.span, it.run.window.view.heard = nil, nil
end

wishes["take back"] = function(it)
  wishes.stop(it)
  if whytracks.take_back(it.proj, it.found.tag) == 0 then
    it.run.window:note("There is nothing to take back; it was undone.")
  else
    it.run.window:note("The tracks are gone; undo brings them back.")
  end
end

-- What the sounds do not know of: the project as it is now, where it has changed since the bounce.
local function note_changes(run, proj, marked)
  local reason = marked and since.changed(proj, run.pause, marked, true)
  if reason then
    run.window:note(("Since the bounce, %s; what you hear is the bounce."):format(reason))
  end
end

-- The action "Hear why".
function hearing.run(run)
  local proj = project.current()
  local box = mailbox.open(settings.get().server, run.pause)
  local findings, memory = results.last(run, box, proj)
  local marked = shelf.last(proj)
  local tag = asked_tag(findings, memory)
  box:ensure()
  local found = trials.explained(run, box, proj, memory.job, tag)
  in_front(run, proj)
  whytracks.put(proj, found, kept(proj, found), marked and tonumber(marked.bounce.to_s)
    or reaper.GetProjectLength(proj))
  run.window:explain(found)
  note_changes(run, proj, marked)
  wishing.serve({ run = run, proj = proj, found = found, ears = audition.of(proj) }, wishes,
    found.sounds)
end

return hearing
