#include "server/code_question.h"

#include "base/limits.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

enum { BARE_PLACE_BYTES = 64 }; // shown of code without a symbol, from the sampled place on

// ---- What is asked -----------------------------------------------------------------------------

struct code_work *code_work_new(void)
{
    struct code_work *work = NEW(struct code_work);
    work->function = FUNCTION_NONE;
    work->inlined = FUNCTION_NONE;
    return work;
}

struct code_work *code_work_copy(const struct code_work *model)
{
    struct code_work *work = code_work_new();
    const struct function_target *target = &model->params.target;
    work->params = model->params;
    work->params.target.name = target->name == NULL
                                   ? NULL
                                   : alloc_text(target->name, strlen(target->name));
    work->params.maps = (struct source_maps){0};
    source_maps_copy(&work->params.maps, &model->params.maps);
    return work;
}

static void forget_findings(struct code_work *work)
{
    found_functions_fini(&work->found);
    function_heat_fini(&work->heat);
    free(work->unsampled.name);
    work->unsampled = (struct function){0};
    work->found = (struct found_functions){0};
    work->heat = (struct function_heat){0};
}

void code_work_free(struct code_work *work)
{
    if (work == NULL) {
        return;
    }
    forget_findings(work);
    listing_unref(work->listing);
    function_target_fini(&work->params.target);
    source_maps_fini(&work->params.maps);
    free(work);
}

const struct function *code_work_function(const struct code_work *work,
                                          const struct analysis *analysis)
{
    return work->function == FUNCTION_NONE ? &work->unsampled
                                           : names_function(&analysis->names, work->function);
}

// ---- Listings of a run -------------------------------------------------------------------------

static void kept_listing_fini(struct kept_listing *kept)
{
    listing_wish_fini(&kept->wish);
    listing_unref(kept->listing);
}

void listings_fini(struct listings *listings)
{
    ASSERT(listings->n_under_way == 0);
    for (size_t i = 0; i < listings->all.n; i++) {
        kept_listing_fini(&listings->all.at[i]);
    }
    vec_fini(&listings->all);
}

static struct kept_listing *find_listing(struct listings *listings, const struct listing_wish *wish)
{
    for (size_t i = 0; i < listings->all.n; i++) {
        if (listing_wish_equal(&listings->all.at[i].wish, wish)) {
            return &listings->all.at[i];
        }
    }
    return NULL;
}

static bool are_too_many(const struct listings *listings)
{
    size_t n_lines = 0;
    for (size_t i = 0; i < listings->all.n; i++) {
        const struct listing *listing = listings->all.at[i].listing;
        n_lines += listing == NULL ? 0 : listing->lines.n;
    }
    return listings->all.n >= LIMIT_LISTINGS || n_lines > LIMIT_LISTED_LINES;
}

// Those under way stay: their jobs come back to them. SIZE_MAX: all are.
static size_t oldest_of(const struct listings *listings)
{
    size_t oldest = SIZE_MAX;
    for (size_t i = 0; i < listings->all.n; i++) {
        const struct kept_listing *kept = &listings->all.at[i];
        if (!kept->under_way &&
            (oldest == SIZE_MAX || kept->last_used < listings->all.at[oldest].last_used)) {
            oldest = i;
        }
    }
    return oldest;
}

static void make_room(struct listings *listings)
{
    for (size_t oldest; are_too_many(listings) && (oldest = oldest_of(listings)) != SIZE_MAX;) {
        kept_listing_fini(&listings->all.at[oldest]);
        vec_remove_at(&listings->all, oldest);
    }
}

static struct kept_listing *add_listing(struct listings *listings, const struct listing_wish *wish)
{
    make_room(listings);
    struct kept_listing kept = {0};
    listing_wish_copy(&kept.wish, wish);
    vec_push(&listings->all, kept);
    return vec_last(&listings->all);
}

void listings_take(struct listings *listings, struct lister_job *job)
{
    struct kept_listing *kept = find_listing(listings, &job->wish);
    ASSERT(kept != NULL && kept->under_way && listings->n_under_way > 0);
    listing_unref(kept->listing);
    kept->listing = TAKE(job->listing);
    kept->under_way = false;
    listings->n_under_way--;
    lister_job_free(job);
}

static const struct symtab *symtab_of(const struct names *names, image_id image)
{
    return image < names->images.n ? names->images.at[image].symtab : NULL;
}

// It could say more by now.
static bool is_stale(const struct kept_listing *kept, const struct names *names, uint64_t sources)
{
    return kept->symtab != symtab_of(names, kept->wish.image) ||
           (kept->listing != NULL && kept->listing->may_improve && kept->sources != sources);
}

static void ask_lister(struct analysis *analysis, struct kept_listing *kept,
                       const struct listing_desk *desk, uint64_t sources)
{
    const struct run *run = analysis->run;
    struct lister_job *job = lister_job_new();
    job->owner = analysis;
    job->run = (struct listing_run){
        .store = run->store,
        .library = run->library,
        .names_path = run_names_path(run),
        .source_cache = desk->source_cache,
        .fetch_source = desk->fetch_source,
        .context = desk->context,
    };
    listing_wish_copy(&job->wish, &kept->wish);
    kept->symtab = symtab_of(&analysis->names, kept->wish.image);
    kept->sources = sources;
    kept->under_way = true;
    analysis->listings->n_under_way++;
    lister_ask(desk->lister, job);
}

// The newest there is, a reference; NULL: it is being made. One that could be better is made anew
// meanwhile.
static struct listing *get_listing(struct analysis *analysis, const struct listing_wish *wish,
                                   const struct listing_desk *desk)
{
    struct listings *listings = analysis->listings;
    uint64_t sources = atomic_load(desk->sources);
    struct kept_listing *kept = find_listing(listings, wish);
    bool is_new = kept == NULL;
    if (is_new) {
        kept = add_listing(listings, wish);
    }
    kept->last_used = ++listings->uses;
    if (!kept->under_way && (is_new || is_stale(kept, &analysis->names, sources))) {
        ask_lister(analysis, kept, desk, sources);
    }
    return kept->listing == NULL ? NULL : listing_ref(kept->listing);
}

// ---- Where the code is -------------------------------------------------------------------------

static void add_range(struct listing_wish *wish, uint64_t addr, uint64_t end, uint32_t code)
{
    vec_push(&wish->ranges, (struct listing_range){.addr = addr, .end = end, .code = code});
}

static bool has_code(const struct listing_wish *wish, uint32_t code)
{
    for (size_t i = 0; i < wish->ranges.n; i++) {
        if (wish->ranges.at[i].code == code) {
            return true;
        }
    }
    return false;
}

static void add_code(struct listing_wish *wish, const struct store *store, uint32_t code)
{
    if (code != CODE_NONE && !has_code(wish, code) && wish->ranges.n < LIMIT_LISTING_RANGES) {
        const struct code_row *row = store_code(store, code);
        add_range(wish, row->addr, row->addr + row->size_bytes, code);
    }
}

// A JIT's function: those of its versions that were sampled; the newest one when none was.
static void add_jit_ranges(struct listing_wish *wish, const struct store *store,
                           const struct function *function, const struct function_heat *heat)
{
    for (size_t i = 0; i < heat->places.n; i++) {
        add_code(wish, store, heat->places.at[i].code);
    }
    uint32_t n = atomic_load_explicit(&store->codes.n, memory_order_acquire);
    process_id process = store_image(store, function->image)->process;
    for (uint32_t i = n; i-- > 0 && wish->ranges.n == 0;) {
        const struct code_row *row = store_code(store, i);
        if (row->process == process && row->name == function->key) {
            add_code(wish, store, i);
        }
    }
}

// The kernel's own image: functions that were first known by their names alone lie there, too.
static image_id kernel_image(const struct store *store)
{
    uint32_t n = atomic_load_explicit(&store->images.n, memory_order_acquire);
    for (image_id i = 1; i < n; i++) {
        if (store_image(store, i)->kind == IMAGE_ROW_KERNEL) {
            return i;
        }
    }
    return 0;
}

static void add_symbol_range(struct listing_wish *wish, const struct symbol *symbol)
{
    add_range(wish, symbol->addr + wish->bias, symbol->end + wish->bias, CODE_NONE);
}

static void add_function_ranges(struct listing_wish *wish, const struct analysis *analysis,
                                const struct function *function, const struct function_heat *heat)
{
    const struct store *store = analysis->run->store;
    wish->image = function->image;
    if (function->is_truncation || function->addr == 0) {
        return; // no code, or nobody knows where
    }
    if (store_image(store, wish->image)->kind == IMAGE_ROW_NAMED) {
        wish->image = kernel_image(store);
    }
    if (store_image(store, wish->image)->kind == IMAGE_ROW_ANONYMOUS) {
        add_jit_ranges(wish, store, function, heat);
        return;
    }
    const struct symtab *symtab = symtab_of(&analysis->names, wish->image);
    const struct symbol *symbol = symtab == NULL ? NULL
                                                 : symtab_find(symtab, function->addr - heat->bias);
    wish->bias = heat->bias;
    if (symbol != NULL) {
        add_symbol_range(wish, symbol);
    } else {
        add_range(wish, function->addr, function->addr + BARE_PLACE_BYTES, CODE_NONE);
    }
}

static void make_wish(struct listing_wish *wish, const struct code_work *work,
                      const struct analysis *analysis)
{
    wish->arch = analysis->run->arch;
    wish->syntax = work->params.syntax;
    wish->source = work->params.source;
    source_maps_copy(&wish->maps, &work->params.maps);
    if (work->function == FUNCTION_NONE) {
        wish->image = work->found.image;
        wish->bias = work->found.bias;
        add_symbol_range(wish, work->found.symbol);
    } else {
        add_function_ranges(wish, analysis, names_function(&analysis->names, work->function),
                            &work->heat);
    }
}

// ---- The work ----------------------------------------------------------------------------------

static void say_not_found(const struct code_work *work, const struct names *names,
                          struct err *reterr)
{
    CLEANUP(text_fini) struct text text = {0};
    const struct function_target *target = &work->params.target;
    if (target->name != NULL) {
        text_add(&text, "no sampled function has '");
        text_add_escaped(&text, target->name, MIN(strlen(target->name), (size_t)60));
        text_add(&text, "' in its name");
    } else if (work->found.symbol != NULL) { // neighbors are made of stacks alone
        text_addf(&text, "the function at 0x%" PRIx64 " is on no stack", target->address);
    } else {
        text_addf(&text, "no function is known at 0x%" PRIx64, target->address);
    }
    for (size_t i = 0; i < work->found.hottest.n; i++) {
        const char *name = names_function(names, work->found.hottest.at[i].id)->name;
        text_add(&text, i == 0 ? "; the hottest are " : ", ");
        text_add_escaped(&text, name, MIN(strlen(name), (size_t)40));
    }
    err_set(reterr, ENOENT, "%s", text_get(&text));
}

// Which function it is. False: none.
static bool find(struct code_work *work, struct analysis *analysis, const struct question *question,
                 bool needs_code)
{
    const struct fold *fold = &question->kept->fold;
    enum find_order order = needs_code                                    ? FIND_BY_SELF
                            : question->params.flame.mode == MODE_OFF_CPU ? FIND_BY_TOTAL_WAITS
                                                                          : FIND_BY_TOTAL;
    find_functions(&work->found, analysis->tree, fold, analysis->run->store, &analysis->reasons,
                   &work->params.target, order);
    work->inlined = FUNCTION_NONE;
    work->function = work->found.fit.n > 0 ? work->found.fit.at[0].id : FUNCTION_NONE;
    if (work->function == FUNCTION_NONE && work->found.symbol != NULL && needs_code) {
        work->unsampled = names_describe(&analysis->names, work->found.image, work->found.symbol,
                                         work->found.bias);
        return true;
    }
    if (work->function == FUNCTION_NONE) {
        return false;
    }
    if (needs_code && names_function(&analysis->names, work->function)->inlined) {
        work->inlined = work->function;
        work->function = find_host_of_inlined(analysis->tree, fold, work->inlined,
                                              &work->host_samples);
    }
    return work->function != FUNCTION_NONE;
}

enum code_step code_work_advance(struct code_work *work, struct analysis *analysis,
                                 const struct question *question, const struct listing_desk *desk,
                                 bool needs_code, struct err *reterr)
{
    forget_findings(work);
    if (!find(work, analysis, question, needs_code)) {
        say_not_found(work, &analysis->names, reterr);
        return CODE_NOT_FOUND;
    }
    if (!needs_code) {
        return CODE_READY;
    }
    if (work->function != FUNCTION_NONE) {
        function_heat_make(&work->heat, analysis->tree, &question->kept->fold, analysis->run->store,
                           &analysis->reasons, work->function);
    }
    CLEANUP(listing_wish_fini) struct listing_wish wish = {0};
    make_wish(&wish, work, analysis);
    listing_unref(TAKE(work->listing));
    work->listing = get_listing(analysis, &wish, desk);
    return work->listing == NULL ? CODE_WAITS : CODE_READY;
}

uint64_t code_work_revision(const struct code_work *work)
{
    return work->listing == NULL ? 0 : work->listing->serial;
}
