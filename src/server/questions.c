#include "server/questions.h"

#include "base/text.h"
#include "server/analysis.h"
#include "server/answers.h"
#include "server/server.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

// One slice of a heavy question: about a millisecond of counting.
enum { SLICE_ROWS = 256 << 10 };

struct question *question_new(enum question_kind kind, struct run *run)
{
    struct question *question = NEW(struct question);
    question->kind = kind;
    question->run = run;
    return question;
}

void question_free(struct question *question)
{
    if (question == NULL) {
        return;
    }
    view_fini(&question->view);
    free(question->symbol);
    text_fini(&question->result);
    free(question);
}

// ---- The query thread -------------------------------------------------------------------------

struct query_thread {
    struct questions *questions;
    VEC(struct analysis *) analyses;
    VEC(struct question *) open; // in turn
};

static struct analysis *analysis_of(struct query_thread *t, struct run *run)
{
    for (size_t i = 0; i < t->analyses.n; i++) {
        if (t->analyses.at[i]->run == run) {
            return t->analyses.at[i];
        }
    }
    struct analysis *analysis = analysis_new(run);
    vec_push(&t->analyses, analysis);
    return analysis;
}

static void answered(struct query_thread *t, struct question *question)
{
    if (question->fold != NULL) {
        analysis_release(analysis_of(t, question->run), TAKE(question->fold));
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

static bool tid_exists(const struct store *store, uint32_t tid)
{
    uint32_t n = atomic_load_explicit(&store->threads.n, memory_order_acquire);
    for (thread_id i = 0; i < n; i++) {
        if (store_thread(store, i)->tid == tid) {
            return true;
        }
    }
    return false;
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

static void make_answer(struct analysis *analysis, struct question *question)
{
    const struct calltree *tree = &analysis->tree;
    const struct fold *fold = question->fold;
    const struct store *store = analysis->run->store;
    switch (question->kind) {
    case QUESTION_TOP:
        answer_top(&question->result, tree, fold, store, question);
        break;
    case QUESTION_FLAME:
        answer_flame(&question->result, tree, fold, store, question);
        break;
    case QUESTION_THREADS:
        answer_threads(&question->result, tree, fold, store, question);
        break;
    case QUESTION_TOTAL:
        answer_total(&question->result, tree, fold, store);
        break;
    case QUESTION_REPORT:
        answer_report(&question->result, tree, fold, question->run);
        break;
    case QUESTION_SYMBOL:
        question->look = look_for(analysis, question->symbol, question->ended);
        break;
    case QUESTION_FORGET:
        ASSERT(false);
    }
}

// Works on a question for a slice. True: it is answered.
static bool work_on(struct query_thread *t, struct question *question)
{
    struct analysis *analysis = analysis_of(t, question->run);
    if (question->view.has_tid && !tid_exists(question->run->store, question->view.tid)) {
        CLEANUP(text_fini) struct text text = {0};
        text_addf(&text, "run %u has no thread %u; `stax threads` lists them", question->run->id,
                  question->view.tid);
        refuse(t, question, RPC_ERROR_NOT_FOUND, text_get(&text));
        return true;
    }
    if (question->fold == NULL) {
        question->fold = analysis_borrow(analysis, &question->view);
        if (question->fold == NULL) {
            return false; // all are in use: others go first
        }
    }
    // Before looking: what ends meanwhile is seen by the next question.
    question->ended = !run_is_active(question->run) && analysis_names_are_settled(analysis);
    if (!analysis_advance(analysis, question->fold, SLICE_ROWS)) {
        return false;
    }
    question->revision = analysis_revision(analysis, question->fold);
    question->unchanged = question->revision == question->seen_revision && !question->ended;
    if (!question->unchanged) {
        make_answer(analysis, question);
    }
    answered(t, question);
    return true;
}

static void forget_run(struct query_thread *t, struct run *run)
{
    for (size_t i = 0; i < t->open.n;) {
        struct question *question = t->open.at[i];
        if (question->run == run) {
            vec_remove_at(&t->open, i);
            refuse(t, question, RPC_ERROR_UNKNOWN_RUN, "the run was forgotten meanwhile");
        } else {
            i++;
        }
    }
    for (size_t i = 0; i < t->analyses.n; i++) {
        if (t->analyses.at[i]->run == run) {
            analysis_free(t->analyses.at[i]);
            vec_remove_at(&t->analyses, i);
            break;
        }
    }
    run_free(run);
}

static void take_in(struct query_thread *t, struct question *question)
{
    if (question->kind == QUESTION_FORGET) {
        forget_run(t, question->run);
        question_free(question);
    } else {
        vec_push(&t->open, question);
    }
}

static void *query_thread(void *context)
{
    struct query_thread t = {.questions = context};
    struct queue *asked = &t.questions->asked;
    for (;;) {
        struct question *question = t.open.n > 0 ? queue_try_pop(asked) : queue_pop(asked);
        if (question != NULL) {
            take_in(&t, question);
            continue; // first see what there is; then work on it in turn
        }
        if (t.open.n == 0) {
            break; // closed
        }
        struct question *next = t.open.at[0];
        vec_remove_at(&t.open, 0);
        if (!work_on(&t, next)) {
            vec_push(&t.open, next);
        }
    }
    while (t.analyses.n > 0) {
        analysis_free(vec_pop(&t.analyses));
    }
    vec_fini(&t.analyses);
    vec_fini(&t.open);
    return NULL;
}

// ---- The loop thread --------------------------------------------------------------------------

void questions_init(struct questions *questions, struct server *server)
{
    questions->server = server;
    queue_init(&questions->asked);
    queue_init(&questions->answered);
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); // signals are the loop's
    ASSERT(pthread_create(&questions->thread, NULL, query_thread, questions) == 0);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void questions_fini(struct questions *questions)
{
    queue_close(&questions->asked);
    pthread_join(questions->thread, NULL);
    for (struct question *q; (q = queue_try_pop(&questions->answered)) != NULL;) {
        question_free(q);
    }
    queue_fini(&questions->asked);
    queue_fini(&questions->answered);
}

void questions_ask(struct questions *questions, struct question *question)
{
    atomic_fetch_add(&questions->n_open, 1);
    queue_push(&questions->asked, question);
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
    }
    return question;
}
