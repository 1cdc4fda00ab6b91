#include "image/saved_inlines.h"

#include "base/limits.h"
#include "base/map.h"

// Two arrays by address, searched by halves, and each chain once: functions have the same ones
// again and again.
//
// Addresses are not kept in a map: who made the file may have chosen them so that all fall into one
// slot.
enum { NO_CHAIN = UINT32_MAX };

struct saved_inlines {
    VEC(uint64_t) addrs;    // ascending
    VEC(uint32_t) chain_of; // or NO_CHAIN
    VEC(struct inline_chain *) chains;
    VEC(struct inline_function *) functions; // chains point to them
    VEC(char *) files;                       // likewise
    struct map by_chain;                     // hash of what is in it -> its number
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
    for (size_t i = 0; i < inlines->files.n; i++) {
        free(inlines->files.at[i]);
    }
    vec_fini(&inlines->files);
    vec_fini(&inlines->functions);
    vec_fini(&inlines->chains);
    vec_fini(&inlines->chain_of);
    vec_fini(&inlines->addrs);
    map_fini(&inlines->by_chain);
    free(inlines);
}

// A text up to a zero byte, copied; NULL when it is empty, or too much.
static char *copy_text(struct saved_inlines *inlines, struct slice text, size_t n_known)
{
    size_t n = text.n == 0 ? 0 : strnlen((const char *)text.data, text.n);
    if (n == 0 || n >= LIMIT_SYMBOL_BYTES || n_known == LIMIT_INLINE_SPANS ||
        inlines->bytes > LIMIT_INLINE_BYTES) {
        return NULL;
    }
    inlines->bytes += n + sizeof(struct inline_function) + sizeof(void *);
    return alloc_text((const char *)text.data, n);
}

bool saved_inlines_add_function(struct saved_inlines *inlines, struct slice name,
                                bool is_linkage_name, enum symbol_lang lang)
{
    char *copy = copy_text(inlines, name, inlines->functions.n);
    if (copy == NULL) {
        return false;
    }
    struct inline_function *function = NEW(struct inline_function);
    *function = (struct inline_function){
        .name = copy, .lang = lang, .is_linkage_name = is_linkage_name};
    vec_push(&inlines->functions, function);
    return true;
}

bool saved_inlines_add_file(struct saved_inlines *inlines, struct slice path)
{
    char *copy = copy_text(inlines, path, inlines->files.n);
    if (copy == NULL) {
        return false;
    }
    vec_push(&inlines->files, copy);
    return true;
}

static uint32_t intern_chain(struct saved_inlines *inlines, const struct inline_function *const *at,
                             const struct inline_call *calls, uint32_t n)
{
    size_t at_bytes = n * sizeof at[0];
    size_t calls_bytes = n * sizeof calls[0];
    uint64_t hash = hash_pair(hash_bytes(at, at_bytes), hash_bytes(calls, calls_bytes));
    size_t cursor = 0;
    for (uint32_t id; (id = map_find_from(&inlines->by_chain, hash, &cursor)) != MAP_NONE;) {
        const struct inline_chain *chain = inlines->chains.at[id];
        if (chain->n == n && memcmp(chain->at, at, at_bytes) == 0 &&
            memcmp(chain->calls, calls, calls_bytes) == 0) {
            return id;
        }
    }
    size_t bytes = sizeof(struct inline_chain) + at_bytes + calls_bytes;
    struct inline_chain *chain = alloc_zeroed(1, bytes);
    chain->n = n;
    memcpy(chain->at, at, at_bytes);
    chain->calls = memcpy((uint8_t *)chain + sizeof *chain + at_bytes, calls, calls_bytes);
    vec_push(&inlines->chains, chain);
    inlines->bytes += bytes + sizeof(struct map_slot);
    uint32_t id = (uint32_t)inlines->chains.n - 1;
    map_add(&inlines->by_chain, hash, id);
    return id;
}

bool saved_inlines_add_chain(struct saved_inlines *inlines, uint64_t addr,
                             const struct saved_inline *levels, uint32_t n)
{
    bool in_order = inlines->addrs.n == 0 || *vec_last(&inlines->addrs) < addr;
    if (n > LIMIT_INLINE_DEPTH || !in_order || inlines->bytes > LIMIT_INLINE_BYTES) {
        return false;
    }
    const struct inline_function *at[LIMIT_INLINE_DEPTH];
    struct inline_call calls[LIMIT_INLINE_DEPTH];
    for (uint32_t i = 0; i < n; i++) {
        bool has_file = levels[i].call_file != SAVED_INLINES_NO_FILE;
        if (levels[i].function >= inlines->functions.n ||
            (has_file && levels[i].call_file >= inlines->files.n)) {
            return false;
        }
        at[i] = inlines->functions.at[levels[i].function];
        calls[i] = (struct inline_call){.file = has_file ? inlines->files.at[levels[i].call_file]
                                                         : NULL,
                                        .line = levels[i].call_line};
    }
    uint32_t chain = n == 0 ? (uint32_t)NO_CHAIN : intern_chain(inlines, at, calls, n);
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
    size_t high = inlines->addrs.n; // the first one behind `addr` is in [low, high]
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (inlines->addrs.at[middle] <= addr) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    uint32_t chain = low == 0 ? (uint32_t)NO_CHAIN : inlines->chain_of.at[low - 1];
    return chain == NO_CHAIN ? NULL : inlines->chains.at[chain];
}
