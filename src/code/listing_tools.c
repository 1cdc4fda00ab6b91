#include "code/listing_tools.h"

#include "base/file.h"
#include "image/image_file.h"

#include <errno.h>
#include <sys/stat.h>

struct listing_tools *listing_tools_new(const _Atomic bool *stop)
{
    struct listing_tools *tools = NEW(struct listing_tools);
    tools->stop = stop;
    tools->sources = source_texts_new();
    return tools;
}

void listing_tools_free(struct listing_tools *tools)
{
    if (tools == NULL) {
        return;
    }
    for (size_t arch = 0; arch < ARRAY_LEN(tools->disasm); arch++) {
        for (size_t syntax = 0; syntax < ARRAY_LEN(tools->disasm[arch]); syntax++) {
            disasm_close(tools->disasm[arch][syntax]);
        }
    }
    for (size_t i = 0; i < ARRAY_LEN(tools->lines); i++) {
        lines_close(tools->lines[i].lines);
    }
    source_texts_free(tools->sources);
    free(tools);
}

bool listing_tools_are_stopped(const struct listing_tools *tools)
{
    return tools->stop != NULL && atomic_load_explicit(tools->stop, memory_order_relaxed);
}

struct disasm *listing_tools_disasm(struct listing_tools *tools, enum arch arch,
                                    enum disasm_syntax syntax, struct err *reterr)
{
    struct disasm **disasm = &tools->disasm[arch][syntax];
    if (*disasm == NULL && disasm_open(arch, syntax, disasm, reterr) < 0) {
        *disasm = NULL;
    }
    return *disasm;
}

// ---- Line tables -------------------------------------------------------------------------------

static bool is_of(const struct open_lines *open, const struct stat *st)
{
    struct image_stamp stamp = image_stamp_of(st);
    return open->lines != NULL && open->device == st->st_dev &&
           image_stamp_equal(&open->stamp, &stamp);
}

static struct open_lines *place_for(struct listing_tools *tools, const struct stat *st)
{
    struct open_lines *oldest = &tools->lines[0];
    for (size_t i = 0; i < ARRAY_LEN(tools->lines); i++) {
        struct open_lines *open = &tools->lines[i];
        if (is_of(open, st)) {
            return open;
        }
        if (open->last_used < oldest->last_used) {
            oldest = open;
        }
    }
    return oldest;
}

struct lines *listing_tools_lines(struct listing_tools *tools, const struct image *image,
                                  struct err *reterr)
{
    CLEANUP(closep) int fd = image_debug_open(image, reterr);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0) {
        return NULL;
    }
    struct open_lines *open = place_for(tools, &st);
    open->last_used = ++tools->uses;
    if (is_of(open, &st)) {
        return open->lines;
    }
    lines_close(TAKE(open->lines));
    const struct image_debug *debug = atomic_load_explicit(&image->debug, memory_order_acquire);
    bool is_ours = debug != NULL && debug->in_own_root;
    if (lines_open(take_fd(&fd), is_ours ? NULL : image->root, tools->stop, &open->lines, reterr) <
        0) {
        open->lines = NULL;
        return NULL;
    }
    open->device = st.st_dev;
    open->stamp = image_stamp_of(&st);
    return open->lines;
}
