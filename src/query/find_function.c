#include "query/find_function.h"

#include "query/select.h"

#include <strings.h>

// What a node of the tree has, or a function.
struct sum {
    uint64_t self_samples;
    uint64_t total_samples;
    uint64_t total_off_ns;
};

// How well a function fits: the lower, the better.
enum { FIT_EXACTLY, FIT_BUT_FOR_CASE, FIT_PARTLY, FIT_NOT };

struct candidate {
    struct found_function found;
    const struct function *function;
    int fit;
};

struct finding {
    const struct calltree *tree;
    const struct store *store;
    const struct function_target *target;
    struct found_functions *found;
    struct sum *sums; // by function_id; NULL: nobody has to choose
    uint8_t *fits;    // likewise
};

void function_target_fini(struct function_target *target)
{
    free(target->name);
    target->name = NULL;
}

void found_functions_fini(struct found_functions *found)
{
    vec_fini(&found->fit);
    vec_fini(&found->hottest);
}

// ---- Summing -----------------------------------------------------------------------------------

// By node, callees included.
static struct sum *sum_nodes(const struct calltree *tree, const struct fold *fold,
                             struct reasons *reasons)
{
    struct sum *sums = NEW_ARRAY(struct sum, tree->nodes.n);
    for (size_t place = 0; place < fold->running.at.n; place++) {
        stack_id stack = places_stack(&fold->running, place);
        if (stack < tree->of_stack.n) {
            sums[tree->of_stack.at[stack]].self_samples += fold->running.n.at[place];
        }
    }
    struct fold_walk walk = {0};
    while (reasons != NULL && fold_next_place(fold, &walk)) {
        if (walk.cell.stack < tree->of_stack.n) {
            stack_id stack = reasons_waiting_stack(reasons, walk.cell.stack);
            sums[tree->of_stack.at[stack]].total_off_ns += walk.cell.ns;
        }
    }
    for (size_t node = tree->nodes.n; node-- > 1;) { // its callees have added to it already
        struct sum *caller = &sums[tree->nodes.at[node].caller];
        sums[node].total_samples += sums[node].self_samples;
        caller->total_samples += sums[node].total_samples;
        caller->total_off_ns += sums[node].total_off_ns;
    }
    return sums;
}

// By function: recursion counts once.
static struct sum *sum_functions(const struct calltree *tree, const struct fold *fold,
                                 struct reasons *reasons)
{
    CLEANUP(freep) struct sum *of_node = sum_nodes(tree, fold, reasons);
    struct sum *sums = NEW_ARRAY(struct sum, tree->names->functions.n + 1);
    for (node_id id = 1; id < tree->nodes.n; id++) {
        const struct calltree_node *node = &tree->nodes.at[id];
        struct sum *sum = &sums[node->function];
        sum->self_samples += of_node[id].self_samples;
        if (node->outermost) {
            sum->total_samples += of_node[id].total_samples;
            sum->total_off_ns += of_node[id].total_off_ns;
        }
    }
    return sums;
}

// ---- By name -----------------------------------------------------------------------------------

// Whether some stack has it: others are what places were called before their names were known.
static bool is_in_use(const struct calltree *tree, function_id id)
{
    return id < tree->first_depth.n && tree->first_depth.at[id] != 0 &&
           !names_function(tree->names, id)->is_truncation;
}

static uint8_t fit_of_name(const char *name, const char *wanted)
{
    if (*wanted == 0 || strcasestr(name, wanted) == NULL) {
        return FIT_NOT;
    }
    return strcmp(name, wanted) == 0       ? FIT_EXACTLY
           : strcasecmp(name, wanted) == 0 ? FIT_BUT_FOR_CASE
                                           : FIT_PARTLY;
}

static void find_by_name(struct finding *finding)
{
    const struct names *names = finding->tree->names;
    for (function_id id = 0; id < names->functions.n; id++) {
        finding->fits[id] = fit_of_name(names_function(names, id)->name, finding->target->name);
    }
}

// ---- By address --------------------------------------------------------------------------------

static void fits(struct finding *finding, function_id id, uint8_t fit)
{
    if (fit < finding->fits[id]) {
        finding->fits[id] = fit;
    }
}

static bool is_of_kernel(const struct finding *finding, image_id image)
{
    return store_image(finding->store, image)->kind == IMAGE_ROW_KERNEL;
}

// One of the kernel may be in use under its twin's id, which is of another image; see names.c.
static void find_by_start(struct finding *finding, image_id image, uint64_t start, uint8_t fit)
{
    const struct names *names = finding->tree->names;
    for (function_id id = 0; id < names->functions.n; id++) {
        const struct function *function = names_function(names, id);
        bool same_image = function->image == image ||
                          (function->is_kernel && is_of_kernel(finding, image));
        if (same_image && function->addr == start && !function->inlined && function->resolved) {
            fits(finding, id, fit);
        }
    }
}

// Where the address would lie in this image, if it is one of its.
static void find_in_image(struct finding *finding, image_id image)
{
    const struct image_row *row = store_image(finding->store, image);
    const struct symtab *symtab = names_symtab(finding->tree->names, image);
    uint64_t address = finding->target->address;
    uint64_t file_addr; // its own
    if (symtab == NULL || !symtab_addr_of_off(symtab, address - row->load_bias, &file_addr)) {
        return;
    }
    const struct symbol *symbol = symtab_find(symtab, file_addr);
    if (symbol == NULL) {
        return;
    }
    find_by_start(finding, image, address - (file_addr - symbol->addr), FIT_PARTLY);
    if (finding->found->symbol == NULL) {
        finding->found->image = image;
        finding->found->symbol = symbol;
        finding->found->bias = address - file_addr;
    }
}

static void find_in_jits(struct finding *finding)
{
    const struct names *names = finding->tree->names;
    uint32_t n = atomic_load_explicit(&finding->store->processes.n, memory_order_acquire);
    for (process_id process = 0; process < n; process++) {
        size_t cursor = 0;
        uint32_t code;
        while ((code = jit_names_next_at(&names->jit, process, finding->target->address,
                                         &cursor)) != CODE_NONE) {
            function_id id = names_of_code(names, code);
            if (id != FUNCTION_NONE) {
                fits(finding, id, FIT_PARTLY);
            }
        }
    }
}

static void find_by_address(struct finding *finding)
{
    const struct names *names = finding->tree->names;
    uint64_t address = finding->target->address;
    for (function_id id = 0; id < names->functions.n; id++) {
        const struct function *function = names_function(names, id);
        bool starts = function->addr == address && address != 0 && !function->inlined;
        finding->fits[id] = starts ? FIT_EXACTLY : FIT_NOT;
    }
    uint32_t n_images = atomic_load_explicit(&finding->store->images.n, memory_order_acquire);
    for (image_id image = 0; image < n_images; image++) {
        find_in_image(finding, image);
    }
    find_in_jits(finding);
}

// ---- Choosing ----------------------------------------------------------------------------------

// The numbers, the one that decides first.
static void order_numbers(const struct found_function *found, enum find_order order,
                          uint64_t ret[3])
{
    uint64_t self = found->self_samples;
    uint64_t total = found->total_samples;
    uint64_t off_ns = found->total_off_ns;
    ret[0] = order == FIND_BY_SELF ? self : order == FIND_BY_TOTAL ? total : off_ns;
    ret[1] = order == FIND_BY_TOTAL ? self : total;
    ret[2] = order == FIND_BY_TOTAL_WAITS ? self : off_ns;
}

static int compare_candidates(const void *a, const void *b, void *context)
{
    const struct candidate *x = a;
    const struct candidate *y = b;
    const enum find_order *order = context;
    if (x->fit != y->fit) {
        return x->fit < y->fit ? -1 : 1;
    }
    uint64_t of_x[3];
    uint64_t of_y[3];
    order_numbers(&x->found, *order, of_x);
    order_numbers(&y->found, *order, of_y);
    for (size_t i = 0; i < ARRAY_LEN(of_x); i++) {
        if (of_x[i] != of_y[i]) {
            return of_x[i] > of_y[i] ? -1 : 1;
        }
    }
    return function_compare(x->function, y->function);
}

struct candidates {
    VEC(struct candidate) at;
};

// Those that fit, or all.
static void collect(struct candidates *ret, const struct finding *finding, bool all)
{
    const struct names *names = finding->tree->names;
    for (function_id id = 0; id < names->functions.n; id++) {
        const struct sum none = {0};
        const struct sum *sum = finding->sums == NULL ? &none : &finding->sums[id];
        bool hot = sum->total_samples > 0 || sum->total_off_ns > 0;
        if (is_in_use(finding->tree, id) && (all ? hot : finding->fits[id] != FIT_NOT)) {
            vec_push(&ret->at, (struct candidate){.found = {.id = id,
                                                            .self_samples = sum->self_samples,
                                                            .total_samples = sum->total_samples,
                                                            .total_off_ns = sum->total_off_ns},
                                                  .function = names_function(names, id),
                                                  .fit = all ? FIT_NOT : finding->fits[id]});
        }
    }
}

static void choose(struct finding *finding, enum find_order order)
{
    enum { HOTTEST = 5 };
    struct found_functions *found = finding->found;
    struct candidates candidates = {0};
    collect(&candidates, finding, false);
    found->n_fit = candidates.at.n;
    bool none = candidates.at.n == 0 && found->symbol == NULL;
    if (none) {
        collect(&candidates, finding, true);
    }
    size_t n = MIN(candidates.at.n, (size_t)(none ? HOTTEST : FOUND_FUNCTIONS_MAX));
    select_first(candidates.at.at, candidates.at.n, sizeof *candidates.at.at, n, compare_candidates,
                 &order);
    for (size_t i = 0; i < n; i++) {
        if (none) {
            vec_push(&found->hottest, candidates.at.at[i].found);
        } else {
            vec_push(&found->fit, candidates.at.at[i].found);
        }
    }
    vec_fini(&candidates.at);
    if (found->n_fit > 0) {
        found->symbol = NULL;
        found->image = 0;
        found->bias = 0;
    }
}

// Whether there is one function, with code of its own, and no choice.
static bool is_the_only_one(const struct finding *finding)
{
    const struct names *names = finding->tree->names;
    size_t n = 0;
    for (function_id id = 0; id < names->functions.n; id++) {
        if (finding->fits[id] != FIT_NOT && is_in_use(finding->tree, id)) {
            n += names_function(names, id)->inlined ? 2 : 1;
        }
    }
    return n == 1;
}

void find_functions(struct found_functions *ret, const struct calltree *tree,
                    const struct fold *fold, const struct store *store, struct reasons *reasons,
                    const struct function_target *target, enum find_order order)
{
    *ret = (struct found_functions){0};
    CLEANUP(freep) uint8_t *room = NEW_ARRAY(uint8_t, tree->names->functions.n + 1);
    struct finding finding = {
        .tree = tree, .store = store, .target = target, .found = ret, .fits = room};
    if (target->name != NULL) {
        find_by_name(&finding);
    } else {
        find_by_address(&finding);
    }
    CLEANUP(freep) struct sum *sums = NULL;
    if (!is_the_only_one(&finding)) {
        sums = sum_functions(tree, fold, reasons);
    }
    finding.sums = sums;
    choose(&finding, order);
}

// ---- Inlined functions -------------------------------------------------------------------------

static function_id host_of_node(const struct calltree *tree, node_id node)
{
    do {
        node = tree->nodes.at[node].caller;
    } while (calltree_function(tree, node)->inlined);
    return tree->nodes.at[node].function;
}

function_id find_host_of_inlined(const struct calltree *tree, const struct fold *fold,
                                 function_id inlined, uint64_t *ret_samples)
{
    CLEANUP(freep) struct sum *of_node = sum_nodes(tree, fold, NULL);
    CLEANUP(freep) struct sum *of_host = NEW_ARRAY(struct sum, tree->names->functions.n + 1);
    function_id best = FUNCTION_NONE;
    for (node_id id = 1; id < tree->nodes.n; id++) {
        if (tree->nodes.at[id].function != inlined || of_node[id].total_samples == 0) {
            continue;
        }
        function_id host = host_of_node(tree, id);
        struct sum *sum = &of_host[host];
        sum->self_samples += of_node[id].self_samples;
        sum->total_samples += tree->nodes.at[id].outermost ? of_node[id].total_samples : 0;
    }
    for (function_id id = 0; id < tree->names->functions.n; id++) {
        const struct sum *sum = &of_host[id];
        const struct sum *most = best == FUNCTION_NONE ? NULL : &of_host[best];
        if (sum->total_samples > 0 && (most == NULL || sum->self_samples > most->self_samples ||
                                       (sum->self_samples == most->self_samples &&
                                        sum->total_samples > most->total_samples))) {
            best = id;
        }
    }
    *ret_samples = best == FUNCTION_NONE ? 0 : of_host[best].self_samples;
    return best;
}
