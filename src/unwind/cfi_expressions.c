#include "unwind/cfi_expressions.h"

#include "base/limits.h"

void cfi_expressions_fini(struct cfi_expressions *expressions)
{
    vec_fini(&expressions->list);
    vec_fini(&expressions->bytes);
    map_fini(&expressions->by_hash);
}

struct slice cfi_expressions_get(const struct cfi_expressions *expressions, int32_t number)
{
    if (number < 0 || (size_t)number >= expressions->list.n) {
        return (struct slice){0};
    }
    const struct cfi_expression *it = &expressions->list.at[number];
    if (it->n == 0) { // perhaps there are no bytes at all
        return (struct slice){0};
    }
    return (struct slice){.data = expressions->bytes.at + it->off, .n = it->n};
}

bool cfi_expressions_add(struct cfi_expressions *expressions, struct slice code, int32_t *ret)
{
    uint64_t hash = hash_bytes(code.data, code.n);
    size_t cursor = 0;
    for (uint32_t found;
         (found = map_find_from(&expressions->by_hash, hash, &cursor)) != MAP_NONE;) {
        if (slice_equal(cfi_expressions_get(expressions, (int32_t)found), code)) {
            *ret = (int32_t)found;
            return true;
        }
    }
    if (expressions->list.n >= LIMIT_CFI_EXPRESSIONS || code.n > LIMIT_CFI_EXPRESSION_BYTES) {
        return false;
    }
    size_t off = expressions->bytes.n;
    vec_reserve(&expressions->bytes, off + code.n);
    if (code.n > 0) {
        memcpy(expressions->bytes.at + off, code.data, code.n);
    }
    expressions->bytes.n += code.n;
    *ret = (int32_t)expressions->list.n;
    map_add(&expressions->by_hash, hash, (uint32_t)expressions->list.n);
    vec_push(&expressions->list,
             (struct cfi_expression){.off = (uint32_t)off, .n = (uint32_t)code.n});
    return true;
}
