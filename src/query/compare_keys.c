#include "query/compare_keys.h"

#include "base/text.h"

#include <ctype.h>

static const char no_stack[] = "[no stack]";

static size_t side_of(const struct compare_keys *keys, size_t run)
{
    return run < keys->n_runs[0] ? 0 : 1;
}

static size_t n_sources(const struct compare_keys *keys)
{
    return keys->n_runs[0] + keys->n_runs[1];
}

static const struct store *store_of(const struct compare_keys *keys, size_t run)
{
    return keys->sources[run].counted->store;
}

static uint64_t hash_names(const char *name, const char *binary)
{
    return hash_pair(hash_bytes(name, strlen(name)), hash_bytes(binary, strlen(binary)));
}

// ---- Groups ------------------------------------------------------------------------------------

// What compilers append to the name of a part or a copy of a function.
static size_t plain_length(const char *name)
{
    static const char *const marks[] = {
        ".constprop.", ".isra.",     ".part.",      ".cold",
        ".llvm.",      ".lto_priv.", ".localalias", " [clone ",
    };
    size_t n = strlen(name);
    for (size_t i = 0; i < ARRAY_LEN(marks) && n > 0; i++) {
        const char *found = strstr(name + 1, marks[i]);
        n = found == NULL ? n : MIN(n, (size_t)(found - name));
    }
    return n;
}

static void put_collapsed(struct text *to, const char *name)
{
    for (const char *at = name; *at != 0; at++) {
        bool digit = isdigit((unsigned char)*at) != 0;
        if (!digit) {
            text_add_char(to, *at);
        } else if (at == name || !isdigit((unsigned char)at[-1])) {
            text_add_char(to, '#');
        }
    }
}

static void put_group_name(struct text *to, const struct compare_keys *keys,
                           const struct compare_label *label)
{
    if (keys->by == COMPARE_BY_THREAD) {
        put_collapsed(to, label->name);
    } else if (label->unresolved) {
        text_addf(to, "[unresolved in %s]", label->binary);
    } else {
        text_add_bytes(to, label->name, plain_length(label->name));
    }
}

static uint32_t group_of(struct compare_keys *keys, const struct compare_label *label)
{
    CLEANUP(text_fini) struct text name = {0};
    put_group_name(&name, keys, label);
    uint64_t hash = hash_names(text_get(&name), label->binary);
    size_t cursor = 0;
    uint32_t known;
    while ((known = map_find_from(&keys->group_by_hash, hash, &cursor)) != MAP_NONE) {
        const struct compare_group *group = &keys->groups.at[known];
        if (strcmp(group->name, text_get(&name)) == 0 &&
            strcmp(group->binary, label->binary) == 0) {
            return known;
        }
    }
    struct compare_group group = {
        .name = text_take(&name), .binary = label->binary, .key = COMPARE_NO_KEY};
    vec_push(&keys->groups, group);
    map_add(&keys->group_by_hash, hash, (uint32_t)keys->groups.n - 1);
    return (uint32_t)keys->groups.n - 1;
}

// ---- Labels ------------------------------------------------------------------------------------

static struct slice build_id_of(const struct compare_keys *keys, const struct compare_label *label)
{
    return strings_get(&store_of(keys, label->run)->strings, label->build_id);
}

static bool same_bytes(struct slice a, struct slice b)
{
    return a.n == b.n && memcmp(a.data, b.data, a.n) == 0;
}

static bool same_label(const struct compare_keys *keys, const struct compare_label *a,
                       const struct compare_label *b)
{
    return a->unresolved == b->unresolved && strcmp(a->name, b->name) == 0 &&
           strcmp(a->binary, b->binary) == 0 &&
           (!a->unresolved || same_bytes(build_id_of(keys, a), build_id_of(keys, b)));
}

static uint32_t intern(struct compare_keys *keys, const struct compare_label *wanted)
{
    uint64_t hash = hash_names(wanted->name, wanted->binary);
    size_t cursor = 0;
    uint32_t id;
    while ((id = map_find_from(&keys->label_by_hash, hash, &cursor)) != MAP_NONE &&
           !same_label(keys, &keys->labels.at[id], wanted)) {
    }
    if (id == MAP_NONE) {
        id = (uint32_t)keys->labels.n;
        struct compare_label label = *wanted;
        label.group = group_of(keys, wanted);
        keys->groups.at[label.group].n_labels++;
        vec_push(&keys->labels, label);
        map_add(&keys->label_by_hash, hash, id);
    }
    keys->labels.at[id].sides |= (uint8_t)(1U << side_of(keys, wanted->run));
    return id;
}

static uint32_t label_of_function(struct compare_keys *keys, size_t run, function_id id)
{
    uint32_t *known = &keys->labels_of.at[run][id];
    if (*known == 0) {
        const struct names *names = keys->sources[run].tree->names;
        const struct function *function = names_function(names, id);
        struct compare_label label = {
            .name = function->name,
            .binary = function->binary,
            .run = (uint32_t)run,
            .unresolved = !function->resolved && !function->is_truncation,
        };
        if (label.unresolved) {
            label.build_id = store_image(names->store, function->image)->build_id;
        }
        *known = intern(keys, &label) + 1;
    }
    return *known - 1;
}

static uint32_t label_of_thread(struct compare_keys *keys, size_t run, thread_id thread)
{
    uint32_t *known = &keys->labels_of.at[run][thread];
    if (*known == 0) {
        const struct store *store = store_of(keys, run);
        string_id name = atomic_load(&store_thread(store, thread)->name);
        struct compare_label label = {
            .name = (const char *)strings_get(&store->strings, name).data,
            .binary = "",
            .run = (uint32_t)run,
        };
        *known = intern(keys, &label) + 1;
    }
    return *known - 1;
}

static uint32_t label_of_nothing(struct compare_keys *keys, size_t run)
{
    return intern(keys,
                  &(struct compare_label){.name = no_stack, .binary = "", .run = (uint32_t)run});
}

// ---- Places ------------------------------------------------------------------------------------

// The node of the tree that a counted stack is about: of a wait, the function that waits.
static node_id node_of(const struct compare_source *source, uint32_t place)
{
    stack_id stack = place;
    if (stack >= source->tree->of_stack.n) {
        return 0; // newer than the names
    }
    if (source->counted->mode == MODE_OFF_CPU) {
        stack = reasons_waiting_stack(source->reasons, stack);
    }
    return source->tree->of_stack.at[stack];
}

// The label of a place; of a stack, that of its leaf.
static uint32_t label_of(struct compare_keys *keys, size_t run, uint32_t place)
{
    const struct compare_source *source = &keys->sources[run];
    if (keys->by == COMPARE_BY_THREAD) {
        return label_of_thread(keys, run, place);
    }
    node_id node = node_of(source, place);
    return node == 0 ? label_of_nothing(keys, run)
                     : label_of_function(keys, run, source->tree->nodes.at[node].function);
}

// All that are needed to name what a run has counted. Callers that were met with an earlier stack
// end the walk.
static void meet_run(struct compare_keys *keys, size_t run)
{
    const struct compare_source *source = &keys->sources[run];
    const struct calltree *tree = source->tree;
    CLEANUP(freep) uint8_t *met = NEW_ARRAY(uint8_t, tree->nodes.n);
    for (size_t i = 0; i < source->counted->cells.n; i++) {
        uint32_t place = source->counted->cells.at[i].place;
        label_of(keys, run, place);
        node_id node = keys->by == COMPARE_BY_STACK ? node_of(source, place) : 0;
        for (; node != 0 && !met[node]; node = tree->nodes.at[node].caller) {
            met[node] = 1;
            label_of_function(keys, run, tree->nodes.at[node].function);
        }
    }
}

// ---- Matching ----------------------------------------------------------------------------------

static bool has_build(const struct store *store, struct slice build_id)
{
    uint32_t n = atomic_load_explicit(&store->images.n, memory_order_acquire);
    for (image_id i = 0; i < n; i++) {
        string_id id = store_image(store, i)->build_id;
        if (id != 0 && same_bytes(strings_get(&store->strings, id), build_id)) {
            return true;
        }
    }
    return false;
}

// Asked for each binary but once: labels of one group have, nearly always, one build.
static bool all_have_build(const struct compare_keys *keys, const struct compare_label *label)
{
    struct slice build_id = build_id_of(keys, label);
    bool all = build_id.n > 0;
    for (size_t run = 0; all && run < n_sources(keys); run++) {
        all = has_build(store_of(keys, run), build_id);
    }
    return all;
}

static uint32_t new_key(struct compare_keys *keys, const char *name, const char *binary)
{
    struct compare_key key = {.name = name, .binary = binary, .caller = COMPARE_NO_KEY};
    vec_push(&keys->at, key);
    return (uint32_t)keys->at.n - 1;
}

static void choose_groups(struct compare_keys *keys)
{
    for (size_t i = 0; i < keys->groups.n; i++) {
        keys->groups.at[i].kept_apart = true;
    }
    const struct compare_label *before = NULL; // the last unresolved one
    for (size_t i = 0; i < keys->labels.n; i++) {
        struct compare_label *label = &keys->labels.at[i];
        struct compare_group *group = &keys->groups.at[label->group];
        if (label->unresolved) {
            bool same = before != NULL && before->group == label->group &&
                        same_bytes(build_id_of(keys, before), build_id_of(keys, label));
            label->matched = same ? before->matched : all_have_build(keys, label);
            before = label;
        } else if (keys->by == COMPARE_BY_THREAD) {
            label->matched = group->n_labels == 1;
        } else {
            label->matched = group->n_labels == 1 || label->sides == 3;
        }
        group->kept_apart = group->kept_apart && label->matched;
    }
}

static void settle(struct compare_keys *keys)
{
    choose_groups(keys);
    for (size_t i = 0; i < keys->labels.n; i++) {
        struct compare_label *label = &keys->labels.at[i];
        struct compare_group *group = &keys->groups.at[label->group];
        if (group->kept_apart) {
            label->key = new_key(keys, label->name, label->binary);
            continue;
        }
        if (group->key == COMPARE_NO_KEY) {
            group->key = new_key(keys, group->name, group->binary);
        }
        label->key = group->key;
    }
}

// ---- Counting ----------------------------------------------------------------------------------

static uint32_t stack_key(struct compare_keys *keys, uint32_t caller, uint32_t function)
{
    uint64_t edge = (uint64_t)caller << 32 | function;
    uint32_t key = map_find(&keys->stack_by_edge, edge);
    if (key == MAP_NONE) {
        key = (uint32_t)keys->at.n;
        struct compare_key made = keys->at.at[function];
        made.caller = caller;
        vec_push(&keys->at, made);
        map_set(&keys->stack_by_edge, edge, key);
    }
    return key;
}

// The key of the stack that ends in a node; `*of_node` knows those of before, plus one. Callers
// have smaller ids, so those above are found first, without recursion.
static uint32_t key_of_node(struct compare_keys *keys, size_t run, uint32_t *of_node, node_id leaf)
{
    const struct calltree *tree = keys->sources[run].tree;
    VEC(node_id) path = {0};
    for (node_id node = leaf; node != 0 && of_node[node] == 0; node = tree->nodes.at[node].caller) {
        vec_push(&path, node);
    }
    while (path.n > 0) {
        node_id node = vec_pop(&path);
        node_id caller = tree->nodes.at[node].caller;
        uint32_t label = label_of_function(keys, run, tree->nodes.at[node].function);
        uint32_t above = caller == 0 ? COMPARE_NO_KEY : of_node[caller] - 1;
        of_node[node] = stack_key(keys, above, keys->labels.at[label].key) + 1;
    }
    vec_fini(&path);
    return of_node[leaf] - 1;
}

static bool in_interrupt(const struct compare_keys *keys, const struct compare_source *source,
                         stack_id stack)
{
    return keys->by != COMPARE_BY_THREAD && source->counted->mode == MODE_ON_CPU &&
           stack < source->tree->of_stack.n && reasons_in_interrupt(source->reasons, stack);
}

static uint32_t key_of_interrupts(struct compare_keys *keys)
{
    if (keys->interrupts == COMPARE_NO_KEY) {
        keys->interrupts = new_key(keys, "[interrupts]", "[kernel]");
    }
    return keys->interrupts;
}

static void count_run(struct compare_keys *keys, size_t run, struct compare_cells *ret)
{
    const struct compare_source *source = &keys->sources[run];
    CLEANUP(freep) uint32_t *of_node = NEW_ARRAY(uint32_t, source->tree->nodes.n);
    for (size_t i = 0; i < source->counted->cells.n; i++) {
        const struct compare_place_cell *cell = &source->counted->cells.at[i];
        uint32_t key = keys->labels.at[label_of(keys, run, cell->place)].key;
        node_id node = keys->by == COMPARE_BY_STACK ? node_of(source, cell->place) : 0;
        if (in_interrupt(keys, source, cell->place)) {
            key = key_of_interrupts(keys);
        } else if (node != 0) {
            key = key_of_node(keys, run, of_node, node);
        }
        vec_push(&ret->at, (struct compare_cell){.key = key,
                                                 .run = (uint32_t)run,
                                                 .block = cell->block,
                                                 .n = cell->n,
                                                 .value = cell->value,
                                                 .squares = cell->squares});
    }
}

void compare_keys_make(struct compare_keys *ret, const struct compare_source *sources,
                       const size_t n_runs[2], struct compare_cells *ret_cells)
{
    *ret = (struct compare_keys){
        .by = sources[0].counted->by,
        .sources = sources,
        .n_runs = {n_runs[0], n_runs[1]},
        .interrupts = COMPARE_NO_KEY,
    };
    for (size_t run = 0; run < n_sources(ret); run++) {
        const struct store *store = store_of(ret, run);
        size_t n = ret->by == COMPARE_BY_THREAD
                       ? atomic_load_explicit(&store->threads.n, memory_order_acquire)
                       : sources[run].tree->names->functions.n;
        vec_push(&ret->labels_of, NEW_ARRAY(uint32_t, n + 1));
        meet_run(ret, run);
    }
    settle(ret);
    for (size_t run = 0; run < n_sources(ret); run++) {
        count_run(ret, run, ret_cells);
    }
}

void compare_keys_fini(struct compare_keys *keys)
{
    for (size_t i = 0; i < keys->labels_of.n; i++) {
        free(keys->labels_of.at[i]);
    }
    for (size_t i = 0; i < keys->groups.n; i++) {
        free(keys->groups.at[i].name);
    }
    vec_fini(&keys->labels);
    vec_fini(&keys->groups);
    vec_fini(&keys->at);
    vec_fini(&keys->labels_of);
    map_fini(&keys->label_by_hash);
    map_fini(&keys->group_by_hash);
    map_fini(&keys->stack_by_edge);
}
