#include "archive/load_dictionary.h"

#include "archive/codec.h"
#include "archive/words.h"
#include "base/alloc.h"
#include "base/limits.h"

#include <errno.h>
#include <stdlib.h>

static uint64_t number(sqlite3_stmt *statement, int column)
{
    return (uint64_t)sqlite3_column_int64(statement, column);
}

// An id, or what is none when it is too large for one.
static uint32_t id_at(sqlite3_stmt *statement, int column)
{
    return (uint32_t)MIN(number(statement, column), (uint64_t)UINT32_MAX);
}

// A string that is not there has no bytes.
static string_id string_at(struct loader *loader, sqlite3_stmt *statement, int column)
{
    uint32_t id = id_at(statement, column);
    return id < atomic_load(&loader->run->store->strings.n) ? id : 0;
}

// ---- Plain rows ---------------------------------------------------------------------------------

struct dictionary {
    const char *what;
    const char *sql; // by id
    uint32_t first;
    uint32_t limit;
    // False: refused. NULL: the neutral one.
    bool (*restore)(struct loader *loader, sqlite3_stmt *row);
};

static bool restore_string(struct loader *loader, sqlite3_stmt *row)
{
    return store_restore_string(loader->run->store,
                                row == NULL ? (struct slice){0} : column_slice(row, 1));
}

static bool is_binary(enum image_row_kind kind)
{
    return kind == IMAGE_ROW_FILE || kind == IMAGE_ROW_VDSO || kind == IMAGE_ROW_KERNEL;
}

// Of the files of this machine, whose names stand in for those that the file lacks. One that has
// been changed since the run is not the one.
static uint32_t find_library(struct loader *loader, const struct image_row *image)
{
    const struct store *store = loader->run->store;
    if (loader->root == NULL || !is_binary(image->kind)) {
        return LIBRARY_NONE;
    }
    struct image_identity identity = {
        .kind = image->kind == IMAGE_ROW_FILE   ? IMAGE_FILE
                : image->kind == IMAGE_ROW_VDSO ? IMAGE_VDSO
                                                : IMAGE_KERNEL,
        .path = strings_get(&store->strings, image->path),
        .mapped_unix_ns = store->started_unix_ns,
    };
    if (loader->is_of_another_boot && image->kind == IMAGE_ROW_KERNEL) {
        identity.path = slice_of_text("[kernel of another boot]");
    }
    struct slice build_id = strings_get(&store->strings, image->build_id);
    if (build_id.n <= sizeof identity.build_id.at) {
        memcpy(identity.build_id.at, build_id.data, build_id.n);
        identity.build_id.n = (uint8_t)build_id.n;
    }
    return library_get(loader->files, &identity, loader->root);
}

static bool restore_image(struct loader *loader, sqlite3_stmt *row)
{
    struct image_row image = {.kind = IMAGE_ROW_ANONYMOUS, .library = LIBRARY_NONE};
    if (row != NULL) {
        if (!image_kind_of_word(column_slice(row, 1), &image.kind)) {
            return false;
        }
        image.path = string_at(loader, row, 2);
        image.build_id = string_at(loader, row, 3);
        image.load_bias = number(row, 4);
        image.process = id_at(row, 5);
        image.since_ns = number(row, 6);
        atomic_init(&image.until_ns, number(row, 7));
        image.library = find_library(loader, &image);
    }
    return store_restore_image(loader->run->store, &image);
}

static bool restore_process(struct loader *loader, sqlite3_stmt *row)
{
    struct process_row process = {0};
    atomic_init(&process.main_image, IMAGE_NONE);
    if (row != NULL) {
        process.pid = id_at(row, 1);
        process.parent_pid = id_at(row, 2);
        process.started_ns = number(row, 3);
        atomic_init(&process.ended_ns, number(row, 4));
        atomic_init(&process.name, string_at(loader, row, 5));
        atomic_init(&process.main_image, id_at(row, 6));
    }
    return store_restore_process(loader->run->store, &process);
}

static bool restore_thread(struct loader *loader, sqlite3_stmt *row)
{
    struct thread_row thread = {0};
    if (row != NULL) {
        thread.pid = id_at(row, 1);
        thread.tid = id_at(row, 2);
        thread.process = id_at(row, 3);
        thread.foreign = number(row, 4) != 0;
        thread.started_ns = number(row, 5);
        atomic_init(&thread.ended_ns, number(row, 6));
        atomic_init(&thread.name, string_at(loader, row, 7));
        atomic_init(&thread.off_since_ns, number(row, 8));
        uint64_t what = (uint64_t)id_at(row, 9) << 32 | (number(row, 10) & 0xff) << 8 |
                        (number(row, 11) & 0xff);
        atomic_init(&thread.off_what, what);
    }
    return store_restore_thread(loader->run->store, &thread);
}

static bool restore_code(struct loader *loader, sqlite3_stmt *row)
{
    struct code_row code = {0};
    if (row != NULL) {
        code.process = id_at(row, 1);
        code.addr = number(row, 2);
        code.size_bytes = number(row, 3);
        code.index = number(row, 4);
        code.loaded_ns = number(row, 5);
        atomic_init(&code.ended_ns, number(row, 6));
        code.name = string_at(loader, row, 7);
        code.code = string_at(loader, row, 8);
    }
    return store_restore_code(loader->run->store, &code);
}

// In the order in which they name each other.
static const struct dictionary dictionaries[] = {
    {"strings", "SELECT id, bytes FROM strings ORDER BY id", 1, LIMIT_STRINGS, restore_string},
    {"images",
     "SELECT id, kind, path, build_id, load_bias, process, since_ns, until_ns"
     " FROM images ORDER BY id",
     1, LIMIT_IMAGES, restore_image},
    {"processes",
     "SELECT id, pid, parent_pid, started_ns, ended_ns, name, main_image"
     " FROM processes ORDER BY id",
     0, LIMIT_PROCESSES, restore_process},
    {"threads",
     "SELECT id, pid, tid, process, is_foreign, started_ns, ended_ns, name,"
     " off_since_ns, off_stack, off_reason, off_flags FROM threads ORDER BY id",
     0, LIMIT_THREADS, restore_thread},
    {"functions of JITs",
     "SELECT id, process, addr, size_bytes, number, loaded_ns, ended_ns, name, code"
     " FROM codes ORDER BY id",
     0, LIMIT_JIT_CODES, restore_code},
};

struct progress {
    uint64_t next; // id that is expected
    uint64_t n_missing;
};

// Neutral ones up to `until`. False: not even these are taken.
static bool fill(struct loader *loader, const struct dictionary *d, struct progress *p,
                 uint64_t until)
{
    for (; p->next < until; p->next++) {
        if (!d->restore(loader, NULL)) {
            return false;
        }
        p->n_missing++;
    }
    return true;
}

// False: no more can be taken.
static bool take_row(struct loader *loader, const struct dictionary *d, struct progress *p,
                     sqlite3_stmt *row)
{
    uint64_t id = number(row, 0);
    if (id < p->next || id >= d->limit || !fill(loader, d, p, id)) {
        return false;
    }
    if (!d->restore(loader, row)) {
        return fill(loader, d, p, id + 1);
    }
    p->next = id + 1;
    return true;
}

static int load_dictionary(struct loader *loader, const struct dictionary *d, struct err *reterr)
{
    CLEANUP(statementp) sqlite3_stmt *statement = NULL;
    struct progress p = {.next = d->first};
    int r = run_file_prepare(loader->file, d->sql, &statement, reterr);
    while (r == 0) {
        r = p.next % 4096 == 0 ? loader_check_stop(loader, reterr) : 0;
        if (r == 0) {
            r = run_file_step(loader->file, statement, reterr);
        }
        if (r <= 0) {
            break;
        }
        r = 0;
        if (!take_row(loader, d, &p, statement)) {
            p.n_missing++; // at least
            break;
        }
    }
    if (is_damage(r)) {
        p.n_missing++; // likewise
        r = 0;
    }
    loader_miss(loader, d->what, p.n_missing);
    return r;
}

// ---- The tree -----------------------------------------------------------------------------------

struct tree_table {
    const char *what;
    const char *sql;
    uint64_t limit;
    // Into `loader`'s memory for a chunk, then from there row by row.
    int (*parse)(struct slice data, void *memory, uint64_t first, size_t n);
    // False: refused. NULL: the neutral one.
    bool (*restore)(struct store *store, const void *memory, size_t i);
};

static int parse_frames(struct slice data, void *memory, uint64_t first, size_t n)
{
    (void)first;
    return codec_parse_frames(data, memory, n);
}

static bool restore_frame(struct store *store, const void *memory, size_t i)
{
    const struct frame_row *frames = memory;
    return store_restore_frame(store, frames == NULL ? &(struct frame_row){0} : &frames[i]);
}

static int parse_stacks(struct slice data, void *memory, uint64_t first, size_t n)
{
    return codec_parse_nodes(data, memory, (stack_id)first, n);
}

static bool restore_stack(struct store *store, const void *memory, size_t i)
{
    const struct stack_row *stacks = memory;
    return store_restore_node(store, stacks == NULL ? &(struct stack_row){0} : &stacks[i]);
}

static const struct tree_table tree_tables[] = {
    {"frames", "SELECT first, n, data FROM frames ORDER BY first", LIMIT_FRAMES, parse_frames,
     restore_frame},
    {"stacks", "SELECT first, n, data FROM stacks ORDER BY first", LIMIT_STACK_NODES, parse_stacks,
     restore_stack},
};

// Rows [p->next, until), of `memory` or neutral.
static bool restore_tree_rows(struct loader *loader, const struct tree_table *t, struct progress *p,
                              uint64_t until, const void *memory)
{
    struct store *store = loader->run->store;
    for (size_t i = 0; p->next < until; i++, p->next++) {
        bool is_known = memory != NULL && t->restore(store, memory, i);
        if (!is_known) {
            p->n_missing++;
            if (!t->restore(store, NULL, 0)) {
                return false;
            }
        }
    }
    return true;
}

static bool take_piece(struct loader *loader, const struct tree_table *t, struct progress *p,
                       sqlite3_stmt *row, void *memory)
{
    uint64_t first = number(row, 0);
    uint64_t n = number(row, 1);
    if (first < p->next || first >= t->limit || n == 0 ||
        n > COLUMN_CHUNK_ROWS - first % COLUMN_CHUNK_ROWS ||
        !restore_tree_rows(loader, t, p, first, NULL)) {
        return false;
    }
    bool is_sound = t->parse(column_slice(row, 2), memory, first, n) == 0;
    return restore_tree_rows(loader, t, p, first + n, is_sound ? memory : NULL);
}

static int load_tree_table(struct loader *loader, const struct tree_table *t, struct err *reterr)
{
    CLEANUP(statementp) sqlite3_stmt *statement = NULL;
    size_t row_bytes = MAX(sizeof(struct frame_row), sizeof(struct stack_row));
    CLEANUP(freep) void *memory = alloc_zeroed(COLUMN_CHUNK_ROWS, row_bytes);
    struct progress p = {.next = 1};
    int r = run_file_prepare(loader->file, t->sql, &statement, reterr);
    while (r == 0) {
        r = loader_check_stop(loader, reterr);
        if (r == 0) {
            r = run_file_step(loader->file, statement, reterr);
        }
        if (r <= 0) {
            break;
        }
        r = 0;
        if (!take_piece(loader, t, &p, statement, memory)) {
            p.n_missing++; // at least
            break;
        }
    }
    if (is_damage(r)) {
        p.n_missing++; // likewise
        r = 0;
    }
    loader_miss(loader, t->what, p.n_missing);
    return r;
}

int load_dictionaries(struct loader *loader, struct err *reterr)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < ARRAY_LEN(dictionaries); i++) {
        r = load_dictionary(loader, &dictionaries[i], reterr);
    }
    for (size_t i = 0; r == 0 && i < ARRAY_LEN(tree_tables); i++) {
        r = load_tree_table(loader, &tree_tables[i], reterr);
    }
    return r;
}
