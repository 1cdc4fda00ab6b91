#include "code/source_file.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/limits.h"
#include "image/image_file.h"

#include <errno.h>
#include <unistd.h>

enum { CHUNK_BYTES = 1 << 20 };

static int refuse(const char *path, int number, struct err *reterr)
{
    CLEANUP(freep) char *shown = image_shown_path(path);
    switch (number) {
    case ENOEXEC:
        return err_set(reterr, number, "%s is not a regular file", shown);
    case EILSEQ:
        return err_set(reterr, number, "%s is not a text", shown);
    case ENODATA:
        return err_set(reterr, number, "%s is empty", shown);
    default:
        return err_set(reterr, number, "cannot read %s: %s", shown, strerror(number));
    }
}

// ---- Reading -----------------------------------------------------------------------------------

// One that grows meanwhile is as long as it was, one that shrinks has what was read. In pieces, so
// that little is read of what is no text. 0 or a negative errno.
static int read_text_of(struct source_file *file, int fd)
{
    size_t size = MIN(file->stamp.size, (uint64_t)LIMIT_SOURCE_FILE_BYTES);
    file->is_cut = size < file->stamp.size;
    file->text = alloc_resize(NULL, size, 1);
    while (file->n < size) {
        char *to = file->text + file->n;
        ssize_t n = read(fd, to, MIN(size - file->n, (size_t)CHUNK_BYTES));
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return -errno;
        }
        if (n == 0) {
            break;
        }
        if (memchr(to, 0, (size_t)n) != NULL) {
            return -EILSEQ;
        }
        file->n += (size_t)n;
    }
    return file->n == 0 ? -ENODATA : 0;
}

static void find_lines(struct source_file *file)
{
    static const char byte_order_mark[] = "\xef\xbb\xbf";
    const char *end = file->text + file->n;
    size_t n_lines = 1;
    for (const char *at = file->text; (at = memchr(at, '\n', (size_t)(end - at))) != NULL; at++) {
        n_lines++;
    }
    vec_reserve(&file->starts, n_lines);
    bool marked = file->n >= 3 && memcmp(file->text, byte_order_mark, 3) == 0;
    const char *at = file->text + (marked ? 3 : 0);
    while (at != NULL && at < end) {
        vec_push(&file->starts, (uint32_t)(at - file->text));
        at = memchr(at, '\n', (size_t)(end - at));
        at = at == NULL ? NULL : at + 1;
    }
}

static int read_open(struct source_file *file, int fd)
{
    struct stat st;
    if (fstat(fd, &st) < 0) {
        return -errno;
    }
    file->stamp = image_stamp_of(&st);
    file->changed_unix_ns = (uint64_t)MAX(st.st_mtim.tv_sec, (time_t)0) * NS_PER_S +
                            (uint64_t)st.st_mtim.tv_nsec;
    int r = read_text_of(file, fd);
    if (r == 0) {
        find_lines(file);
    }
    return r;
}

int source_file_read(struct image_root *root, const char *path, struct source_file **ret,
                     struct err *reterr)
{
    CLEANUP(closep) int fd = image_root_open_file(root, path, NULL);
    if (fd < 0) {
        return refuse(path, -fd, reterr);
    }
    struct source_file *file = NEW(struct source_file);
    file->root = image_root_ref(root);
    file->path = alloc_text(path, strlen(path));
    int r = read_open(file, fd);
    if (r < 0) {
        source_file_free(file);
        return refuse(path, -r, reterr);
    }
    *ret = file;
    return 0;
}

void source_file_free(struct source_file *file)
{
    if (file == NULL) {
        return;
    }
    image_root_unref(file->root);
    free(file->path);
    free(file->text);
    free(file->note);
    vec_fini(&file->starts);
    free(file);
}

uint64_t source_file_bytes(const struct source_file *file)
{
    return sizeof *file + file->n + file->starts.room * sizeof file->starts.at[0];
}

// ---- What others see of it ---------------------------------------------------------------------

// How much of a line that is too long is shown: no character is cut in two.
static size_t cut(const uint8_t *line, size_t n)
{
    if (n <= LIMIT_SOURCE_LINE_BYTES) {
        return n;
    }
    size_t end = LIMIT_SOURCE_LINE_BYTES;
    for (size_t back = 1; back < 4; back++) {
        size_t at = end - back;
        if (utf8_length(line + at, n - at) > back) {
            return at;
        }
    }
    return end;
}

bool source_file_line(const struct source_file *file, uint32_t line, struct slice *ret)
{
    if (line == 0 || line > file->starts.n) {
        return false;
    }
    size_t start = file->starts.at[line - 1];
    size_t end = line < file->starts.n ? file->starts.at[line] : file->n;
    const uint8_t *text = (const uint8_t *)file->text;
    if (end > start && text[end - 1] == '\n') {
        end--;
    }
    if (end > start && text[end - 1] == '\r') {
        end--;
    }
    *ret = (struct slice){.data = text + start, .n = cut(text + start, end - start)};
    return true;
}

const char *source_file_path(const struct source_file *file)
{
    return file->path;
}

const char *source_file_note(const struct source_file *file)
{
    return file->note == NULL ? "" : file->note;
}
