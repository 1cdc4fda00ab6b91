#include "image/space.h"

#include "base/limits.h"

static void touch(struct space *space, uint64_t *versions)
{
    space->version = ++*versions;
}

void space_init(struct space *space, uint64_t *versions)
{
    *space = (struct space){0};
    touch(space, versions);
}

void space_fini(struct space *space)
{
    vec_fini(&space->mappings);
}

// The first mapping that ends beyond `addr`; mappings.n when there is none.
static size_t first_beyond(const struct space *space, uint64_t addr)
{
    size_t from = 0;
    for (size_t n = space->mappings.n; n > 0;) {
        size_t half = n / 2;
        if (space->mappings.at[from + half].end <= addr) {
            from += half + 1;
            n -= half + 1;
        } else {
            n = half;
        }
    }
    return from;
}

// Puts `n` mappings in the place of those in [from, to).
static void splice(struct space *space, size_t from, size_t to, const struct mapping *with,
                   size_t n)
{
    size_t n_after = space->mappings.n - to;
    vec_reserve(&space->mappings, from + n + n_after);
    if (n_after > 0) {
        memmove(space->mappings.at + from + n, space->mappings.at + to,
                n_after * sizeof *space->mappings.at);
    }
    if (n > 0) {
        memcpy(space->mappings.at + from, with, n * sizeof *with);
    }
    space->mappings.n = from + n + n_after;
}

// Puts `fresh` (NULL: nothing) in the place of everything in [start, end). Mappings that stick out
// on either side keep what sticks out. False when that would be too many; then nothing changed.
static bool replace(struct space *space, uint64_t *versions, uint64_t start, uint64_t end,
                    const struct mapping *fresh)
{
    size_t from = first_beyond(space, start);
    size_t to = from;
    while (to < space->mappings.n && space->mappings.at[to].start < end) {
        to++;
    }
    struct mapping with[3];
    size_t n = 0;
    if (from < to && space->mappings.at[from].start < start) {
        with[n] = space->mappings.at[from];
        with[n++].end = start;
    }
    if (fresh != NULL) {
        with[n++] = *fresh;
    }
    if (from < to && space->mappings.at[to - 1].end > end) {
        with[n] = space->mappings.at[to - 1];
        with[n].off += end - with[n].start;
        with[n++].start = end;
    }
    if (space->mappings.n - (to - from) + n > LIMIT_MAPPINGS) {
        return false;
    }
    if (from == to && n == 0) {
        return true; // nothing was there: no change
    }
    splice(space, from, to, with, n);
    touch(space, versions);
    return true;
}

bool space_map(struct space *space, uint64_t *versions, uint64_t start, uint64_t size, uint64_t off,
               uint32_t image)
{
    if (size == 0 || size > UINT64_MAX - start) {
        return false;
    }
    struct mapping fresh = {.start = start, .end = start + size, .off = off, .image = image};
    return replace(space, versions, start, fresh.end, &fresh);
}

void space_unmap(struct space *space, uint64_t *versions, uint64_t start, uint64_t size)
{
    if (size == 0) {
        return;
    }
    uint64_t end = start + MIN(size, UINT64_MAX - start);
    if (!replace(space, versions, start, end, NULL)) {
        // A hole in the middle of one mapping, with no room for one more: its rest goes too.
        size_t at = first_beyond(space, start);
        space->mappings.at[at].end = start;
        touch(space, versions);
    }
}

void space_clear(struct space *space, uint64_t *versions)
{
    vec_clear(&space->mappings);
    touch(space, versions);
}

void space_copy(struct space *to, uint64_t *versions, const struct space *from)
{
    if (to != from) {
        splice(to, 0, to->mappings.n, from->mappings.at, from->mappings.n);
    }
    touch(to, versions);
}

const struct mapping *space_find(const struct space *space, uint64_t addr)
{
    size_t at = first_beyond(space, addr);
    if (at == space->mappings.n || space->mappings.at[at].start > addr) {
        return NULL;
    }
    return &space->mappings.at[at];
}
