#include "code/code_fetch.h"

#include "archive/names_file.h"
#include "base/limits.h"
#include "image/code_bytes.h"

#include <errno.h>
#include <inttypes.h>

void fetched_code_fini(struct fetched_code *code)
{
    text_fini(&code->bytes);
    free(code->path);
}

static char *copy(const char *text)
{
    return alloc_text(text, strlen(text));
}

// ---- JIT ---------------------------------------------------------------------------------------

static void fetch_jit(const struct store *store, const struct listing_range *range,
                      struct fetched_code *ret)
{
    const struct code_row *row = store_code(store, range->code);
    if (row->code == 0) {
        err_set(&ret->note, 0,
                "the JIT told the name of this code, but not its bytes: a perf map has none; a "
                "jitdump has");
        return;
    }
    struct slice bytes = strings_get(&store->strings, row->code);
    // Code that was moved has the bytes of its old place, which need not be as many.
    uint64_t n = MIN((uint64_t)bytes.n, row->size_bytes);
    text_add_bytes(&ret->bytes, bytes.data, (size_t)MIN(n, (uint64_t)LIMIT_LISTING_BYTES));
    ret->origin = CODE_OF_JIT;
}

// ---- A binary ----------------------------------------------------------------------------------

// What is wanted, in the file's own addresses, at most LIMIT_LISTING_BYTES and no more than its
// segment has: symbols may lie about their sizes.
static uint64_t bounded_end(const struct symtab *symtab, uint64_t addr, uint64_t end)
{
    const struct symtab_segment *segments;
    size_t n = symtab_segments(symtab, &segments);
    end = MIN(end, addr + MIN((uint64_t)LIMIT_LISTING_BYTES, UINT64_MAX - addr));
    for (size_t i = 0; i < n; i++) {
        const struct symtab_segment *segment = &segments[i];
        if (addr >= segment->addr && addr - segment->addr < segment->size) {
            return MIN(end, segment->addr + MIN(segment->size, UINT64_MAX - segment->addr));
        }
    }
    return end;
}

static enum code_origin origin_of(const struct image *image)
{
    switch (image->kind) {
    case IMAGE_VDSO:
        return CODE_OF_VDSO;
    case IMAGE_KERNEL:
        return CODE_OF_KERNEL;
    case IMAGE_FILE:
    case IMAGE_ANONYMOUS:
        break;
    }
    return CODE_OF_FILE;
}

static const char *why_not(int r)
{
    return r == -ENODATA  ? "the file has no bytes at these addresses"
           : r == -ESTALE ? "the file has changed while it was read"
                          : strerror(-r);
}

static int fetch_from_binary(const struct image *image, uint64_t addr, uint64_t end,
                             struct fetched_code *ret)
{
    struct code_bytes *code;
    int r = code_bytes_open(image, &code, &ret->note);
    if (r < 0) {
        return r;
    }
    r = code_bytes_read(code, addr, end, &ret->bytes);
    code_bytes_close(code);
    if (r < 0) {
        return err_set(&ret->note, -r, "%s", why_not(r));
    }
    ret->origin = origin_of(image);
    ret->path = copy(image->path);
    return 0;
}

static int fetch_from_run_file(const struct listing_run *run, image_id image, uint64_t addr,
                               uint64_t end, struct fetched_code *ret)
{
    struct run_file file;
    struct err ignored = {0};
    const char *path = run->names_path;
    int r = names_file_open(path, run->store, &file, &ignored);
    if (r < 0) {
        return r;
    }
    r = names_file_code(&file, image, addr, end, &ret->bytes, &ignored);
    if (r < 0 && ret->note.text[0] == 0) {
        names_file_notes(&file, image, &ignored, &ret->note);
    }
    run_file_close(&file);
    if (r == 0) {
        ret->note = (struct err){0};
        ret->origin = CODE_OF_RUN_FILE;
        ret->path = copy(path);
    }
    return r;
}

static void fetch_binary(const struct listing_run *run, const struct listing_wish *wish,
                         const struct listing_range *range, struct fetched_code *ret)
{
    const struct image_row *row = store_image(run->store, wish->image);
    const struct image *image = library_at(run->library, row->library);
    const struct symtab *symtab = image_symtab(image);
    if (symtab == NULL) {
        err_set(&ret->note, 0, "%s", image_note(image));
        return;
    }
    uint64_t addr = range->addr - wish->bias;
    uint64_t whole = range->end - wish->bias;
    uint64_t end = bounded_end(symtab, addr, whole);
    int r = run->library->is_saved ? -ENODATA : fetch_from_binary(image, addr, end, ret);
    if (r < 0 && run->names_path != NULL) {
        r = fetch_from_run_file(run, wish->image, addr, end, ret);
    }
    if (r < 0 && ret->note.text[0] == 0) {
        err_set(&ret->note, 0, "the run file has no code of this function");
    }
    if (r == 0 && end < whole) {
        err_set(&ret->note, 0,
                "its symbol says that it has %" PRIu64 " bytes; these are the first %" PRIu64,
                whole - addr, end - addr);
    }
}

// ---- Any ---------------------------------------------------------------------------------------

void code_fetch(const struct listing_run *run, const struct listing_wish *wish,
                const struct listing_range *range, struct fetched_code *ret)
{
    *ret = (struct fetched_code){.origin = CODE_MISSING};
    if (range->code != CODE_NONE) {
        fetch_jit(run->store, range, ret);
    } else if (image_row_is_binary(store_image(run->store, wish->image))) {
        fetch_binary(run, wish, range, ret);
    } else {
        err_set(&ret->note, 0,
                "no file has this code: it was made at run time, by something that "
                "does not tell what it makes (no jitdump)");
    }
}
