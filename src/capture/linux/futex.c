#include "capture/linux/futex.h"

#include <linux/futex.h>

enum {
    TID_MAX = 1 << 22, // include/linux/threads.h: PID_MAX_LIMIT
    SHARED = 128,      // nptl's LLL_SHARED, and the bit in a mutex's kind

    KIND_TYPE = 3, // normal, recursive, error-checking, adaptive
    KIND_ROBUST = 0x10,
    KIND_INHERIT = 0x20,
    KIND_PROTECT = 0x40,
    KIND_ELISION = 0x300,
    KIND_KNOWN = KIND_TYPE | KIND_ROBUST | KIND_INHERIT | KIND_PROTECT | SHARED | KIND_ELISION,
    LOCKED_WITH_WAITERS = 2,
    CEILING_SHIFT = 19,

    COND_SHARED = 1, // in wrefs
    COND_WAITER_SHIFT = 3,
};

// The word at `addr` of the target. False when its bytes are not there.
static bool word_at(const struct futex_wait *wait, uint64_t addr, uint32_t *ret)
{
    uint64_t off = addr - wait->memory_addr; // wraps for what lies before: then it is too large
    *ret = 0;
    if (off > wait->memory.n || wait->memory.n - off < sizeof *ret) {
        return false;
    }
    memcpy(ret, wait->memory.data + off, sizeof *ret);
    return true;
}

static bool long_at(const struct futex_wait *wait, uint64_t addr, uint64_t *ret)
{
    uint32_t low;
    uint32_t high;
    bool known = word_at(wait, addr, &low) && word_at(wait, addr + sizeof low, &high);
    *ret = known ? (uint64_t)high << 32 | low : 0;
    return known;
}

static uint32_t command_of(const struct futex_wait *wait)
{
    return wait->op & (uint32_t)FUTEX_CMD_MASK;
}

static bool is_shared(const struct futex_wait *wait)
{
    return (wait->op & FUTEX_PRIVATE_FLAG) == 0;
}

static bool is_tid(uint32_t number)
{
    return number > 0 && number <= TID_MAX;
}

// ---- Mutex -------------------------------------------------------------------------------------

static bool is_mutex(const struct futex_wait *wait, uint32_t *ret_owner)
{
    // Rust's mutex waits with B and without a timeout, and holds the program's own data behind it.
    if ((command_of(wait) == FUTEX_WAIT_BITSET) != wait->timeout) {
        return false;
    }
    uint32_t word;
    uint32_t owner;
    uint32_t n_users;
    uint32_t kind;
    if (!word_at(wait, wait->addr, &word) || !word_at(wait, wait->addr + 8, &owner) ||
        !word_at(wait, wait->addr + 12, &n_users) || !word_at(wait, wait->addr + 16, &kind)) {
        return false;
    }
    // A word that has changed has a new owner, or none: the waiter is about to be woken.
    if (word != wait->value || (kind & ~(uint32_t)KIND_KNOWN) != 0 || (kind & KIND_INHERIT) != 0 ||
        ((kind & SHARED) != 0) != is_shared(wait)) {
        return false;
    }
    if ((kind & KIND_ROBUST) != 0) {
        *ret_owner = word & FUTEX_TID_MASK;
        return (word & FUTEX_WAITERS) != 0 && is_tid(*ret_owner);
    }
    uint32_t ceiling = (kind & KIND_PROTECT) != 0 ? word >> CEILING_SHIFT << CEILING_SHIFT : 0;
    *ret_owner = owner;
    return word == (ceiling | LOCKED_WITH_WAITERS) && is_tid(owner) && is_tid(n_users);
}

static uint32_t pi_owner(const struct futex_wait *wait)
{
    uint32_t word;
    word_at(wait, wait->addr, &word);
    return is_tid(word & FUTEX_TID_MASK) ? word & FUTEX_TID_MASK : 0;
}

// ---- Condition variable ------------------------------------------------------------------------

// The word is one of a pair at the end of an object that is aligned to 8 bytes.
static uint32_t group_of(const struct futex_wait *wait)
{
    return wait->addr % 8 == 4;
}

// Both layouts have it at the same distance from the word.
static bool has_condition_waiters(const struct futex_wait *wait, uint32_t *ret_n)
{
    uint32_t wrefs;
    bool known = word_at(wait, wait->addr - 4 - 4 * group_of(wait), &wrefs);
    *ret_n = wrefs >> COND_WAITER_SHIFT;
    return known && *ret_n > 0 && *ret_n <= TID_MAX &&
           ((wrefs & COND_SHARED) != 0) == is_shared(wait);
}

static bool is_condition_since_2_25(const struct futex_wait *wait)
{
    uint32_t group = group_of(wait);
    uint64_t base = wait->addr - 40 - 4 * group;
    uint32_t n_waiters;
    uint32_t refs[2];
    uint64_t wseq;
    uint64_t g1_start;
    if (wait->value != 0 || !has_condition_waiters(wait, &n_waiters) ||
        !long_at(wait, base, &wseq) || !long_at(wait, base + 8, &g1_start) ||
        !word_at(wait, base + 16, &refs[0]) || !word_at(wait, base + 20, &refs[1])) {
        return false;
    }
    // Both are positions with the current group in their lowest bit.
    uint64_t n_in_groups = (uint64_t)(refs[0] >> 1) + (refs[1] >> 1);
    return refs[group] >> 1 > 0 && n_in_groups <= n_waiters && wseq >> 1 > 0 &&
           g1_start >> 1 <= wseq >> 1;
}

static bool is_condition_since_2_41(const struct futex_wait *wait)
{
    uint64_t base = wait->addr - 32 - 4 * group_of(wait);
    uint32_t n_waiters;
    uint64_t wseq;
    uint64_t g1_start;
    if (!has_condition_waiters(wait, &n_waiters) || !long_at(wait, base, &wseq) ||
        !long_at(wait, base + 8, &g1_start)) {
        return false;
    }
    // It does not wait while there is a signal for it: while its word is beyond g1_start.
    uint32_t beyond = wait->value - (uint32_t)g1_start;
    return wseq >> 1 >= n_waiters && g1_start <= wseq >> 1 &&
           (beyond == 0 || beyond > (uint32_t)INT32_MAX);
}

static bool is_condition(const struct futex_wait *wait)
{
    return command_of(wait) == FUTEX_WAIT_BITSET && wait->addr % 4 == 0 &&
           (is_condition_since_2_25(wait) || is_condition_since_2_41(wait));
}

// ---- Semaphore, thread -------------------------------------------------------------------------

static bool is_semaphore(const struct futex_wait *wait)
{
    uint32_t word;
    uint32_t n_waiters;
    uint32_t shared;
    return command_of(wait) == FUTEX_WAIT_BITSET && wait->value == 0 && wait->addr % 8 == 0 &&
           word_at(wait, wait->addr, &word) && word_at(wait, wait->addr + 4, &n_waiters) &&
           word_at(wait, wait->addr + 8, &shared) && word == 0 && is_tid(n_waiters) &&
           shared == (is_shared(wait) ? SHARED : 0);
}

static bool waits_for_value(const struct futex_wait *wait)
{
    return command_of(wait) == FUTEX_WAIT || command_of(wait) == FUTEX_WAIT_BITSET;
}

bool futex_may_join(const struct futex_wait *wait)
{
    return waits_for_value(wait) && is_shared(wait) && is_tid(wait->value);
}

static bool is_join(const struct futex_wait *wait)
{
    uint32_t word;
    return futex_may_join(wait) && wait->value_is_thread && word_at(wait, wait->addr, &word) &&
           word == wait->value;
}

// ---- All together ------------------------------------------------------------------------------

void futex_classify(const struct futex_wait *wait, struct futex_object *ret)
{
    uint32_t command = command_of(wait);
    uint32_t word;
    *ret = (struct futex_object){0};
    if (command == FUTEX_LOCK_PI || command == FUTEX_LOCK_PI2) {
        *ret = (struct futex_object){CAPTURE_OBJECT_MUTEX, pi_owner(wait)};
    } else if (command == FUTEX_WAIT_REQUEUE_PI) {
        ret->object = CAPTURE_OBJECT_LOCK;
    } else if (!waits_for_value(wait) || !word_at(wait, wait->addr, &word)) {
        return;
    } else if (is_mutex(wait, &ret->owner_tid)) {
        ret->object = CAPTURE_OBJECT_MUTEX;
    } else if (is_join(wait)) {
        *ret = (struct futex_object){CAPTURE_OBJECT_THREAD, wait->value};
    } else if (is_condition(wait)) { // before the semaphore: its words may look like one
        *ret = (struct futex_object){.object = CAPTURE_OBJECT_CONDITION};
    } else if (is_semaphore(wait)) {
        *ret = (struct futex_object){.object = CAPTURE_OBJECT_SEMAPHORE};
    } else {
        *ret = (struct futex_object){.object = CAPTURE_OBJECT_LOCK};
    }
}

bool futex_reason(enum capture_object object, enum event_reason *ret)
{
    switch (object) {
    case CAPTURE_OBJECT_MUTEX:
    case CAPTURE_OBJECT_CONDITION:
        *ret = EVENT_REASON_LOCK;
        return true;
    case CAPTURE_OBJECT_SEMAPHORE:
        *ret = EVENT_REASON_SEMAPHORE;
        return true;
    case CAPTURE_OBJECT_THREAD:
        *ret = EVENT_REASON_OTHER;
        return true;
    case CAPTURE_OBJECT_LOCK:
        *ret = EVENT_REASON_LOCK;
        return false;
    case CAPTURE_OBJECT_UNKNOWN:
        *ret = EVENT_REASON_OTHER;
        return false;
    }
    ASSERT(false);
    return false;
}
