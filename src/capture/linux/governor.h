#pragma once

// How many stacks may be taken where threads switch, or wake each other, very often.
//
// A stack costs the target about 5 µs. Below some thousands a second that is nothing, and every one
// is worth having; two threads that do nothing but switch would be slowed down to a third. So
// stacks are paid from an account, and when that is empty, the events that take them are switched
// off until there is something on it again:
//
//     quiet   every stack. Income PLENTY_PER_S, which few programs ever use up
//     storm   the account has run dry: income SCARCE_PER_S. Bursts of stacks, with pauses in
//             between, in which threads switch without. Quiet again when stacks
//             have been taken for CALM_MS without a pause
//
// The frequency mode of the kernel's events would do something alike, per thread and without us.
// But it holds back stacks from threads that switch rarely, too: its period is an average that two
// switches in a row raise, and it comes down again only while the thread runs. Measured on five
// threads with 500 switches a second together, at 20,000 Hz: 40 % had no stack.
//
// Pure. Owned by the capture thread.

#include "base/base.h"

#include <stdbool.h>

enum {
    GOVERNOR_PLENTY_PER_S = 25000,
    GOVERNOR_SCARCE_PER_S = 2500,
    GOVERNOR_SAVINGS = 4000, // the most that an account holds: 20 ms of the target's time
    GOVERNOR_BURST = 1000,   // the most that it holds in a storm: a few milliseconds of one
    GOVERNOR_DEBT = 5000,    // the least: whoever came late to look does not pay for it all
    GOVERNOR_CALM_MS = 500,
};

struct governor {
    int64_t balance;   // stacks
    uint64_t at_ns;    // of the last income
    uint64_t since_ns; // when `on` last changed, or should have
    bool storm;
    bool on; // stacks are being taken
};

void governor_init(struct governor *governor, uint64_t now_ns);

// `n_stacks` have been taken since the last call. Returns whether stacks are to be taken from now
// on: governor->on.
bool governor_pay(struct governor *governor, uint64_t n_stacks, uint64_t now_ns);
