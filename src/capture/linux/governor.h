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
// A stack that comes with a copy of memory costs more (governor_price). It also fills a ring: a
// storm of copies fills one within milliseconds, and then the records of the switches themselves
// get lost. So whoever sees a ring filling up says so, and the pause begins at once.
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
    // Measured on switches of 2.9 µs: 8.1 with a stack; 9.5, 11.4 and 12.0 with 1, 4 and 8 KiB of
    // memory besides.
    GOVERNOR_PRICE_BYTES = 8 << 10,
};

struct governor {
    int64_t savings;   // the most that the account holds
    int64_t burst;     // the same in a storm
    int64_t balance;   // stacks of price 1
    uint64_t at_ns;    // of the last income
    uint64_t since_ns; // when `on` last changed, or should have
    bool storm;
    bool on; // stacks are being taken
};

// `savings`: GOVERNOR_SAVINGS, or less where less may be taken before somebody looks.
void governor_init(struct governor *governor, int64_t savings, uint64_t now_ns);

// What one stack costs that comes with so much memory.
static inline uint64_t governor_price(uint64_t copy_bytes)
{
    return 1 + (copy_bytes + GOVERNOR_PRICE_BYTES / 2) / GOVERNOR_PRICE_BYTES;
}

// Stacks of this price, together, have been taken since the last call. `crowded`: there is hardly
// room for more now. Returns whether stacks are to be taken from now on: governor->on.
bool governor_pay(struct governor *governor, uint64_t price, bool crowded, uint64_t now_ns);
