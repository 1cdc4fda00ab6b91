#include "query/function_heat.h"

#include "query/weights.h"

// Paths of places (or of groups of them), as they appear.
struct paths {
    VEC(struct heat_path) at;
    struct map extended; // (path, place) -> the path that goes on there
};

struct making {
    const struct calltree *tree;
    const struct fold *fold;
    const struct store *store;
    struct reasons *reasons;
    function_id function;
    struct function_heat *heat; // its places are as found, in no order
    struct paths paths;
    uint32_t *place_of_frame; // by frame_id: plus one; 0: not in the function
    uint32_t *path_of_stack;  // by stack_id
    double *ns_of_cell;       // by place of fold->running
    VEC(double) self_ns;      // by place
};

void function_heat_fini(struct function_heat *heat)
{
    vec_fini(&heat->places);
    vec_fini(&heat->paths);
}

// ---- Paths -------------------------------------------------------------------------------------

static void paths_init(struct paths *paths)
{
    *paths = (struct paths){0};
    vec_push(&paths->at, (struct heat_path){0});
}

static bool has_place(const struct paths *paths, uint32_t path, uint32_t place)
{
    while (path != 0 && paths->at.at[path].place != place) {
        path = paths->at.at[path].caller;
    }
    return path != 0;
}

// The path that goes on to this place: the same one, if it has been there.
static uint32_t extend(struct paths *paths, uint32_t path, uint32_t place)
{
    uint64_t key = (uint64_t)path << 32 | place;
    uint32_t longer = map_find(&paths->extended, key);
    if (longer == MAP_NONE) {
        longer = path;
        if (!has_place(paths, path, place)) {
            longer = (uint32_t)paths->at.n;
            vec_push(&paths->at, (struct heat_path){.caller = path, .place = place});
        }
        map_set(&paths->extended, key, longer);
    }
    return longer;
}

// ---- Places ------------------------------------------------------------------------------------

// Of an address in memory of a JIT, in that epoch; as names.c finds it.
static uint32_t code_at(const struct making *m, const struct image_row *row, uint64_t addr)
{
    const struct names *names = m->tree->names;
    uint64_t until_ns = atomic_load_explicit(&row->until_ns, memory_order_acquire);
    uint32_t code = jit_names_find(&names->jit, m->store, row->process, addr, row->since_ns,
                                   until_ns);
    return code != CODE_NONE && names_of_code(names, code) == m->function ? code : CODE_NONE;
}

static struct heat_place place_of_frame(const struct making *m, frame_id frame)
{
    const struct frame_row *row = stacks_get_frame(&m->store->stacks, frame);
    const struct image_row *image = store_image(m->store, row->image);
    struct heat_place place = {.code = CODE_NONE};
    switch (image->kind) {
    case IMAGE_ROW_FILE:
    case IMAGE_ROW_VDSO:
    case IMAGE_ROW_KERNEL:
        place.addr = row->off + image->load_bias;
        break;
    case IMAGE_ROW_ANONYMOUS:
        place.addr = row->off;
        place.code = row->image == 0 ? CODE_NONE : code_at(m, image, row->off);
        break;
    case IMAGE_ROW_NAMED:
    case IMAGE_ROW_TRUNCATED: // the offset is no place in code
        break;
    }
    return place;
}

static int compare_places(const struct heat_place *a, const struct heat_place *b)
{
    if (a->code != b->code) {
        return a->code < b->code ? -1 : 1;
    }
    return a->addr < b->addr ? -1 : a->addr > b->addr;
}

// Frames of several epochs, and calls and leaves, may be at one place.
static uint32_t intern_place(struct making *m, struct map *by_hash, frame_id frame)
{
    struct heat_place place = place_of_frame(m, frame);
    uint64_t hash = hash_pair(place.addr, place.code);
    size_t cursor = 0;
    uint32_t known;
    while ((known = map_find_from(by_hash, hash, &cursor)) != MAP_NONE) {
        if (compare_places(&m->heat->places.at[known], &place) == 0) {
            return known;
        }
    }
    known = (uint32_t)m->heat->places.n;
    vec_push(&m->heat->places, place);
    map_add(by_hash, hash, known);
    return known;
}

// The frames of the function, and the paths of all stacks.
static void find_paths(struct making *m)
{
    const struct names *names = m->tree->names;
    const struct stacks *stacks = &m->store->stacks;
    struct map by_hash = {0};
    for (frame_id frame = 0; frame < names->of_frame.n; frame++) {
        if (names->of_frame.at[frame] == m->function) {
            m->place_of_frame[frame] = intern_place(m, &by_hash, frame) + 1;
        }
    }
    map_fini(&by_hash);
    for (stack_id stack = 1; stack < m->tree->of_stack.n; stack++) { // a caller before its callees
        const struct stack_row *row = stacks_get(stacks, stack);
        uint32_t path = m->path_of_stack[row->caller];
        uint32_t place = m->place_of_frame[row->frame];
        m->path_of_stack[stack] = place == 0 ? path : extend(&m->paths, path, place - 1);
    }
    vec_grow_zeroed(&m->self_ns, m->heat->places.n);
}

// ---- Samples -----------------------------------------------------------------------------------

static uint32_t path_of_cell(const struct making *m, size_t cell)
{
    stack_id stack = places_stack(&m->fold->running, cell);
    return stack < m->tree->of_stack.n ? m->path_of_stack[stack] : 0;
}

// By page of cells, whether a stack with a path is in it: most functions are on few stacks.
static bool *find_pages(const struct making *m)
{
    const struct places *running = &m->fold->running;
    bool *pages = NEW_ARRAY(bool, places_room(running) / CELLS_PAGE + 1);
    for (size_t cell = 0; cell < running->at.n; cell++) {
        pages[cell / CELLS_PAGE] |= path_of_cell(m, cell) != 0;
    }
    return pages;
}

static void weigh_page(struct making *m, const struct cells_page *page, double sample_ns)
{
    for (size_t i = 0; i < CELLS_PAGE; i++) {
        m->ns_of_cell[page->first + i] += (double)page->n[i] * sample_ns;
    }
}

// As weights.c does it, but for the function's pages only. These lie all over the memory: so some
// are asked for ahead.
static void weigh_thread(struct making *m, const bool *pages, thread_id thread)
{
    enum { AHEAD = 16, LINE_CELLS = 16 };
    struct cells_page next[AHEAD];
    double sample_ns = fold_sample_ns(m->fold, m->store, thread);
    const struct cells *cells = &m->fold->threads.at[thread].running;
    size_t n = 0;
    for (uint32_t cursor = 0; cells_next_page(cells, &cursor, &next[n % AHEAD]);) {
        const struct cells_page *page = &next[n % AHEAD];
        if (!pages[page->first / CELLS_PAGE]) {
            continue;
        }
        for (size_t i = 0; i < CELLS_PAGE; i += LINE_CELLS) {
            __builtin_prefetch(page->n + i);
        }
        n++;
        if (n >= AHEAD) {
            weigh_page(m, &next[n % AHEAD], sample_ns); // the oldest, whose place is the next one's
        }
    }
    for (size_t i = n >= AHEAD ? n - AHEAD + 1 : 0; i < n; i++) {
        weigh_page(m, &next[i % AHEAD], sample_ns);
    }
}

static void weigh_cells(struct making *m)
{
    CLEANUP(freep) bool *pages = find_pages(m);
    for (thread_id thread = 0; thread < m->fold->threads.n; thread++) {
        weigh_thread(m, pages, thread);
    }
}

static void estimate_cells(struct making *m)
{
    const struct places *running = &m->fold->running;
    for (size_t cell = 0; cell < running->at.n; cell++) {
        m->ns_of_cell[cell] = (double)running->n.at[cell] * (double)m->store->samples.weight_ns;
    }
}

static void count_samples(struct making *m)
{
    const struct places *running = &m->fold->running;
    if (m->store->has_switches) {
        weigh_cells(m);
    } else {
        estimate_cells(m);
    }
    for (size_t cell = 0; cell < running->at.n; cell++) {
        uint32_t path = path_of_cell(m, cell);
        if (path == 0) {
            continue;
        }
        struct heat_path *counted = &m->paths.at.at[path];
        counted->samples += running->n.at[cell];
        counted->on_cpu_ns += m->ns_of_cell[cell];
        const struct stack_row *row = stacks_get(&m->store->stacks, places_stack(running, cell));
        uint32_t place = m->place_of_frame[row->frame];
        if (place != 0) {
            m->heat->places.at[place - 1].self_samples += running->n.at[cell];
            m->self_ns.at[place - 1] += m->ns_of_cell[cell];
        }
    }
}

static void count_waits(struct making *m)
{
    struct fold_walk walk = {0};
    while (fold_next_place(m->fold, &walk)) {
        if (walk.cell.stack < m->tree->of_stack.n) {
            stack_id stack = reasons_waiting_stack(m->reasons, walk.cell.stack);
            m->paths.at.at[m->path_of_stack[stack]].off_ns += walk.cell.ns;
        }
    }
    m->paths.at.at[0].off_ns = 0; // those that the function has no part in
}

// ---- Totals ------------------------------------------------------------------------------------

// The heat's paths by group: what of them says no more than the one before it is dropped.
static void group_paths(struct paths *ret, const struct function_heat *heat,
                        const uint32_t *group_of)
{
    CLEANUP(freep) uint32_t *grouped = NEW_ARRAY(uint32_t, heat->paths.n);
    paths_init(ret);
    for (size_t path = 1; path < heat->paths.n; path++) {
        const struct heat_path *of = &heat->paths.at[path];
        grouped[path] = extend(ret, grouped[of->caller], group_of[of->place]);
        struct heat_path *to = &ret->at.at[grouped[path]];
        to->samples += of->samples;
        to->on_cpu_ns += of->on_cpu_ns;
        to->off_ns += of->off_ns;
    }
}

void function_heat_group(const struct function_heat *heat, const uint32_t *group_of,
                         struct heat_place *ret, size_t n_groups)
{
    CLEANUP(freep) double *total_ns = NEW_ARRAY(double, n_groups + 1);
    for (size_t group = 0; group < n_groups; group++) {
        ret[group] = (struct heat_place){.addr = ret[group].addr, .code = ret[group].code};
    }
    for (size_t place = 0; place < heat->places.n; place++) {
        ret[group_of[place]].self_samples += heat->places.at[place].self_samples;
        ret[group_of[place]].self_on_cpu_ns += heat->places.at[place].self_on_cpu_ns;
    }
    struct paths paths;
    group_paths(&paths, heat, group_of);
    for (size_t i = paths.at.n; i-- > 1;) { // what goes on from it has been added to it already
        const struct heat_path *path = &paths.at.at[i];
        struct heat_path *caller = &paths.at.at[path->caller];
        caller->samples += path->samples;
        caller->on_cpu_ns += path->on_cpu_ns;
        caller->off_ns += path->off_ns;
        ret[path->place].total_samples += path->samples;
        ret[path->place].total_off_ns += path->off_ns;
        total_ns[path->place] += path->on_cpu_ns;
    }
    for (size_t group = 0; group < n_groups; group++) {
        ret[group].total_on_cpu_ns = MAX(weights_round(total_ns[group]), ret[group].self_on_cpu_ns);
    }
    map_fini(&paths.extended);
    vec_fini(&paths.at);
}

// ---- Making ------------------------------------------------------------------------------------

// By path: something was counted there, or where it goes on.
static bool *find_hot_paths(const struct making *m)
{
    bool *is_hot = NEW_ARRAY(bool, m->paths.at.n);
    for (size_t i = m->paths.at.n; i-- > 1;) {
        const struct heat_path *path = &m->paths.at.at[i];
        is_hot[i] |= path->samples > 0 || path->off_ns > 0;
        is_hot[path->caller] |= is_hot[i];
    }
    is_hot[0] = true;
    return is_hot;
}

static int compare_sorted(const void *a, const void *b, void *context)
{
    const struct heat_place *places = context;
    return compare_places(&places[*(const uint32_t *)a], &places[*(const uint32_t *)b]);
}

// Puts places in order, with their self times, and leaves out those without anything. `new_place`
// gets where each is now.
static void sort_places(struct making *m, const bool *is_hot_path, uint32_t *new_place)
{
    struct function_heat *heat = m->heat;
    struct function_heat sorted = {0};
    CLEANUP(freep) bool *is_hot = NEW_ARRAY(bool, heat->places.n + 1);
    CLEANUP(freep) uint32_t *order = NEW_ARRAY(uint32_t, heat->places.n + 1);
    size_t n = 0;
    for (size_t i = 1; i < m->paths.at.n; i++) {
        is_hot[m->paths.at.at[i].place] |= is_hot_path[i];
    }
    for (uint32_t place = 0; place < heat->places.n; place++) {
        order[n] = place;
        n += is_hot[place];
    }
    qsort_r(order, n, sizeof *order, compare_sorted, heat->places.at);
    double before_ns = 0;
    for (size_t i = 0; i < n; i++) {
        struct heat_place place = heat->places.at[order[i]];
        double up_to_ns = before_ns + m->self_ns.at[order[i]];
        place.self_on_cpu_ns = weights_round(up_to_ns) - weights_round(before_ns);
        before_ns = up_to_ns;
        new_place[order[i]] = (uint32_t)i;
        vec_push(&sorted.places, place);
    }
    vec_fini(&heat->places);
    heat->places.at = sorted.places.at;
    heat->places.n = sorted.places.n;
    heat->places.room = sorted.places.room;
}

static void keep_hot_paths(struct making *m, const bool *is_hot, const uint32_t *new_place)
{
    CLEANUP(freep) uint32_t *new_path = NEW_ARRAY(uint32_t, m->paths.at.n);
    for (size_t i = 0; i < m->paths.at.n; i++) {
        if (is_hot[i]) {
            struct heat_path path = m->paths.at.at[i];
            new_path[i] = (uint32_t)m->heat->paths.n;
            path.caller = new_path[path.caller];
            path.place = i == 0 ? 0 : new_place[path.place];
            vec_push(&m->heat->paths, path);
        }
    }
}

static void sum_up(struct function_heat *heat)
{
    double total_ns = 0;
    for (size_t i = 1; i < heat->paths.n; i++) {
        heat->total_samples += heat->paths.at[i].samples;
        heat->total_off_ns += heat->paths.at[i].off_ns;
        total_ns += heat->paths.at[i].on_cpu_ns;
    }
    CLEANUP(freep) uint32_t *group_of = NEW_ARRAY(uint32_t, heat->places.n + 1);
    for (uint32_t place = 0; place < heat->places.n; place++) {
        group_of[place] = place; // each for itself
        heat->self_samples += heat->places.at[place].self_samples;
        heat->self_on_cpu_ns += heat->places.at[place].self_on_cpu_ns;
    }
    CLEANUP(freep) struct heat_place *numbers = NEW_ARRAY(struct heat_place, heat->places.n + 1);
    function_heat_group(heat, group_of, numbers, heat->places.n);
    heat->total_on_cpu_ns = MAX(weights_round(total_ns), heat->self_on_cpu_ns);
    for (size_t place = 0; place < heat->places.n; place++) {
        struct heat_place *to = &heat->places.at[place];
        to->total_samples = numbers[place].total_samples;
        to->total_on_cpu_ns = numbers[place].total_on_cpu_ns;
        to->total_off_ns = numbers[place].total_off_ns;
        heat->total_on_cpu_ns = MAX(heat->total_on_cpu_ns, to->total_on_cpu_ns);
    }
}

static uint64_t bias_of(const struct making *m)
{
    const struct function *function = names_function(m->tree->names, m->function);
    const struct image_row *image = store_image(m->store, function->image);
    bool has_file = image->kind == IMAGE_ROW_FILE || image->kind == IMAGE_ROW_VDSO;
    return has_file ? function->addr - function->key : 0;
}

void function_heat_make(struct function_heat *ret, const struct calltree *tree,
                        const struct fold *fold, const struct store *store, struct reasons *reasons,
                        function_id function)
{
    *ret = (struct function_heat){0};
    CLEANUP(freep) uint32_t *places = NEW_ARRAY(uint32_t, tree->names->of_frame.n + 1);
    CLEANUP(freep) uint32_t *paths = NEW_ARRAY(uint32_t, tree->of_stack.n);
    CLEANUP(freep) double *ns = NEW_ARRAY(double, places_room(&fold->running) + 1);
    struct making m = {.tree = tree,
                       .fold = fold,
                       .store = store,
                       .reasons = reasons,
                       .function = function,
                       .heat = ret,
                       .place_of_frame = places,
                       .path_of_stack = paths,
                       .ns_of_cell = ns};
    paths_init(&m.paths);
    find_paths(&m);
    count_samples(&m);
    count_waits(&m);
    ret->bias = bias_of(&m);
    CLEANUP(freep) bool *is_hot = find_hot_paths(&m);
    CLEANUP(freep) uint32_t *new_place = NEW_ARRAY(uint32_t, ret->places.n + 1);
    sort_places(&m, is_hot, new_place);
    keep_hot_paths(&m, is_hot, new_place);
    sum_up(ret);
    map_fini(&m.paths.extended);
    vec_fini(&m.paths.at);
    vec_fini(&m.self_ns);
}
