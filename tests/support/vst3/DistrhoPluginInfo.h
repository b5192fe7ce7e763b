// What the framework must know of the test plug-in before it is compiled.
#pragma once

#define DISTRHO_PLUGIN_BRAND "Stemlens"
#define DISTRHO_PLUGIN_NAME "Test gain"
#define DISTRHO_PLUGIN_URI "urn:stemlens:test-gain"
#define DISTRHO_PLUGIN_HAS_UI 0
#define DISTRHO_PLUGIN_NUM_INPUTS (INSTRUMENT ? 0 : 2)
#define DISTRHO_PLUGIN_NUM_OUTPUTS 2
#define DISTRHO_PLUGIN_WANT_LATENCY 1
#if INSTRUMENT
#define DISTRHO_PLUGIN_VST3_CATEGORIES "Instrument|Synth"
#endif
