// A manifest of rustup: what comes out are digits of a commit, and they stand in it.

#include "code/rust_sources.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char commit[RUST_COMMIT_BYTES];
    memset(commit, 'x', sizeof commit);
    if (rust_manifest_commit((struct slice){.data = data, .n = size}, commit)) {
        size_t n = strnlen(commit, sizeof commit);
        ASSERT(n >= RUST_COMMIT_MIN && n < sizeof commit);
        ASSERT(strspn(commit, "0123456789abcdef") == n);
        ASSERT(memmem(data, size, commit, n) != NULL);
    }
    return 0;
}
