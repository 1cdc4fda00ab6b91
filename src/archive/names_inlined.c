#include "archive/names_inlined.h"

#include "base/clock.h"
#include "base/limits.h"

enum { BATCH_MAX = 1 << 14 }; // addresses

// Questions of one image and what came of them.
struct inlined {
    struct names_writer *w;
    struct names_work *work;
    VEC(uint64_t) addrs; // ascending, each once
    VEC(struct inline_batch *) answers;
    struct map function_ids; // address of an inline_function -> its number
    uint32_t n_functions;
    const struct inline_chain *last; // that was put; NULL: nothing is inlined
};

static void inlined_fini(struct inlined *in)
{
    for (size_t i = 0; i < in->answers.n; i++) {
        inline_batch_free(in->answers.at[i]);
    }
    vec_fini(&in->answers);
    vec_fini(&in->addrs);
    map_fini(&in->function_ids);
}

// ---- Questions ---------------------------------------------------------------------------------

static void choose_addrs(struct inlined *in)
{
    struct names_work *work = in->work;
    for (size_t i = 0; i < work->addrs.n; i++) {
        vec_push(&in->addrs, work->addrs.at[i]);
    }
    for (size_t i = 0; i < work->edges.n; i++) {
        vec_push(&in->addrs, work->edges.at[i]);
    }
    names_sort_addrs(in->addrs.at, &in->addrs.n);
}

// How many batches are under way.
static size_t send_questions(struct inlined *in, struct inline_mailbox *mailbox)
{
    struct image *image = library_at(in->w->library, in->work->image->id);
    size_t n_batches = 0;
    for (size_t i = 0; i < in->addrs.n; n_batches++) {
        struct inline_batch *batch = inline_batch_new(image, mailbox);
        for (; i < in->addrs.n && batch->at.n < BATCH_MAX; i++) {
            vec_push(&batch->at, (struct inline_address){.addr = in->addrs.at[i]});
        }
        library_want_inlines(in->w->library, batch);
    }
    return n_batches;
}

// The next answer; NULL: nobody waits for it any more.
static struct inline_batch *await_answer(struct names_writer *w, struct inline_mailbox *mailbox)
{
    for (;;) {
        uint64_t now_ns = clock_now_ns();
        uint64_t until_ns;
        bool wait = names_writer_may_wait(w, now_ns, &until_ns);
        bool is_closed;
        struct inline_batch *batch = queue_pop_until(&mailbox->answered, wait ? until_ns : 0,
                                                     &is_closed);
        if (batch != NULL || !wait) {
            return batch;
        }
        names_writer_account_wait(w, now_ns);
    }
}

static int compare_batches(const void *a, const void *b)
{
    const struct inline_batch *const *x = a;
    const struct inline_batch *const *y = b;
    uint64_t left = (*x)->at.at[0].addr;
    uint64_t right = (*y)->at.at[0].addr;
    return left < right ? -1 : left > right;
}

// False: some are missing; they are freed when they come back.
static bool ask(struct inlined *in)
{
    struct inline_mailbox *mailbox = inline_mailbox_new(NULL, NULL);
    size_t n = send_questions(in, mailbox);
    while (in->answers.n < n) {
        struct inline_batch *batch = await_answer(in->w, mailbox);
        if (batch == NULL) {
            break;
        }
        vec_push(&in->answers, batch);
    }
    inline_mailbox_close(mailbox);
    if (in->answers.n > 1) {
        qsort(in->answers.at, in->answers.n, sizeof *in->answers.at, compare_batches);
    }
    return in->answers.n == n;
}

// ---- Answers -----------------------------------------------------------------------------------

// Its number in this image; written when it is new.
static int function_number(struct inlined *in, const struct inline_function *function,
                           uint32_t *ret)
{
    uint64_t key = (uint64_t)(uintptr_t)function;
    *ret = map_find(&in->function_ids, key);
    if (*ret != MAP_NONE) {
        return 0;
    }
    *ret = in->n_functions++;
    map_set(&in->function_ids, key, *ret);
    sqlite3_stmt *statement = in->w->statements[NAMES_PUT_FUNCTION];
    names_bind_number(statement, 1, in->work->id);
    names_bind_number(statement, 2, *ret);
    names_bind_name(statement, 3, function->name);
    names_bind_number(statement, 4, function->is_linkage_name);
    names_bind_name(statement, 5, symbol_lang_name(function->lang));
    return names_writer_put(in->w, NAMES_PUT_FUNCTION);
}

static sqlite3_stmt *bind_place(struct inlined *in, uint64_t addr, uint32_t depth)
{
    sqlite3_stmt *statement = in->w->statements[NAMES_PUT_INLINED];
    names_bind_number(statement, 1, in->work->id);
    names_bind_number(statement, 2, addr);
    names_bind_number(statement, 3, depth);
    return statement;
}

static int put_level(struct inlined *in, uint64_t addr, const struct inline_chain *chain,
                     uint32_t depth)
{
    struct inline_call call = chain->calls == NULL ? (struct inline_call){0} : chain->calls[depth];
    uint32_t function;
    uint64_t file = 0;
    int r = function_number(in, chain->at[depth], &function);
    r = r < 0 ? r : names_writer_source_file(in->w, call.file, true, &file);
    if (r < 0) {
        return r;
    }
    sqlite3_stmt *statement = bind_place(in, addr, depth);
    names_bind_number(statement, 4, function);
    names_bind_unless_0(statement, 5, file);
    names_bind_unless_0(statement, 6, call.line);
    in->w->counts->inlined++;
    return names_writer_put(in->w, NAMES_PUT_INLINED);
}

static int put_none(struct inlined *in, uint64_t addr)
{
    sqlite3_stmt *statement = bind_place(in, addr, 0);
    sqlite3_bind_null(statement, 4);
    sqlite3_bind_null(statement, 5);
    sqlite3_bind_null(statement, 6);
    return names_writer_put(in->w, NAMES_PUT_INLINED);
}

static bool same_calls(const struct inline_chain *a, const struct inline_chain *b)
{
    return a->calls == b->calls || (a->calls != NULL && b->calls != NULL &&
                                    memcmp(a->calls, b->calls, a->n * sizeof *a->calls) == 0);
}

static bool same_chain(const struct inline_chain *a, const struct inline_chain *b)
{
    return a == b || (a != NULL && b != NULL && a->n == b->n &&
                      memcmp(a->at, b->at, a->n * sizeof a->at[0]) == 0 && same_calls(a, b));
}

static int put_chain(struct inlined *in, uint64_t addr, const struct inline_chain *chain)
{
    chain = chain != NULL && chain->n == 0 ? NULL : chain;
    if (same_chain(in->last, chain)) {
        return 0;
    }
    in->last = chain;
    int r = chain == NULL ? put_none(in, addr) : 0;
    for (uint32_t depth = 0; chain != NULL && depth < chain->n && r == 0; depth++) {
        r = put_level(in, addr, chain, depth);
    }
    return r;
}

static int put_answers(struct inlined *in)
{
    int r = 0;
    for (size_t i = 0; i < in->answers.n; i++) {
        const struct inline_batch *batch = in->answers.at[i];
        for (size_t k = 0; k < batch->at.n && r == 0; k++) {
            r = put_chain(in, batch->at.at[k].addr, batch->at.at[k].chain);
        }
        if (batch->note.text[0] != 0) {
            in->work->inline_note = batch->note;
        }
    }
    return r;
}

int names_inlined_put(struct names_writer *w, struct names_work *work)
{
    if (!names_work_has_dwarf(work)) {
        return 0;
    }
    struct inlined in = {.w = w, .work = work};
    choose_addrs(&in);
    int r = 0;
    if (ask(&in)) {
        r = put_answers(&in);
    } else {
        w->complete = false; // and what there is says nothing about what lies between
    }
    inlined_fini(&in);
    return r;
}
