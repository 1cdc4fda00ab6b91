#include "query/neighbors.h"

#include "query/cut.h"
#include "query/select.h"

// By node of the calltree: where its samples go in the new tree, or NOWHERE: the function is not on
// the way to it.
enum { NOWHERE = UINT32_MAX };

struct side {
    VEC(struct calltree_node) nodes; // 0 is the function
    struct weights weights;          // of these
    struct cut_choice choice;
    uint32_t *place;
};

struct asked {
    const struct calltree *tree;
    const struct weights *weights;
    function_id function;
    const uint8_t *functions; // by function_id: those that are taken for it; NULL: itself only
    bool everything;          // callers only: of whatever is innermost
    const struct flame_params *cut;
};

static bool is_asked(const struct asked *asked, function_id function)
{
    return asked->functions == NULL ? function == asked->function : asked->functions[function] != 0;
}

static void side_init(struct side *side, const struct asked *asked)
{
    *side = (struct side){.place = NEW_ARRAY(uint32_t, asked->tree->nodes.n)};
    vec_push(&side->nodes, (struct calltree_node){.function = asked->function});
    side->place[0] = NOWHERE;
}

static void side_fini(struct side *side)
{
    free(side->place);
    vec_fini(&side->choice.kept);
    vec_fini(&side->nodes);
    weights_fini(&side->weights);
}

static uint32_t add_node(struct side *side, uint32_t above, function_id function)
{
    uint32_t depth = side->nodes.at[above].depth + 1;
    vec_push(&side->nodes,
             (struct calltree_node){.caller = above, .function = function, .depth = depth});
    return (uint32_t)side->nodes.n - 1;
}

// Once it has all its nodes and weights.
static struct cut_tree tree_of(const struct side *side, const struct asked *asked)
{
    const struct names *names = asked->tree->names;
    return (struct cut_tree){
        .names = names,
        .root = asked->everything ? NULL : names_function(names, asked->function),
        .nodes = side->nodes.at,
        .n_nodes = side->nodes.n,
        .weights = &side->weights,
    };
}

static void move_waits(struct side *side, const struct weights *from)
{
    for (size_t i = 0; i < from->waits.n; i++) {
        struct node_wait wait = from->waits.at[i];
        wait.node = side->place[wait.node];
        if (wait.node != NOWHERE) {
            vec_push(&side->weights.waits, wait);
        }
    }
}

static uint64_t whole_of(const struct side *side, enum answer_mode mode)
{
    uint64_t ns;
    (void)cut_weigh(&side->weights.total[0], mode, &ns);
    return ns;
}

// ---- Callees -----------------------------------------------------------------------------------

static void grow_callees(struct side *side, const struct asked *asked)
{
    struct map by_edge = {0}; // (above, function) -> node
    for (node_id id = 1; id < asked->tree->nodes.n; id++) {
        const struct calltree_node *node = &asked->tree->nodes.at[id];
        uint32_t above = side->place[node->caller];
        if (is_asked(asked, node->function)) {
            side->place[id] = 0;
            continue;
        }
        if (above == NOWHERE) {
            side->place[id] = NOWHERE;
            continue;
        }
        uint64_t edge = (uint64_t)above << 32 | node->function;
        side->place[id] = map_find(&by_edge, edge);
        if (side->place[id] == MAP_NONE) {
            side->place[id] = add_node(side, above, node->function);
            map_add(&by_edge, edge, side->place[id]);
        }
    }
    map_fini(&by_edge);
}

static void weigh_callees(struct side *side, const struct asked *asked)
{
    struct weights *to = &side->weights;
    to->self = NEW_ARRAY(struct weight, side->nodes.n);
    to->total = NEW_ARRAY(struct weight, side->nodes.n);
    for (node_id id = 1; id < asked->tree->nodes.n; id++) {
        if (side->place[id] != NOWHERE) {
            weight_add(&to->self[side->place[id]], &asked->weights->self[id]);
        }
    }
    weights_sum_up(to, side->nodes.at, side->nodes.n);
}

static void make_callees(struct flame *ret, const struct asked *asked)
{
    struct side side;
    side_init(&side, asked);
    grow_callees(&side, asked);
    weigh_callees(&side, asked);
    move_waits(&side, asked->weights);
    struct cut_tree tree = tree_of(&side, asked);
    ret->n_nodes = cut_choose(&side.choice, &tree, asked->cut, whole_of(&side, asked->cut->mode));
    ret->zoom_depth = side.choice.zoom_depth;
    cut_show(ret, &tree, asked->cut, &side.choice);
    side_fini(&side);
}

// ---- Callers -----------------------------------------------------------------------------------

// An outermost stay of the function, on its way outwards: it carries what the stay weighs. When
// everything is asked for: a node that is innermost in some stack; it carries what it is itself,
// and its first step is onto its own function.
struct climber {
    node_id from; // of the calltree: the stay
    node_id at;   // where it has come to
};

// Of a node of the callers' tree: those that have come as far as it. Each climber is at one node.
struct crowd {
    uint32_t first;
    uint32_t n;
};

struct climb {
    struct side *side;
    const struct asked *asked;
    VEC(struct weight) self; // by node, likewise total
    VEC(struct weight) total;
    VEC(struct crowd) crowds;
    VEC(struct climber) climbers;
    struct climber *sorted;    // scratch, as long
    uint32_t *group;           // scratch, by function: its node among those being made; 0: none yet
    VEC(struct cut_kept) open; // a heap: nodes that may be shown, the first of the order on top
    struct cut_measure measure;
    VEC(uint8_t) regions; // by node: enum cut_region
    uint32_t way_end;     // the last node that is known of the way to the zoomed one, which is made
                          // before anything else; NOWHERE: no further one
};

// -- The heap

static void open_push(struct climb *climb, const struct cut_kept *kept)
{
    vec_push(&climb->open, *kept);
    struct cut_kept *at = climb->open.at;
    for (size_t i = climb->open.n - 1; i > 0;) {
        size_t above = (i - 1) / 2;
        if (cut_compare_rank(&at[above], kept) < 0) {
            break;
        }
        at[i] = at[above];
        at[above] = *kept;
        i = above;
    }
}

static struct cut_kept open_pop(struct climb *climb)
{
    struct cut_kept *at = climb->open.at;
    struct cut_kept top = at[0];
    struct cut_kept sinking = vec_pop(&climb->open);
    size_t n = climb->open.n;
    for (size_t i = 0; n > 0;) {
        size_t below = 2 * i + 1;
        at[i] = sinking;
        if (below + 1 < n && cut_compare_rank(&at[below + 1], &at[below]) < 0) {
            below++;
        }
        if (below >= n || cut_compare_rank(&sinking, &at[below]) < 0) {
            break;
        }
        at[i] = at[below];
        i = below;
    }
    return top;
}

// -- One step outwards

static const struct weight *weight_of(const struct climb *climb, const struct climber *climber)
{
    const struct weights *weights = climb->asked->weights;
    return climb->asked->everything ? &weights->self[climber->from]
                                    : &weights->total[climber->from];
}

// The node for `function` above (in the drawing: outside of) `node`; made at its first climber.
static uint32_t group_of(struct climb *climb, uint32_t node, function_id function)
{
    uint32_t *group = &climb->group[function];
    if (*group == 0) {
        *group = add_node(climb->side, node, function);
        vec_push(&climb->self, (struct weight){.samples = 0});
        vec_push(&climb->total, (struct weight){.samples = 0});
        vec_push(&climb->crowds, (struct crowd){.first = 0});
    }
    return *group;
}

// All climbers at `node` go to the callers of where they are, or end.
static void step(struct climb *climb, uint32_t node)
{
    const struct calltree *tree = climb->asked->tree;
    struct crowd crowd = climb->crowds.at[node];
    for (uint32_t i = crowd.first; i < crowd.first + crowd.n; i++) {
        struct climber *climber = &climb->climbers.at[i];
        if (node != 0 || !climb->asked->everything) {
            climber->at = tree->nodes.at[climber->at].caller;
        }
        if (climber->at == 0) {
            weight_add(&climb->self.at[node], weight_of(climb, climber));
            continue;
        }
        uint32_t to = group_of(climb, node, tree->nodes.at[climber->at].function);
        weight_add(&climb->total.at[to], weight_of(climb, climber));
        climb->crowds.at[to].n++;
        climb->side->place[climber->from] = to;
    }
}

// Those that went to the same node stand together afterwards.
static void gather(struct climb *climb, struct crowd crowd, uint32_t first_new)
{
    uint32_t first = crowd.first;
    for (uint32_t id = first_new; id < climb->crowds.n; id++) {
        climb->crowds.at[id].first = first;
        first += climb->crowds.at[id].n;
        climb->crowds.at[id].n = 0;
        climb->group[climb->side->nodes.at[id].function] = 0;
    }
    for (uint32_t i = crowd.first; i < crowd.first + crowd.n; i++) {
        const struct climber *climber = &climb->climbers.at[i];
        if (climber->at != 0) {
            struct crowd *to = &climb->crowds.at[climb->side->place[climber->from]];
            climb->sorted[to->first + to->n++] = *climber;
        }
    }
    size_t n_going_on = first - crowd.first;
    if (n_going_on > 0) {
        memcpy(climb->climbers.at + crowd.first, climb->sorted + crowd.first,
               n_going_on * sizeof(struct climber));
    }
}

// -- The zoom

// Which of the new nodes lies on the way. NOWHERE: none.
static uint32_t next_on_way(const struct climb *climb, uint32_t first_new)
{
    const struct side *side = climb->side;
    const struct flame_params *cut = climb->asked->cut;
    const struct view_symbol *symbol = &cut->zoom[side->choice.zoom_depth];
    uint32_t best = NOWHERE;
    uint64_t best_ns = 0;
    for (uint32_t id = first_new; id < side->nodes.n; id++) {
        const struct function *function = names_function(climb->asked->tree->names,
                                                         side->nodes.at[id].function);
        uint64_t ns;
        if (cut_weigh(&climb->total.at[id], cut->mode, &ns) &&
            function_is(function, symbol->function_name, symbol->binary) &&
            (best == NOWHERE || ns > best_ns)) {
            best = id;
            best_ns = ns;
        }
    }
    return best;
}

// Says of the new nodes, which stand above `node`, where they are.
static void find_regions(struct climb *climb, uint32_t node, uint32_t first_new)
{
    struct side *side = climb->side;
    uint8_t region = climb->regions.at[node] == CUT_BELOW ? CUT_BELOW : CUT_ELSEWHERE;
    uint32_t on_way = NOWHERE;
    if (node == climb->way_end) {
        if (side->choice.zoom_depth < climb->asked->cut->n_zoom) {
            on_way = next_on_way(climb, first_new);
        }
        if (on_way == NOWHERE && node != 0) { // this is the zoomed one
            (void)cut_weigh(&climb->total.at[node], climb->asked->cut->mode,
                            &climb->measure.zoomed_ns);
            region = CUT_BELOW;
        }
        side->choice.zoom_depth += on_way != NOWHERE;
        climb->way_end = on_way;
    }
    for (uint32_t id = first_new; id < side->nodes.n; id++) {
        vec_push(&climb->regions, id == on_way ? (uint8_t)CUT_ON_THE_WAY : region);
    }
}

// -- One node

// Makes the nodes of all callers of `node`; those that may be shown are open then.
static void expand(struct climb *climb, uint32_t node)
{
    const struct flame_params *cut = climb->asked->cut;
    uint32_t first_new = (uint32_t)climb->crowds.n;
    struct crowd crowd = climb->crowds.at[node];
    step(climb, node);
    gather(climb, crowd, first_new);
    bool deepest = cut->max_depth != 0 && climb->side->nodes.at[node].depth >= cut->max_depth;
    if (deepest && climb->way_end == node) {
        climb->way_end = NOWHERE;
    }
    find_regions(climb, node, first_new);
    for (uint32_t id = first_new; id < climb->crowds.n && !deepest; id++) {
        struct cut_kept kept = {.above = node, .node = id};
        if (cut_weigh(&climb->total.at[id], cut->mode, &kept.total_ns) &&
            cut_admit(&climb->measure, (enum cut_region)climb->regions.at[id], &kept)) {
            open_push(climb, &kept);
        }
    }
}

// -- The whole way

static void add_climber(struct climb *climb, node_id from)
{
    struct climber climber = {from, from};
    climb->side->place[from] = 0;
    weight_add(&climb->total.at[0], weight_of(climb, &climber));
    vec_push(&climb->climbers, climber);
}

static void set_out_from_stays(struct climb *climb)
{
    const struct asked *asked = climb->asked;
    CLEANUP(freep) bool *inside = NEW_ARRAY(bool, asked->tree->nodes.n); // by node: of a stay
    for (node_id id = 1; id < asked->tree->nodes.n; id++) {
        const struct calltree_node *node = &asked->tree->nodes.at[id];
        bool is_stay = is_asked(asked, node->function);
        climb->side->place[id] = NOWHERE;
        inside[id] = is_stay || inside[node->caller];
        if (is_stay && !inside[node->caller]) {
            add_climber(climb, id);
        }
    }
}

static void set_out_from_everything(struct climb *climb)
{
    const struct asked *asked = climb->asked;
    climb->self.at[0] = climb->total.at[0] = asked->weights->self[0]; // without any frame
    climb->side->place[0] = 0;
    for (node_id id = 1; id < asked->tree->nodes.n; id++) {
        const struct weight *self = &asked->weights->self[id];
        climb->side->place[id] = NOWHERE;
        if (self->samples > 0 || self->waits > 0) {
            add_climber(climb, id);
        }
    }
}

static void set_out(struct climb *climb)
{
    vec_push(&climb->self, (struct weight){.samples = 0});
    vec_push(&climb->total, (struct weight){.samples = 0});
    if (climb->asked->everything) {
        set_out_from_everything(climb);
    } else {
        set_out_from_stays(climb);
    }
    vec_push(&climb->crowds, (struct crowd){.n = (uint32_t)climb->climbers.n});
    vec_push(&climb->regions, CUT_ELSEWHERE);
}

// Whatever lies below a stay goes where the stay has got to.
static void place_what_is_below(struct side *side, const struct calltree *tree)
{
    for (node_id id = 1; id < tree->nodes.n; id++) {
        if (side->place[id] == NOWHERE) {
            side->place[id] = side->place[tree->nodes.at[id].caller];
        }
    }
}

// What is opened is never before what has been taken: so nodes are taken in the order in which
// cut_choose() would have chosen them from the whole tree.
static void climb_all(struct climb *climb)
{
    struct side *side = climb->side;
    const struct flame_params *cut = climb->asked->cut;
    climb->measure.min_share = cut->min_share;
    (void)cut_weigh(&climb->total.at[0], cut->mode, &climb->measure.whole_ns);
    climb->way_end = cut->n_zoom > 0 ? 0 : NOWHERE;
    expand(climb, 0);
    size_t room = cut->max_nodes == 0 ? SIZE_MAX : cut->max_nodes - 1;
    while (climb->open.n > 0 && side->choice.kept.n < room) {
        struct cut_kept next = open_pop(climb);
        vec_push(&side->choice.kept, next);
        expand(climb, next.node);
    }
}

static uint64_t count_made(const struct climb *climb)
{
    uint64_t n = 1;
    for (size_t id = 1; id < climb->total.n; id++) {
        uint64_t ns;
        n += cut_weigh(&climb->total.at[id], climb->asked->cut->mode, &ns);
    }
    return n;
}

static void make_callers(struct flame *ret, const struct asked *asked)
{
    struct side side;
    side_init(&side, asked);
    struct climb climb = {.side = &side, .asked = asked};
    set_out(&climb);
    climb.sorted = NEW_ARRAY(struct climber, climb.climbers.n + 1);
    climb.group = NEW_ARRAY(uint32_t, asked->tree->names->functions.n);
    climb_all(&climb);
    place_what_is_below(&side, asked->tree);
    move_waits(&side, asked->weights);
    side.weights.self = climb.self.at; // owned by the side now
    side.weights.total = climb.total.at;
    struct cut_tree tree = tree_of(&side, asked);
    ret->n_nodes = count_made(&climb);
    ret->zoom_depth = side.choice.zoom_depth;
    cut_show(ret, &tree, asked->cut, &side.choice);
    vec_fini(&climb.regions);
    vec_fini(&climb.open);
    vec_fini(&climb.climbers);
    vec_fini(&climb.crowds);
    free(climb.sorted);
    free(climb.group);
    side_fini(&side);
}

// ---- The function ------------------------------------------------------------------------------

static void add_own_reasons(struct neighbors *ret, const struct asked *asked)
{
    const struct weights *weights = asked->weights;
    for (size_t i = 0; i < weights->waits.n; i++) {
        const struct node_wait *wait = &weights->waits.at[i];
        if (wait->node != 0 && asked->tree->nodes.at[wait->node].function == asked->function) {
            ret->own_off_cpu.ns[wait->reason] += wait->ns;
        }
    }
}

static void tell_own(struct neighbors *ret, const struct asked *asked)
{
    struct weight own = {.samples = 0};
    for (node_id id = 1; id < asked->tree->nodes.n; id++) {
        if (asked->tree->nodes.at[id].function == asked->function) {
            weight_add(&own, &asked->weights->self[id]);
        }
    }
    ret->own_on_cpu_ns = own.on_cpu_ns;
    ret->own_samples = own.samples;
    ret->own_waits = own.waits;
    add_own_reasons(ret, asked);
}

// ---- Recursion ---------------------------------------------------------------------------------

// Where a node stands: `first` is what its innermost stay called on the way to it, `way` what the
// one before had called on the way to that stay.
struct standing {
    function_id first;
    function_id way; // NOWHERE: there was no stay before
};

enum { AT_STAY = UINT32_MAX - 1 }; // as `first`; NOWHERE: no stay

// By node of the calltree.
static struct standing *find_standings(const struct asked *asked)
{
    const struct calltree *tree = asked->tree;
    struct standing *standings = NEW_ARRAY(struct standing, tree->nodes.n);
    standings[0] = (struct standing){NOWHERE, NOWHERE};
    for (node_id id = 1; id < tree->nodes.n; id++) {
        const struct calltree_node *node = &tree->nodes.at[id];
        struct standing standing = standings[node->caller];
        if (node->function == asked->function) {
            standing.way = standing.first == AT_STAY ? node->function : standing.first;
            standing.first = AT_STAY;
        } else if (standing.first == AT_STAY) {
            standing.first = node->function;
        }
        standings[id] = standing;
    }
    return standings;
}

static int compare_ways(const void *a, const void *b, void *context)
{
    const struct neighbors_way *x = a;
    const struct neighbors_way *y = b;
    const struct flame_params *params = context;
    uint64_t x_ns = answer_mode_sum(params->mode, x->on_cpu_ns, x->off_ns);
    uint64_t y_ns = answer_mode_sum(params->mode, y->on_cpu_ns, y->off_ns);
    if (x_ns != y_ns) {
        return x_ns > y_ns ? -1 : 1;
    }
    return function_compare(x->function, y->function);
}

// Those that have anything of the mode, the heaviest NEIGHBORS_WAYS.
static void tell_ways(struct neighbors *ret, const struct asked *asked, const struct weight *sums)
{
    const struct names *names = asked->tree->names;
    for (function_id id = 0; id < names->functions.n; id++) {
        uint64_t ns;
        if (cut_weigh(&sums[id], asked->cut->mode, &ns)) {
            vec_push(&ret->ways, (struct neighbors_way){.function = names_function(names, id),
                                                        .on_cpu_ns = sums[id].on_cpu_ns,
                                                        .samples = sums[id].samples,
                                                        .off_ns = sums[id].off_ns});
        }
    }
    size_t n = MIN(ret->ways.n, (size_t)NEIGHBORS_WAYS);
    select_first(ret->ways.at, ret->ways.n, sizeof *ret->ways.at, n, compare_ways,
                 (void *)(uintptr_t)asked->cut);
    ret->ways.n = n;
}

static void tell_recursion(struct neighbors *ret, const struct asked *asked)
{
    CLEANUP(freep) struct standing *standings = find_standings(asked);
    CLEANUP(freep) struct weight *sums = NEW_ARRAY(struct weight, asked->tree->names->functions.n);
    struct weight all = {.samples = 0};
    for (node_id id = 1; id < asked->tree->nodes.n; id++) {
        const struct weight *self = &asked->weights->self[id];
        if (standings[id].way != NOWHERE) {
            weight_add(&sums[standings[id].way], self);
            weight_add(&all, self);
        }
    }
    ret->recursive_on_cpu_ns = all.on_cpu_ns;
    ret->recursive_samples = all.samples;
    ret->recursive_off_ns = all.off_ns;
    tell_ways(ret, asked, sums);
}

// ---- Both --------------------------------------------------------------------------------------

void neighbors_make(struct neighbors *ret, const struct calltree *tree, const struct fold *fold,
                    const struct store *store, struct reasons *reasons, function_id function,
                    const struct flame_params *params)
{
    ASSERT(function < tree->names->functions.n);
    const enum event_reason *only = params->has_reason ? &params->reason : NULL;
    struct total total;
    total_make(&total, tree, fold, store, reasons);
    *ret = (struct neighbors){
        .health = total.health,
        .total_on_cpu_ns = total.total_on_cpu_ns,
        .total_off_cpu = weights_only(&total.total_off_cpu, only),
    };
    const struct weights *weights = weights_of(tree, fold, store, reasons, only);
    struct asked asked = {
        .tree = tree,
        .weights = weights,
        .function = function,
        .cut = params,
    };
    tell_own(ret, &asked);
    tell_recursion(ret, &asked);
    make_callers(&ret->callers, &asked);
    make_callees(&ret->callees, &asked);
}

void neighbors_fini(struct neighbors *neighbors)
{
    flame_fini(&neighbors->callers);
    flame_fini(&neighbors->callees);
    vec_fini(&neighbors->ways);
}

// ---- One tree on its own -----------------------------------------------------------------------

bool tree_root_find(struct tree_root *ret, const struct calltree *tree,
                    const struct view_symbol *symbol)
{
    const struct names *names = tree->names;
    bool found = false;
    *ret = (struct tree_root){.functions = NEW_ARRAY(uint8_t, names->functions.n + 1)};
    for (function_id id = 0; id < tree->first_depth.n; id++) {
        const struct function *function = names_function(names, id);
        bool is_on_stacks = tree->first_depth.at[id] != 0 && !function->is_truncation;
        if (!is_on_stacks || !function_is(function, symbol->function_name, symbol->binary)) {
            continue;
        }
        ret->functions[id] = 1;
        // One with code of its own, rather: people may want to look at it.
        if (!found || (names_function(names, ret->function)->inlined && !function->inlined)) {
            ret->function = id;
        }
        found = true;
    }
    return found;
}

void tree_root_fini(struct tree_root *root)
{
    free(TAKE(root->functions));
}

void neighbors_tree_make(struct flame *ret, const struct calltree *tree, const struct fold *fold,
                         const struct store *store, struct reasons *reasons,
                         const struct tree_root *root, bool callers,
                         const struct flame_params *params)
{
    if (root->functions == NULL && !callers) {
        flame_make(ret, tree, fold, store, reasons, params);
        return;
    }
    const enum event_reason *only = params->has_reason ? &params->reason : NULL;
    struct total total;
    total_make(&total, tree, fold, store, reasons);
    *ret = (struct flame){
        .health = total.health,
        .total_on_cpu_ns = total.total_on_cpu_ns,
        .total_off_cpu = weights_only(&total.total_off_cpu, only),
    };
    const struct weights *weights = weights_of(tree, fold, store, reasons, only);
    struct asked asked = {
        .tree = tree,
        .weights = weights,
        .function = root->function,
        .functions = root->functions,
        .everything = root->functions == NULL,
        .cut = params,
    };
    if (callers) {
        make_callers(ret, &asked);
    } else {
        make_callees(ret, &asked);
    }
}
