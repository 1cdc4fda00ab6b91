#pragma once

// The perf events of one capture, and the rings that they write into.
//
//     thread × CPU ─► event: samples by CPU time, switches, life, code ─┐ PERF_EVENT_IOC_SET_OUTPUT
//     thread × CPU ─► event: the stack at a switch-out, where permitted ├──► ring of that CPU
//     thread × CPU ─► the same without a copy: one of these two is on   │
//     some threads × CPU ─► both again, with longer copies of the stack │
//              CPU ─► event: every wakeup, where permitted              │
//              CPU ─► event: the stack of some wakeups ─────────────────┘
//
// An event that is inherited by new threads can only have a ring when it is bound to one CPU, hence
// one event per thread and CPU. The ring itself belongs to an event of our own thread that never
// counts anything: threads of the target come and go, the rings stay.
//
// With each stack of a sample or switch-out come registers and a copy of its innermost bytes, at
// most an eighth of a ring. Threads that need longer ones get further events for those (deep.h).
// Stacks of wakers come without: those are samples of whole CPUs, of which most belong to other
// programs.
//
// The stacks are extras: when descriptors or memory run short, they are given up, and all threads
// are still recorded.
//
// Owned by the capture thread.

#include "base/vec.h"
#include "capture/linux/perf_ring.h"
#include "capture/linux/tracefs.h"
#include "capture/perf/perf_record.h"

#include <stdbool.h>

// What the kernel can do, and lets us do. Found out by asking, not by version.
struct perf_features {
    int refused;         // 0, or the errno with which perf_event_open refuses everything
    bool kernel;         // kernel frames
    bool build_id;       // in MMAP2
    bool inherit_thread; // by threads, but not by child processes
    bool lost;           // PERF_FORMAT_LOST
    bool switches;       // PERF_RECORD_SWITCH
    bool switch_stacks;  // samples at switch-outs: only with kernel frames, that is where they are
    bool copies;         // user registers and a copy of the stack with a sample
    bool wakeups;        // events on whole CPUs, and a tracepoint: `waking`
    struct tracefs_waking waking;
    struct err no_wakeups; // why not
    long paranoid;         // perf_event_paranoid; -1 when it can't be read, too
    uint32_t max_stack;    // where the kernel's walk of a stack ends
    uint32_t max_rate_hz;  // perf_event_max_sample_rate
};

// Opens nothing that lasts. Some 300 microseconds.
void perf_features_probe(struct perf_features *ret);

// Why everything is refused: with `refused` != 0.
int perf_features_explain(const struct perf_features *features, struct err *reterr);

enum { PERF_CPUS_MAX = 8192 }; // the largest NR_CPUS of a kernel

struct perf_cpus {
    VEC(uint32_t) list;
};

struct perf_event_fd {
    int fd;
    enum perf_meaning meaning;
    bool extra;     // takes stacks that can be done without
    bool copies;    // with registers and a copy
    uint32_t level; // of its layout
    uint32_t tid;   // 0: of a whole CPU
    uint64_t id;    // stands in its records, and in those of the threads that inherited it
};

struct perf_options {
    uint32_t frequency_hz;
    bool on_exec; // begin with the next exec of the thread, rather than at once
    bool follow;  // child processes inherit, too
    bool copies;  // stacks come with registers and a copy: only with features.copies
};

// How stacks that can be done without are taken at the moment.
enum perf_stacks { PERF_STACKS_NONE, PERF_STACKS_PLAIN, PERF_STACKS_COPIED };

struct perf_set {
    struct perf_features features;
    struct perf_options options;
    struct perf_cpus cpus;
    int *ring_fds; // by position in cpus
    struct perf_ring *rings;
    uint64_t ring_bytes; // of one
    uint32_t copy_bytes; // of a stack at level 0; 0: none are taken
    uint32_t top_level;  // up to which copies get longer: what fits into the rings
    VEC(struct perf_event_fd) events;
    struct perf_layouts layouts;
    uint64_t lost_before; // by events that are closed by now
    uint64_t closed_ns;   // when the latest were closed whose ids are still in `layouts`, or 0
    int extras_limit;     // an extra event gets no descriptor of this number or above
    enum perf_stacks switch_stacks_how;
    enum perf_stacks waker_stacks_how;
    bool switch_stacks;          // are being recorded
    struct err no_switch_stacks; // why not, when they could have been
};

enum perf_set_outcome {
    PERF_SET_OK = 0,
    PERF_SET_E_GONE = 1, // there is no such thread any more
};

// The rings; `note` gets a line when they are smaller than they should be.
int perf_set_open(struct perf_set *set, const struct perf_features *features,
                  const struct perf_options *options, struct err *note, struct err *reterr);
void perf_set_close(struct perf_set *set); // accepts a zeroed one

// Records a thread and whatever inherits from it, from now on or from its exec on. PERF_SET_OK,
// PERF_SET_E_GONE or a negative errno: -EACCES (without a text: the caller knows whose it is),
// -EMFILE …
int perf_set_add_thread(struct perf_set *set, uint32_t tid, struct err *reterr);

// Ends the recording by the events that were opened for a thread, inherited ones included. Those of
// perf_set_deepen() stay.
void perf_set_remove_thread(struct perf_set *set, uint32_t tid);

// Also records this thread, not those that it starts, with copies of this level (1 to top_level),
// and ends the recording with copies of lower levels above 0. All that happens from *ret_since_ns
// on is recorded. PERF_SET_OK, PERF_SET_E_GONE or a negative errno; nothing has changed then.
int perf_set_deepen(struct perf_set *set, uint32_t tid, uint32_t level, uint64_t *ret_since_ns,
                    struct err *reterr);

// Ends what perf_set_deepen() began.
void perf_set_undeepen(struct perf_set *set, uint32_t tid);

// Records the wakeups of the whole machine from now on: with features.wakeups. 0 or a negative
// errno.
int perf_set_add_wakeups(struct perf_set *set, struct err *reterr);

// Takes stacks of this kind (PERF_MEANS_SWITCH_OUT, PERF_MEANS_WAKEUP) in this way from now on.
// What is not copied anyway is the same with PERF_STACKS_COPIED and PERF_STACKS_PLAIN.
void perf_set_take_stacks(struct perf_set *set, enum perf_meaning meaning, enum perf_stacks how);

// All records up to this time have been read: forgets the ids of events that were closed before.
void perf_set_forget_closed(struct perf_set *set, uint64_t read_until_ns);

// Nothing is recorded any more; the rings can still be read.
void perf_set_disable(struct perf_set *set);

// How many records did not find room so far, as the kernel counts them; 0 without features.lost.
uint64_t perf_set_lost(const struct perf_set *set);

// Adds the numbers of a list of CPUs as the kernel writes it ("0-3,8,10-11\n"). False when it is
// not one. Pure.
bool perf_cpus_parse(struct slice list, struct perf_cpus *cpus);
