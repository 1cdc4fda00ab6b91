#pragma once

// A run of threads that wait and wake each other at random, for tests: as a store, grown event by
// event in the way of the pipeline, and as plain lists of what really happened, to make naive
// answers from.

#include "query/fake_library.h"
#include "query/reasons.h"
#include "query/view.h"

enum {
    RANDOM_THREADS = 10, // two of them foreign, two with the same tid
    RANDOM_STAYS = 4000,
    RANDOM_PLACES = 4,
    PLACE_WITHOUT_STACK = RANDOM_PLACES - 1,
    RANDOM_SITES = 4,
    RANDOM_WEIGHT_NS = 7,
};

#define STAY_OPEN UINT64_MAX

// Of the clock of the store's rows.
struct true_stay {
    thread_id thread;
    uint64_t start_ns;
    uint64_t end_ns; // STAY_OPEN
    bool runnable;
    bool approximate;
    bool ended_by_run;
    uint32_t place;
    bool woken;
    size_t wakeup; // that ended it
};

struct true_wakeup {
    uint64_t time_ns;
    thread_id wakee;
    thread_id waker;
    uint32_t site;
    bool approximate;
};

struct true_sample {
    uint64_t time_ns;
    thread_id thread;
};

struct true_thread {
    uint32_t tid;
    bool foreign;
    bool off;
    size_t stay; // where it is, while off
    uint64_t started_ns;
    uint64_t ended_ns; // 0: lives
};

struct random_waits {
    struct store *store;
    struct library library;
    struct names names;
    struct reasons reasons;
    uint64_t random;
    uint64_t now_ns;
    bool named;                       // the program's table is there
    stack_id places[RANDOM_PLACES];   // where threads wait; the last one has a reason of its own
    stack_id waits_at[RANDOM_PLACES]; // the same without the scheduler
    stack_id sites[RANDOM_SITES];     // where they wake; 2 is an interrupt, 3 is not known
    struct true_thread threads[RANDOM_THREADS];
    uint32_t n_threads;
    struct true_stay stays[RANDOM_STAYS];
    size_t n_stays;
    struct true_wakeup wakeups[RANDOM_STAYS];
    size_t n_wakeups;
    struct true_sample samples[RANDOM_STAYS];
    size_t n_samples;
    // Called wherever a reader might look in the middle of an event; may be NULL.
    void (*between)(struct random_waits *w, void *context);
    void *context;
};

struct random_waits *random_waits_new(uint64_t seed, bool has_switches);
void random_waits_free(struct random_waits *w);

void random_waits_go_on(struct random_waits *w, size_t n_events);
void random_waits_publish(struct random_waits *w); // the program's table: places[0] is a semaphore
void random_waits_end(struct random_waits *w);

// As everybody does before asking.
void random_waits_refresh(struct random_waits *w);

uint64_t random_waits_dice(struct random_waits *w, uint64_t sides);
// Whether the view's symbols, names without binaries, keep what waits at a place.
bool random_waits_keeps(const struct random_waits *w, const struct view *view, uint32_t place);

enum event_reason random_waits_reason(const struct random_waits *w, uint32_t place);
