#pragma once

// What Debian's capstone does not know: it stopped at AArch64 as it was in version 8.0. Newer
// compilers use what came later, first of all atomic instructions (8.1) and signed addresses (8.3).
//
// Source: Arm Architecture Reference Manual for A-profile, DDI 0487, chapters C4.1 and C6.2.

#include "base/text.h"

// Adds the text of an instruction that capstone does not know, or calls by a name that nobody uses
// ("hint #0x22", "movz x0, #1"); false: it is none of these. `to` may be NULL.
bool aarch64_word_put(uint32_t word, struct text *to);

// Whether it belongs to a group of instructions (table C4-1) of which none does anything but go on
// to the next: what nobody here knows is then one of a later version, of which at least that can be
// said.
bool aarch64_word_goes_on(uint32_t word);
