#pragma once

// From events to rows: the one place where the facts of a backend become the content of a run.
//
//     event ──► which process, which thread   processes.h
//           ──► which calls led there         unwinder.h         registers become addresses
//           ──► which image, which offset     image/space.h      addresses become frames
//           ──► which stack                   stack_builder.h    frames become one number
//           ──► a row                         store/store.h
//           ──► on a CPU, ready or blocked    waits.h            switches become rows, too
//
// Names play no part in it: they are found when somebody asks (query/names.h). The pipeline only
// says which images are worth loading: those that samples fall into.
//
// Owned by the capture thread, which is the store's only writer.

#include "event/event.h"
#include "image/library.h"
#include "run/heat.h"
#include "run/jit_reader.h"
#include "run/pauses.h"
#include "run/processes.h"
#include "run/stack_builder.h"
#include "run/waker_stacks.h"
#include "store/store.h"

struct pipeline {
    struct store *store;
    struct library *library;
    struct processes_live live;
    struct waits waits;
    struct map image_by_library; // library id -> image_id, of files, the vdso and the kernel
    struct jit_code jit;
    struct jit_reader *jit_reader; // hears where JITs tell what they make; borrowed, NULL: nobody
    struct pauses *pauses;         // in which samples are dropped; borrowed, NULL: none
    bool own_root;                 // processes are long gone: files are looked for in our own root
    uint64_t last_ns;
    bool began; // an exec or a sample was seen: the launched program did start
    struct stack_builder stacks;
    struct heat heat;
    struct waker_stacks waker_stacks;
};

// On the heap: it is large. Both arguments are borrowed and outlive it.
struct pipeline *pipeline_new(struct store *store, struct library *library);
void pipeline_free(struct pipeline *pipeline); // accepts NULL

// Applies one event. Times that run backwards are counted and moved up to the last one.
void pipeline_apply(struct pipeline *pipeline, const struct event *event);

// Everything before this time has been applied: a time in which nothing happens passes, too.
void pipeline_advance(struct pipeline *pipeline, uint64_t time_ns);

// Tells the library which images have become hot. Once for many events.
void pipeline_flush(struct pipeline *pipeline);

// Nothing more will come: closes the waits that are still open.
void pipeline_end(struct pipeline *pipeline, uint64_t time_ns);
