#include "server/questions.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/text.h"
#include "base/thread.h"
#include "query/now.h"
#include "server/analysis.h"
#include "server/answers.h"
#include "server/code_question.h"
#include "server/comparison.h"
#include "server/exporter.h"
#include "server/report.h"
#include "server/sent.h"
#include "server/server.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

// One slice of a heavy question: about a millisecond of counting.
enum { SLICE_ROWS = 256 << 10 };

// How long an answer may wait for inlined functions. While a run goes on, the next answer is near.
enum { INLINED_MS = 100, INLINED_OF_STOPPED_MS = 1000 };

// How long an answer may wait for the listing of a function, and for the lister at the very end.
enum { LISTING_MS = 20000, LISTER_PATIENCE_MS = 1000 };

enum { FOCUS_SHOWN_BYTES = 100 }; // of a name that does not exist

// When an export looks again whether symbols have been read, of which nobody tells.
enum { EXPORT_WAIT_MS = 20 };

struct question *question_new(enum question_kind kind, struct run *run)
{
    struct question *question = NEW(struct question);
    question->kind = kind;
    question->run = run;
    question->run_id = run == NULL ? 0 : run->id;
    return question;
}

static void end_search(struct question *question)
{
    if (question->search != NULL) {
        interval_search_fini(question->search);
        free(TAKE(question->search));
    }
}

void question_free(struct question *question)
{
    if (question == NULL) {
        return;
    }
    end_search(question);
    comparison_free(question->comparison);
    vec_fini(&question->runs.all);
    vec_fini(&question->about);
    view_fini(&question->view);
    vec_fini(&question->looks.all);
    vec_fini(&question->looks.since_ns);
    free(question->symbol);
    exporter_free(question->exporter);
    code_work_free(question->code);
    view_symbol_fini(&question->tree.focus);
    view_symbols_fini(&question->tree.zoom);
    tree_root_fini(&question->tree.root);
    sent_free(question->sent);
    text_fini(&question->result);
    free(question);
}

struct question *question_copy(const struct question *model)
{
    struct question *copy = question_new(model->kind, model->run);
    view_copy(&copy->view, &model->view);
    copy->params = model->params;
    if (model->code != NULL) {
        copy->code = code_work_copy(model->code);
    }
    const struct question_tree *tree = &model->tree;
    copy->tree.callers = tree->callers;
    copy->tree.focus = view_symbol_new(tree->focus.function_name, tree->focus.binary);
    view_symbols_copy(&copy->tree.zoom, &tree->zoom);
    return copy;
}

// ---- The query thread -------------------------------------------------------------------------

struct query_thread {
    struct questions *questions;
    VEC(struct analysis *) analyses;
    VEC(struct question *) open; // in turn
    VEC(struct run *) leaving;   // to be freed, once no listing is made of them any more
    bool closing;                // nobody waits for anything any more
};

// On a thread of another one: of the worker that has looked up inlined functions, of the lister.
static void wake_asked(void *context)
{
    struct questions *questions = context;
    queue_push(&questions->asked, question_new(QUESTION_WAKE, NULL));
}

static struct analysis *analysis_of(struct query_thread *t, struct run *run)
{
    for (size_t i = 0; i < t->analyses.n; i++) {
        if (t->analyses.at[i]->run == run) {
            return t->analyses.at[i];
        }
    }
    struct analysis *analysis = analysis_new(run, wake_asked, t->questions);
    vec_push(&t->analyses, analysis);
    return analysis;
}

static void answered(struct query_thread *t, struct question *question)
{
    if (question->kept != NULL) {
        end_search(question); // it stands on the view
        analysis_release(analysis_of(t, question->run), TAKE(question->kept));
    }
    if (question->exporter != NULL) {
        exporter_end(question->exporter); // it stands on the run
    }
    queue_push(&t->questions->answered, question);
    loop_wake(&t->questions->server->loop);
}

static void refuse(struct query_thread *t, struct question *question, enum rpc_error_kind kind,
                   const char *text)
{
    question->failed = true;
    question->error_kind = kind;
    err_set(&question->error, EINVAL, "%s", text);
    answered(t, question);
}

// Threads of other programs are no part of a view, but they too are woken.
static bool tid_exists(const struct store *store, uint32_t tid, bool foreign_too)
{
    uint32_t n = atomic_load_explicit(&store->threads.n, memory_order_acquire);
    for (thread_id i = 0; i < n; i++) {
        const struct thread_row *row = store_thread(store, i);
        if (row->tid == tid && (foreign_too || !row->foreign)) {
            return true;
        }
    }
    return false;
}

// True: it asks for a thread that the run does not have, and was refused.
static bool refuse_unknown_thread(struct query_thread *t, struct question *question)
{
    const struct store *store = question->run->store;
    bool is_wakers = question->kind == QUESTION_WAKERS;
    uint32_t tid = 0;
    if (question->view.has_tid && !tid_exists(store, question->view.tid, false)) {
        tid = question->view.tid;
    } else if (is_wakers && !tid_exists(store, question->params.tid, true)) {
        tid = question->params.tid;
    }
    if (tid != 0) {
        CLEANUP(text_fini) struct text text = {0};
        text_addf(&text, "run %u has no thread %u; `stax threads` lists them", question->run->id,
                  tid);
        refuse(t, question, RPC_ERROR_NOT_FOUND, text_get(&text));
    }
    return tid != 0;
}

static bool contains(const char *name, const char *part)
{
    return strcasestr(name, part) != NULL;
}

// Functions are made from frames, and frames come from samples: to exist is to have been sampled.
static enum symbol_look look_for(const struct analysis *analysis, const char *symbol, bool ended)
{
    for (size_t i = 0; i < analysis->names.functions.n; i++) {
        const struct function *function = &analysis->names.functions.at[i];
        if (function->resolved && contains(function->name, symbol)) {
            return SYMBOL_SEEN;
        }
    }
    return ended ? SYMBOL_NEVER : SYMBOL_NOT_YET;
}

static void add_look(struct question_looks *looks, const struct store *store, thread_id thread)
{
    const struct thread_row *row = store_thread(store, thread);
    struct thread_off off;
    if (store_thread_off(store, thread, &off)) { // else it runs by now
        vec_push(&looks->all, (struct capture_look){.pid = row->pid, .tid = row->tid});
        vec_push(&looks->since_ns, off.since_ns);
    }
}

// Whom to look at, for a question about now. True: somebody, and the question is passed on.
static bool pick_looks(struct query_thread *t, struct question *question)
{
    struct question_looks *looks = &question->looks;
    if (question->kind != QUESTION_NOW || looks->picked) {
        return false;
    }
    const struct store *store = question->run->store;
    looks->picked = true;
    const struct capture_backend *backend = question->run->params.backend;
    looks->look = backend == NULL ? NULL : backend->look; // a run of the past has none
    if (looks->look == NULL) {
        return false;
    }
    thread_id *picked = NEW_ARRAY(thread_id, LIMIT_NOW_LOOKS);
    size_t n = now_pick(store, &question->view, picked, question->params.limit);
    for (size_t first = 0; first < n; first++) {
        if (picked[first] == THREAD_NONE) {
            continue; // went with an earlier one of its process
        }
        uint32_t pid = store_thread(store, picked[first])->pid;
        for (size_t i = first; i < n; i++) {
            if (picked[i] != THREAD_NONE && store_thread(store, picked[i])->pid == pid) {
                add_look(looks, store, picked[i]);
                picked[i] = THREAD_NONE;
            }
        }
    }
    free(picked);
    if (looks->all.n == 0) {
        return false;
    }
    question->wants_looks = true;
    answered(t, question);
    return true;
}

// Works on the waits that were asked for. True: the list is complete.
static bool search_intervals(struct analysis *analysis, struct question *question)
{
    if (question->kind != QUESTION_INTERVALS) {
        return true;
    }
    if (question->search == NULL) {
        question->search = NEW(struct interval_search);
        interval_search_init(question->search, &question->kept->fold.view,
                             &question->params.intervals);
    }
    return interval_search_advance(question->search, analysis->run->store, &analysis->names,
                                   &analysis->reasons, SLICE_ROWS);
}

static void put_answer(struct analysis *analysis, struct question *question)
{
    switch (question->kind) {
    case QUESTION_TOP:
        answer_top(&question->result, analysis, question);
        break;
    case QUESTION_FLAME:
        answer_flame(&question->result, analysis, question);
        break;
    case QUESTION_THREADS:
        answer_threads(&question->result, analysis, question);
        break;
    case QUESTION_TOTAL:
        answer_total(&question->result, analysis, question);
        break;
    case QUESTION_INTERVALS:
        answer_intervals(&question->result, analysis, question);
        break;
    case QUESTION_WAKERS:
        answer_wakers(&question->result, analysis, question);
        break;
    case QUESTION_TIMELINE:
        answer_timeline(&question->result, analysis, question);
        break;
    case QUESTION_NOW:
        answer_now(&question->result, analysis, question);
        break;
    case QUESTION_ANNOTATED:
        answer_annotated(&question->result, analysis, question);
        break;
    case QUESTION_CFG:
        answer_cfg(&question->result, analysis, question);
        break;
    case QUESTION_NEIGHBORS:
        answer_neighbors(&question->result, analysis, question);
        break;
    case QUESTION_LIVE_TREE:
        answer_live_tree(&question->result, analysis, question);
        break;
    case QUESTION_LIVE_TOP:
        answer_live_top(&question->result, analysis, question);
        break;
    case QUESTION_LIVE_TIMELINE:
        answer_live_timeline(&question->result, analysis, question);
        break;
    case QUESTION_REPORT:
        report_put(&question->result, analysis);
        break;
    case QUESTION_SYMBOL:
        question->look = look_for(analysis, question->symbol, question->ended);
        break;
    case QUESTION_EXPORT:
    case QUESTION_COMPARE: // compare()
    case QUESTION_FORGET:
    case QUESTION_WAKE:
        ASSERT(false);
    }
}

// Hands the answer over. One that grew too large was broken off.
static void hand_over(struct query_thread *t, struct question *question)
{
    if (question->result.n > LIMIT_ANSWER_BYTES) {
        text_fini(&question->result);
        refuse(t, question, RPC_ERROR_TOO_LARGE, "the answer is too large; ask for less");
    } else {
        answered(t, question);
    }
}

static void answer(struct query_thread *t, struct analysis *analysis, struct question *question)
{
    if (!question->unchanged) {
        put_answer(analysis, question);
    }
    hand_over(t, question);
}

static bool shows_functions(enum question_kind kind)
{
    switch (kind) {
    case QUESTION_TOP:
    case QUESTION_FLAME:
    case QUESTION_INTERVALS:
    case QUESTION_WAKERS:
    case QUESTION_NOW:
    case QUESTION_ANNOTATED: // one may be asked for
    case QUESTION_CFG:
    case QUESTION_NEIGHBORS:
    case QUESTION_LIVE_TREE:
    case QUESTION_LIVE_TOP:
    case QUESTION_COMPARE:
    case QUESTION_SYMBOL:
        return true;
    case QUESTION_THREADS:
    case QUESTION_TOTAL:
    case QUESTION_TIMELINE:
    case QUESTION_LIVE_TIMELINE:
    case QUESTION_REPORT:
    case QUESTION_EXPORT: // has its own patience
    case QUESTION_FORGET:
    case QUESTION_WAKE:
        return false;
    }
    ASSERT(false);
    return false;
}

// True: inlined functions that it should show are about to be found.
static bool waits_for_inlined(const struct query_thread *t, const struct analysis *analysis,
                              struct question *question)
{
    question->waiting = false;
    if (question->physical || !shows_functions(question->kind) || t->closing ||
        analysis_inlined_are_settled(analysis)) {
        return false;
    }
    uint64_t now_ns = clock_now_ns();
    if (question->inlined_until_ns == 0) {
        uint64_t ms = run_is_active(question->run) ? INLINED_MS : INLINED_OF_STOPPED_MS;
        question->inlined_until_ns = now_ns + ms * NS_PER_MS;
    }
    question->waits_until_ns = question->inlined_until_ns;
    question->waiting = now_ns < question->waits_until_ns;
    return question->waiting;
}

// ---- Exports ----------------------------------------------------------------------------------

static void wait_a_little(struct question *question)
{
    question->waiting = true;
    question->waits_until_ns = clock_now_ns() + (uint64_t)EXPORT_WAIT_MS * NS_PER_MS;
}

// Another one may begin: each has the names of its run once more.
static bool has_room_for_export(const struct query_thread *t)
{
    size_t n = 0;
    for (size_t i = 0; i < t->open.n; i++) {
        const struct exporter *other = t->open.at[i]->exporter;
        n += other != NULL && other->analysis != NULL;
    }
    return n < LIMIT_EXPORTS;
}

static void refuse_export(struct query_thread *t, struct question *question, int negative_errno)
{
    question->failed = true;
    question->error_kind = exporter_error_kind(negative_errno);
    answered(t, question);
}

// As work_on().
static bool work_on_export(struct query_thread *t, struct question *question)
{
    struct exporter *exporter = question->exporter;
    if (t->closing) {
        refuse(t, question, RPC_ERROR_INTERNAL, "the server ends; nothing was written");
        return true;
    }
    if (exporter->analysis == NULL) {
        if (refuse_unknown_thread(t, question)) {
            return true;
        }
        if (!has_room_for_export(t)) {
            wait_a_little(question);
            return false;
        }
        exporter_begin(exporter, analysis_new(question->run, wake_asked, t->questions),
                       &question->view);
    }
    int r = exporter_advance(exporter, &question->error);
    if (r < 0) {
        refuse_export(t, question, r);
    } else if (r == EXPORTER_DONE) {
        exporter_put_answer(exporter, &question->result);
        answered(t, question);
    } else if (r == EXPORTER_WAITS) {
        wait_a_little(question);
    }
    return r <= EXPORTER_DONE;
}

// ---- Comparisons -------------------------------------------------------------------------------

// Works on a comparison for a slice. True: it is answered.
static bool compare(struct query_thread *t, struct question *question)
{
    VEC(struct analysis *) analyses = {0};
    for (size_t i = 0; i < question->runs.all.n; i++) {
        vec_push(&analyses, analysis_of(t, question->runs.all.at[i]));
    }
    enum comparison_step step = comparison_advance(question, analyses.at, SLICE_ROWS, !t->closing);
    if (step == COMPARISON_READY) {
        answer_compare(&question->result, analyses.at, question);
        hand_over(t, question);
    } else if (step == COMPARISON_TOO_LARGE) {
        refuse(t, question, RPC_ERROR_TOO_LARGE,
               "the runs have too many different stacks to compare; compare by function");
    }
    vec_fini(&analyses);
    return step == COMPARISON_READY || step == COMPARISON_TOO_LARGE;
}

// ---- Code --------------------------------------------------------------------------------------

static void fetch_source(void *context, const struct build_id *build_id, const char *path)
{
    debuginfod_want_source(context, build_id, path);
}

// Finds the function, and its listing. True: the answer can be made; else it was refused, or waits
// (then `question->waiting` is set).
static bool find_code(struct query_thread *t, struct analysis *analysis, struct question *question,
                      bool *ret_refused)
{
    struct debuginfod *debuginfod = &t->questions->server->debuginfod;
    struct listing_desk desk = {
        .lister = t->questions->lister,
        .sources = &t->questions->n_sources,
        .source_cache = debuginfod_cache_path(debuginfod),
        .fetch_source = fetch_source,
        .context = debuginfod,
    };
    struct err error = {0};
    enum code_step step = code_work_advance(question->code, analysis, question, &desk,
                                            question->kind != QUESTION_NEIGHBORS, &error);
    uint64_t now_ns = clock_now_ns();
    *ret_refused = true;
    if (step == CODE_NOT_FOUND) {
        refuse(t, question, RPC_ERROR_NOT_FOUND, error.text);
        return false;
    }
    if (step == CODE_READY) {
        return true;
    }
    if (question->listing_until_ns == 0) {
        question->listing_until_ns = now_ns + (uint64_t)LISTING_MS * NS_PER_MS;
    }
    if (now_ns >= question->listing_until_ns || t->closing) {
        refuse(t, question, RPC_ERROR_TIMED_OUT,
               "the code is still being read from disk; ask again in a while");
        return false;
    }
    question->waiting = true;
    question->waits_until_ns = question->listing_until_ns;
    *ret_refused = false;
    return false;
}

// Where a live tree begins. False: no stack has such a function, and the question was refused.
static bool find_focus(struct query_thread *t, struct analysis *analysis, struct question *question)
{
    struct question_tree *tree = &question->tree;
    if (tree->focus.function_name == NULL) {
        return true;
    }
    tree_root_fini(&tree->root);
    if (tree_root_find(&tree->root, analysis->tree, &tree->focus)) {
        return true;
    }
    CLEANUP(text_fini) struct text text = {0};
    text_add(&text, "no stack has a function that is called \"");
    text_add_escaped(&text, tree->focus.function_name,
                     MIN(strlen(tree->focus.function_name), (size_t)FOCUS_SHOWN_BYTES));
    text_add(&text, "\"; names are as answers show them");
    refuse(t, question, RPC_ERROR_NOT_FOUND, text_get(&text));
    return false;
}

// Jobs of the lister that are done.
static void take_listings(struct query_thread *t)
{
    for (struct lister_job *job; (job = lister_take(t->questions->lister)) != NULL;) {
        struct analysis *analysis = job->owner;
        listings_take(analysis->listings, job);
    }
}

// ---- One slice --------------------------------------------------------------------------------

// Who asks once wants to know how it is now; who asks again and again, how it was a moment ago.
static bool catch_up(struct analysis *analysis, const struct question *question, bool active)
{
    bool recent = question->subscription != 0 && active &&
                  analysis_is_recent(analysis, question->kept, question->physical);
    return recent || analysis_advance(analysis, question->kept, question->physical, SLICE_ROWS);
}

// Works on a question for a slice. True: it is answered.
static bool work_on(struct query_thread *t, struct question *question)
{
    if (atomic_load(&question->cancelled)) {
        refuse(t, question, RPC_ERROR_INTERNAL, "nobody waits for this any more");
        return true;
    }
    if (question->kind == QUESTION_COMPARE) {
        return compare(t, question);
    }
    if (question->kind == QUESTION_EXPORT) {
        return work_on_export(t, question);
    }
    struct analysis *analysis = analysis_of(t, question->run);
    if (question->kept == NULL) {
        if (refuse_unknown_thread(t, question) || pick_looks(t, question)) {
            return true;
        }
        question->physical = question->view.physical;
        question->kept = analysis_borrow(analysis, &question->view);
        if (question->kept == NULL) {
            return false; // all are in use: others go first
        }
        analysis_want(question->kept, question->kind);
    }
    // Before looking: what ends meanwhile is seen by the next question.
    bool active = run_is_active(question->run);
    bool ended = !active && analysis_names_are_settled(analysis);
    if (!catch_up(analysis, question, active) || waits_for_inlined(t, analysis, question)) {
        return false;
    }
    bool refused;
    if (question->code != NULL && !find_code(t, analysis, question, &refused)) {
        return refused;
    }
    if (!find_focus(t, analysis, question)) {
        return true;
    }
    question->ended = ended && (question->physical || analysis_inlined_are_settled(analysis));
    question->revision = analysis_revision(analysis, question);
    question->unchanged = question->revision == question->seen_revision && !question->ended;
    if (!question->unchanged && !search_intervals(analysis, question)) {
        return false;
    }
    answer(t, analysis, question);
    return true;
}

static bool is_about(const struct question *question, const struct run *run)
{
    for (size_t i = 0; i < question->runs.all.n; i++) {
        if (question->runs.all.at[i] == run) {
            return true;
        }
    }
    return question->run == run;
}

// True: its analysis is gone, too.
static bool drop_analysis(struct query_thread *t, const struct run *run)
{
    for (size_t i = 0; i < t->analyses.n; i++) {
        struct analysis *analysis = t->analyses.at[i];
        if (analysis->run == run) {
            if (analysis->listings->n_under_way > 0) {
                return false;
            }
            analysis_free(analysis);
            vec_remove_at(&t->analyses, i);
            return true;
        }
    }
    return true;
}

static void free_leaving(struct query_thread *t)
{
    for (size_t i = 0; i < t->leaving.n;) {
        struct run *run = t->leaving.at[i];
        if (drop_analysis(t, run)) {
            vec_remove_at(&t->leaving, i);
            run_free(run);
        } else {
            i++;
        }
    }
}

static void forget_run(struct query_thread *t, struct run *run)
{
    for (size_t i = 0; i < t->open.n;) {
        struct question *question = t->open.at[i];
        if (is_about(question, run)) {
            vec_remove_at(&t->open, i);
            refuse(t, question, RPC_ERROR_UNKNOWN_RUN, "the run was forgotten meanwhile");
        } else {
            i++;
        }
    }
    vec_push(&t->leaving, run);
    free_leaving(t);
}

static void wake_all(struct query_thread *t)
{
    for (size_t i = 0; i < t->open.n; i++) {
        t->open.at[i]->waiting = false;
    }
}

static void take_in(struct query_thread *t, struct question *question)
{
    if (question->kind == QUESTION_FORGET) {
        forget_run(t, question->run);
        question_free(question);
    } else if (question->kind == QUESTION_WAKE) {
        take_listings(t);
        free_leaving(t);
        wake_all(t);
        question_free(question);
    } else {
        vec_push(&t->open, question);
    }
}

// What was asked meanwhile. Waits for it when there is nothing else to do: for ever, or as long as
// those wait that are open. NULL: nothing, or closed.
static struct question *next_asked(struct query_thread *t)
{
    struct queue *asked = &t->questions->asked;
    uint64_t until_ns = UINT64_MAX;
    for (size_t i = 0; i < t->open.n; i++) {
        if (!t->open.at[i]->waiting) {
            return queue_try_pop(asked);
        }
        until_ns = MIN(until_ns, t->open.at[i]->waits_until_ns);
    }
    return queue_pop_until(asked, until_ns, &t->closing);
}

// The first one that can be worked on.
static struct question *take_next(struct query_thread *t)
{
    for (size_t i = 0; i < t->open.n; i++) {
        struct question *question = t->open.at[i];
        if (!question->waiting) {
            vec_remove_at(&t->open, i);
            return question;
        }
    }
    return NULL;
}

static void *query_thread(void *context)
{
    struct query_thread t = {.questions = context};
    for (;;) {
        struct question *question = next_asked(&t);
        if (question != NULL) {
            take_in(&t, question);
            continue; // first see what there is; then work on it in turn
        }
        if (t.open.n == 0) {
            break; // closed
        }
        struct question *next = take_next(&t);
        if (next == NULL) {
            wake_all(&t); // the time of one is up
        } else if (!work_on(&t, next)) {
            vec_push(&t.open, next);
        }
    }
    vec_fini(&t.open);
    if (!lister_stop(t.questions->lister, (uint64_t)LISTER_PATIENCE_MS * NS_PER_MS)) {
        t.questions->lister_is_lost = true;
        vec_fini(&t.leaving);
        vec_fini(&t.analyses);
        return NULL;
    }
    take_listings(&t);
    free_leaving(&t);
    ASSERT(t.leaving.n == 0);
    while (t.analyses.n > 0) {
        analysis_free(vec_pop(&t.analyses));
    }
    vec_fini(&t.leaving);
    vec_fini(&t.analyses);
    return NULL;
}

// ---- The loop thread --------------------------------------------------------------------------

void questions_init(struct questions *questions, struct server *server)
{
    questions->server = server;
    queue_init(&questions->asked);
    queue_init(&questions->answered);
    questions->lister = lister_new(wake_asked, questions);
    ASSERT(thread_start(&questions->thread, query_thread, questions) == 0);
}

bool questions_fini(struct questions *questions)
{
    questions->is_over = true;
    queue_close(&questions->asked);
    pthread_join(questions->thread, NULL);
    for (struct question *q; (q = queue_try_pop(&questions->answered)) != NULL;) {
        question_free(q);
    }
    for (struct question *q; (q = queue_try_pop(&questions->asked)) != NULL;) {
        question_free(q); // woke nobody any more
    }
    if (!questions->lister_is_lost) {
        lister_free(questions->lister);
    }
    queue_fini(&questions->asked);
    queue_fini(&questions->answered);
    vec_fini(&questions->open);
    return !questions->lister_is_lost;
}

static void note_runs(struct question *question)
{
    if (question->about.n > 0) {
        return; // it is asked again, and a run may have gone meanwhile
    }
    for (size_t i = 0; i < question->runs.all.n; i++) {
        vec_push(&question->about, question->runs.all.at[i]->id);
    }
    if (question->runs.all.n == 0 && question->run_id != 0) {
        vec_push(&question->about, question->run_id);
    }
}

void questions_ask(struct questions *questions, struct question *question)
{
    note_runs(question);
    for (size_t i = 0; i < question->about.n; i++) {
        vec_push(&questions->open, question->about.at[i]);
    }
    atomic_fetch_add(&questions->n_open, 1);
    queue_push(&questions->asked, question);
}

void questions_cancel(struct questions *questions, struct question *question)
{
    if (!questions->is_over) {
        atomic_store(&question->cancelled, true);
        wake_asked(questions); // it may wait for something
    }
}

static size_t index_of_open(const struct questions *questions, uint32_t run_id)
{
    size_t i = 0;
    while (i < questions->open.n && questions->open.at[i] != run_id) {
        i++;
    }
    return i;
}

bool questions_are_about(const struct questions *questions, uint32_t run_id)
{
    return index_of_open(questions, run_id) < questions->open.n;
}

void questions_on_source(struct questions *questions)
{
    atomic_fetch_add(&questions->n_sources, 1);
}

void questions_forget(struct questions *questions, struct run *run)
{
    queue_push(&questions->asked, question_new(QUESTION_FORGET, run));
}

struct question *questions_take_answered(struct questions *questions)
{
    struct question *question = queue_try_pop(&questions->answered);
    if (question != NULL) {
        atomic_fetch_sub(&questions->n_open, 1);
        for (size_t i = 0; i < question->about.n; i++) {
            vec_remove_at(&questions->open, index_of_open(questions, question->about.at[i]));
        }
    }
    return question;
}
