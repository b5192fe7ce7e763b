-- A picture of what was drawn into a REAPER window: the recorded calls as SVG.

local picture = {}

local ESCAPES = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;" }

local function colour(call)
  return ("#%02x%02x%02x"):format(math.floor(call.colour[1] * 255 + 0.5),
    math.floor(call.colour[2] * 255 + 0.5), math.floor(call.colour[3] * 255 + 0.5))
end

-- The calls of one frame as the text of an SVG file.
function picture.svg(calls, width, height)
  local parts = { ('<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" '
    .. 'viewBox="0 0 %d %d" font-family="Arial, Helvetica, Liberation Sans, sans-serif">')
    :format(width, height, width, height) }
  for index, call in ipairs(calls) do
    if call.kind == "rect" and call.filled then
      parts[#parts + 1] = ('<rect x="%g" y="%g" width="%g" height="%g" fill="%s"/>'):format(call.x,
        call.y, call.w, call.h, colour(call))
    elseif call.kind == "rect" then
      parts[#parts + 1] = ('<rect x="%g" y="%g" width="%g" height="%g" fill="none" stroke="%s"/>')
        :format(call.x + 0.5, call.y + 0.5, call.w - 1, call.h - 1, colour(call))
    else
      -- Text is cut off at its box, as REAPER does it.
      local align, x = call.flags & 3, call.x
      if align == 1 then
        x = (call.x + call.right) / 2
      elseif align == 2 then
        x = call.right
      end
      parts[#parts + 1] = ('<clipPath id="c%d"><rect x="%g" y="%g" width="%g" height="%g"/>'
        .. '</clipPath><text clip-path="url(#c%d)" x="%g" y="%g" font-size="%g"%s '
        .. 'text-anchor="%s" dominant-baseline="central" fill="%s">%s</text>'):format(index, call.x,
        call.y, math.max(0, call.right - call.x), math.max(0, call.bottom - call.y), index, x,
        (call.y + call.bottom) / 2, call.size * 0.92, call.bold and ' font-weight="bold"' or "",
        ({ [0] = "start", "middle", "end" })[align], colour(call),
        (call.text:gsub('[&<>"]', ESCAPES)))
    end
  end
  parts[#parts + 1] = "</svg>\n"
  return table.concat(parts, "\n")
end

return picture
