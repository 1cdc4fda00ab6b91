#pragma once

// What function names say about waiting: the table behind query/reasons.h, and nothing else.
//
// Names in it are plain ones: what compilers, the C library and the kernel's system call macros
// put around a name is taken off before it is looked up (reasons_plain_name). A name that ends in
// `*` stands for all that begin so; the exact name beats it, and of several the longest counts.

#include "base/text.h"
#include "event/event.h"

enum reasons_role {
    ROLE_NONE,      // says nothing
    ROLE_DECIDES,   // the wait is for this reason
    ROLE_UNLESS,    // it is, unless a function further out knows better
    ROLE_INNERMOST, // decides, but only as the innermost function of the program
    ROLE_WORKER,    // waits for work: turns a lock or a semaphore into idle
    ROLE_LOOP,      // the same, but it also runs that work: only if it waits itself
    ROLE_PASSES,    // waits on behalf of its caller, and says nothing more
    ROLE_STOPS,     // what is further out has nothing to do with the wait
    ROLE_SWITCHES,  // the scheduler and those who watch it: never the function that waits
    ROLE_ENTRY,     // the way into the kernel, and out of it
    ROLE_RETURN,    // likewise; on it a thread does work of its own, even after an interrupt
    ROLE_INTERRUPT, // the way in of an interrupt
    ROLE_WAKES,     // the machinery of waking: never the one that wakes
    ROLE_COUNT
};

enum reasons_where { IN_KERNEL, IN_PROGRAM };

struct reasons_group {
    enum reasons_where where;
    enum reasons_role role;
    enum event_reason reason;     // of DECIDES, UNLESS, INNERMOST; EVENT_REASON_COUNT otherwise
    const char *what;             // for people, in the words of docs/waiting.md
    const char *const *names;     // NULL at the end
    const char *binary_prefix[2]; // not NULL: only in binaries whose names begin so
};

extern const struct reasons_group reasons_table[];
extern const size_t reasons_table_n;

// The part of a function's name that the table knows; borrowed from it.
struct slice reasons_plain_name(const char *name, enum reasons_where where);

// All of it as the tables of docs/waiting.md.
void reasons_table_print(struct text *to);
