#include "code/listing.h"

#include <string.h>

const char *code_origin_name(enum code_origin origin)
{
    static const char *const names[] = {
        [CODE_MISSING] = "missing", [CODE_OF_FILE] = "file",     [CODE_OF_VDSO] = "vdso",
        [CODE_OF_JIT] = "jit",      [CODE_OF_KERNEL] = "kernel", [CODE_OF_RUN_FILE] = "run_file",
    };
    return names[origin];
}

// ---- Wishes ------------------------------------------------------------------------------------

void listing_wish_fini(struct listing_wish *wish)
{
    vec_fini(&wish->ranges);
    source_maps_fini(&wish->maps);
}

void listing_wish_copy(struct listing_wish *to, const struct listing_wish *from)
{
    *to = *from;
    to->ranges.at = NULL;
    to->ranges.n = 0;
    to->ranges.room = 0;
    for (size_t i = 0; i < from->ranges.n; i++) {
        vec_push(&to->ranges, from->ranges.at[i]);
    }
    to->maps = (struct source_maps){0};
    source_maps_copy(&to->maps, &from->maps);
}

bool listing_wish_equal(const struct listing_wish *a, const struct listing_wish *b)
{
    if (a->image != b->image || a->bias != b->bias || a->ranges.n != b->ranges.n ||
        a->arch != b->arch || a->syntax != b->syntax || a->source != b->source) {
        return false;
    }
    for (size_t i = 0; i < a->ranges.n; i++) {
        const struct listing_range *x = &a->ranges.at[i];
        const struct listing_range *y = &b->ranges.at[i];
        if (x->addr != y->addr || x->end != y->end || x->code != y->code) {
            return false;
        }
    }
    return source_maps_equal(&a->maps, &b->maps);
}

// ---- Life --------------------------------------------------------------------------------------

struct listing *listing_ref(struct listing *listing)
{
    atomic_fetch_add_explicit(&listing->n_refs, 1, memory_order_relaxed);
    return listing;
}

void listing_unref(struct listing *listing)
{
    if (listing == NULL ||
        atomic_fetch_sub_explicit(&listing->n_refs, 1, memory_order_acq_rel) > 1) {
        return;
    }
    for (size_t i = 0; i < listing->texts.n; i++) {
        free(listing->texts.at[i]);
    }
    listing_wish_fini(&listing->wish);
    jump_tables_fini(&listing->tables);
    vec_fini(&listing->parts);
    vec_fini(&listing->lines);
    vec_fini(&listing->bytes);
    vec_fini(&listing->sources);
    vec_fini(&listing->chains);
    vec_fini(&listing->inlined);
    vec_fini(&listing->texts);
    free(listing->path);
    free(listing);
}

// ---- Looking up --------------------------------------------------------------------------------

static uint32_t line_in(const struct listing *listing, const struct listing_part *part,
                        uint64_t addr)
{
    uint32_t first = part->first;
    uint32_t n = part->n;
    while (n > 1) { // the last one that begins at `addr` or before it
        uint32_t half = n / 2;
        if (listing->lines.at[first + half].instruction.addr <= addr) {
            first += half;
            n -= half;
        } else {
            n = half;
        }
    }
    if (n == 0) {
        return LISTING_NONE;
    }
    const struct instruction *found = &listing->lines.at[first].instruction;
    return addr >= found->addr && addr - found->addr < found->n_bytes ? first : LISTING_NONE;
}

uint32_t listing_line_at(const struct listing *listing, uint32_t code, uint64_t addr)
{
    for (size_t i = 0; i < listing->parts.n; i++) {
        const struct listing_part *part = &listing->parts.at[i];
        if (part->range.code == code && addr >= part->range.addr && addr < part->range.end) {
            return line_in(listing, part, addr);
        }
    }
    return LISTING_NONE;
}
