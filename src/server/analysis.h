#pragma once

// What the query thread keeps about one run: its names, its call tree, the reasons for its waits,
// and what was counted of it, by view.
//
//     names ─► trees, reasons         they do not depend on the view
//     view  ─► fold                   always
//           ─► wakers, timeline       from the first question for them on
//     function ─► listing             likewise; the view has no part in it
//
// All of these keep cursors: what was asked before costs only what is new.

#include "query/answers.h"
#include "query/reasons.h"
#include "query/timeline.h"
#include "query/wakers.h"
#include "run/run.h"
#include "server/questions.h"

struct listings;

enum { ANALYSIS_VIEWS = 8 };      // other than the whole run
enum { ANALYSIS_RECENT_MS = 20 }; // analysis_is_recent()

struct kept_view {
    struct fold fold;          // its view is *the* view
    struct wakers *wakers;     // NULL: nobody has asked for them
    struct timeline *timeline; // likewise
    uint64_t caught_up_ns[2];  // when it last did, with a tree of this kind; 0: never
    uint32_t n_users;          // questions that wait for it
    uint64_t last_used;
};

struct analysis {
    struct run *run;
    struct names names;
    struct calltree trees[2]; // with inlined functions, and (from the first question on) without
    struct calltree *tree;    // the one that analysis_advance() was for
    struct reasons reasons;
    struct kept_view everything;
    struct kept_view *kept[ANALYSIS_VIEWS];
    struct listings *listings; // of functions that somebody looked at (server/code_question.h)
    uint64_t uses;
};

// `on_inlined` is called on another thread when analysis_inlined_are_settled() may have become
// true; not after analysis_free().
struct analysis *analysis_new(struct run *run, void (*on_inlined)(void *context), void *context);
void analysis_free(struct analysis *analysis); // and not the run

// What is kept of a view, borrowed until analysis_release(). NULL when all are in use. `*view` is
// taken over when it is new.
struct kept_view *analysis_borrow(struct analysis *analysis, struct view *view);
void analysis_release(struct analysis *analysis, struct kept_view *kept);

// From now on, what a question of this kind stands on is counted too.
void analysis_want(struct kept_view *kept, enum question_kind kind);

// Brings names and the tree (of physical stacks or not) up to date and counts up to `max_rows` of
// each kind of row. True when it has caught up: answers can be made at once, and stand on the same
// moment.
bool analysis_advance(struct analysis *analysis, struct kept_view *kept, bool physical,
                      uint64_t max_rows);

// Whether it has caught up so lately that another answer may stand on the same moment. A page asks
// for a tree, a table and a timeline at once: then their totals agree, and what they are made from
// is summed up once (query/weights.h).
bool analysis_is_recent(struct analysis *analysis, const struct kept_view *kept, bool physical);

// A number that moves whenever the answer to this question may have changed: with what was counted,
// and for what grows by itself (a wait that goes on) with the time of the newest event.
uint64_t analysis_revision(const struct analysis *analysis, const struct question *question);

// No image that samples fell into is still being loaded.
bool analysis_names_are_settled(const struct analysis *analysis);

// No functions are being looked up that may be inlined where samples fell, as of the last advance.
bool analysis_inlined_are_settled(const struct analysis *analysis);
