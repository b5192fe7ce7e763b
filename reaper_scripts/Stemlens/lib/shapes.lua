-- @noindex
-- What a picture of the window is made of: colours, fonts, shapes in the order of drawing, and
-- zones that can be clicked. Lengths are points of the screen before scaling.
--
-- What adds is blue and what takes away is orange, which colour-blind eyes tell apart (Okabe and
-- Ito, 2008).

local shapes = {}

shapes.COLOURS = {
  back = "1E2125", stripe = "23272C", panel = "282D33", line = "3A4149", text = "ECEFF1",
  dim = "A0A9B2", plus = "56B4E9", minus = "E69F00", whisker = "F4F6F7", chosen = "34404C",
  outline = "ECEFF1", warn = "F0E442",
}
shapes.FONTS = {
  title = { size = 18, bold = true }, normal = { size = 14 }, bold = { size = 14, bold = true },
  small = { size = 12 },
}
shapes.PAD = 12 -- around what stands in the window

local C = shapes.COLOURS

-- An empty picture: it.shapes, it.zones, and what adds to them.
function shapes.picture()
  local list, zones = {}, {}
  local it = { shapes = list, zones = zones }
  function it.fill(x, y, w, h, colour)
    if w > 0 and h > 0 then
      list[#list + 1] = { kind = "fill", x = x, y = y, w = w, h = h, colour = colour }
    end
  end
  function it.frame(x, y, w, h, colour)
    list[#list + 1] = { kind = "frame", x = x, y = y, w = w, h = h, colour = colour }
  end
  -- Text in a box, centred in its height; align is "left", "centre" or "right".
  function it.text(x, y, w, h, text, font, colour, align)
    list[#list + 1] = {
      kind = "text", x = x, y = y, w = w, h = h, text = text, font = font, colour = colour,
      align = align or "left",
    }
  end
  function it.zone(x, y, w, h, action, values)
    local zone = values or {}
    zone.x, zone.y, zone.w, zone.h, zone.action = x, y, w, h, action
    zones[#zones + 1] = zone
  end
  return it
end

function shapes.button(out, x, y, w, text, action)
  out.fill(x, y, w, 28, C.panel)
  out.frame(x, y, w, 28, C.line)
  out.text(x, y, w, 28, text, "normal", C.text, "centre")
  out.zone(x, y, w, 28, action)
end

return shapes
