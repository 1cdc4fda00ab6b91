// Random runs, asked in random views, against answers made the naive way: from plain lists of
// samples and waits, by comparing names. On-CPU times are estimates here; for exact ones see
// test_fold.c.

#include "query/answers.h"

#include "query/fake_library.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum {
    N_IMAGES = 3,
    N_SYMBOLS = 4,
    SYMBOL_BYTES = 0x100,
    N_THREADS = 6,
    MAX_SAMPLES = 400,
    MAX_DEPTH = 12,
    MAX_INTERVALS = 60,
    MAX_NODES = 1 + MAX_SAMPLES * MAX_DEPTH,
};

static const uint64_t STARTED_NS = 1000000;
static const uint64_t WEIGHT_NS = 7;
static const uint64_t ADDR_OF_OFF = 0x400000;

// ---- What really happened ----------------------------------------------------------------------

struct place {
    uint32_t image; // 0 … N_IMAGES - 1
    uint64_t off;
};

struct truth_sample {
    uint64_t time_ns; // from the start of the run
    uint32_t thread;
    stack_id stack; // the same in the store
    uint32_t depth;
    struct place places[MAX_DEPTH]; // from the outermost on
};

struct truth {
    struct truth_sample samples[MAX_SAMPLES];
    size_t n_samples;
    struct interval intervals[MAX_INTERVALS];
    size_t stack_of[MAX_INTERVALS]; // waits where this sample is
    size_t n_intervals;
    struct wakeup wakeups[MAX_INTERVALS];
    size_t n_wakeups;
    uint32_t tids[N_THREADS];
    uint64_t started_ns[N_THREADS]; // from the start of the run
    uint64_t ended_ns[N_THREADS];
    bool published[N_IMAGES];
    uint64_t random;
};

static uint64_t dice(struct truth *truth, uint64_t sides)
{
    truth->random = truth->random * 6364136223846793005ULL + 1442695040888963407ULL;
    return (truth->random >> 33) % sides;
}

struct label {
    char name[40];
    char binary[16];
    bool resolved;
};

// Of each symbol's 0x100 bytes the last 0x40 belong to nobody.
static struct label label_of(const struct truth *truth, struct place place)
{
    struct label label;
    uint64_t symbol = place.off / SYMBOL_BYTES;
    label.resolved = truth->published[place.image] && place.off % SYMBOL_BYTES < 0xc0;
    snprintf(label.binary, sizeof label.binary, "lib%u.so", place.image);
    if (label.resolved) {
        snprintf(label.name, sizeof label.name, "f%u_%u", (unsigned)symbol, place.image);
    } else {
        uint64_t number = place.off + (truth->published[place.image] ? ADDR_OF_OFF : 0);
        snprintf(label.name, sizeof label.name, "%s+0x%lx", label.binary, (unsigned long)number);
    }
    return label;
}

static bool same_label(const struct label *a, const struct label *b)
{
    return strcmp(a->name, b->name) == 0 && strcmp(a->binary, b->binary) == 0;
}

// ---- The same as a run -------------------------------------------------------------------------

struct world {
    struct truth truth;
    struct store *store;
    struct library library;
    struct names names;
    struct calltree tree;
    struct reasons reasons;
    image_id images[N_IMAGES];
};

static struct symtab *table_of(uint32_t image)
{
    struct symtab_builder *builder = symtab_builder_new();
    symtab_builder_add_segment(
        builder, &(struct symtab_segment){.size = 0x10000, .addr = ADDR_OF_OFF, true});
    for (uint32_t i = 0; i < N_SYMBOLS; i++) {
        char name[16];
        snprintf(name, sizeof name, "f%u_%u", i, image);
        symtab_builder_add(builder, ADDR_OF_OFF + i * SYMBOL_BYTES, 0xc0, slice_of_text(name),
                           slice_of_text(""), SYMBOL_GLOBAL);
    }
    return symtab_builder_finish(builder);
}

static void publish(struct world *w, uint32_t image)
{
    if (!w->truth.published[image]) {
        w->truth.published[image] = true;
        fake_library_publish(&w->library, image, table_of(image));
    }
}

static void add_threads(struct world *w)
{
    struct truth *t = &w->truth;
    for (uint32_t i = 0; i < N_THREADS; i++) {
        t->tids[i] = 100 + i % (N_THREADS - 1); // the last one has the first one's tid again
        t->started_ns[i] = dice(t, 500);
        t->ended_ns[i] = dice(t, 2) == 0 ? 0 : 500 + dice(t, 1500);
        char name[16];
        snprintf(name, sizeof name, "worker %u", i);
        thread_id id = store_add_thread(w->store, 99, t->tids[i], 0, STARTED_NS + t->started_ns[i],
                                        strings_add(&w->store->strings, slice_of_text(name)));
        assert_int_equal(id, i);
        if (t->ended_ns[i] != 0) {
            atomic_store(&store_thread_mut(w->store, id)->ended_ns, STARTED_NS + t->ended_ns[i]);
        }
    }
}

static struct world *world_new(uint64_t seed)
{
    struct world *w = NEW(struct world);
    w->truth.random = seed;
    w->store = store_new(STARTED_NS, 0, WEIGHT_NS);
    fake_library_init(&w->library);
    for (uint32_t i = 0; i < N_IMAGES; i++) {
        char path[32];
        snprintf(path, sizeof path, "/usr/lib/lib%u.so", i);
        w->images[i] = store_add_image(
            w->store,
            &(struct image_row){.path = strings_add(&w->store->strings, slice_of_text(path)),
                                .library = fake_library_add(&w->library, IMAGE_FILE)});
    }
    add_threads(w);
    names_init(&w->names, w->store, &w->library);
    calltree_init(&w->tree, &w->names);
    reasons_init(&w->reasons, &w->names);
    return w;
}

static void world_free(struct world *w)
{
    reasons_fini(&w->reasons);
    calltree_fini(&w->tree);
    names_fini(&w->names);
    fake_library_fini(&w->library);
    store_free(w->store);
    free(w);
}

static struct truth_sample random_sample(struct truth *t, uint64_t time_ns)
{
    struct truth_sample sample = {
        .time_ns = time_ns,
        .thread = (uint32_t)dice(t, N_THREADS),
        .depth = (uint32_t)dice(t, MAX_DEPTH + 1),
    };
    for (uint32_t i = 0; i < sample.depth; i++) {
        // Few places near the root, so that stacks share callers; repeats make recursion.
        uint64_t symbols = i < 3 ? 2 : N_SYMBOLS;
        sample.places[i].image = (uint32_t)dice(t, i < 3 ? 1 : N_IMAGES);
        sample.places[i].off = dice(t, symbols) * SYMBOL_BYTES + dice(t, 4) * 0x40;
    }
    return sample;
}

static void add_sample(struct world *w, struct truth_sample *sample)
{
    stack_id stack = STACK_ROOT;
    bool cut = false;
    for (uint32_t i = 0; i < sample->depth; i++) {
        struct frame_row frame = {.off = sample->places[i].off,
                                  .image = w->images[sample->places[i].image],
                                  .leaf = i + 1 == sample->depth};
        stack = stacks_push(&w->store->stacks, stack, stacks_frame(&w->store->stacks, &frame),
                            &cut);
    }
    sample->stack = stack;
    assert_true(store_add_sample(w->store, STARTED_NS + sample->time_ns, sample->thread, stack));
}

static void add_samples(struct world *w, size_t n)
{
    struct truth *t = &w->truth;
    uint64_t time_ns = t->n_samples == 0 ? 0 : t->samples[t->n_samples - 1].time_ns;
    for (size_t i = 0; i < n; i++) {
        time_ns += dice(t, 8);
        struct truth_sample *sample = &t->samples[t->n_samples++];
        *sample = random_sample(t, time_ns);
        add_sample(w, sample);
    }
}

// Names that the table of reasons does not know tell no reason.
static uint8_t random_reason(struct truth *t)
{
    return dice(t, 3) == 0 ? REASON_BY_STACK : (uint8_t)dice(t, EVENT_REASON_COUNT);
}

static enum event_reason reason_of(const struct interval *interval)
{
    return interval->reason == REASON_BY_STACK ? EVENT_REASON_OTHER
                                               : (enum event_reason)interval->reason;
}

static void add_waits(struct world *w)
{
    struct truth *t = &w->truth;
    uint64_t end_ns = 0;
    for (t->n_intervals = 0; t->n_intervals < MAX_INTERVALS; t->n_intervals++) {
        end_ns += dice(t, 40);
        uint64_t duration_ns = dice(t, MIN(end_ns, UINT64_C(300)) + 1);
        size_t where = dice(t, t->n_samples);
        t->stack_of[t->n_intervals] = where;
        struct interval *interval = &t->intervals[t->n_intervals];
        *interval = (struct interval){
            .start_ns = STARTED_NS + end_ns - duration_ns,
            .duration_ns = duration_ns,
            .reason = random_reason(t),
            .flags = dice(t, 4) == 0   ? INTERVAL_RUNNABLE
                     : dice(t, 4) == 0 ? INTERVAL_APPROXIMATE
                                       : 0,
            .thread = (thread_id)dice(t, N_THREADS),
            .stack = t->samples[where].stack,
        };
        store_add_interval(w->store, interval);
        struct wakeup *wakeup = &t->wakeups[t->n_wakeups++];
        *wakeup = (struct wakeup){.time_ns = STARTED_NS + end_ns,
                                  .wakee = (thread_id)dice(t, N_THREADS),
                                  .waker = THREAD_INTERRUPT};
        store_add_wakeup(w->store, wakeup);
    }
}

// ---- The naive answers -------------------------------------------------------------------------

static bool in_time(const struct view *view, uint64_t time_ns)
{
    return !view->has_time_range || (time_ns >= view->start_ns && time_ns < view->end_ns);
}

static bool is_symbol(const struct view_symbol *symbol, const struct label *label)
{
    return strcmp(symbol->function_name, label->name) == 0 &&
           (symbol->binary == NULL || strcmp(symbol->binary, label->binary) == 0);
}

static bool has_symbol(const struct truth *t, const struct truth_sample *s,
                       const struct view_symbol *symbol)
{
    bool has = false;
    for (uint32_t i = 0; i < s->depth; i++) {
        struct label label = label_of(t, s->places[i]);
        has = has || is_symbol(symbol, &label);
    }
    return has;
}

static bool has_any(const struct truth *t, const struct truth_sample *s,
                    const view_symbols *symbols)
{
    bool has = false;
    for (size_t i = 0; i < symbols->n; i++) {
        has = has || has_symbol(t, s, &symbols->at[i]);
    }
    return has;
}

static bool stack_counts(const struct truth *t, const struct view *view,
                         const struct truth_sample *s)
{
    return !has_any(t, s, &view->exclude) && (view->only.n == 0 || has_any(t, s, &view->only)) &&
           (view->focus.function_name == NULL || has_symbol(t, s, &view->focus));
}

static bool counts(const struct truth *t, const struct view *view, const struct truth_sample *s)
{
    bool thread_counts = !view->has_tid || t->tids[s->thread] == view->tid;
    return thread_counts && in_time(view, s->time_ns) && stack_counts(t, view, s);
}

struct naive_weight {
    uint64_t samples;
    uint64_t waits;
    struct off_cpu off_cpu;
};

struct naive_function {
    struct label label;
    struct naive_weight self;
    struct naive_weight total;
    size_t last; // that was added to total
};

struct naive_node {
    struct label label;
    size_t caller;
    uint32_t depth;
    struct naive_weight self;
    struct naive_weight total;
};

// What a question asks for.
struct aspect {
    enum answer_mode mode;
    bool has_reason;
    enum event_reason reason;
};

static uint64_t weight_in(const struct naive_weight *weight, const struct aspect *aspect)
{
    uint64_t on_cpu_ns = weight->samples * WEIGHT_NS;
    uint64_t off_ns = off_cpu_total(&weight->off_cpu);
    return aspect->mode == MODE_ON_CPU    ? on_cpu_ns
           : aspect->mode == MODE_OFF_CPU ? off_ns
                                          : on_cpu_ns + off_ns;
}

static bool is_in(const struct naive_weight *weight, const struct aspect *aspect)
{
    return (aspect->mode != MODE_OFF_CPU && weight->samples > 0) ||
           (aspect->mode != MODE_ON_CPU && weight->waits > 0);
}

static void add_weight(struct naive_weight *to, const struct naive_weight *more)
{
    to->samples += more->samples;
    to->waits += more->waits;
    for (size_t i = 0; i < EVENT_REASON_COUNT; i++) {
        to->off_cpu.ns[i] += more->off_cpu.ns[i];
    }
}

struct naive {
    VEC(struct naive_function) functions;
    VEC(struct naive_node) nodes;
    uint64_t n_samples;
    uint64_t unresolved;
    uint64_t by_thread[N_THREADS];
    struct off_cpu off_cpu; // whatever the reason that was asked for
    uint64_t approximate_ns;
    uint64_t runnable_ns;
    size_t n_added;
};

static struct naive_function *naive_function(struct naive *naive, const struct label *label)
{
    for (size_t i = 0; i < naive->functions.n; i++) {
        if (same_label(&naive->functions.at[i].label, label)) {
            return &naive->functions.at[i];
        }
    }
    vec_push(&naive->functions, (struct naive_function){.label = *label, .last = SIZE_MAX});
    return vec_last(&naive->functions);
}

static size_t naive_callee(struct naive *naive, size_t caller, const struct label *label)
{
    for (size_t i = 1; i < naive->nodes.n; i++) {
        if (naive->nodes.at[i].caller == caller && same_label(&naive->nodes.at[i].label, label)) {
            return i;
        }
    }
    uint32_t depth = naive->nodes.at[caller].depth + 1;
    vec_push(&naive->nodes, (struct naive_node){.label = *label, .caller = caller, .depth = depth});
    return naive->nodes.n - 1;
}

// Adds to all nodes and functions of a stack. Returns the leaf.
static struct naive_function *naive_add(struct naive *naive, const struct truth *t,
                                        const struct truth_sample *s,
                                        const struct naive_weight *weight)
{
    size_t node = 0;
    size_t index = naive->n_added++;
    add_weight(&naive->nodes.at[0].total, weight);
    struct naive_function *function = NULL;
    for (uint32_t i = 0; i < s->depth; i++) {
        struct label label = label_of(t, s->places[i]);
        function = naive_function(naive, &label);
        if (function->last != index) {
            add_weight(&function->total, weight);
        }
        function->last = index;
        node = naive_callee(naive, node, &label);
        add_weight(&naive->nodes.at[node].total, weight);
    }
    add_weight(&naive->nodes.at[node].self, weight);
    if (function != NULL) {
        add_weight(&function->self, weight);
    }
    return function;
}

static void naive_add_sample(struct naive *naive, const struct truth *t,
                             const struct truth_sample *s)
{
    const struct naive_function *leaf = naive_add(naive, t, s,
                                                  &(struct naive_weight){.samples = 1});
    naive->n_samples++;
    naive->by_thread[s->thread]++;
    naive->unresolved += leaf == NULL || !leaf->label.resolved;
}

static void naive_add_wait(struct naive *naive, const struct truth *t, const struct view *view,
                           size_t at, const struct aspect *aspect)
{
    const struct interval *interval = &t->intervals[at];
    const struct truth_sample *where = &t->samples[t->stack_of[at]];
    uint64_t start_ns = interval->start_ns - STARTED_NS;
    uint64_t end_ns = start_ns + interval->duration_ns;
    uint64_t from_ns = view->has_time_range ? view->start_ns : 0;
    uint64_t to_ns = view->has_time_range ? view->end_ns : UINT64_MAX;
    bool thread_counts = !view->has_tid || t->tids[interval->thread] == view->tid;
    if (!thread_counts || !stack_counts(t, view, where) || from_ns == to_ns || start_ns >= to_ns ||
        end_ns <= from_ns) {
        return;
    }
    struct naive_weight weight = {.waits = 1};
    uint64_t ns = MIN(end_ns, to_ns) - MAX(start_ns, from_ns);
    if ((interval->flags & INTERVAL_RUNNABLE) != 0) {
        naive->runnable_ns += ns;
        return;
    }
    weight.off_cpu.ns[reason_of(interval)] = ns;
    naive->off_cpu.ns[reason_of(interval)] += ns;
    naive->approximate_ns += (interval->flags & INTERVAL_APPROXIMATE) != 0 ? ns : 0;
    if (!aspect->has_reason || aspect->reason == reason_of(interval)) {
        naive_add(naive, t, where, &weight);
    }
}

static struct naive naive_of(const struct truth *t, const struct view *view,
                             const struct aspect *aspect)
{
    struct naive naive = {0};
    vec_push(&naive.nodes, (struct naive_node){0});
    for (size_t i = 0; i < t->n_samples; i++) {
        if (counts(t, view, &t->samples[i])) {
            naive_add_sample(&naive, t, &t->samples[i]);
        }
    }
    for (size_t i = 0; i < t->n_intervals; i++) {
        naive_add_wait(&naive, t, view, i, aspect);
    }
    return naive;
}

static void naive_fini(struct naive *naive)
{
    vec_fini(&naive->functions);
    vec_fini(&naive->nodes);
}

// ---- Comparing ---------------------------------------------------------------------------------

static int compare_labels(const struct label *a, const struct label *b)
{
    int order = strcmp(a->name, b->name);
    return order != 0 ? order : strcmp(a->binary, b->binary);
}

// What qsort orders by.
static enum top_sort order_sort;
static struct aspect order_aspect;

// Those that the mode leaves out come last.
static int by_weight(const void *a, const void *b)
{
    const struct naive_function *x = a;
    const struct naive_function *y = b;
    bool x_in = is_in(&x->total, &order_aspect);
    if (x_in != is_in(&y->total, &order_aspect)) {
        return x_in ? -1 : 1;
    }
    for (int other = 0; other < 2; other++) {
        bool by_self = (order_sort == TOP_SELF) != (other == 1);
        uint64_t x_weight = weight_in(by_self ? &x->self : &x->total, &order_aspect);
        uint64_t y_weight = weight_in(by_self ? &y->self : &y->total, &order_aspect);
        if (x_weight != y_weight) {
            return x_weight > y_weight ? -1 : 1;
        }
    }
    return compare_labels(&x->label, &y->label);
}

static void check_function(const struct function *function, const struct label *label)
{
    assert_string_equal(function->name, label->name);
    assert_string_equal(function->binary, label->binary);
    assert_int_equal(function->resolved, label->resolved);
}

static void check_health(const struct world *w, const struct health *health,
                         const struct view *view, const struct naive *naive)
{
    assert_int_equal(health->samples, naive->n_samples);
    assert_int_equal(health->unresolved_samples, naive->unresolved);
    assert_int_equal(health->blocked_ns, off_cpu_total(&naive->off_cpu));
    assert_int_equal(health->approximate_blocked_ns, naive->approximate_ns);
    assert_int_equal(health->unsampled_ns, 0);
    assert_true(health->estimated);
    assert_true(health->recording);
    uint64_t end_ns = store_end_ns(w->store) - STARTED_NS;
    assert_int_equal(health->start_ns, view->has_time_range ? view->start_ns : 0);
    if (!view->has_time_range) {
        assert_int_equal(health->end_ns, end_ns);
    } else {
        assert_int_equal(health->end_ns, MAX(MIN(view->end_ns, end_ns), view->start_ns));
    }
}

static void check_off_cpu(const struct off_cpu *got, const struct off_cpu *expected)
{
    assert_memory_equal(got, expected, sizeof *got);
}

// Of all reasons, or only of the one that was asked for.
static void check_total_off_cpu(const struct off_cpu *got, const struct naive *naive,
                                const struct aspect *aspect)
{
    for (size_t i = 0; i < EVENT_REASON_COUNT; i++) {
        bool asked = !aspect->has_reason || aspect->reason == i;
        assert_int_equal(got->ns[i], asked ? naive->off_cpu.ns[i] : 0);
    }
}

static void check_top_entry(const struct top_entry *entry, const struct naive_function *expected)
{
    check_function(entry->function, &expected->label);
    assert_int_equal(entry->self_samples, expected->self.samples);
    assert_int_equal(entry->total_samples, expected->total.samples);
    assert_int_equal(entry->self_on_cpu_ns, expected->self.samples * WEIGHT_NS);
    assert_int_equal(entry->total_on_cpu_ns, expected->total.samples * WEIGHT_NS);
    assert_int_equal(entry->self_waits, expected->self.waits);
    assert_int_equal(entry->total_waits, expected->total.waits);
    check_off_cpu(&entry->self_off_cpu, &expected->self.off_cpu);
    check_off_cpu(&entry->total_off_cpu, &expected->total.off_cpu);
}

static void check_top(struct world *w, const struct fold *fold, struct naive *naive,
                      struct aspect aspect, enum top_sort sort, size_t limit)
{
    struct top_params params = {.sort = sort,
                                .mode = aspect.mode,
                                .has_reason = aspect.has_reason,
                                .reason = aspect.reason,
                                .limit = limit};
    struct top top;
    top_make(&top, &w->tree, fold, w->store, &w->reasons, &params);
    check_health(w, &top.health, &fold->view, naive);
    assert_int_equal(top.total_on_cpu_ns, naive->n_samples * WEIGHT_NS);
    assert_int_equal(top.total_runnable_ns, naive->runnable_ns);
    check_total_off_cpu(&top.total_off_cpu, naive, &aspect);
    size_t n_functions = 0;
    for (size_t i = 0; i < naive->functions.n; i++) {
        n_functions += is_in(&naive->functions.at[i].total, &aspect);
    }
    assert_int_equal(top.n_functions, n_functions);
    size_t n = limit == 0 ? n_functions : MIN(limit, n_functions);
    assert_int_equal(top.entries.n, n);
    if (n > 0) {
        order_sort = sort;
        order_aspect = aspect;
        qsort(naive->functions.at, naive->functions.n, sizeof *naive->functions.at, by_weight);
    }
    for (size_t i = 0; i < n; i++) {
        check_top_entry(&top.entries.at[i], &naive->functions.at[i]);
    }
    top_fini(&top);
}

static struct aspect aspect_of(const struct flame_params *params)
{
    return (struct aspect){params->mode, params->has_reason, params->reason};
}

// Writes the kept callees of `node`, best first, to `ret`; counts the others.
static size_t kept_callees(const struct naive *naive, const struct flame_params *params,
                           size_t node, size_t *ret, struct flame_node *cut)
{
    size_t n = 0;
    struct aspect aspect = aspect_of(params);
    double whole = (double)weight_in(&naive->nodes.at[0].total, &aspect);
    for (size_t i = 1; i < naive->nodes.n; i++) {
        const struct naive_node *callee = &naive->nodes.at[i];
        if (callee->caller != node) {
            continue;
        }
        uint64_t weight = weight_in(&callee->total, &aspect);
        bool too_deep = params->max_depth != 0 && callee->depth > params->max_depth;
        bool in = is_in(&callee->total, &aspect);
        if (!in || too_deep || (double)weight < params->min_share * whole) {
            cut->cut_children += in;
            cut->cut_samples += callee->total.samples;
            cut->cut_off_ns += off_cpu_total(&callee->total.off_cpu);
            continue;
        }
        size_t at = n++;
        for (; at > 0; at--) { // insertion sort
            const struct naive_node *before = &naive->nodes.at[ret[at - 1]];
            uint64_t weight_before = weight_in(&before->total, &aspect);
            if (weight_before > weight ||
                (weight_before == weight && compare_labels(&before->label, &callee->label) < 0)) {
                break;
            }
            ret[at] = ret[at - 1];
        }
        ret[at] = i;
    }
    return n;
}

static void check_node(const struct flame_node *got, const struct naive_node *expected)
{
    assert_int_equal(got->self_samples, expected->self.samples);
    assert_int_equal(got->total_samples, expected->total.samples);
    assert_int_equal(got->on_cpu_ns, expected->total.samples * WEIGHT_NS);
    assert_int_equal(got->self_off_ns, off_cpu_total(&expected->self.off_cpu));
    assert_int_equal(got->off_ns, off_cpu_total(&expected->total.off_cpu));
    assert_int_equal(got->waits, expected->total.waits);
    check_off_cpu(&got->off_cpu, &expected->total.off_cpu);
}

// Compares a subtree, depth first. Returns the index after it.
static size_t check_subtree(const struct flame *flame, const struct naive *naive,
                            const struct flame_params *params, size_t at, size_t parent,
                            size_t node)
{
    size_t *callees = NEW_ARRAY(size_t, naive->nodes.n);
    struct flame_node cut = {0};
    size_t n = kept_callees(naive, params, node, callees, &cut);
    assert_true(at < flame->nodes.n);
    const struct flame_node *got = &flame->nodes.at[at];
    assert_int_equal(got->parent, parent);
    check_node(got, &naive->nodes.at[node]);
    assert_int_equal(got->cut_children, cut.cut_children);
    assert_int_equal(got->cut_samples, cut.cut_samples);
    assert_int_equal(got->cut_off_ns, cut.cut_off_ns);
    if (node == 0) {
        assert_null(got->function);
    } else {
        check_function(got->function, &naive->nodes.at[node].label);
    }
    size_t next = at + 1;
    for (size_t i = 0; i < n; i++) {
        next = check_subtree(flame, naive, params, next, at, callees[i]);
    }
    free(callees);
    return next;
}

static int descending(const void *a, const void *b)
{
    uint64_t x;
    uint64_t y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return x > y ? -1 : x < y;
}

// What nodes show and what they cut is all that they have.
static void check_sums(const struct flame *flame)
{
    struct sums {
        uint64_t samples;
        uint64_t off_ns;
    } *callees = NEW_ARRAY(struct sums, flame->nodes.n);
    for (size_t i = 1; i < flame->nodes.n; i++) {
        const struct flame_node *node = &flame->nodes.at[i];
        assert_true(node->parent < i);
        callees[node->parent].samples += node->total_samples;
        callees[node->parent].off_ns += node->off_ns;
    }
    for (size_t i = 0; i < flame->nodes.n; i++) {
        const struct flame_node *node = &flame->nodes.at[i];
        assert_int_equal(node->self_samples + callees[i].samples + node->cut_samples,
                         node->total_samples);
        assert_int_equal(node->self_off_ns + callees[i].off_ns + node->cut_off_ns, node->off_ns);
    }
    free(callees);
}

// The heaviest are kept, whichever of equally heavy ones.
static void check_few_nodes(const struct flame *flame, const struct naive *naive,
                            const struct flame_params *params)
{
    struct aspect aspect = aspect_of(params);
    VEC(uint64_t) weights = {0};
    vec_push(&weights, UINT64_MAX); // the root
    for (size_t i = 1; i < naive->nodes.n; i++) {
        if (is_in(&naive->nodes.at[i].total, &aspect)) {
            vec_push(&weights, weight_in(&naive->nodes.at[i].total, &aspect));
        }
    }
    size_t n = MIN((size_t)params->max_nodes, weights.n);
    assert_int_equal(flame->nodes.n, n);
    qsort(weights.at, weights.n, sizeof *weights.at, descending);
    uint64_t *got = NEW_ARRAY(uint64_t, n);
    for (size_t i = 0; i < n; i++) {
        const struct flame_node *node = &flame->nodes.at[i];
        got[i] = params->mode == MODE_ON_CPU    ? node->on_cpu_ns
                 : params->mode == MODE_OFF_CPU ? node->off_ns
                                                : node->on_cpu_ns + node->off_ns;
    }
    got[0] = UINT64_MAX;
    qsort(got, n, sizeof *got, descending);
    assert_memory_equal(got, weights.at, n * sizeof *got);
    free(got);
    vec_fini(&weights);
}

static void check_flame(struct world *w, const struct fold *fold, const struct naive *naive,
                        struct aspect aspect, struct flame_params params)
{
    struct flame flame;
    params.mode = aspect.mode;
    params.has_reason = aspect.has_reason;
    params.reason = aspect.reason;
    flame_make(&flame, &w->tree, fold, w->store, &w->reasons, &params);
    check_health(w, &flame.health, &fold->view, naive);
    assert_int_equal(flame.total_on_cpu_ns, naive->n_samples * WEIGHT_NS);
    check_total_off_cpu(&flame.total_off_cpu, naive, &aspect);
    size_t n_nodes = 1;
    for (size_t i = 1; i < naive->nodes.n; i++) {
        n_nodes += is_in(&naive->nodes.at[i].total, &aspect);
    }
    assert_int_equal(flame.n_nodes, n_nodes);
    check_sums(&flame);
    if (params.max_nodes == 0) {
        assert_int_equal(check_subtree(&flame, naive, &params, 0, 0, 0), flame.nodes.n);
    } else {
        check_few_nodes(&flame, naive, &params);
    }
    flame_fini(&flame);
}

static struct threads_entry naive_thread(const struct world *w, const struct view *view,
                                         uint32_t thread)
{
    const struct truth *t = &w->truth;
    struct threads_entry entry = {0};
    for (size_t i = 0; i < t->n_wakeups; i++) {
        entry.wakeups += t->wakeups[i].wakee == thread &&
                         in_time(view, t->wakeups[i].time_ns - STARTED_NS);
    }
    for (size_t i = 0; i < t->n_intervals; i++) {
        const struct interval *interval = &t->intervals[i];
        if (!stack_counts(t, view, &t->samples[t->stack_of[i]])) {
            continue;
        }
        uint64_t inside = 0; // nanosecond by nanosecond
        for (uint64_t ns = 0; ns < interval->duration_ns; ns++) {
            inside += in_time(view, interval->start_ns + ns - STARTED_NS);
        }
        if (interval->thread == thread && (interval->flags & INTERVAL_RUNNABLE) != 0) {
            entry.runnable_ns += inside;
        } else if (interval->thread == thread) {
            entry.off_cpu.ns[reason_of(interval)] += inside;
        }
    }
    return entry;
}

static bool naive_listed(const struct world *w, const struct view *view, const struct naive *naive,
                         uint32_t thread)
{
    const struct truth *t = &w->truth;
    if (view->has_tid && t->tids[thread] != view->tid) {
        return false;
    }
    bool early = view->has_time_range && t->ended_ns[thread] != 0 &&
                 t->ended_ns[thread] <= view->start_ns;
    bool late = view->has_time_range && t->started_ns[thread] >= view->end_ns;
    return naive->by_thread[thread] > 0 || (!early && !late);
}

static void check_thread(const struct world *w, const struct threads_entry *got,
                         const struct view *view, const struct naive *naive, uint32_t thread)
{
    const struct truth *t = &w->truth;
    struct threads_entry expected = naive_thread(w, view, thread);
    assert_int_equal(got->tid, t->tids[thread]);
    assert_int_equal(got->pid, 99);
    assert_int_equal(got->samples, naive->by_thread[thread]);
    assert_int_equal(got->on_cpu_ns, naive->by_thread[thread] * WEIGHT_NS);
    assert_int_equal(got->started_ns, t->started_ns[thread]);
    assert_int_equal(got->ended_ns, t->ended_ns[thread]);
    assert_int_equal(got->wakeups, expected.wakeups);
    assert_int_equal(got->runnable_ns, expected.runnable_ns);
    check_off_cpu(&got->off_cpu, &expected.off_cpu);
}

static void check_threads(struct world *w, const struct fold *fold, const struct naive *naive,
                          size_t limit)
{
    struct threads_answer answer;
    threads_make(&answer, &w->tree, fold, w->store, &w->reasons, limit);
    check_health(w, &answer.health, &fold->view, naive);
    check_off_cpu(&answer.total_off_cpu, &naive->off_cpu);
    assert_int_equal(answer.total_runnable_ns, naive->runnable_ns);
    assert_int_equal(answer.total_on_cpu_ns, naive->n_samples * WEIGHT_NS);
    size_t n_listed = 0;
    for (uint32_t i = 0; i < N_THREADS; i++) {
        n_listed += naive_listed(w, &fold->view, naive, i);
    }
    assert_int_equal(answer.n_threads, n_listed);
    assert_int_equal(answer.entries.n, limit == 0 ? n_listed : MIN(limit, n_listed));
    for (size_t i = 0; i < answer.entries.n; i++) {
        const struct threads_entry *entry = &answer.entries.at[i];
        uint32_t thread;
        assert_int_equal(sscanf((const char *)entry->name.data, "worker %u", &thread), 1);
        assert_true(naive_listed(w, &fold->view, naive, thread));
        assert_int_equal(entry->thread, thread);
        check_thread(w, entry, &fold->view, naive, thread);
        if (i > 0) {
            const struct threads_entry *before = &answer.entries.at[i - 1];
            assert_true(before->samples > entry->samples ||
                        (before->samples == entry->samples && before->tid <= entry->tid));
        }
    }
    threads_fini(&answer);
}

static void check_total(struct world *w, const struct fold *fold, const struct naive *naive)
{
    struct total total;
    total_make(&total, &w->tree, fold, w->store, &w->reasons);
    check_health(w, &total.health, &fold->view, naive);
    check_off_cpu(&total.total_off_cpu, &naive->off_cpu);
    assert_int_equal(total.total_runnable_ns, naive->runnable_ns);
    assert_int_equal(total.total_on_cpu_ns, naive->n_samples * WEIGHT_NS);
    assert_int_equal(fold->n_samples, naive->n_samples);
}

static void check_all(struct world *w, const struct fold *fold)
{
    struct aspect aspect = {.mode = (enum answer_mode)dice(&w->truth, 3),
                            .has_reason = dice(&w->truth, 4) == 0,
                            .reason = (enum event_reason)dice(&w->truth, EVENT_REASON_COUNT)};
    struct naive naive = naive_of(&w->truth, &fold->view, &aspect);
    check_total(w, fold, &naive);
    check_top(w, fold, &naive, aspect, TOP_SELF, dice(&w->truth, 10));
    check_top(w, fold, &naive, aspect, TOP_TOTAL, 0);
    check_flame(w, fold, &naive, aspect, (struct flame_params){0});
    check_flame(w, fold, &naive, aspect,
                (struct flame_params){.max_depth = (uint32_t)dice(&w->truth, MAX_DEPTH),
                                      .min_share = (double)dice(&w->truth, 100) / 500});
    check_flame(w, fold, &naive, aspect,
                (struct flame_params){.max_nodes = 1 + (uint32_t)dice(&w->truth, 60)});
    check_threads(w, fold, &naive, dice(&w->truth, N_THREADS + 1));
    naive_fini(&naive);
}

// ---- The tests ---------------------------------------------------------------------------------

// False: there is none in that stack.
static bool random_symbol(struct world *w, struct view_symbol *ret)
{
    struct truth *t = &w->truth;
    struct truth_sample sample = random_sample(t, 0);
    if (sample.depth == 0) {
        return false;
    }
    struct label label = label_of(t, sample.places[dice(t, sample.depth)]);
    bool any_binary = dice(t, 2) == 0;
    *ret = view_symbol_new(label.name, any_binary ? NULL : label.binary);
    return true;
}

static void random_exclude(struct world *w, struct view *view)
{
    struct view_symbol symbol;
    if (random_symbol(w, &symbol)) {
        vec_push(&view->exclude, symbol);
    }
}

static void random_only(struct world *w, struct view *view)
{
    struct view_symbol symbol;
    if (random_symbol(w, &symbol)) {
        vec_push(&view->only, symbol);
    }
}

static struct view random_view(struct world *w)
{
    struct truth *t = &w->truth;
    struct view view = {0};
    if (dice(t, 3) == 0) {
        view.has_tid = true;
        view.tid = 100 + (uint32_t)dice(t, N_THREADS); // one of them never existed
    }
    if (dice(t, 3) == 0) {
        view.has_time_range = true;
        view.start_ns = dice(t, 1500);
        view.end_ns = view.start_ns + dice(t, 1000);
    }
    for (uint64_t n = dice(t, 4); n > 1; n--) {
        random_exclude(w, &view);
    }
    for (uint64_t n = dice(t, 6); n > 2; n--) {
        random_only(w, &view);
    }
    if (dice(t, 4) == 0) {
        random_symbol(w, &view.focus);
    }
    return view;
}

static void catch_up(struct world *w, struct fold *fold, uint64_t slice)
{
    calltree_refresh(&w->tree);
    while (!fold_advance(fold, w->store, &w->names, slice)) {
    }
    fold_settle(fold, w->store, &w->names);
}

static void test_answers_agree_with_the_naive_ones(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 100; seed++) {
        struct world *w = world_new(seed);
        for (uint32_t i = 0; i < N_IMAGES; i++) {
            if (dice(&w->truth, 4) != 0) {
                publish(w, i);
            }
        }
        add_samples(w, dice(&w->truth, MAX_SAMPLES));
        if (w->truth.n_samples > 0 && dice(&w->truth, 4) != 0) {
            add_waits(w);
        }
        struct view view = random_view(w);
        struct fold fold;
        fold_init(&fold, &view);
        catch_up(w, &fold, 1 + dice(&w->truth, 200));
        check_all(w, &fold);
        fold_fini(&fold);
        world_free(w);
    }
}

// A recording that goes on, with folds that were there from the start, and names that come late.
static void test_answers_keep_up(void **state)
{
    (void)state;
    enum { N_FOLDS = 4, N_STEPS = 8 };
    for (uint64_t seed = 1000; seed < 1030; seed++) {
        struct world *w = world_new(seed);
        struct fold folds[N_FOLDS];
        for (size_t i = 0; i < N_FOLDS; i++) {
            publish(w, i % 2 == 0 ? 0 : N_IMAGES - 1); // what some exclude is not named yet
            struct view view = i == 0 ? (struct view){0} : random_view(w);
            fold_init(&folds[i], &view);
        }
        for (size_t step = 0; step < N_STEPS; step++) {
            add_samples(w, dice(&w->truth, MAX_SAMPLES / N_STEPS));
            if (step == N_STEPS / 2) {
                publish(w, 1);
            }
            for (size_t i = 0; i < N_FOLDS; i++) {
                if (dice(&w->truth, 3) != 0) {
                    catch_up(w, &folds[i], 1 + dice(&w->truth, 30));
                    check_all(w, &folds[i]);
                }
            }
        }
        for (size_t i = 0; i < N_FOLDS; i++) {
            fold_fini(&folds[i]);
        }
        world_free(w);
    }
}

// Stacks and samples that appear after the tree was brought up to date wait for the next answer.
static void test_what_is_newer_than_the_names_waits(void **state)
{
    (void)state;
    for (uint64_t seed = 2000; seed < 2020; seed++) {
        struct world *w = world_new(seed);
        publish(w, 0);
        struct view view = {0};
        while (view.exclude.n == 0) {
            random_exclude(w, &view);
        }
        struct fold excluding;
        struct fold everything;
        fold_init(&excluding, &view);
        fold_init(&everything, &view);
        add_samples(w, 50);
        calltree_refresh(&w->tree);
        add_samples(w, 200);
        assert_true(fold_advance(&excluding, w->store, &w->names, UINT64_MAX));
        assert_true(fold_advance(&everything, w->store, &w->names, UINT64_MAX));
        assert_true(excluding.samples_cursor >= 50 && excluding.samples_cursor < 250);
        assert_int_equal(everything.n_samples, 250);
        struct top top;
        fold_settle(&everything, w->store, &w->names);
        top_make(&top, &w->tree, &everything, w->store, &w->reasons, &(struct top_params){0});
        assert_in_range(top.health.samples, 50, 249);
        top_fini(&top);
        catch_up(w, &excluding, UINT64_MAX);
        check_all(w, &excluding);
        check_all(w, &everything);
        fold_fini(&excluding);
        fold_fini(&everything);
        world_free(w);
    }
}

// ---- What the three filters are to each other --------------------------------------------------

struct counted {
    uint64_t samples;
    uint64_t waits_ns;
    uint64_t on_cpu_ns;
    uint64_t runnable_ns;
};

// Takes over the view.
static struct counted count_view(struct world *w, struct view *view)
{
    struct fold fold;
    fold_init(&fold, view);
    catch_up(w, &fold, 100);
    check_all(w, &fold);
    struct total total;
    total_make(&total, &w->tree, &fold, w->store, &w->reasons);
    struct counted counted = {
        .samples = fold.n_samples,
        .waits_ns = off_cpu_total(&total.total_off_cpu),
        .on_cpu_ns = total.total_on_cpu_ns,
        .runnable_ns = total.total_runnable_ns,
    };
    fold_fini(&fold);
    return counted;
}

static struct view part_of(const struct view *view, const struct top_entry *entry)
{
    struct view part;
    view_copy(&part, view);
    vec_push(&part.only, view_symbol_new(entry->function->name, entry->function->binary));
    return part;
}

// Only it, without it, and the focus on it: two halves, and the same as one of them.
static void check_parts(struct world *w, const struct view *view, const struct counted *all,
                        const struct top_entry *entry)
{
    struct view only = part_of(view, entry);
    struct view focused = part_of(view, entry);
    focused.focus = vec_pop(&focused.only);
    struct view both = part_of(view, entry);
    both.focus = view_symbol_new(both.only.at[0].function_name, NULL);
    struct view without = part_of(view, entry);
    vec_push(&without.exclude, vec_pop(&without.only));
    struct view nothing = part_of(view, entry);
    vec_push(&nothing.exclude, view_symbol_new(nothing.only.at[0].function_name, NULL));
    struct counted with = count_view(w, &only);
    struct counted rest = count_view(w, &without);
    assert_int_equal(with.samples, entry->total_samples);
    assert_int_equal(with.waits_ns, off_cpu_total(&entry->total_off_cpu));
    assert_int_equal(with.samples + rest.samples, all->samples);
    assert_int_equal(with.waits_ns + rest.waits_ns, all->waits_ns);
    assert_int_equal(with.runnable_ns + rest.runnable_ns, all->runnable_ns);
    assert_in_range(with.on_cpu_ns + rest.on_cpu_ns + 1, all->on_cpu_ns, all->on_cpu_ns + 2);
    struct counted same = count_view(w, &focused);
    assert_memory_equal(&same, &with, sizeof same);
    same = count_view(w, &both);
    assert_memory_equal(&same, &with, sizeof same);
    same = count_view(w, &nothing);
    assert_int_equal(same.samples + same.waits_ns + same.on_cpu_ns + same.runnable_ns, 0);
}

static void test_parts_add_up(void **state)
{
    (void)state;
    for (uint64_t seed = 3000; seed < 3012; seed++) {
        struct world *w = world_new(seed);
        publish(w, 0);
        publish(w, 1);
        add_samples(w, 150);
        add_waits(w);
        w->store->has_switches = false;
        struct view view = {.has_tid = seed % 3 == 0, .tid = 101};
        view.has_time_range = seed % 2 == 0;
        view.start_ns = 50;
        view.end_ns = 400;
        struct view whole;
        view_copy(&whole, &view);
        struct counted all = count_view(w, &whole);
        struct fold fold;
        view_copy(&whole, &view);
        fold_init(&fold, &whole);
        catch_up(w, &fold, 1000);
        struct top top;
        top_make(&top, &w->tree, &fold, w->store, &w->reasons,
                 &(struct top_params){.mode = MODE_WALL});
        assert_true(top.entries.n > 3);
        for (size_t i = 0; i < top.entries.n; i += 1 + top.entries.n / 8) {
            check_parts(w, &view, &all, &top.entries.at[i]);
        }
        top_fini(&top);
        fold_fini(&fold);
        world_free(w);
    }
}

static void test_an_empty_run_has_empty_answers(void **state)
{
    (void)state;
    struct world *w = world_new(7);
    struct view view = {0};
    struct fold fold;
    fold_init(&fold, &view);
    catch_up(w, &fold, 1000);
    check_all(w, &fold);
    struct image_reports reports;
    image_reports_make(&reports, &w->tree, &fold, w->store);
    assert_int_equal(reports.images.n, 0);
    image_reports_fini(&reports);
    fold_fini(&fold);
    world_free(w);
}

static void test_health_hides_nothing_that_was_lost(void **state)
{
    (void)state;
    struct world *w = world_new(8);
    store_count(w->store, ACCOUNT_SAMPLES_LOST, 3);
    store_count(w->store, ACCOUNT_SAMPLES_DROPPED, 40);
    store_count(w->store, ACCOUNT_RECORDS_LOST, 5);
    store_count(w->store, ACCOUNT_THROTTLES, 6);
    store_count(w->store, ACCOUNT_SWITCHES_UNPAIRED, 9);
    atomic_store(&w->store->ended_ns, STARTED_NS + 77);
    struct fold fold = {0};
    struct health health = health_make(&w->tree, &fold, w->store);
    assert_int_equal(health.lost_samples, 43);
    assert_int_equal(health.lost_records, 5);
    assert_int_equal(health.throttled, 6);
    assert_int_equal(health.unpaired_switches, 9);
    assert_int_equal(health.end_ns, 77);
    assert_false(health.recording);
    assert_true(health.estimated);
    world_free(w);
}

// A stack of one frame, in image 0, and the marker that says what is missing.
static stack_id truncated_stack(struct world *w, image_id markers, enum truncation truncation,
                                image_id image, uint64_t off)
{
    bool cut = false;
    frame_id marker = stacks_frame(
        &w->store->stacks,
        &(struct frame_row){.off = truncation_off(truncation, image), .image = markers});
    frame_id leaf = stacks_frame(&w->store->stacks,
                                 &(struct frame_row){.off = off, .image = w->images[0]});
    stack_id stack = stacks_push(&w->store->stacks, STACK_ROOT, marker, &cut);
    return stacks_push(&w->store->stacks, stack, leaf, &cut);
}

static void add_truncated(struct world *w, thread_id thread, stack_id stack, int n)
{
    for (int i = 0; i < n; i++) {
        store_add_sample(w->store, STARTED_NS, thread, stack);
    }
}

static void check_truncations(struct world *w, const struct fold *fold)
{
    struct truncations truncations;
    truncations_make(&truncations, &w->tree, fold, w->store, 0);
    static const struct {
        enum truncation truncation;
        const char *path;
        uint64_t samples;
        uint64_t waits;
    } rows[] = {
        {TRUNCATED_NO_UNWIND_INFO, "/usr/lib/lib1.so", 7, 0},
        {TRUNCATED_COPY_TOO_SHORT, "", 2, 1},
    };
    assert_int_equal(truncations.places.n, ARRAY_LEN(rows));
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct truncation_report *report = &truncations.places.at[i];
        assert_int_equal(report->truncation, rows[i].truncation);
        assert_true(slice_equal(report->path, slice_of_text(rows[i].path)));
        assert_int_equal(report->samples, rows[i].samples);
        assert_int_equal(report->waits, rows[i].waits);
    }
    assert_int_equal(truncations.threads.n, 2);
    assert_int_equal(truncations.threads.at[0].thread, 1);
    assert_int_equal(truncations.threads.at[0].samples, 8);
    assert_int_equal(truncations.threads.at[0].truncated_samples, 6);
    assert_int_equal(truncations.threads.at[1].thread, 0);
    assert_int_equal(truncations.threads.at[1].truncated_samples, 3);
    truncations_fini(&truncations);
    truncations_make(&truncations, &w->tree, fold, w->store, 1);
    assert_int_equal(truncations.places.n, 1);
    assert_int_equal(truncations.threads.n, 1);
    truncations_fini(&truncations);
}

// Both the marker and what stands inside of it are in the tree; no marker is a function of `top`.
static void test_stacks_without_callers_are_told_apart(void **state)
{
    (void)state;
    struct world *w = world_new(10);
    image_id markers = store_add_image(w->store, &(struct image_row){.kind = IMAGE_ROW_TRUNCATED});
    stack_id no_info = truncated_stack(w, markers, TRUNCATED_NO_UNWIND_INFO, w->images[1], 0);
    stack_id short_copy = truncated_stack(w, markers, TRUNCATED_COPY_TOO_SHORT, 0, 0);
    add_truncated(w, 0, no_info, 3);
    add_truncated(w, 1, no_info, 4);
    add_truncated(w, 1, short_copy, 2);
    bool cut = false;
    frame_id whole = stacks_frame(&w->store->stacks,
                                  &(struct frame_row){.off = 0, .image = w->images[0]});
    add_truncated(w, 1, stacks_push(&w->store->stacks, STACK_ROOT, whole, &cut), 2);
    store_add_interval(w->store, &(struct interval){.start_ns = STARTED_NS + 1,
                                                    .duration_ns = 5,
                                                    .reason = EVENT_REASON_LOCK,
                                                    .thread = 1,
                                                    .stack = short_copy});
    publish(w, 0);
    struct view view = {0};
    struct fold fold;
    fold_init(&fold, &view);
    catch_up(w, &fold, 1000);
    struct health health = health_make(&w->tree, &fold, w->store);
    assert_int_equal(health.samples, 11);
    assert_int_equal(health.truncated_samples, 9);
    assert_int_equal(health.truncated[TRUNCATED_NO_UNWIND_INFO], 7);
    assert_int_equal(health.truncated[TRUNCATED_COPY_TOO_SHORT], 2);
    check_truncations(w, &fold);
    struct top top;
    top_make(&top, &w->tree, &fold, w->store, &w->reasons, &(struct top_params){0});
    assert_int_equal(top.n_functions, 1);
    assert_string_equal(top.entries.at[0].function->name, "f0_0");
    assert_int_equal(top.entries.at[0].self_samples, 11);
    top_fini(&top);
    struct flame flame;
    flame_make(&flame, &w->tree, &fold, w->store, &w->reasons, &(struct flame_params){0});
    assert_int_equal(flame.nodes.n, 6);
    assert_string_equal(flame.nodes.at[1].function->name,
                        "[truncated: no unwinding information in lib1.so]");
    flame_fini(&flame);
    fold_fini(&fold);
    world_free(w);
}

static void test_images_report_how_they_stand(void **state)
{
    (void)state;
    struct world *w = world_new(9);
    publish(w, 0);
    fake_library_fail(&w->library, 1, "/usr/lib/lib1.so: was replaced");
    struct truth_sample samples[] = {
        {.depth = 1, .places = {{.image = 0, .off = 0}}},
        {.depth = 1, .places = {{.image = 0, .off = 0xd0}}},
        {.depth = 2, .places = {{.image = 0, .off = 0}, {.image = 1, .off = 5}}},
    };
    for (size_t i = 0; i < ARRAY_LEN(samples); i++) {
        add_sample(w, &samples[i]);
    }
    bool cut = false;
    frame_id nowhere = stacks_frame(&w->store->stacks, &(struct frame_row){.off = 5});
    for (int i = 0; i < 5; i++) {
        store_add_sample(w->store, STARTED_NS, 0,
                         stacks_push(&w->store->stacks, STACK_ROOT, nowhere, &cut));
    }
    struct view view = {0};
    struct fold fold;
    fold_init(&fold, &view);
    catch_up(w, &fold, 1000);
    struct image_reports reports;
    image_reports_make(&reports, &w->tree, &fold, w->store);
    static const struct {
        const char *path;
        const char *state;
        const char *note;
        uint64_t symbols;
        uint64_t leaf_samples;
        uint64_t unresolved_samples;
    } rows[] = {
        {"[unknown]", "anonymous", "nothing was mapped there", 0, 5, 5},
        {"/usr/lib/lib0.so", "ready", "", N_SYMBOLS, 2, 1},
        {"/usr/lib/lib1.so", "failed", "/usr/lib/lib1.so: was replaced", 0, 1, 1},
    };
    assert_int_equal(reports.images.n, ARRAY_LEN(rows));
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct image_report *report = &reports.images.at[i];
        assert_string_equal((const char *)report->path.data, rows[i].path);
        assert_string_equal(report->state, rows[i].state);
        assert_string_equal(report->note, rows[i].note);
        assert_int_equal(report->symbols, rows[i].symbols);
        assert_int_equal(report->leaf_samples, rows[i].leaf_samples);
        assert_int_equal(report->unresolved_samples, rows[i].unresolved_samples);
    }
    image_reports_fini(&reports);
    fold_fini(&fold);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers_agree_with_the_naive_ones),
        cmocka_unit_test(test_answers_keep_up),
        cmocka_unit_test(test_what_is_newer_than_the_names_waits),
        cmocka_unit_test(test_parts_add_up),
        cmocka_unit_test(test_an_empty_run_has_empty_answers),
        cmocka_unit_test(test_health_hides_nothing_that_was_lost),
        cmocka_unit_test(test_stacks_without_callers_are_told_apart),
        cmocka_unit_test(test_images_report_how_they_stand),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
