// A path, FROM, TO, FROM, TO, …, each up to a zero byte. Whatever comes out is without `..`, and
// stays as it is when it goes in once more; what substitutions make is absolute.

#include "base/limits.h"
#include "code/source_path.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_path(const char *path)
{
    size_t n = strlen(path);
    ASSERT(n > 0 && n < LIMIT_NAME_BYTES);
    ASSERT(n == 1 || path[n - 1] != '/');
    ASSERT(strstr(path, "//") == NULL && strstr(path, "/./") == NULL &&
           strstr(path, "/../") == NULL);
    ASSERT(n < 3 || strcmp(path + n - 3, "/..") != 0);
    ASSERT(n < 2 || strcmp(path + n - 2, "/.") != 0);
    ASSERT(strncmp(path, "./", 2) != 0 && strncmp(path, "../", 3) != 0 && strcmp(path, "..") != 0);
    CLEANUP(text_fini) struct text again = {0};
    ASSERT(source_path_normalize(path, &again) && strcmp(text_get(&again), path) == 0);
}

static void check_rust(const char *path)
{
    struct slice hash;
    const char *rest;
    if (source_path_of_rust(path, &hash, &rest)) {
        ASSERT(hash.n == RUST_HASH_DIGITS && (const char *)hash.data + hash.n + 1 == rest);
        ASSERT(rest[0] != 0 && rest > path && rest < path + strlen(path));
    }
}

static char *next_text(struct reader *bytes)
{
    struct slice text = read_text(bytes);
    return alloc_text(text.n == 0 ? "" : (const char *)text.data, text.n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct reader bytes = reader_of((struct slice){.data = data, .n = size});
    CLEANUP(freep) char *raw = next_text(&bytes);
    struct source_maps maps = {0};
    while (reader_left(&bytes) > 0 && maps.list.n < LIMIT_SOURCE_MAPS) {
        CLEANUP(freep) char *from = next_text(&bytes);
        CLEANUP(freep) char *to = next_text(&bytes);
        source_maps_add(&maps, from, to);
    }
    struct source_maps copy;
    source_maps_copy(&copy, &maps);
    ASSERT(source_maps_equal(&copy, &maps));
    source_maps_fini(&copy);
    CLEANUP(text_fini) struct text path = {0};
    CLEANUP(text_fini) struct text moved = {0};
    if (source_path_normalize(raw, &path)) {
        check_path(text_get(&path));
        check_rust(text_get(&path));
        if (source_path_substitute(&maps, text_get(&path), &moved)) {
            check_path(text_get(&moved));
            ASSERT(source_path_is_absolute(text_get(&moved)));
        }
    } else {
        ASSERT(path.n == 0);
    }
    source_maps_fini(&maps);
    return 0;
}
