#pragma once

// The query thread: everything that folds over samples or looks at names.
//
// The loop thread asks, this thread answers, and the answer comes back as finished JSON. A question
// is worked on in slices, in turn with the others, so that one about ten million samples never
// holds up one that is ready. For each run the thread keeps names, the call tree, the fold of the
// whole run, and a few folds of views that were asked for lately: asking again costs only what is
// new.
//
//     loop ──questions_ask()──► [ asked ] ──► query thread ──► [ answered ] ──loop_wake()──► loop
//
// A run that leaves the registry is handed to this thread, which is the last to look at it.

#include "base/queue.h"
#include "base/text.h"
#include "query/answers.h"
#include "rpc/schema.h"
#include "run/run.h"

#include <jansson.h>

struct server;
struct analysis;

enum question_kind {
    QUESTION_TOP,
    QUESTION_FLAME,
    QUESTION_THREADS,
    QUESTION_TOTAL,
    QUESTION_REPORT, // diagnostics; `prefix` is what the loop thread has to say
    QUESTION_SYMBOL,
    QUESTION_FORGET, // no answer: the run is freed
};

enum symbol_look { SYMBOL_NOT_YET, SYMBOL_SEEN, SYMBOL_NEVER };

struct question {
    enum question_kind kind;
    struct run *run;
    struct view view;
    enum top_sort sort;
    uint32_t limit;
    struct flame_params flame;
    char *symbol; // owned

    // Who asked: a ticket of a connection, or one of its subscriptions.
    uint64_t connection;
    uint64_t ticket;
    uint32_t subscription;
    uint64_t seen_revision; // of a subscription: no news, no answer

    // The answer.
    struct text result; // JSON; what the asker put there before stays in front
    bool failed;
    enum rpc_error_kind error_kind;
    struct err error;
    bool unchanged; // nothing new since seen_revision
    bool ended;     // the run was over, with all its names: no later answer will differ
    uint64_t revision;
    enum symbol_look look;

    // Work in progress: belongs to the query thread.
    struct fold *fold;
};

struct question *question_new(enum question_kind kind, struct run *run);
void question_free(struct question *question); // accepts NULL

struct questions {
    struct server *server;
    struct queue asked;
    struct queue answered;
    pthread_t thread;
    _Atomic uint32_t n_open; // asked and not answered
};

void questions_init(struct questions *questions, struct server *server);

// Open questions are dropped.
void questions_fini(struct questions *questions);

// Takes over the question.
void questions_ask(struct questions *questions, struct question *question);

// Frees the run when nobody looks at it any more. Open questions about it are refused.
void questions_forget(struct questions *questions, struct run *run);

// The next answered question, or NULL. The caller frees it.
struct question *questions_take_answered(struct questions *questions);
