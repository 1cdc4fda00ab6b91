#pragma once

// What weighs in an answer: time on a CPU, time spent waiting, or both together. As options of
// `top`, `flame` and `neighbors`.

#include "cli/cmd.h"
#include "cli/waits.h"

enum mode { MODE_ON_CPU, MODE_OFF_CPU, MODE_WALL };

struct mode_options {
    const char *reason; // NULL: any
    bool off_cpu;
    bool wall;
};

// Of a command whose struct has a `struct mode_options mode_options`.
#define OPTIONS_MODE(type)                                                                         \
    {.name = "off-cpu",                                                                            \
     .doc = "time spent waiting, rather than on a CPU",                                            \
     .at = offsetof(type, mode_options.off_cpu)},                                                  \
        {.name = "wall", .doc = "both together", .at = offsetof(type, mode_options.wall)},         \
    {                                                                                              \
        .name = "reason", .value = "R",                                                            \
        .doc = "only waits for: idle lock sem ipc ioR ioW ready sleep conn other",                 \
        .kind = OPTION_CHOICE, .at = offsetof(type, mode_options.reason),                          \
        .choices = waits_reason_words                                                              \
    }

// A reason asks for waits, unless both are asked for. False: an error was printed.
bool mode_read(const struct mode_options *options, enum mode *ret);

// "on_cpu", …: the word of the protocol.
const char *mode_word(enum mode mode);

// What there is none of: "samples", "waits", or both.
const char *mode_things(enum mode mode);

// Of these times, what the mode is about.
uint64_t mode_ns(enum mode mode, uint64_t on_cpu_ns, uint64_t off_cpu_ns);
