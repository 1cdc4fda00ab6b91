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

int64_t flame_text_depth(int64_t depth, enum mode mode)
{
    return mode == MODE_ON_CPU ? depth : MIN(depth + KERNEL_FRAMES, (int64_t)LIMIT_STACK_DEPTH);
}

uint64_t flame_text_weight(const struct flame_tree_node *node, enum mode mode)
{
    return mode == MODE_ON_CPU ? node->samples
                               : mode_ns(mode, node->on_cpu_ns, node->waits.total_ns);
}

// The same of what is left out below it. Its time on a CPU is not told: its samples are, which have
// about the same share of it.
static double weight_of_cut(const struct flame_tree_node *node, enum mode mode)
{
    double on_cpu = (double)node->cut_samples;
    if (mode == MODE_ON_CPU) {
        return on_cpu;
    }
    if (mode == MODE_OFF_CPU || node->samples == 0) {
        return (double)node->cut_off_cpu_ns;
    }
    return on_cpu / (double)node->samples * (double)node->on_cpu_ns + (double)node->cut_off_cpu_ns;
}

// Where a thread waits, the way through the kernel is noise: all but the function that waits, and
// what ran on a CPU if that counts.
static bool is_noise(const struct flame_tree *tree, const struct flame_tree_node *node,
                     enum mode mode)
{
    return mode != MODE_ON_CPU && flame_tree_string(tree, node->binary)[0] == '[' &&
           node->self_off_cpu_ns == 0 && node->cut_children == 0 &&
           (mode == MODE_OFF_CPU || node->samples == 0);
}

// By node; the caller frees it.
static struct place *find_places(const struct flame_tree *tree, enum mode mode)
{
    struct place *places = NEW_ARRAY(struct place, tree->nodes.n);
    for (size_t i = 1; i < tree->nodes.n; i++) {
        const struct flame_tree_node *node = &tree->nodes.at[i];
        const struct place *above = &places[node->parent];
        places[i].hidden = is_noise(tree, node, mode);
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

static void put_kinds(const struct flame_tree_node *node, struct text *to)
{
    CLEANUP(text_fini) struct text on_cpu = {0};
    CLEANUP(text_fini) struct text off_cpu = {0};
    format_ms(&on_cpu, node->on_cpu_ns);
    format_ms(&off_cpu, node->waits.total_ns);
    text_addf(to, " %12s %12s", text_get(&on_cpu), text_get(&off_cpu));
}

static void put_node(const struct flame_text *how, const struct flame_tree *tree,
                     const struct flame_tree_node *node, const struct place *place, size_t width,
                     struct text *to)
{
    double all = (double)flame_text_weight(&tree->nodes.at[0], how->mode);
    CLEANUP(text_fini) struct text share = {0};
    CLEANUP(text_fini) struct text ms = {0};
    CLEANUP(text_fini) struct text line = {0};
    format_percent(&share, (double)flame_text_weight(node, how->mode), all);
    format_ms(&ms, mode_ns(how->mode, node->on_cpu_ns, node->waits.total_ns));
    text_addf(&line, "%6s%% %12s", text_get(&share), text_get(&ms));
    if (how->mode == MODE_WALL) {
        put_kinds(node, &line);
    }
    if (how->addresses) {
        put_address(node, &line);
    }
    text_addf(&line, "  %*s", (int)place->depth * 2, "");
    put_name(how, tree, node, place, &line);
    if (how->mode != MODE_ON_CPU && waits_there(how, node)) {
        text_add(&line, " [");
        waits_put_reasons(&line, &node->waits);
        text_add(&line, "] ");
        format_things(&line, node->off_cpu_intervals, "wait", "waits");
    }
    if (node->cut_children > 0) {
        text_add(&line, "  + ");
        format_things(&line, node->cut_children, how->below_one, how->below_many);
        text_add(&line, " of ");
        format_percent(&line, weight_of_cut(node, how->mode), all);
        text_add(&line, "%");
    }
    format_cut(&line, width);
    text_addf(to, "%s\n", text_get(&line));
}

size_t flame_text_put(const struct flame_text *how, const struct flame_tree *tree, struct text *to)
{
    CLEANUP(freep) struct place *places = find_places(tree, how->mode);
    size_t n_deeper = 0;
    size_t width = format_terminal_width(STDOUT_FILENO);
    const char *bold = format_has_colour(STDOUT_FILENO) ? "\x1b[1m" : "";
    static const char *const titles[] = {
        [MODE_ON_CPU] = " on-CPU ms",
        [MODE_OFF_CPU] = "blocked ms",
        [MODE_WALL] = "   wall ms    on-CPU ms   blocked ms",
    };
    text_addf(to, "%s  share    %s", bold, titles[how->mode]);
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
