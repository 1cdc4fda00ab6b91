#pragma once

// Reads what JITs tell of their code, while the recording goes on.
//
//     capture thread                                         reader thread (may hang in a file)
//     ── watch: a jitdump was mapped, a stack has been in
//        memory without a file ────────────────────────────► finds the file, reads what is there
//                                                            again whenever it grows (inotify), and
//                                                            every LOOK_MS: run/jit_source.h
//     ◄─ deliver: EVENT_CODE_…, among the events by time ───
//     ── finish: once more, the target is over ────────────►
//     ◄─ … ──────────────────────────────────────── done ───
//
// Files are the target's and reading one may take for ever. So nobody waits for the reader, but
// finish() for a bounded time; closing leaves a reader that hangs behind, with its share of what
// the two have in common. There are at most JIT_READERS_MAX of them.
//
// What is told promptly is delivered between the events of its time: code events that are known are
// taken before the first event that is not older. So an epoch (run/jit_code.h) begins exactly when
// code was replaced. What comes later is delivered when it comes.
//
// All functions belong to the capture thread.

#include "base/vec.h"
#include "run/jit_source.h"

enum {
    JIT_READER_LOOK_MS = 250,   // between looks at files that nobody reports changes of
    JIT_READER_PAUSE_MS = 10,   // at least, between two looks
    JIT_READER_FINISH_MS = 500, // for the last look
    JIT_READERS_MAX = 64,
};

struct jit_reader_shared; // with the reader thread
struct jit_news;          // an event with all that it points to

struct jit_reader {
    struct jit_reader_shared *shared; // NULL until there is something to read
    VEC(struct jit_news *) ready;     // by time, from `first_ready` on
    size_t first_ready;
    uint32_t n_watched;
    bool off;          // no thread could be started, or it hung at the end
    uint64_t reported; // version of the reports that were last taken
    struct err note;   // what went wrong with the reader itself
};

struct jit_reader *jit_reader_new(void);
void jit_reader_free(struct jit_reader *reader); // does not wait. Accepts NULL

// Whether a mapped file of this name is a jitdump: jit-NUMBER.dump.
bool jit_reader_is_dump(struct slice path);

// From now on this source is read. Beyond LIMIT_JIT_SOURCES it is not, and `note` says so.
void jit_reader_watch(struct jit_reader *reader, const struct jit_watch *watch);

// Takes over what has been read; delivers, in the order of their times, what is not later than
// `until_ns`.
void jit_reader_collect(struct jit_reader *reader);
void jit_reader_deliver(struct jit_reader *reader, uint64_t until_ns, event_sink_fn sink,
                        void *context);

// The target is over: has all files read to their ends, waits for that (JIT_READER_FINISH_MS at
// most), and delivers everything. `note` says if that was too short.
void jit_reader_finish(struct jit_reader *reader, event_sink_fn sink, void *context);

// Copies what is to be said of all sources, when it changed since the last time. False: it did not.
struct jit_reports {
    VEC(struct jit_report) list;
};
bool jit_reader_report(struct jit_reader *reader, struct jit_reports *ret);
