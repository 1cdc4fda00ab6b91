#include "cli/flame_text.h"

#include "base/limits.h"
#include "cli/format.h"

#include <unistd.h>

enum { KERNEL_FRAMES = 24 }; // between a system call and where it waits; more are rare
enum { ADDRESS_COLUMNS = 18 };

// How a node stands on the page.
struct place {
    uint32_t depth;  // of its line
    uint32_t parent; // the node of the line that it stands under
    bool hidden;     // those below it stand in its place
};

int64_t flame_text_depth(int64_t depth, bool off_cpu)
{
    return off_cpu ? MIN(depth + KERNEL_FRAMES, (int64_t)LIMIT_STACK_DEPTH) : depth;
}

uint64_t flame_text_weight(const struct flame_tree_node *node, bool off_cpu)
{
    return off_cpu ? node->waits.total_ns : node->samples;
}

// Where a thread waits, the way through the kernel is noise: all but the function that waits.
static bool is_noise(const struct flame_tree *tree, const struct flame_tree_node *node)
{
    return flame_tree_string(tree, node->binary)[0] == '[' && node->self_off_cpu_ns == 0 &&
           node->cut_children == 0;
}

// By node; the caller frees it.
static struct place *find_places(const struct flame_tree *tree, bool off_cpu)
{
    struct place *places = NEW_ARRAY(struct place, tree->nodes.n);
    for (size_t i = 1; i < tree->nodes.n; i++) {
        const struct flame_tree_node *node = &tree->nodes.at[i];
        const struct place *above = &places[node->parent];
        places[i].hidden = off_cpu && is_noise(tree, node);
        places[i].parent = above->hidden ? above->parent : node->parent;
        places[i].depth = above->depth + !places[i].hidden;
    }
    return places;
}

// The binary is said where it changes: calls within one need no repetition.
static void put_name(const struct flame_text *how, const struct flame_tree *tree,
                     const struct flame_tree_node *node, const struct place *place, struct text *to)
{
    const char *name = flame_tree_string(tree, node->function);
    const char *binary = flame_tree_string(tree, node->binary);
    bool changes = node->depth == 0 || node->binary != tree->nodes.at[place->parent].binary;
    if (node->depth == 0 && how->root != NULL) {
        text_add(to, how->root);
        return;
    }
    text_add_escaped(to, name, strlen(name));
    text_add(to, node->inlined ? " (inlined)" : "");
    if (changes && binary[0] != 0 && strncmp(name, binary, strlen(binary)) != 0) {
        text_add(to, "  (");
        text_add_escaped(to, binary, strlen(binary));
        text_add(to, ")");
    }
}

// An inlined function is everywhere, and what is no function is nowhere.
static void put_address(const struct flame_tree_node *node, struct text *to)
{
    bool has = node->address[0] != 0 && strcmp(node->address, "0x0") != 0;
    text_addf(to, "  %-*s", ADDRESS_COLUMNS, has ? node->address : "");
}

// Whether threads wait in this very function, as far as this tree can tell.
static bool waits_there(const struct flame_text *how, const struct flame_tree_node *node)
{
    if (how->outwards) {
        return node->depth == 0;
    }
    return node->self_off_cpu_ns > 0 && (node->depth > 0 || how->root == NULL);
}

static void put_node(const struct flame_text *how, const struct flame_tree *tree,
                     const struct flame_tree_node *node, const struct place *place, size_t width,
                     struct text *to)
{
    double all = (double)flame_text_weight(&tree->nodes.at[0], how->off_cpu);
    CLEANUP(text_fini) struct text share = {0};
    CLEANUP(text_fini) struct text ms = {0};
    CLEANUP(text_fini) struct text line = {0};
    format_percent(&share, (double)flame_text_weight(node, how->off_cpu), all);
    format_ms(&ms, how->off_cpu ? node->waits.total_ns : node->on_cpu_ns);
    text_addf(&line, "%6s%% %12s", text_get(&share), text_get(&ms));
    if (how->addresses) {
        put_address(node, &line);
    }
    text_addf(&line, "  %*s", (int)place->depth * 2, "");
    put_name(how, tree, node, place, &line);
    if (how->off_cpu && waits_there(how, node)) {
        text_add(&line, " [");
        waits_put_reasons(&line, &node->waits);
        text_add(&line, "] ");
        format_things(&line, node->off_cpu_intervals, "wait", "waits");
    }
    if (node->cut_children > 0) {
        text_add(&line, "  + ");
        format_things(&line, node->cut_children, how->below_one, how->below_many);
        text_add(&line, " of ");
        format_percent(&line, (double)(how->off_cpu ? node->cut_off_cpu_ns : node->cut_samples),
                       all);
        text_add(&line, "%");
    }
    format_cut(&line, width);
    text_addf(to, "%s\n", text_get(&line));
}

size_t flame_text_put(const struct flame_text *how, const struct flame_tree *tree, struct text *to)
{
    CLEANUP(freep) struct place *places = find_places(tree, how->off_cpu);
    size_t n_deeper = 0;
    size_t width = format_terminal_width(STDOUT_FILENO);
    const char *bold = format_has_colour(STDOUT_FILENO) ? "\x1b[1m" : "";
    text_addf(to, "%s  share    %s", bold, how->off_cpu ? "blocked ms" : " on-CPU ms");
    if (how->addresses) {
        text_addf(to, "  %-*s", ADDRESS_COLUMNS, "address");
    }
    text_addf(to, "  function%s\n", bold[0] != 0 ? "\x1b[0m" : "");
    for (uint32_t i = 0; i != FLAME_NODE_NONE; i = flame_tree_next(tree, i)) {
        if (places[i].depth > how->max_depth) {
            n_deeper++;
        } else if (!places[i].hidden) {
            put_node(how, tree, &tree->nodes.at[i], &places[i], width, to);
        }
    }
    return n_deeper;
}
