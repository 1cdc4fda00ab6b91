#include "query/cut.h"

#include "query/select.h"

struct showing {
    const struct cut_tree *tree;
    enum answer_mode mode;
    const struct cut_choice *choice;
    uint32_t *first_kept; // by node_id: where those below it begin in the choice, sorted; plus one
    uint32_t *place;      // by node_id: where it stands in the answer, plus one; 0: cut
};

// ---- Choosing ----------------------------------------------------------------------------------

int cut_compare_rank(const struct cut_kept *a, const struct cut_kept *b)
{
    if (a->rank != b->rank) {
        return a->rank > b->rank ? -1 : 1;
    }
    return a->node == b->node ? 0 : a->node < b->node ? -1 : 1;
}

static int compare_rank(const void *a, const void *b, void *context)
{
    (void)context;
    return cut_compare_rank(a, b);
}

bool cut_weigh(const struct weight *weight, enum answer_mode mode, uint64_t *ret_ns)
{
    *ret_ns = answer_mode_sum(mode, weight->on_cpu_ns, weight->off_ns);
    return answer_mode_sum(mode, weight->samples, weight->waits) > 0;
}

bool cut_admit(const struct cut_measure *measure, enum cut_region region, struct cut_kept *kept)
{
    if (region == CUT_ON_THE_WAY) {
        kept->rank = UINT64_MAX;
        return true;
    }
    bool below = region == CUT_BELOW;
    double whole_ns = (double)(below ? measure->zoomed_ns : measure->whole_ns);
    double magnified = (double)kept->total_ns * ((double)measure->whole_ns / whole_ns);
    kept->rank = below ? weights_round(magnified) : kept->total_ns;
    return (double)kept->total_ns >= measure->min_share * whole_ns;
}

// ---- Zooming -----------------------------------------------------------------------------------

// The node that is zoomed into: of those that the way fits farthest, the heaviest. 0: none.
static node_id find_zoomed(const struct cut_tree *tree, const struct flame_params *params,
                           uint32_t *ret_depth, uint64_t *ret_ns)
{
    // By node: how much of the way leads to it, plus one; 0: it is not on it.
    CLEANUP(freep) uint32_t *along = NEW_ARRAY(uint32_t, tree->n_nodes);
    node_id zoomed = 0;
    along[0] = 1;
    *ret_depth = 0;
    for (node_id id = 1; id < tree->n_nodes; id++) {
        const struct calltree_node *node = &tree->nodes[id];
        uint32_t depth = along[node->caller];
        uint64_t ns;
        if (depth == 0 || depth > params->n_zoom ||
            !cut_weigh(&tree->weights->total[id], params->mode, &ns)) {
            continue;
        }
        const struct view_symbol *symbol = &params->zoom[depth - 1];
        const struct function *function = names_function(tree->names, node->function);
        if (!function_is(function, symbol->function_name, symbol->binary)) {
            continue;
        }
        along[id] = depth + 1;
        if (depth > *ret_depth || (depth == *ret_depth && ns > *ret_ns)) {
            zoomed = id;
            *ret_depth = depth;
            *ret_ns = ns;
        }
    }
    return zoomed;
}

// By node: its enum cut_region. NULL: all are elsewhere.
static uint8_t *find_regions(const struct cut_tree *tree, node_id zoomed)
{
    if (zoomed == 0) {
        return NULL;
    }
    uint8_t *regions = NEW_ARRAY(uint8_t, tree->n_nodes);
    for (node_id id = zoomed; id != 0; id = tree->nodes[id].caller) {
        regions[id] = CUT_ON_THE_WAY;
    }
    for (node_id id = zoomed + 1; id < tree->n_nodes; id++) {
        node_id above = tree->nodes[id].caller;
        if (above == zoomed || regions[above] == CUT_BELOW) {
            regions[id] = CUT_BELOW;
        }
    }
    return regions;
}

// ---- The heaviest ------------------------------------------------------------------------------

// Ranks are counted by their leading bits, so that only those around the last one that is kept have
// to be compared with each other.
enum { BUCKET_BITS = 6, N_BUCKETS = (64 - BUCKET_BITS + 1) << BUCKET_BITS };

// Rises with the rank.
static size_t bucket_of(uint64_t rank)
{
    if (rank >> BUCKET_BITS == 0) {
        return rank;
    }
    size_t shift = (size_t)(63 - __builtin_clzll(rank)) - BUCKET_BITS;
    return (shift << BUCKET_BITS) + (rank >> shift);
}

// The last one of the first `room` by rank: 0 < room < n.
static struct cut_kept find_last(const struct cut_choice *choice, size_t room)
{
    CLEANUP(freep) size_t *counts = NEW_ARRAY(size_t, N_BUCKETS);
    for (size_t i = 0; i < choice->kept.n; i++) {
        counts[bucket_of(choice->kept.at[i].rank)]++;
    }
    size_t edge = N_BUCKETS - 1;
    for (; counts[edge] < room; edge--) {
        room -= counts[edge];
    }
    VEC(struct cut_kept) there = {0};
    for (size_t i = 0; i < choice->kept.n; i++) {
        if (bucket_of(choice->kept.at[i].rank) == edge) {
            vec_push(&there, choice->kept.at[i]);
        }
    }
    select_first(there.at, there.n, sizeof(struct cut_kept), room, compare_rank, NULL);
    struct cut_kept last = there.at[room - 1];
    vec_fini(&there);
    return last;
}

static void keep_heaviest(struct cut_choice *choice, size_t room)
{
    size_t n = 0;
    struct cut_kept last = find_last(choice, room);
    for (size_t i = 0; i < choice->kept.n; i++) {
        struct cut_kept kept = choice->kept.at[i];
        choice->kept.at[n] = kept;
        n += cut_compare_rank(&kept, &last) <= 0;
    }
    choice->kept.n = n;
}

uint64_t cut_choose(struct cut_choice *ret, const struct cut_tree *tree,
                    const struct flame_params *params, uint64_t whole_ns)
{
    uint64_t n_nodes = 1;
    struct cut_measure measure = {.min_share = params->min_share, .whole_ns = whole_ns};
    node_id zoomed = 0;
    if (params->n_zoom > 0) {
        zoomed = find_zoomed(tree, params, &ret->zoom_depth, &measure.zoomed_ns);
    }
    CLEANUP(freep) uint8_t *regions = find_regions(tree, zoomed);
    for (node_id id = 1; id < tree->n_nodes; id++) {
        const struct calltree_node *node = &tree->nodes[id];
        struct cut_kept kept = {.above = node->caller, .node = id};
        if (!cut_weigh(&tree->weights->total[id], params->mode, &kept.total_ns)) {
            continue;
        }
        n_nodes++;
        enum cut_region region = regions == NULL ? CUT_ELSEWHERE : (enum cut_region)regions[id];
        bool too_deep = params->max_depth != 0 && node->depth > params->max_depth;
        if (!too_deep && cut_admit(&measure, region, &kept)) {
            vec_push(&ret->kept, kept);
        }
    }
    size_t room = params->max_nodes == 0 ? SIZE_MAX : params->max_nodes - 1;
    if (room == 0) {
        vec_clear(&ret->kept);
    } else if (ret->kept.n > room) {
        keep_heaviest(ret, room);
    }
    return n_nodes;
}

// ---- Putting in order --------------------------------------------------------------------------

static const struct function *function_of(const struct cut_tree *tree, node_id id)
{
    return id == 0 ? tree->root : names_function(tree->names, tree->nodes[id].function);
}

// Those below one node lie together, heaviest first.
static int compare_siblings(const void *a, const void *b, void *context)
{
    const struct cut_tree *tree = context;
    const struct cut_kept *x = a;
    const struct cut_kept *y = b;
    if (x->above != y->above) {
        return x->above < y->above ? -1 : 1;
    }
    if (x->total_ns != y->total_ns) {
        return x->total_ns > y->total_ns ? -1 : 1;
    }
    return function_compare(function_of(tree, x->node), function_of(tree, y->node));
}

static void sort_siblings(struct showing *showing, struct cut_choice *choice)
{
    size_t n = choice->kept.n;
    select_first(choice->kept.at, n, sizeof(struct cut_kept), n, compare_siblings,
                 (void *)(uintptr_t)showing->tree);
    showing->first_kept = NEW_ARRAY(uint32_t, showing->tree->n_nodes);
    for (size_t i = n; i-- > 0;) {
        showing->first_kept[choice->kept.at[i].above] = (uint32_t)i + 1;
    }
}

static void emit(struct flame *flame, struct showing *showing, node_id id)
{
    const struct weight *self = &showing->tree->weights->self[id];
    const struct weight *total = &showing->tree->weights->total[id];
    struct flame_node node = {
        .parent = id == 0 ? 0 : showing->place[showing->tree->nodes[id].caller] - 1,
        .function = function_of(showing->tree, id),
        .on_cpu_ns = total->on_cpu_ns,
        .self_on_cpu_ns = self->on_cpu_ns,
        .self_samples = self->samples,
        .total_samples = total->samples,
        .self_off_ns = self->off_ns,
        .off_ns = total->off_ns,
        .waits = total->waits,
    };
    vec_push(&flame->nodes, node);
    showing->place[id] = (uint32_t)flame->nodes.n;
}

// Depth first: each node, then those below it from the heaviest on.
static void emit_sorted(struct flame *flame, struct showing *showing)
{
    const struct cut_choice *choice = showing->choice;
    VEC(node_id) waiting = {0};
    vec_push(&waiting, 0);
    while (waiting.n > 0) {
        node_id id = vec_pop(&waiting);
        emit(flame, showing, id);
        size_t first = showing->first_kept[id];
        if (first == 0) {
            continue;
        }
        size_t end = first;
        while (end < choice->kept.n && choice->kept.at[end].above == id) {
            end++;
        }
        for (size_t i = end; i >= first; i--) { // the last one in is the first one out
            vec_push(&waiting, choice->kept.at[i - 1].node);
        }
    }
    vec_fini(&waiting);
}

static void emit_unsorted(struct flame *flame, struct showing *showing)
{
    emit(flame, showing, 0);
    for (size_t i = 0; i < showing->choice->kept.n; i++) {
        emit(flame, showing, showing->choice->kept.at[i].node);
    }
}

static void count_what_was_cut(struct flame *flame, const struct showing *showing)
{
    const struct cut_tree *tree = showing->tree;
    for (node_id id = 1; id < tree->n_nodes; id++) {
        uint32_t above = showing->place[tree->nodes[id].caller];
        if (showing->place[id] != 0 || above == 0) {
            continue;
        }
        const struct weight *total = &tree->weights->total[id];
        struct flame_node *shown = &flame->nodes.at[above - 1];
        uint64_t ns;
        shown->cut_children += cut_weigh(total, showing->mode, &ns);
        shown->cut_samples += total->samples;
        shown->cut_off_ns += total->off_ns;
    }
}

// The nearest node on the way to the root that is shown. Who comes this way again finds it sooner.
static struct flame_node *shown_above(struct flame *flame, struct showing *showing, node_id id)
{
    const struct calltree_node *nodes = showing->tree->nodes;
    node_id above = id;
    while (showing->place[above] == 0) {
        above = nodes[above].caller;
    }
    for (node_id at = id; showing->place[at] == 0; at = nodes[at].caller) {
        showing->place[at] = showing->place[above];
    }
    return &flame->nodes.at[showing->place[id] - 1];
}

// Each wait for the node that stands for it; then, from the leaves to the root, for those above.
static void add_reasons(struct flame *flame, struct showing *showing)
{
    const struct weights *weights = showing->tree->weights;
    for (size_t i = 0; i < weights->waits.n; i++) {
        const struct node_wait *wait = &weights->waits.at[i];
        struct flame_node *shown = shown_above(flame, showing, wait->node);
        shown->off_cpu.ns[wait->reason] += wait->ns;
    }
    for (size_t i = flame->nodes.n; i-- > 1;) {
        const struct flame_node *node = &flame->nodes.at[i];
        struct flame_node *parent = &flame->nodes.at[node->parent];
        for (size_t reason = 0; node->off_ns > 0 && reason < EVENT_REASON_COUNT; reason++) {
            parent->off_cpu.ns[reason] += node->off_cpu.ns[reason];
        }
    }
}

void cut_show(struct flame *ret, const struct cut_tree *tree, const struct flame_params *params,
              struct cut_choice *choice)
{
    struct showing showing = {
        .tree = tree,
        .mode = params->mode,
        .choice = choice,
        .place = NEW_ARRAY(uint32_t, tree->n_nodes),
    };
    vec_reserve(&ret->nodes, choice->kept.n + 1);
    if (params->unsorted) {
        emit_unsorted(ret, &showing);
    } else {
        sort_siblings(&showing, choice);
        emit_sorted(ret, &showing);
    }
    count_what_was_cut(ret, &showing);
    add_reasons(ret, &showing);
    free(showing.place);
    free(showing.first_kept);
}
