#include "query/inlined.h"

#include "base/clock.h"
#include "base/limits.h"
#include "query/names.h"

enum {
    BATCH_MAX = 1 << 14, // addresses
    INLINED_PAUSE_NS = 100000000,
};

void inlined_fini(struct inlined *inlined)
{
    for (size_t i = 0; i < inlined->open.n; i++) {
        inline_batch_free(inlined->open.at[i]);
    }
    for (size_t i = 0; i < inlined->waiting.n; i++) {
        inline_batch_free(inlined->waiting.at[i]);
    }
    inline_mailbox_close(inlined->mailbox);
    vec_fini(&inlined->open);
    vec_fini(&inlined->waiting);
    vec_fini(&inlined->of_frame);
    vec_fini(&inlined->lists);
    map_fini(&inlined->by_list);
}

// ---- Asking ------------------------------------------------------------------------------------

static void send(struct names *names, struct inline_batch *batch)
{
    names->inlined.n_under_way++;
    library_want_inlines(names->library, batch);
}

static struct inline_batch *batch_of(struct names *names, image_id image)
{
    struct inlined *inlined = &names->inlined;
    if (inlined->mailbox == NULL) {
        inlined->mailbox = inline_mailbox_new(inlined->on_answer, inlined->context);
    }
    vec_grow_zeroed(&inlined->open, (size_t)image + 1);
    struct inline_batch **batch = &inlined->open.at[image];
    if (*batch != NULL && (*batch)->at.n == BATCH_MAX) {
        send(names, TAKE(*batch));
    }
    if (*batch == NULL) {
        uint32_t id = store_image(names->store, image)->library;
        *batch = inline_batch_new(library_at(names->library, id), inlined->mailbox);
    }
    return *batch;
}

void inlined_want(struct names *names, frame_id frame, image_id image, uint64_t addr)
{
    struct inlined *inlined = &names->inlined;
    if (frame < inlined->of_frame.n) {
        inlined->of_frame.at[frame] = 0;
    }
    const struct image_row *row = store_image(names->store, image);
    if (row->kind == IMAGE_ROW_FILE && image_has_dwarf(library_at(names->library, row->library))) {
        vec_push(&batch_of(names, image)->at, (struct inline_address){.addr = addr, .mark = frame});
    }
}

struct heated {
    struct inline_batch *batch;
    uint64_t heat;
};

static int compare_heat(const void *a, const void *b)
{
    const struct heated *x = a;
    const struct heated *y = b;
    return x->heat > y->heat ? -1 : x->heat < y->heat;
}

static void send_all(struct names *names)
{
    struct inlined *inlined = &names->inlined;
    VEC(struct heated) all = {0};
    for (size_t i = 0; i < inlined->open.n; i++) {
        struct inline_batch *batch = TAKE(inlined->open.at[i]);
        if (batch != NULL) {
            uint64_t heat = atomic_load_explicit(&batch->image->heat, memory_order_relaxed);
            vec_push(&all, (struct heated){.batch = batch, .heat = heat});
        }
    }
    inlined->open.n = 0;
    if (all.n > 1) {
        qsort(all.at, all.n, sizeof *all.at, compare_heat);
    }
    for (size_t i = 0; i < all.n; i++) {
        send(names, all.at[i].batch);
    }
    vec_fini(&all);
}

// ---- Taking in ---------------------------------------------------------------------------------

// Where the list stands: most places of a function have the same one.
static uint32_t intern_list(struct inlined *inlined, const function_id *at, uint32_t n)
{
    uint64_t hash = hash_bytes(at, n * sizeof *at);
    size_t cursor = 0;
    for (uint32_t place; (place = map_find_from(&inlined->by_list, hash, &cursor)) != MAP_NONE;) {
        const function_id *list = &inlined->lists.at[place];
        if (list[0] == n && memcmp(list + 1, at, n * sizeof *at) == 0) {
            return place;
        }
    }
    if (inlined->lists.n == 0) {
        vec_push(&inlined->lists, 0); // 0 stands for no list
    }
    uint32_t place = (uint32_t)inlined->lists.n;
    vec_push(&inlined->lists, n);
    for (uint32_t i = 0; i < n; i++) {
        vec_push(&inlined->lists, at[i]);
    }
    map_add(&inlined->by_list, hash, place);
    return place;
}

static uint32_t list_of_chain(struct names *names, image_id image, const struct inline_chain *chain)
{
    function_id functions[LIMIT_INLINE_DEPTH];
    uint32_t n = chain == NULL ? 0 : chain->n;
    for (uint32_t i = 0; i < n; i++) {
        functions[i] = names_inlined_function(names, image, chain->at[i]);
    }
    return n == 0 ? 0 : intern_list(&names->inlined, functions, n);
}

// Neighbours often have one chain, and chains are interned.
static void take_in(struct names *names, const struct inline_batch *batch)
{
    struct inlined *inlined = &names->inlined;
    const struct inline_chain *last = NULL;
    uint32_t list = 0;
    bool changed = false;
    for (size_t i = 0; i < batch->at.n; i++) {
        const struct inline_address *at = &batch->at.at[i];
        if (at->chain != last) {
            image_id image = stacks_get_frame(&names->store->stacks, at->mark)->image;
            last = at->chain;
            list = list_of_chain(names, image, last);
        }
        vec_grow_zeroed(&inlined->of_frame, (size_t)at->mark + 1);
        changed |= inlined->of_frame.at[at->mark] != list;
        inlined->of_frame.at[at->mark] = list;
    }
    inlined->version += changed;
    if (batch->at.n > 0 && batch->note.text[0] != 0) {
        names_note_inlined(names,
                           stacks_get_frame(&names->store->stacks, batch->at.at[0].mark)->image,
                           batch->note.text);
    }
}

static void take_answers(struct names *names)
{
    struct inlined *inlined = &names->inlined;
    for (struct inline_batch *batch; (batch = inline_mailbox_take(inlined->mailbox)) != NULL;) {
        vec_push(&inlined->waiting, batch);
    }
    if (inlined->waiting.n == 0) {
        return;
    }
    uint64_t now_ns = clock_now_ns();
    if (inlined->waiting.n < inlined->n_under_way &&
        now_ns < inlined->taken_in_ns + INLINED_PAUSE_NS) {
        return;
    }
    uint64_t before = inlined->version;
    for (size_t i = 0; i < inlined->waiting.n; i++) {
        take_in(names, inlined->waiting.at[i]);
        inline_batch_free(inlined->waiting.at[i]);
    }
    inlined->n_under_way -= (uint32_t)inlined->waiting.n;
    vec_clear(&inlined->waiting);
    inlined->version = MIN(inlined->version, before + 1);
    inlined->taken_in_ns = now_ns;
}

void inlined_refresh(struct names *names)
{
    send_all(names);
    if (names->inlined.mailbox != NULL) {
        take_answers(names);
    }
}

struct inlined_list inlined_of_frame(const struct inlined *inlined, frame_id frame)
{
    uint32_t place = frame < inlined->of_frame.n ? inlined->of_frame.at[frame] : 0;
    if (place == 0) {
        return (struct inlined_list){0};
    }
    const function_id *list = &inlined->lists.at[place];
    return (struct inlined_list){.at = list + 1, .n = list[0]};
}
