#include "code/source_text.h"

#include "base/limits.h"
#include "code/rust_sources.h"
#include "code/source_file.h"
#include "image/debuginfod_cache.h"
#include "image/image_file.h"

#include <errno.h>
#include <stdio.h>

struct source_texts {
    struct image_root *own; // our own root directory
    struct rust_sources rust;
    VEC(struct source_file *) files;
    uint64_t bytes; // of them
    uint64_t now;   // grows by one with each use of a file
};

struct source_texts *source_texts_new(void)
{
    struct source_texts *texts = NEW(struct source_texts);
    texts->own = image_root_open_directory("/");
    rust_sources_init(&texts->rust);
    return texts;
}

void source_texts_free(struct source_texts *texts)
{
    if (texts == NULL) {
        return;
    }
    for (size_t i = 0; i < texts->files.n; i++) {
        source_file_free(texts->files.at[i]);
    }
    vec_fini(&texts->files);
    rust_sources_fini(&texts->rust);
    image_root_unref(texts->own);
    free(texts);
}

// ---- Files that are kept -----------------------------------------------------------------------

enum { NONE = UINT32_MAX };

static void drop(struct source_texts *texts, size_t i)
{
    texts->bytes -= source_file_bytes(texts->files.at[i]);
    source_file_free(texts->files.at[i]);
    vec_remove_at(&texts->files, i);
}

// Makes room for one more file of so many bytes, at the cost of those used longest ago.
static void make_room(struct source_texts *texts, uint64_t bytes)
{
    while (texts->files.n > 0 &&
           (texts->files.n >= LIMIT_SOURCE_FILES || texts->bytes + bytes > LIMIT_SOURCE_BYTES)) {
        size_t oldest = 0;
        for (size_t i = 1; i < texts->files.n; i++) {
            if (texts->files.at[i]->used < texts->files.at[oldest]->used) {
                oldest = i;
            }
        }
        drop(texts, oldest);
    }
}

static uint32_t find_kept(const struct source_texts *texts, const struct image_root *root,
                          const char *path)
{
    for (size_t i = 0; i < texts->files.n; i++) {
        const struct source_file *file = texts->files.at[i];
        if (file->root == root && strcmp(file->path, path) == 0) {
            return (uint32_t)i;
        }
    }
    return NONE;
}

// The file of that path, as it is now. NULL: there is none; when one is there that can't be used,
// *why says so, unless it says something else already.
static struct source_file *look(struct source_texts *texts, struct image_root *root,
                                const char *path, struct err *why)
{
    uint32_t i = find_kept(texts, root, path);
    if (i != NONE) {
        struct source_file *kept = texts->files.at[i];
        struct image_stamp stamp = image_stamp_now(root, path);
        if (image_stamp_equal(&stamp, &kept->stamp)) {
            kept->used = ++texts->now;
            return kept;
        }
        drop(texts, i);
    }
    struct source_file *file = NULL;
    struct err err = {0};
    int r = source_file_read(root, path, &file, &err);
    if (r < 0) {
        if (r != -ENOENT && r != -ENOTDIR && why->text[0] == 0) {
            *why = err;
        }
        return NULL;
    }
    make_room(texts, source_file_bytes(file));
    vec_push(&texts->files, file);
    texts->bytes += source_file_bytes(file);
    file->used = ++texts->now;
    return file;
}

// ---- Notes -------------------------------------------------------------------------------------

static void add_note(struct text *notes, const char *note)
{
    text_add(notes, notes->n == 0 ? "" : "; ");
    text_add(notes, note);
}

// What is to be said of it depends on who asks.
static void set_note(struct source_file *file, bool may_be_another, bool is_of_another_root,
                     uint64_t built_unix_ns)
{
    CLEANUP(text_fini) struct text notes = {0};
    if (may_be_another && built_unix_ns != 0 && file->changed_unix_ns > built_unix_ns) {
        add_note(&notes, "was changed after the binary was built");
    }
    if (is_of_another_root) {
        add_note(&notes, "is a file of this machine: the process itself sees none");
    }
    if (file->is_cut) {
        text_addf(&notes, "%sis read up to %d MiB only", notes.n == 0 ? "" : "; ",
                  LIMIT_SOURCE_FILE_BYTES >> 20);
    }
    free(file->note);
    file->note = notes.n == 0 ? NULL : text_take(&notes);
}

// ---- Places ------------------------------------------------------------------------------------

static bool is_of_its_own(const struct source_texts *texts, const struct image_root *root)
{
    return root != NULL && root != texts->own;
}

// Places 1 to 3.
static struct source_file *find_as_named(struct source_texts *texts, const struct source_wish *wish,
                                         const char *path, struct err *why)
{
    struct source_file *file = NULL;
    bool is_of_another_root = false;
    CLEANUP(text_fini) struct text moved = {0};
    if (wish->maps != NULL && source_path_substitute(wish->maps, path, &moved)) {
        file = look(texts, texts->own, text_get(&moved), why);
    }
    bool is_absolute = source_path_is_absolute(path);
    if (file == NULL && is_absolute && is_of_its_own(texts, wish->root)) {
        file = look(texts, wish->root, path, why);
        is_of_another_root = file == NULL;
    }
    if (file == NULL && is_absolute) {
        file = look(texts, texts->own, path, why);
    }
    if (file != NULL) {
        set_note(file, true, is_of_another_root, wish->built_unix_ns);
    }
    return file;
}

// Places 4 and 5: what is there is what was compiled.
static struct source_file *find_by_id(struct source_texts *texts, const struct source_wish *wish,
                                      const char *path, struct err *why)
{
    struct source_file *file = NULL;
    struct slice commit;
    const char *rest;
    if (source_path_of_rust(path, &commit, &rest)) {
        CLEANUP(freep) char *found = rust_sources_find(&texts->rust, commit, rest);
        file = found == NULL ? NULL : look(texts, texts->own, found, why);
        if (file == NULL && why->text[0] == 0) {
            err_set(why, ENOENT,
                    "the sources of Rust's library of commit %.9s are not installed (rustup "
                    "component add rust-src)",
                    (const char *)commit.data);
        }
    }
    if (file == NULL && wish->cache_path != NULL && wish->build_id != NULL) {
        CLEANUP(freep)
        char *found = debuginfod_cache_find_source(wish->cache_path, wish->build_id, path);
        file = found == NULL ? NULL : look(texts, texts->own, found, why);
    }
    if (file != NULL) {
        set_note(file, false, false, 0);
    }
    return file;
}

static void say_relative(const char *path, struct err *why)
{
    if (why->text[0] == 0) {
        CLEANUP(freep) char *shown = image_shown_path(path);
        err_set(why, ENOENT,
                "%s is relative to a folder that the build hides (--source-path .=FOLDER)", shown);
    }
}

struct source_file *source_texts_find(struct source_texts *texts, const struct source_wish *wish,
                                      bool *ret_fetch, struct err *ret_why)
{
    *ret_why = (struct err){0};
    CLEANUP(text_fini) struct text path = {0};
    if (!source_path_normalize(wish->path, &path)) {
        CLEANUP(freep) char *shown = image_shown_path(wish->path);
        err_set(ret_why, EINVAL, "%s names no file", shown[0] == 0 ? "\"\"" : shown);
        return NULL;
    }
    bool is_absolute = source_path_is_absolute(text_get(&path));
    struct source_file *file = find_as_named(texts, wish, text_get(&path), ret_why);
    if (file == NULL && is_absolute) {
        file = find_by_id(texts, wish, text_get(&path), ret_why);
    }
    if (file != NULL) {
        *ret_why = (struct err){0};
    } else if (!is_absolute) {
        say_relative(text_get(&path), ret_why);
    } else if (wish->build_id != NULL && wish->build_id->n >= DEBUGINFOD_ID_MIN) {
        *ret_fetch = true;
    }
    return file;
}
