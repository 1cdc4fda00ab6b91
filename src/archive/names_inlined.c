#include "archive/names_inlined.h"

#include "archive/codec.h"
#include "archive/inline_codec.h"
#include "base/clock.h"
#include "base/limits.h"

// What is inlined at an address is a chain, the outermost function first. Chains have beginnings in
// common, so they are kept as a tree of calls: each has the call within which it lies, and an
// address has the innermost one.

enum {
    BATCH_MAX = 1 << 14,  // addresses
    NAMES_BYTES = 1 << 20 // of functions, that are packed together
};

// Questions of one image and what came of them.
struct inlined {
    struct names_writer *w;
    struct names_work *work;
    VEC(uint64_t) addrs; // ascending, each once
    VEC(struct inline_batch *) answers;
    struct map function_ids; // address of an inline_function -> its number
    uint32_t n_functions;
    struct text names; // of the last of them, which are still to be put
    uint32_t n_names;
    VEC(struct inline_codec_call) calls;
    struct map call_ids; // hash of a call -> its number
    VEC(struct inline_codec_place) places;
};

static void inlined_fini(struct inlined *in)
{
    for (size_t i = 0; i < in->answers.n; i++) {
        inline_batch_free(in->answers.at[i]);
    }
    vec_fini(&in->answers);
    vec_fini(&in->addrs);
    map_fini(&in->function_ids);
    text_fini(&in->names);
    vec_fini(&in->places);
    vec_fini(&in->calls);
    map_fini(&in->call_ids);
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

static int put_block(struct inlined *in, enum names_statement which, uint64_t first, size_t n,
                     const struct text *packed)
{
    sqlite3_stmt *statement = in->w->statements[which];
    names_bind_number(statement, 1, in->work->id);
    names_bind_number(statement, 2, first);
    names_bind_number(statement, 3, n);
    sqlite3_bind_blob(statement, 4, packed->at, (int)packed->n, SQLITE_STATIC);
    return names_writer_put(in->w, which);
}

static int put_names(struct inlined *in)
{
    CLEANUP(text_fini) struct text packed = {0};
    struct slice names = {.data = (const uint8_t *)in->names.at, .n = in->names.n};
    if (in->n_names == 0) {
        return 0;
    }
    codec_put_bytes(&packed, names);
    int r = put_block(in, NAMES_PUT_FUNCTIONS, in->n_functions - in->n_names, in->n_names, &packed);
    text_clear(&in->names);
    in->n_names = 0;
    return r;
}

// Its number in this image.
static int function_number(struct inlined *in, const struct inline_function *function,
                           uint32_t *ret)
{
    uint64_t key = (uint64_t)(uintptr_t)function;
    *ret = map_find(&in->function_ids, key);
    if (*ret != MAP_NONE) {
        return 0;
    }
    *ret = in->n_functions++;
    in->n_names++;
    map_set(&in->function_ids, key, *ret);
    inline_codec_add_function(
        &in->names, &(struct inline_codec_function){.name = slice_of_text(function->name),
                                                    .is_linkage_name = function->is_linkage_name,
                                                    .lang = function->lang});
    bool is_full = in->n_names == INLINE_CODEC_ROWS || in->names.n >= NAMES_BYTES;
    return is_full ? put_names(in) : 0;
}

static uint32_t call_number(struct inlined *in, const struct inline_codec_call *call)
{
    uint64_t hash = hash_bytes(call, sizeof *call);
    size_t cursor = 0;
    for (uint32_t id; (id = map_find_from(&in->call_ids, hash, &cursor)) != MAP_NONE;) {
        if (memcmp(&in->calls.at[id], call, sizeof *call) == 0) {
            return id;
        }
    }
    uint32_t id = (uint32_t)in->calls.n;
    vec_push(&in->calls, *call);
    map_add(&in->call_ids, hash, id);
    in->w->counts->inlined++;
    return id;
}

// The innermost call of a chain.
static int innermost(struct inlined *in, const struct inline_chain *chain, uint32_t *ret)
{
    *ret = INLINE_CODEC_NONE;
    int r = 0;
    for (uint32_t depth = 0; chain != NULL && depth < chain->n && r == 0; depth++) {
        struct inline_call at = chain->calls == NULL ? (struct inline_call){0}
                                                     : chain->calls[depth];
        uint64_t file = 0;
        uint32_t function;
        r = function_number(in, chain->at[depth], &function);
        r = r < 0 ? r : names_writer_source_file(in->w, at.file, true, &file);
        if (r == 0) {
            *ret = call_number(in, &(struct inline_codec_call){.caller = *ret,
                                                               .function = function,
                                                               .file = (uint32_t)file,
                                                               .line = at.line});
        }
    }
    return r;
}

static int add_place(struct inlined *in, uint64_t addr, const struct inline_chain *chain)
{
    uint32_t before = in->places.n == 0 ? (uint32_t)INLINE_CODEC_NONE : vec_last(&in->places)->call;
    uint32_t call;
    int r = innermost(in, chain, &call);
    if (r == 0 && call != before) {
        vec_push(&in->places, (struct inline_codec_place){.addr = addr, .call = call});
    }
    return r;
}

static int add_answers(struct inlined *in)
{
    int r = 0;
    for (size_t i = 0; i < in->answers.n; i++) {
        const struct inline_batch *batch = in->answers.at[i];
        for (size_t k = 0; k < batch->at.n && r == 0; k++) {
            r = add_place(in, batch->at.at[k].addr, batch->at.at[k].chain);
        }
        if (batch->note.text[0] != 0) {
            in->work->inline_note = batch->note;
        }
    }
    return r;
}

static int put_calls(struct inlined *in)
{
    int r = 0;
    for (size_t n, first = 0; first < in->calls.n && r == 0; first += n) {
        CLEANUP(text_fini) struct text packed = {0};
        n = MIN(in->calls.n - first, (size_t)INLINE_CODEC_ROWS);
        inline_codec_put_calls(&packed, in->calls.at + first, (uint32_t)first, n);
        r = put_block(in, NAMES_PUT_CALLS, first, n, &packed);
    }
    return r;
}

static int put_places(struct inlined *in)
{
    int r = 0;
    for (size_t n, first = 0; first < in->places.n && r == 0; first += n) {
        CLEANUP(text_fini) struct text packed = {0};
        n = MIN(in->places.n - first, (size_t)INLINE_CODEC_ROWS);
        inline_codec_put_places(&packed, in->places.at + first, n);
        r = put_block(in, NAMES_PUT_PLACES, first, n, &packed);
    }
    return r;
}

static int put_answers(struct inlined *in)
{
    int r = add_answers(in);
    r = r < 0 ? r : put_names(in);
    r = r < 0 ? r : put_calls(in);
    return r < 0 ? r : put_places(in);
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
