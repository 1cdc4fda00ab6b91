#pragma once

// The threads that existed before the recording.
//
// A thread that is born by a recorded one inherits its events. All others need events of their own,
// and the two can't be told apart by looking: a thread that turns up in a second listing of
// /proc/PID/task was born either by a thread that was recorded by then, or by one that was not yet.
// Opening events for it is right in one case and counts it twice in the other. So it is opened and
// becomes a suspect:
//
//     a record of the thread, written by an event that is not its own
//         └─► it has inherited: its own events are closed, and what they wrote is dropped
//
// At most the first sample of such a thread is counted twice, and no thread is missed.
//
// The same threads announce themselves twice, by what we read in /proc and by a FORK record; the
// second is dropped.
//
// Owned by the capture thread.

#include "base/text.h"
#include "capture/linux/perf_open.h"

struct attach_thread {
    uint32_t tid;
    uint32_t pid;
    bool announced; // by us: drop its FORK record
    bool suspect;
    bool inherited; // a suspect that was found out
};

struct attach {
    struct perf_set *set; // borrowed
    uint32_t pid;
    bool follow;
    bool settled; // no thread can be missing any more
    VEC(struct attach_thread) threads;
    struct map by_tid;        // index into threads
    struct map suspect_by_id; // id of one of a suspect's own events -> index into threads
    uint32_t n_suspects;      // that there have ever been
    uint32_t last_started_tid;
};

void attach_init(struct attach *attach, struct perf_set *set, uint32_t pid, bool follow);
void attach_fini(struct attach *attach); // accepts a zeroed one

// Opens events for all threads of the process (and with `follow` of its descendants), and puts what
// exists into `early` as a stream of events (event/wire.h) stamped `time_ns`: processes, threads
// and whether they sleep, their names, executable mappings. 0 or a negative errno; -ESRCH when
// nothing was left to open.
int attach_all(struct attach *attach, uint64_t time_ns, struct text *early, struct err *reterr);

// For a process with one thread that waits for its exec: nothing of now will matter then, and its
// life in the recording begins with the EXEC.
int attach_launched(struct attach *attach, struct err *reterr);

// Some time after attach_all(): looks once more, for a thread that was being born, by a parent
// without events, while we listed.
void attach_settle(struct attach *attach, uint64_t time_ns, struct text *early);

// Whether the event of this record is news. May close events.
bool attach_wants(struct attach *attach, const struct perf_event_header *record,
                  const struct event *event);
