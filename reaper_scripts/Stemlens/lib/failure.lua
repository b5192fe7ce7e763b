-- @noindex
-- What goes wrong as a sentence for the user: what happened and what to do about it.
--
--   failure.raise("%s is not there. Do this.", name)     ends what is going on
--   failure.sentence(caught)                             what pcall caught, for a message box

local failure = {}

local Failure = {}
Failure.__index = Failure
Failure.__tostring = function(self)
  return self.sentence
end

-- An error with a sentence; `code` is one of the bridge's where it came from there.
function failure.new(sentence, code)
  return setmetatable({ sentence = sentence, code = code }, Failure)
end

function failure.raise(sentence, ...)
  error(failure.new(select("#", ...) > 0 and sentence:format(...) or sentence), 0)
end

-- Whether what was caught is one of ours, and not a fault in the scripts.
function failure.is(caught)
  return getmetatable(caught) == Failure
end

function failure.sentence(caught)
  if failure.is(caught) then
    return caught.sentence
  end
  return "The script stopped at a fault of its own; your project is as it was before. "
    .. "Please report this line:\n\n" .. tostring(caught)
end

return failure
