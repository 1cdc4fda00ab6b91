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
// Inlined functions are looked up by a thread of the library's. A question that shows functions
// waits for those a little while, then it is answered with what there is; those who ask again get
// the rest.
//
// A question about what threads wait for *now* comes twice: first this thread picks whom to look
// at, then the inspector looks (inspector.h), then the answer is made here.
//
// An export (exporter.h) has names and counts of its own: in the middle of it, nobody else may
// refresh them.
//
// A question about code needs a listing of it, which the lister makes (code/lister.h); meanwhile
// the question waits, and others go on. A run that a listing is being made of is not forgotten
// before that is over.
//
// A comparison looks at several runs, each with an analysis of its own; when one of them is
// forgotten, it is refused.
//
// A run that leaves the registry is handed to this thread, which is the last to look at it.

#include "base/queue.h"
#include "base/text.h"
#include "query/compare_side.h"
#include "query/interval_search.h"
#include "query/neighbors.h"
#include "rpc/schema.h"
#include "run/run.h"

#include <jansson.h>

struct server;
struct kept_view;
struct exporter;
struct comparison;
struct code_work;
struct lister;
struct sent;

enum question_kind {
    QUESTION_TOP,
    QUESTION_FLAME,
    QUESTION_THREADS,
    QUESTION_TOTAL,
    QUESTION_INTERVALS,
    QUESTION_WAKERS,
    QUESTION_TIMELINE,
    QUESTION_NOW,
    QUESTION_ANNOTATED, // these three: about one function, see struct code_work
    QUESTION_CFG,
    QUESTION_NEIGHBORS,
    QUESTION_LIVE_TREE, // these three: see server/sent.h
    QUESTION_LIVE_TOP,
    QUESTION_LIVE_TIMELINE,
    QUESTION_COMPARE, // about several runs: see struct question_runs
    QUESTION_REPORT,  // diagnostics; `prefix` is what the loop thread has to say
    QUESTION_SYMBOL,
    QUESTION_EXPORT, // into a file
    QUESTION_FORGET, // no answer: the run is freed
    QUESTION_WAKE,   // no question: those that wait for inlined functions go on
};

enum symbol_look { SYMBOL_NOT_YET, SYMBOL_SEEN, SYMBOL_NEVER };

// What a question asks for beside its view. Plain values: a subscription copies them as they are.
struct question_params {
    struct top_params top;
    struct flame_params flame;
    struct interval_filter intervals;
    uint32_t limit;      // threads, wakers, now
    uint32_t tid;        // wakers: who is woken
    uint32_t max_frames; // intervals, now: of each stack
    uint32_t buckets;    // timeline
    uint32_t threads;    // timeline: with buckets of their own
};

// Of a question about now: whom to look at, then what was found. Threads of one process stand
// together.
struct question_looks {
    void (*look)(struct capture_look *looks, size_t n); // how: the run's backend knows
    VEC(struct capture_look) all;
    VEC(uint64_t) since_ns; // of the wait that is to be looked at; there may be more than of `all`
    bool picked;            // `all` says whom to look at
    struct err note;        // why there are less looks than were asked for; "" when there are not
};

// Of a comparison: the runs of both sides, those of A first. The question's own is the first one.
struct question_runs {
    VEC(struct run *) all;
    size_t n_of[2];
    enum compare_by by;
    enum answer_mode mode;
    double fail_above; // 0.1: 10 %
};

// Of a live tree: where it begins, and where in it somebody looks.
struct question_tree {
    bool callers;
    struct view_symbol focus; // without a name: with everything
    view_symbols zoom;
    struct tree_root root; // found by the query thread
};

struct question {
    enum question_kind kind;
    struct run *run;
    uint32_t run_id; // the run may be forgotten while the question is on its way
    struct view view;
    struct question_params params;
    struct question_looks looks;
    struct question_runs runs;
    struct question_tree tree;
    VEC(uint32_t) about;       // ids of all these runs, once it was asked
    char *symbol;              // owned
    struct exporter *exporter; // owned
    struct code_work *code;    // owned

    // Who asked: a ticket of a connection, or one of its subscriptions.
    uint64_t connection;
    uint64_t ticket;
    uint32_t subscription;
    uint64_t epoch;         // of the subscription
    uint64_t seen_revision; // likewise: no news, no answer
    struct sent *sent;      // likewise: what it was told before; owned meanwhile. Else NULL
    _Atomic bool cancelled; // nobody waits for the answer any more

    // The answer.
    bool wants_looks;   // none yet: see questions_take_answered()
    struct text result; // JSON; what the asker put there before stays in front
    bool failed;
    enum rpc_error_kind error_kind;
    struct err error;
    bool unchanged; // nothing new since seen_revision
    bool ended;     // the run was over, with all its names: no later answer will differ
    uint64_t revision;
    enum symbol_look look;

    // Work in progress: belongs to the query thread.
    bool physical;             // of its view
    bool waiting;              // for inlined functions that are being looked up
    uint64_t waits_until_ns;   // no longer than that
    uint64_t inlined_until_ns; // it waits for these two until then; 0: has not begun to
    uint64_t listing_until_ns;
    struct kept_view *kept;
    struct interval_search *search; // intervals
    struct comparison *comparison;
};

struct question *question_new(enum question_kind kind, struct run *run);
void question_free(struct question *question); // accepts NULL

// The same question once more, to be asked on its own.
struct question *question_copy(const struct question *model);

struct questions {
    struct server *server;
    struct queue asked;
    struct queue answered;
    pthread_t thread;
    struct lister *lister;
    bool lister_is_lost;
    bool is_over;               // questions_fini()
    _Atomic uint64_t n_sources; // fetched so far: see questions_on_source()
    _Atomic uint32_t n_open;    // asked and not answered
    VEC(uint32_t) open;         // of these, the runs they are about: of the asking thread
};

void questions_init(struct questions *questions, struct server *server);

// Open questions are dropped. False: the lister hangs, and was left behind with all that it looks
// at: runs and library must not be freed.
bool questions_fini(struct questions *questions);

// Takes over the question.
void questions_ask(struct questions *questions, struct question *question);

// Of a question that was asked, and not taken back: it comes back soon, without a usable answer.
// After questions_fini() none is left to be cancelled, and nothing happens.
void questions_cancel(struct questions *questions, struct question *question);

// Whether one is about that run, and not answered.
bool questions_are_about(const struct questions *questions, uint32_t run_id);

// Frees the run when nobody looks at it any more. Open questions about it are refused.
void questions_forget(struct questions *questions, struct run *run);

// A source file has arrived from a server: listings may show more. Any thread.
void questions_on_source(struct questions *questions);

// The next answered question, or NULL. The caller frees it; one that `wants_looks` is not answered
// yet: it goes to the inspector, and is then asked again.
struct question *questions_take_answered(struct questions *questions);
