// A stereo gain that delays by LATENCY frames, says so, and misbehaves when asked to: mode 1
// crashes, 2 hangs, 3 gives no numbers. Compiled with INSTRUMENT=1 it says that it is one;
// where the environment has CRASH it crashes when it is loaded.
#include "DistrhoPlugin.hpp"

#include <cmath>
#include <csignal>
#include <cstdlib>
#include <unistd.h>
#include <vector>

START_NAMESPACE_DISTRHO

class Gain : public Plugin {
    float gain_db = -6, mode = 0;
    std::vector<float> held[2];

public:
    Gain() : Plugin(2, 0, 0) {
        if (std::getenv("CRASH")) raise(SIGSEGV);
        setLatency(LATENCY);
        activate();
    }

protected:
    const char* getLabel() const override { return "TestGain"; }
    const char* getMaker() const override { return "Stemlens"; }
    const char* getLicense() const override { return "GPL-3.0-or-later"; }
    uint32_t getVersion() const override { return d_version(1, 0, 0); }
    int64_t getUniqueId() const override { return d_cconst('S', 'l', 'T', 'g'); }

    void initParameter(uint32_t index, Parameter& parameter) override {
        parameter.hints = kParameterIsAutomatable;
        if (index == 0) {
            parameter.name = "Gain";
            parameter.symbol = "gain";
            parameter.unit = "dB";
            parameter.ranges = ParameterRanges(-6, -24, 12);
        } else {
            parameter.name = "Mode";
            parameter.symbol = "mode";
            parameter.hints |= kParameterIsInteger;
            parameter.ranges = ParameterRanges(0, 0, 3);
        }
    }

    float getParameterValue(uint32_t index) const override { return index == 0 ? gain_db : mode; }
    void setParameterValue(uint32_t index, float value) override {
        (index == 0 ? gain_db : mode) = value;
    }

    void activate() override {
        for (auto& channel : held) channel.assign(LATENCY, 0.0f);
    }

    void run(const float** in, float** out, uint32_t frames) override {
        if (INSTRUMENT) return;
        if (mode == 1) raise(SIGSEGV);
        while (mode == 2) pause();
        const float factor = mode == 3 ? NAN : std::pow(10.0f, gain_db / 20);
        for (int c = 0; c < 2; ++c) {
            held[c].insert(held[c].end(), in[c], in[c] + frames);
            for (uint32_t f = 0; f < frames; ++f) out[c][f] = factor * held[c][f];
            held[c].erase(held[c].begin(), held[c].begin() + frames);
        }
    }
};

Plugin* createPlugin() { return new Gain(); }

END_NAMESPACE_DISTRHO
