#include "image/inlines_unit.h"

#include "base/limits.h"

#include <dwarf.h>

// The walk goes strictly forward: a DIE that stands before one that was seen already ends it. So
// what links siblings and children in a circle, or lets subtrees overlap, costs no more than an
// honest file of that size.

enum { DIE_DEPTH_MAX = 512 };

struct level {
    Dwarf_Die die;   // the one of this level that is looked at now
    uint32_t node;   // that it is in
    uint32_t inside; // that its children are in
    uint32_t depth;  // how many functions are inlined into each other there
};

struct walk {
    struct inlines_unit *unit;
    const struct dwarf_file *file;
    const _Atomic bool *stop;
    struct level *levels; // DIE_DEPTH_MAX
    size_t n_levels;
    Dwarf_Off last_off; // of the DIE seen last
    uint64_t n_dies;
};

void inlines_unit_fini(struct inlines_unit *unit)
{
    vec_fini(&unit->nodes);
    spans_fini(&unit->spans);
}

uint64_t inlines_unit_bytes(const struct inlines_unit *unit)
{
    return sizeof *unit + unit->nodes.room * sizeof *unit->nodes.at + spans_bytes(&unit->spans);
}

// ---- One DIE -----------------------------------------------------------------------------------

// False: too many.
static bool add_spans(struct walk *walk, Dwarf_Die *die, uint32_t node)
{
    struct spans *spans = &walk->unit->spans;
    Dwarf_Addr base;
    Dwarf_Addr start;
    Dwarf_Addr end;
    for (ptrdiff_t at = 0; (at = dwarf_ranges(die, at, &base, &start, &end)) > 0;) {
        if (spans->added.n == LIMIT_INLINE_SPANS) {
            return false;
        }
        spans_add(spans, start, end, node);
    }
    return true;
}

static bool add_inlined(struct walk *walk, struct level *level, uint32_t depth)
{
    struct inlines_unit *unit = walk->unit;
    if (depth >= LIMIT_INLINE_DEPTH) {
        level->inside = level->node; // all that is further in counts for the last one
        level->depth = depth;
        return true;
    }
    if (unit->nodes.n == LIMIT_INLINE_SPANS) {
        return false;
    }
    level->inside = (uint32_t)unit->nodes.n;
    level->depth = depth + 1;
    vec_push(&unit->nodes,
             (struct inline_node){.caller = level->node, .die_off = dwarf_dieoffset(&level->die)});
    return add_spans(walk, &level->die, level->inside);
}

// Lambdas and the methods of local types have their code inside of a type; so has much of Rust's.
static bool may_hold_code(int tag)
{
    switch (tag) {
    case DW_TAG_subprogram:
    case DW_TAG_inlined_subroutine:
    case DW_TAG_lexical_block:
    case DW_TAG_try_block:
    case DW_TAG_catch_block:
    case DW_TAG_with_stmt:
    case DW_TAG_namespace:
    case DW_TAG_module:
    case DW_TAG_structure_type:
    case DW_TAG_class_type:
    case DW_TAG_union_type:
    case DW_TAG_interface_type:
    case DW_TAG_enumeration_type:
    case DW_TAG_variant_part:
    case DW_TAG_variant:
        return true;
    default:
        return false;
    }
}

// Looks at the DIE of the last level. False: the walk is over.
static bool visit(struct walk *walk, bool *ret_descend)
{
    struct level *level = &walk->levels[walk->n_levels - 1];
    uint32_t outer_depth = walk->n_levels < 2 ? 0 : level[-1].depth;
    Dwarf_Off off = dwarf_dieoffset(&level->die);
    bool stopped = walk->stop != NULL && atomic_load_explicit(walk->stop, memory_order_relaxed);
    if (off <= walk->last_off || ++walk->n_dies > LIMIT_INLINE_DIES || stopped) {
        return false;
    }
    walk->last_off = off;
    level->inside = level->node;
    level->depth = outer_depth;
    int tag = dwarf_tag(&level->die);
    *ret_descend = may_hold_code(tag) && walk->n_levels < DIE_DEPTH_MAX;
    if (tag == DW_TAG_subprogram) {
        level->inside = 0;
        level->depth = 0;
        return add_spans(walk, &level->die, 0);
    }
    return tag != DW_TAG_inlined_subroutine || add_inlined(walk, level, outer_depth);
}

// ---- All of them -------------------------------------------------------------------------------

static bool push_child(struct walk *walk)
{
    const struct level *parent = &walk->levels[walk->n_levels - 1];
    struct level *child = &walk->levels[walk->n_levels];
    Dwarf_Die die = parent->die;
    if (dwarf_child(&die, &child->die) != 0) {
        return false;
    }
    child->node = parent->inside;
    walk->n_levels++;
    return true;
}

// To the next one of the innermost level that has one. False: that was the last.
static bool go_on(struct walk *walk)
{
    while (walk->n_levels > 1) {
        struct level *level = &walk->levels[walk->n_levels - 1];
        Dwarf_Die next;
        if (dwarf_siblingof(&level->die, &next) == 0) {
            level->die = next;
            return true;
        }
        walk->n_levels--;
    }
    return false;
}

void inlines_unit_walk(struct inlines_unit *unit, const struct dwarf_file *file,
                       const _Atomic bool *stop)
{
    struct walk walk = {.unit = unit, .file = file, .stop = stop};
    unit->walked = true;
    vec_push(&unit->nodes, (struct inline_node){0});
    CLEANUP(freep) struct level *levels = NEW_ARRAY(struct level, DIE_DEPTH_MAX);
    walk.levels = levels;
    if (dwarf_offdie(file->dwarf, unit->die_off, &levels[0].die) == NULL) {
        unit->cut = true;
        return;
    }
    walk.last_off = unit->die_off;
    walk.n_levels = 1;
    bool more = push_child(&walk);
    while (more) {
        bool descend;
        if (!visit(&walk, &descend)) {
            unit->cut = true;
            break;
        }
        more = (descend && push_child(&walk)) || go_on(&walk);
    }
    spans_finish(&unit->spans);
}
