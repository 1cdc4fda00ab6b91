#include "archive/names_writer.h"

#include "base/clock.h"
#include "base/text.h"

enum { SLICE_NS = 20 * NS_PER_MS }; // how long a stop may go unnoticed

// ---- Waiting -----------------------------------------------------------------------------------

bool names_writer_is_stopped(const struct names_writer *w)
{
    return w->stop != NULL && atomic_load_explicit(w->stop, memory_order_relaxed);
}

bool names_writer_may_wait(struct names_writer *w, uint64_t now_ns, uint64_t *ret_until_ns)
{
    *ret_until_ns = now_ns + MIN(w->patience_ns, (uint64_t)SLICE_NS);
    return w->patience_ns > 0 && !names_writer_is_stopped(w);
}

void names_writer_account_wait(struct names_writer *w, uint64_t since_ns)
{
    uint64_t waited_ns = clock_now_ns() - since_ns;
    w->patience_ns -= MIN(w->patience_ns, waited_ns);
}

// ---- Putting rows ------------------------------------------------------------------------------

int names_writer_put(struct names_writer *w, enum names_statement which)
{
    int r = run_file_step(w->file, w->statements[which], w->reterr);
    sqlite3_reset(w->statements[which]);
    return r < 0 ? r : 0;
}

void names_bind_number(sqlite3_stmt *statement, int at, uint64_t value)
{
    sqlite3_bind_int64(statement, at, (int64_t)value);
}

void names_bind_unless_0(sqlite3_stmt *statement, int at, uint64_t value)
{
    if (value == 0) {
        sqlite3_bind_null(statement, at);
    } else {
        names_bind_number(statement, at, value);
    }
}

static bool is_utf8(struct slice text)
{
    for (size_t i = 0; i < text.n;) {
        size_t n = utf8_length(text.data + i, text.n - i);
        if (n == 0) {
            return false;
        }
        i += n;
    }
    return true;
}

void names_bind_name(sqlite3_stmt *statement, int at, const char *name)
{
    if (name == NULL) {
        sqlite3_bind_null(statement, at);
        return;
    }
    struct slice text = slice_of_text(name);
    if (is_utf8(text)) {
        sqlite3_bind_text(statement, at, name, (int)text.n, SQLITE_STATIC);
    } else {
        sqlite3_bind_blob(statement, at, name, (int)text.n, SQLITE_STATIC);
    }
}

int names_writer_source_file(struct names_writer *w, const char *path, bool lasts, uint64_t *ret_id)
{
    *ret_id = 0;
    if (path == NULL) {
        return 0;
    }
    uint64_t hash = hash_bytes(path, strlen(path));
    size_t cursor = 0;
    for (uint32_t id; (id = map_find_from(&w->by_path, hash, &cursor)) != MAP_NONE;) {
        if (strcmp(w->paths.at[id - 1], path) == 0) {
            *ret_id = id;
            return 0;
        }
    }
    if (!lasts) {
        vec_push(&w->copies, alloc_text(path, strlen(path)));
        path = *vec_last(&w->copies);
    }
    vec_push(&w->paths, path);
    *ret_id = w->paths.n;
    map_add(&w->by_path, hash, (uint32_t)w->paths.n);
    names_bind_number(w->statements[NAMES_PUT_SOURCE_FILE], 1, w->paths.n);
    names_bind_name(w->statements[NAMES_PUT_SOURCE_FILE], 2, path);
    return names_writer_put(w, NAMES_PUT_SOURCE_FILE);
}

// ---- One image ---------------------------------------------------------------------------------

bool names_work_has_dwarf(const struct names_work *work)
{
    return work->image->kind == IMAGE_FILE && image_has_dwarf(work->image);
}

static int compare_addrs(const void *a, const void *b)
{
    const uint64_t *x = a;
    const uint64_t *y = b;
    return *x < *y ? -1 : *x > *y;
}

void names_sort_addrs(uint64_t *addrs, size_t *n)
{
    if (*n > 1) {
        qsort(addrs, *n, sizeof *addrs, compare_addrs);
    }
    size_t kept = 0;
    for (size_t i = 0; i < *n; i++) {
        if (kept == 0 || addrs[kept - 1] != addrs[i]) {
            addrs[kept++] = addrs[i];
        }
    }
    *n = kept;
}
