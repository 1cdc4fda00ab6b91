#include "code/rust_sources.h"

#include "base/limits.h"
#include "base/text.h"
#include "code/source_file.h"
#include "image/image_file.h"

#include <dirent.h>
#include <stdlib.h>

// ---- What a manifest says ----------------------------------------------------------------------

static bool starts_with(struct slice text, const char *start)
{
    size_t n = strlen(start);
    return text.n >= n && memcmp(text.data, start, n) == 0;
}

static struct slice after(struct slice text, size_t n)
{
    return (struct slice){.data = text.data + n, .n = text.n - n};
}

// Up to the end of the line, which is taken off.
static struct slice take_line(struct slice *text)
{
    const uint8_t *end = text->n == 0 ? NULL : memchr(text->data, '\n', text->n);
    size_t n = end == NULL ? text->n : (size_t)(end - text->data);
    struct slice line = {.data = text->data, .n = n};
    *text = after(*text, end == NULL ? n : n + 1);
    return line;
}

// Hexadecimal digits that something starts with, if they can be a commit's.
static bool take_digits(struct slice text, char to[static RUST_COMMIT_BYTES])
{
    size_t n = 0;
    while (n < text.n && n < RUST_COMMIT_BYTES && text.data[n] != 0 &&
           strchr("0123456789abcdef", text.data[n]) != NULL) {
        n++;
    }
    if (n < RUST_COMMIT_MIN || n >= RUST_COMMIT_BYTES) {
        return false;
    }
    memcpy(to, text.data, n);
    to[n] = 0;
    return true;
}

bool rust_manifest_commit(struct slice manifest, char to[static RUST_COMMIT_BYTES])
{
    static const char whole[] = "git_commit_hash = \"";
    bool inside = false;
    bool found = false;
    while (manifest.n > 0) {
        struct slice line = take_line(&manifest);
        if (starts_with(line, "[")) {
            if (inside) {
                break;
            }
            inside = starts_with(line, "[pkg.rust-src]");
        } else if (inside && starts_with(line, "version = \"")) {
            const uint8_t *bracket = memchr(line.data, '(', line.n);
            if (bracket != NULL && !found) {
                found = take_digits(after(line, (size_t)(bracket - line.data) + 1), to);
            }
        } else if (inside && starts_with(line, whole)) {
            found = take_digits(after(line, sizeof whole - 1), to) || found;
        }
    }
    return found;
}

// ---- What is installed -------------------------------------------------------------------------

void rust_sources_init(struct rust_sources *sources)
{
    *sources = (struct rust_sources){0};
    const char *rustup = getenv("RUSTUP_HOME");
    const char *home = getenv("HOME");
    struct text path = {0};
    if (rustup != NULL && rustup[0] == '/') {
        text_addf(&path, "%s/toolchains", rustup);
    } else if (home != NULL && home[0] == '/') {
        text_addf(&path, "%s/.rustup/toolchains", home);
    }
    sources->path = path.n == 0 ? NULL : text_take(&path);
}

void rust_sources_fini(struct rust_sources *sources)
{
    for (size_t i = 0; i < sources->toolchains.n; i++) {
        free(sources->toolchains.at[i].path);
    }
    vec_fini(&sources->toolchains);
    free(TAKE(sources->path));
}

static struct rust_toolchain *toolchain_of(struct rust_sources *sources, const char *path)
{
    for (size_t i = 0; i < sources->toolchains.n; i++) {
        if (strcmp(sources->toolchains.at[i].path, path) == 0) {
            return &sources->toolchains.at[i];
        }
    }
    if (sources->toolchains.n >= LIMIT_RUST_TOOLCHAINS) {
        return NULL;
    }
    vec_push(&sources->toolchains, (struct rust_toolchain){.path = alloc_text(path, strlen(path))});
    return vec_last(&sources->toolchains);
}

// Reads its manifest if it is another one than before.
static void look_at(struct rust_toolchain *toolchain)
{
    CLEANUP(text_fini) struct text path = {0};
    text_addf(&path, "%s/lib/rustlib/multirust-channel-manifest.toml", toolchain->path);
    struct image_stamp stamp = image_stamp_now(NULL, text_get(&path));
    if (image_stamp_equal(&stamp, &toolchain->stamp)) {
        return;
    }
    toolchain->commit[0] = 0;
    toolchain->stamp = stamp;
    struct source_file *manifest = NULL;
    if (source_file_read(NULL, text_get(&path), &manifest, NULL) == 0) {
        struct slice text = {.data = (const uint8_t *)manifest->text, .n = manifest->n};
        if (!rust_manifest_commit(text, toolchain->commit)) {
            toolchain->commit[0] = 0;
        }
    }
    source_file_free(manifest);
}

static bool is_of_commit(const struct rust_toolchain *toolchain, struct slice commit)
{
    size_t n = strlen(toolchain->commit);
    return n >= RUST_COMMIT_MIN && n <= commit.n && memcmp(toolchain->commit, commit.data, n) == 0;
}

// The file in one toolchain, on the heap, or NULL.
static char *find_in(struct rust_sources *sources, const char *name, struct slice commit,
                     const char *rest)
{
    CLEANUP(text_fini) struct text path = {0};
    text_addf(&path, "%s/%s", sources->path, name);
    struct rust_toolchain *toolchain = toolchain_of(sources, text_get(&path));
    if (toolchain == NULL) {
        return NULL;
    }
    look_at(toolchain);
    if (!is_of_commit(toolchain, commit)) {
        return NULL;
    }
    text_addf(&path, "/lib/rustlib/src/rust/%s", rest);
    struct stat st;
    return image_root_stat(NULL, text_get(&path), &st) == 0 ? text_take(&path) : NULL;
}

char *rust_sources_find(struct rust_sources *sources, struct slice commit, const char *rest)
{
    DIR *entries = sources->path == NULL ? NULL : opendir(sources->path);
    if (entries == NULL) {
        return NULL;
    }
    char *found = NULL;
    for (struct dirent *entry; found == NULL && (entry = readdir(entries)) != NULL;) {
        if (entry->d_name[0] != '.') {
            found = find_in(sources, entry->d_name, commit, rest);
        }
    }
    closedir(entries);
    return found;
}
