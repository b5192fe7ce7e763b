"""Edits of stems: presets become pedalboard chains, chains are rendered and tried, and what helps
is suggested.

In the order of the imports: `plugins` (what each plug-in has: parameters, ranges, units),
`presets` (named chains of them, as TOML files), `chains` (an edit's plug-ins with everything
settled), `render` (audio through a chain, with `vst3` for plug-ins from elsewhere), `response` (a
chain of filters as one filter, without rendering), `hearing` (what the tagger hears of a whole
mix), `bootstrap` and `audible` (how sure a change is, and how much of it one hears), `terms` (an
edit in a DAW's own words), `trials` (an edit, rendered and heard), `goals` (what is wanted),
`suggest` (the search for trials worth making), `document` (all that as plain data).

Conventions: samples are float32 `[frames, channels]` at a file's own rate, ±1 full scale; what the
tagger hears is mono `[samples]` at its rate; scores and changes are 0 to 1; levels dB, loudness
LUFS. Nothing here imports torch; pedalboard is imported by what renders.
"""
