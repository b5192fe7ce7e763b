"""An Analysis as what people and programs read: `document` (JSON) and `over_time` (arrays)."""
