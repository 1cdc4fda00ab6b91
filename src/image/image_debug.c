#include "image/image_debug.h"

#include "base/file.h"
#include "base/limits.h"
#include "image/debug_file.h"
#include "image/debugdata.h"

#include <errno.h>
#include <unistd.h>

void image_debug_free(struct image_debug *debug)
{
    while (debug != NULL) {
        struct image_debug *older = debug->older;
        free(debug->path);
        free(debug);
        debug = older;
    }
}

static struct image_debug *debug_new(const struct debug_file *file)
{
    struct image_debug *debug = NEW(struct image_debug);
    struct stat st;
    debug->path = alloc_text(file->path, strlen(file->path));
    debug->in_own_root = file->in_own_root;
    debug->has_dwarf = file->facts.has_dwarf;
    debug->stamp = fstat(file->fd, &st) == 0 ? image_stamp_of(&st) : (struct image_stamp){0};
    return debug;
}

// ---- Notes -------------------------------------------------------------------------------------

// How many of the symbols are the image's own functions, not stubs that call others.
static size_t count_functions(const struct symtab *symtab)
{
    static const char suffix[] = "@plt";
    size_t n = 0;
    for (size_t i = 0; i < symtab_count(symtab); i++) {
        const char *name = symtab_at(symtab, i)->name;
        size_t length = strlen(name);
        bool is_stub = length > sizeof suffix &&
                       strcmp(name + length + 1 - sizeof suffix, suffix) == 0;
        n += !is_stub;
    }
    return n;
}

static const char *package_hint(const char *path)
{
    static const char *const libc[] = {"libc.so", "ld-linux", "libm.so", "libpthread.so"};
    const char *slash = strrchr(path, '/');
    const char *name = slash == NULL ? path : slash + 1;
    for (size_t i = 0; i < ARRAY_LEN(libc); i++) {
        if (strncmp(name, libc[i], strlen(libc[i])) == 0) {
            return "libc6-dbg";
        }
    }
    return "its -dbgsym package";
}

// `refused`: of a debug file that is there and not the right one; "" for none.
static void note_what_is_missing(const struct image *image, const char *shown,
                                 const struct image_loaded *loaded, const char *refused,
                                 struct err *ret)
{
    size_t n = count_functions(loaded->symtab);
    CLEANUP(text_fini) struct text known = {0};
    if (n == 0) {
        text_addf(&known, "%s has no symbols", shown);
    } else {
        text_addf(&known, "%s is stripped: only its %zu dynamic symbols are known", shown, n);
    }
    if (refused[0] != 0) {
        err_set(ret, 0, "%s; %s", text_get(&known), refused);
    } else {
        err_set(ret, 0,
                "%s; no debug file in STAX_DEBUG_PATH or /usr/lib/debug: install %s, or set "
                "DEBUGINFOD_URLS",
                text_get(&known), package_hint(image->path));
    }
}

// ---- Packed in the image -----------------------------------------------------------------------

static bool read_debugdata(const struct image_file *file, const struct elf_facts *facts,
                           struct text *ret, struct err *reterr)
{
    if (facts->debugdata_bytes == 0) {
        return false;
    }
    if (facts->debugdata_bytes > LIMIT_DEBUGDATA_BYTES) {
        err_set(reterr, EFBIG, "its .gnu_debugdata is larger than %d bytes", LIMIT_DEBUGDATA_BYTES);
        return false;
    }
    size_t n = (size_t)facts->debugdata_bytes;
    CLEANUP(freep) uint8_t *packed = NEW_ARRAY(uint8_t, n);
    struct err err = {0};
    if (pread(file->fd, packed, n, (off_t)facts->debugdata_off) != (ssize_t)n) {
        err_set(reterr, EIO, "its .gnu_debugdata cannot be read");
        return false;
    }
    if (debugdata_unpack((struct slice){.data = packed, .n = n}, ret, &err) < 0) {
        err_set(reterr, EBADMSG, "its .gnu_debugdata %s", err.text);
        return false;
    }
    return true;
}

// ---- Finding -----------------------------------------------------------------------------------

// The names of the image and of one debug file; NULL, and why not.
static struct symtab *merge(const struct image_file *file, const struct elf_source *source,
                            const char *what, struct err *reterr)
{
    struct symtab *symtab = NULL;
    struct err err = {0};
    int r = elf_symbols_merge(file->fd, source, 1, &symtab, &err);
    if (r < 0) {
        err_set(reterr, -r, "%s %s", what, err.text);
    }
    return symtab;
}

static struct symtab *names_of_file(const struct image_file *file, const struct debug_file *found,
                                    struct err *reterr)
{
    CLEANUP(freep) char *shown = image_shown_path(found->path);
    return merge(file, &(struct elf_source){.fd = found->fd}, shown, reterr);
}

static struct symtab *names_of_debugdata(const struct image_file *file,
                                         const struct elf_facts *facts, struct err *reterr)
{
    CLEANUP(text_fini) struct text unpacked = {0};
    if (!read_debugdata(file, facts, &unpacked, reterr)) {
        return NULL;
    }
    struct slice bytes = {.data = (const uint8_t *)text_get(&unpacked), .n = unpacked.n};
    return merge(file, &(struct elf_source){.fd = -1, .bytes = bytes}, "its .gnu_debugdata",
                 reterr);
}

void image_debug_find(const struct image *image, const struct image_file *file,
                      const struct elf_facts *facts, const char *debug_path,
                      struct image_loaded *ret)
{
    if (facts->has_symtab && facts->has_dwarf) {
        return;
    }
    struct debug_search search = {
        .root = image->root, .image_path = image->path, .image = facts, .debug_path = debug_path};
    struct err refused = {0};
    CLEANUP(debug_file_close) struct debug_file found = {0};
    bool is_found = debug_file_find(&search, &found, &refused);
    ret->debug = is_found ? debug_new(&found) : NULL;
    if (facts->has_symtab) {
        return;
    }
    struct symtab *symtab = is_found && found.facts.has_symtab
                                ? names_of_file(file, &found, &refused)
                                : NULL;
    if (symtab == NULL) {
        symtab = names_of_debugdata(file, facts, &refused);
    }
    if (symtab != NULL) {
        symtab_free(ret->symtab);
        ret->symtab = symtab;
        return;
    }
    ret->names_missing = facts->build_id.n > 0;
    struct err *note = ret->debug != NULL ? &ret->debug->note : &ret->note;
    note_what_is_missing(image, file->shown, ret, refused.text, note);
}

// ---- One that has arrived ----------------------------------------------------------------------

static int add(const struct image *image, struct debug_file *file, struct symtab **ret_symtab,
               struct err *reterr)
{
    file->fd = image_root_open_file(NULL, file->path, reterr);
    if (file->fd < 0) {
        return file->fd;
    }
    if (!image->keeps_root) {
        return err_set(reterr, ESTALE,
                       "has arrived too late: its binary can't be reached any more");
    }
    CLEANUP(image_file_close) struct image_file binary = {.fd = -1};
    int r = image_file_open(image, &binary, reterr);
    if (r < 0) {
        return r;
    }
    struct elf_facts facts;
    r = elf_facts_read(binary.fd, &facts, reterr);
    if (r == 0) {
        r = image_file_check(&binary, image, &facts.build_id, reterr);
    }
    if (r == 0) {
        r = debug_file_check(file->fd, &facts, &file->facts, reterr);
    }
    if (r == 0 && file->facts.has_symtab && !facts.has_symtab) {
        *ret_symtab = names_of_file(&binary, file, reterr);
        r = *ret_symtab == NULL ? -ENOEXEC : 0;
    }
    return r;
}

struct image_debug *image_debug_add(const struct image *image, const char *path,
                                    struct symtab **ret_symtab)
{
    struct err err = {0};
    CLEANUP(debug_file_close)
    struct debug_file file = {
        .fd = -1, .path = alloc_text(path, strlen(path)), .in_own_root = true};
    if (add(image, &file, ret_symtab, &err) == 0) {
        return debug_new(&file);
    }
    struct image_debug *refused = NEW(struct image_debug);
    CLEANUP(freep) char *shown = image_shown_path(path);
    err_set(&refused->note, 0, "%s %s", shown, err.text);
    return refused;
}

// ---- DWARF -------------------------------------------------------------------------------------

static int open_debug(const struct image *image, const struct image_debug *debug,
                      struct err *reterr)
{
    const struct image_root *root = debug->in_own_root ? NULL : image->root;
    CLEANUP(closep) int fd = image_root_open_file(root, debug->path, reterr);
    struct stat st;
    if (fd < 0) {
        return fd;
    }
    struct image_stamp stamp = fstat(fd, &st) == 0 ? image_stamp_of(&st) : (struct image_stamp){0};
    return image_stamp_equal(&stamp, &debug->stamp)
               ? take_fd(&fd)
               : err_set(reterr, ESTALE, "%s is another file by now", debug->path);
}

int image_debug_open(const struct image *image, struct err *reterr)
{
    const struct image_debug *debug = atomic_load_explicit(&image->debug, memory_order_acquire);
    bool has_debug = debug != NULL && debug->path != NULL && debug->has_dwarf;
    if (!has_debug && !image->has_dwarf) {
        return err_set(reterr, ENOENT, "%s has no debug information", image->path);
    }
    if (!image->keeps_root && !(has_debug && debug->in_own_root)) {
        return err_set(reterr, ESTALE, "%s can't be reached any more", image->path);
    }
    if (has_debug) {
        return open_debug(image, debug, reterr);
    }
    CLEANUP(image_file_close) struct image_file file = {.fd = -1};
    int r = image_file_open(image, &file, reterr);
    if (r < 0) {
        return r;
    }
    return image_stamp_equal(&file.stamp, &image->stamp)
               ? take_fd(&file.fd)
               : err_set(reterr, ESTALE, "%s is another file by now", file.shown);
}
