#include "query/random_stacks.h"

#include "base/text.h"

#include <stdio.h>

enum {
    N_SYMBOLS = 5,
    SYMBOL_BYTES = 0x100,
    PLACE_BYTES = 0x40,
    CODE_ADDR = 0x401000,
    N_THREADS = 4,
    MAX_DEPTH = 9,
    WEIGHT_NS = 1000,
};

static const uint64_t STARTED_NS = 1000000;

uint64_t random_stacks_dice(struct random_stacks *w, uint64_t sides)
{
    w->random = w->random * 6364136223846793005ULL + 1442695040888963407ULL;
    return (w->random >> 33) % sides;
}

// ---- Names -------------------------------------------------------------------------------------

// The first table does not know the last symbol; the second one calls the first symbol differently.
// The last two of it look the same but for their addresses; "f" has two of one name.
static struct symtab *make_table(uint32_t image, uint32_t number)
{
    struct symtab_builder *builder = symtab_builder_new();
    symtab_builder_add_segment(builder,
                               &(struct symtab_segment){.size = 0x1000, .addr = CODE_ADDR, true});
    for (uint32_t i = 0; i < N_SYMBOLS - (number == 0 ? 1 : 0); i++) {
        char name[16];
        snprintf(name, sizeof name, "%c%u%s", image == 0 ? 'f' : 'g', i == 3 ? 2U : i,
                 i == 0 && number > 0 ? "_new" : "");
        symtab_builder_add(builder, CODE_ADDR + (uint64_t)i * SYMBOL_BYTES, SYMBOL_BYTES,
                           slice_of_text(name), slice_of_text(""), SYMBOL_GLOBAL);
    }
    return symtab_builder_finish(builder);
}

void random_stacks_rename(struct random_stacks *w)
{
    uint32_t image = (uint32_t)random_stacks_dice(w, RANDOM_STACKS_IMAGES);
    if (w->n_tables[image] == RANDOM_STACKS_TABLES) {
        return;
    }
    uint32_t id = store_image(w->store, w->images[image])->library;
    struct symtab *before = atomic_load(&library_at(&w->library, id)->symtab);
    if (before != NULL) {
        vec_push(&w->replaced, before);
    }
    fake_library_publish(&w->library, id, make_table(image, w->n_tables[image]++));
}

// ---- Rows --------------------------------------------------------------------------------------

static stack_id push(struct random_stacks *w, stack_id stack, image_id image, uint64_t off)
{
    bool cut = false;
    struct frame_row frame = {.off = off, .image = image};
    return stacks_push(&w->store->stacks, stack, stacks_frame(&w->store->stacks, &frame), &cut);
}

static stack_id random_stack(struct random_stacks *w)
{
    stack_id stack = STACK_ROOT;
    if (random_stacks_dice(w, 6) == 0) {
        stack = push(w, stack, w->markers, random_stacks_dice(w, TRUNCATION_COUNT));
    }
    for (uint64_t n = random_stacks_dice(w, MAX_DEPTH + 1); n > 0; n--) {
        // Mostly the same few, so that stacks share their ways.
        uint64_t symbol = random_stacks_dice(w, random_stacks_dice(w, 2) == 0 ? 2 : N_SYMBOLS);
        uint64_t place = random_stacks_dice(w, 2);
        uint64_t image = random_stacks_dice(w, 3) == 0 ? 1 + random_stacks_dice(w, 2) : 0;
        stack = push(w, stack, w->images[image], symbol * SYMBOL_BYTES + place * PLACE_BYTES);
    }
    return stack;
}

static void add_wait(struct random_stacks *w)
{
    uint64_t duration_ns = 1 + random_stacks_dice(w, WEIGHT_NS);
    w->now_ns += duration_ns;
    store_add_interval(w->store,
                       &(struct interval){
                           .start_ns = w->now_ns - duration_ns,
                           .duration_ns = duration_ns,
                           .reason = random_stacks_dice(w, 3) == 0
                                         ? (uint8_t)REASON_BY_STACK
                                         : (uint8_t)random_stacks_dice(w, EVENT_REASON_COUNT),
                           .thread = (thread_id)random_stacks_dice(w, N_THREADS),
                           .stack = random_stack(w),
                       });
}

void random_stacks_go_on(struct random_stacks *w, size_t n_samples)
{
    for (size_t i = 0; i < n_samples; i++) {
        w->now_ns += random_stacks_dice(w, WEIGHT_NS);
        store_add_sample(w->store, w->now_ns, (thread_id)random_stacks_dice(w, N_THREADS),
                         random_stack(w));
        if (random_stacks_dice(w, 4) == 0) {
            add_wait(w);
        }
    }
    w->now_ns += random_stacks_dice(w, 50); // threads get older, even if nothing else happens
    atomic_store(&w->store->last_ns, w->now_ns);
}

// ---- All of it ---------------------------------------------------------------------------------

static image_id add_image(struct random_stacks *w, const char *path)
{
    return store_add_image(
        w->store, &(struct image_row){.path = strings_add(&w->store->strings, slice_of_text(path)),
                                      .library = fake_library_add(&w->library, IMAGE_FILE)});
}

struct random_stacks *random_stacks_new(uint64_t seed, bool has_switches)
{
    static const char *const paths[RANDOM_STACKS_IMAGES] = {"/bin/f", "/one/g.so", "/two/g.so"};
    struct random_stacks *w = NEW(struct random_stacks);
    w->random = seed;
    w->now_ns = STARTED_NS;
    w->store = store_new(STARTED_NS, 0, WEIGHT_NS);
    w->store->has_switches = has_switches;
    fake_library_init(&w->library);
    for (size_t i = 0; i < RANDOM_STACKS_IMAGES; i++) {
        w->images[i] = add_image(w, paths[i]);
    }
    w->markers = store_add_image(
        w->store, &(struct image_row){.kind = IMAGE_ROW_TRUNCATED, .library = UINT32_MAX});
    names_init(&w->names, w->store, &w->library);
    calltree_init(&w->tree, &w->names);
    reasons_init(&w->reasons, &w->names);
    fold_init(&w->fold, &(struct view){.has_tid = false});
    for (uint32_t i = 0; i < N_THREADS; i++) {
        store_add_thread(w->store, 9, 100 + i, 0, STARTED_NS, 0);
    }
    return w;
}

void random_stacks_free(struct random_stacks *w)
{
    fold_fini(&w->fold);
    reasons_fini(&w->reasons);
    calltree_fini(&w->tree);
    names_fini(&w->names);
    fake_library_fini(&w->library);
    for (size_t i = 0; i < w->replaced.n; i++) {
        symtab_free(w->replaced.at[i]);
    }
    vec_fini(&w->replaced);
    store_free(w->store);
    free(w);
}

void random_stacks_catch_up(struct random_stacks *w)
{
    calltree_refresh(&w->tree);
    while (!fold_advance(&w->fold, w->store, &w->names, 1000)) {
    }
    fold_settle(&w->fold, w->store, &w->names);
    calltree_refresh(&w->tree);
}
