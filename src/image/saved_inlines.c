#include "image/saved_inlines.h"

#include "base/limits.h"
#include "base/map.h"

// Two arrays by address, searched by halves, and each chain once: most addresses of a function have
// the same one.
//
// Addresses are not kept in a map: who made the file may have chosen them so that all fall into one
// slot.
struct saved_inlines {
    VEC(uint64_t) addrs; // ascending
    VEC(uint32_t) chain_of;
    VEC(struct inline_chain *) chains;
    VEC(struct inline_function *) functions; // chains point to them
    struct map by_chain;                     // hash of the functions in it -> its number
    uint64_t bytes;
};

struct saved_inlines *saved_inlines_new(void)
{
    return NEW(struct saved_inlines);
}

void saved_inlines_free(struct saved_inlines *inlines)
{
    if (inlines == NULL) {
        return;
    }
    for (size_t i = 0; i < inlines->functions.n; i++) {
        free((char *)(uintptr_t)inlines->functions.at[i]->name);
        free(inlines->functions.at[i]);
    }
    for (size_t i = 0; i < inlines->chains.n; i++) {
        free(inlines->chains.at[i]);
    }
    vec_fini(&inlines->functions);
    vec_fini(&inlines->chains);
    vec_fini(&inlines->chain_of);
    vec_fini(&inlines->addrs);
    map_fini(&inlines->by_chain);
    free(inlines);
}

bool saved_inlines_add_function(struct saved_inlines *inlines, struct slice name,
                                bool is_linkage_name, enum symbol_lang lang)
{
    size_t n = name.n == 0 ? 0 : strnlen((const char *)name.data, name.n);
    if (n == 0 || n >= LIMIT_SYMBOL_BYTES || inlines->functions.n == LIMIT_INLINE_SPANS ||
        inlines->bytes > LIMIT_INLINE_BYTES) {
        return false;
    }
    struct inline_function *function = NEW(struct inline_function);
    *function = (struct inline_function){.name = alloc_text((const char *)name.data, n),
                                         .lang = lang,
                                         .is_linkage_name = is_linkage_name};
    vec_push(&inlines->functions, function);
    inlines->bytes += sizeof *function + n;
    return true;
}

static uint32_t intern_chain(struct saved_inlines *inlines,
                             const struct inline_function *const *functions, uint32_t n)
{
    size_t bytes = n * sizeof functions[0];
    uint64_t hash = hash_bytes(functions, bytes);
    size_t cursor = 0;
    for (uint32_t id; (id = map_find_from(&inlines->by_chain, hash, &cursor)) != MAP_NONE;) {
        const struct inline_chain *chain = inlines->chains.at[id];
        if (chain->n == n && memcmp(chain->at, functions, bytes) == 0) {
            return id;
        }
    }
    struct inline_chain *chain = alloc_zeroed(1, sizeof *chain + bytes);
    chain->n = n;
    memcpy(chain->at, functions, bytes);
    vec_push(&inlines->chains, chain);
    inlines->bytes += sizeof *chain + bytes + sizeof(struct map_slot);
    uint32_t id = (uint32_t)inlines->chains.n - 1;
    map_add(&inlines->by_chain, hash, id);
    return id;
}

bool saved_inlines_add_chain(struct saved_inlines *inlines, uint64_t addr,
                             const uint32_t *functions, uint32_t n)
{
    bool in_order = inlines->addrs.n == 0 || *vec_last(&inlines->addrs) < addr;
    if (n == 0 || n > LIMIT_INLINE_DEPTH || !in_order || inlines->bytes > LIMIT_INLINE_BYTES) {
        return false;
    }
    const struct inline_function *at[LIMIT_INLINE_DEPTH];
    for (uint32_t i = 0; i < n; i++) {
        if (functions[i] >= inlines->functions.n) {
            return false;
        }
        at[i] = inlines->functions.at[functions[i]];
    }
    uint32_t chain = intern_chain(inlines, at, n);
    vec_push(&inlines->addrs, addr);
    vec_push(&inlines->chain_of, chain);
    inlines->bytes += sizeof addr + sizeof chain;
    return true;
}

void saved_inlines_finish(struct saved_inlines *inlines)
{
    map_fini(&inlines->by_chain);
}

const struct inline_chain *saved_inlines_find(const struct saved_inlines *inlines, uint64_t addr)
{
    size_t low = 0;
    size_t high = inlines->addrs.n; // the first one at or behind `addr` is in [low, high]
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (inlines->addrs.at[middle] < addr) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    bool found = low < inlines->addrs.n && inlines->addrs.at[low] == addr;
    return found ? inlines->chains.at[inlines->chain_of.at[low]] : NULL;
}
