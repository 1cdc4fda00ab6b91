#pragma once

// Looks at waiting threads, for questions about what they wait for.
//
// To look at a thread is to read its memory, and a hostile target can make that last for ever. So
// neither the loop nor the query thread does it, but a thread that may get lost:
//
//     loop ──inspector_ask()──► a thread: look() ──► loop ──on_looked()──►
//                  └─ ─ ─ ─ ─ after INSPECTOR_PATIENCE_MS ─ ─ ─ ┘  with what was found by then
//
// A thread that is late is abandoned: it works on what is its own, and whatever it finds is thrown
// away. There are at most INSPECTOR_THREADS, lost ones included; a question that finds all of them
// at work waits for its turn, up to the same deadline. At the end nobody waits for them.
//
// It knows no runs: whom to look at, and how, is in the question. All functions are the loop
// thread's.

#include "server/loop.h"
#include "server/questions.h"

enum { INSPECTOR_PATIENCE_MS = 300, INSPECTOR_THREADS = 2 };

struct inspection_job;
struct inspector_shared;

// One question on its way.
struct inspection {
    struct question *question;
    struct inspection_job *job; // NULL: its turn has not come
    uint64_t deadline_ns;
};

struct inspector {
    struct loop *loop;
    void (*on_looked)(void *context, struct question *question);
    void *context;
    struct inspector_shared *shared; // with the threads
    VEC(struct inspection) all;      // the oldest first
    struct loop_timer timer;
};

void inspector_init(struct inspector *inspector, struct loop *loop,
                    void (*on_looked)(void *context, struct question *question), void *context);

// Open questions are dropped, threads left alone. Before loop_fini().
void inspector_fini(struct inspector *inspector);

// Takes over the question, and looks at the threads in `question->looks`; on_looked() gets it back,
// with `looks.all` being what was found, which are the first ones when `looks.note` says why there
// are less.
void inspector_ask(struct inspector *inspector, struct question *question);

// After loop_wake(): passes on what is done.
void inspector_check(struct inspector *inspector);
