#include "code/source_path.h"

#include "base/limits.h"

#include <errno.h>

// ---- Normal form -------------------------------------------------------------------------------

// Takes the last name off a path. False: there is none.
static bool climb(struct text *to)
{
    if (to->n == 0) {
        return false;
    }
    while (to->at[to->n - 1] != '/') {
        to->n--;
    }
    to->n--;
    to->at[to->n] = 0;
    return true;
}

// Adds a slash and one name of a path. False: see source_path_normalize().
static bool add_name(struct text *to, const char *name, size_t n)
{
    if (n == 0 || (n == 1 && name[0] == '.')) {
        return true;
    }
    if (n == 2 && name[0] == '.' && name[1] == '.') {
        return climb(to);
    }
    text_add_char(to, '/');
    text_add_bytes(to, name, n);
    return true;
}

bool source_path_normalize(const char *path, struct text *to)
{
    bool is_absolute = path[0] == '/';
    bool ok = path[0] != 0;
    CLEANUP(text_fini) struct text made = {0};
    while (ok && *path != 0) {
        size_t n = strcspn(path, "/");
        ok = add_name(&made, path, n);
        path += n + (path[n] == '/');
    }
    if (!ok || made.n >= LIMIT_NAME_BYTES) {
        return false;
    }
    if (made.n == 0) {
        text_add(to, is_absolute ? "/" : ".");
    } else {
        text_add(to, text_get(&made) + (is_absolute ? 0 : 1));
    }
    return true;
}

bool source_path_is_absolute(const char *path)
{
    return path[0] == '/';
}

// ---- Substitutions -----------------------------------------------------------------------------

void source_maps_fini(struct source_maps *maps)
{
    for (size_t i = 0; i < maps->list.n; i++) {
        free(maps->list.at[i].from);
        free(maps->list.at[i].to);
    }
    vec_fini(&maps->list);
}

// As normalized paths are written, when it can be; without slashes at its end in any case, but for
// the root directory itself.
static char *tidy(const char *path)
{
    struct text text = {0};
    if (!source_path_normalize(path, &text)) {
        size_t n = strlen(path);
        while (n > 1 && path[n - 1] == '/') {
            n--;
        }
        text_add_bytes(&text, path, n);
    }
    return text_take(&text);
}

void source_maps_add(struct source_maps *maps, const char *from, const char *to)
{
    struct source_map map = {.from = tidy(from), .to = tidy(to)};
    for (size_t i = 0; i < maps->list.n; i++) {
        struct source_map *old = &maps->list.at[i];
        if (strcmp(old->from, map.from) == 0) {
            free(old->from);
            free(old->to);
            *old = map;
            return;
        }
    }
    vec_push(&maps->list, map);
}

int source_map_check(const char *from, const char *to, struct err *reterr)
{
    CLEANUP(text_fini) struct text path = {0};
    if (!source_path_normalize(from, &path)) {
        return err_set(reterr, EINVAL, "\"%s\" can be no part of a source's path", from);
    }
    text_clear(&path);
    if (!source_path_normalize(to, &path) || !source_path_is_absolute(text_get(&path))) {
        return err_set(reterr, EINVAL, "\"%s\" is not an absolute path to look for sources at", to);
    }
    return 0;
}

void source_maps_copy(struct source_maps *to, const struct source_maps *from)
{
    *to = (struct source_maps){0};
    for (size_t i = 0; i < from->list.n; i++) {
        source_maps_add(to, from->list.at[i].from, from->list.at[i].to);
    }
}

bool source_maps_equal(const struct source_maps *a, const struct source_maps *b)
{
    if (a->list.n != b->list.n) {
        return false;
    }
    for (size_t i = 0; i < a->list.n; i++) {
        if (strcmp(a->list.at[i].from, b->list.at[i].from) != 0 ||
            strcmp(a->list.at[i].to, b->list.at[i].to) != 0) {
            return false;
        }
    }
    return true;
}

// How much of a path FROM stands for. False: it does not fit.
static bool fits(const char *from, const char *path, size_t *ret_n)
{
    size_t n = strlen(from);
    if (strcmp(from, ".") == 0) {
        *ret_n = 0;
        return !source_path_is_absolute(path);
    }
    *ret_n = n;
    return n > 0 && strncmp(from, path, n) == 0 &&
           (from[n - 1] == '/' || path[n] == '/' || path[n] == 0);
}

bool source_path_substitute(const struct source_maps *maps, const char *path, struct text *to)
{
    const struct source_map *best = NULL;
    size_t best_n = 0;
    for (size_t i = 0; i < maps->list.n; i++) {
        size_t n;
        if (fits(maps->list.at[i].from, path, &n) && (best == NULL || n > best_n)) {
            best = &maps->list.at[i];
            best_n = n;
        }
    }
    if (best == NULL || !source_path_is_absolute(best->to)) {
        return false;
    }
    CLEANUP(text_fini) struct text made = {0};
    text_addf(&made, "%s/%s", best->to, path + best_n);
    return source_path_normalize(text_get(&made), to);
}

// ---- Rust --------------------------------------------------------------------------------------

bool source_path_of_rust(const char *path, struct slice *ret_hash, const char **ret_rest)
{
    static const char prefix[] = "/rustc/";
    if (strncmp(path, prefix, sizeof prefix - 1) != 0) {
        return false;
    }
    const char *hash = path + sizeof prefix - 1;
    size_t n = strspn(hash, "0123456789abcdef");
    if (n != RUST_HASH_DIGITS || hash[n] != '/' || hash[n + 1] == 0) {
        return false;
    }
    *ret_hash = (struct slice){.data = (const uint8_t *)hash, .n = n};
    *ret_rest = hash + n + 1;
    return true;
}
