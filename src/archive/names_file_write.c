#include "archive/names_file.h"

#include "archive/codec.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/map.h"
#include "image/code_bytes.h"

// One image after the other:
//
//     frames of all images, sorted ──► offsets of one image ──► addresses ──► symbols ──► lines,
//     code
//                                                                   └──► inlined functions
//
// What an address means is found out as query/names.c does it, with the same tables.

enum {
    SLICE_NS = 20 * NS_PER_MS, // how long a stop may go unnoticed
    BATCH_MAX = 1 << 14,       // addresses
};

enum statement {
    PUT_STATE,
    PUT_IMAGE,
    PUT_SEGMENT,
    PUT_SYMBOL,
    PUT_FUNCTION,
    PUT_INLINED,
    PUT_SOURCE_FILE,
    PUT_LINE,
    PUT_CODE,
    N_STATEMENTS
};

static const char *const statement_sql[N_STATEMENTS] = {
    [PUT_STATE] = "INSERT OR REPLACE INTO names_state VALUES(1, ?)",
    [PUT_IMAGE] = "INSERT INTO image_names VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)",
    [PUT_SEGMENT] = "INSERT INTO segments VALUES(?, ?, ?, ?, ?, ?)",
    [PUT_SYMBOL] = "INSERT INTO symbols VALUES(?, ?, ?, ?, ?)",
    [PUT_FUNCTION] = "INSERT INTO inlined_functions VALUES(?, ?, ?, ?, ?)",
    [PUT_INLINED] = "INSERT INTO inlined VALUES(?, ?, ?, ?, ?, ?)",
    [PUT_SOURCE_FILE] = "INSERT INTO source_files VALUES(?, ?)",
    // Functions that lie in each other have rows in common.
    [PUT_LINE] = "INSERT OR IGNORE INTO lines VALUES(?, ?, ?, ?, ?)",
    [PUT_CODE] = "INSERT INTO code VALUES(?, ?, ?, ?)",
};

struct place {
    image_id image;
    uint64_t off;
};

struct writer {
    struct run_file *file;
    const struct store *store;
    struct library *library;
    const _Atomic bool *stop;
    uint64_t patience_ns; // that is left
    bool complete;
    struct names_file_counts *counts;
    struct err *reterr;
    sqlite3_stmt *statements[N_STATEMENTS];
    VEC(struct place) places; // of all frames, sorted, each once
    VEC(const char *) paths;  // of source files: what was written, borrowed or owned by `copies`
    VEC(char *) copies;       // of paths whose file is closed again
    struct map by_path;       // hash of the path -> its id
};

// What is known of one image while it is written.
struct image_work {
    image_id id;
    const struct image *image;
    const struct symtab *symtab;        // NULL: it has failed, or is not there yet
    VEC(uint64_t) addrs;                // of frames: ascending, each once
    VEC(const struct symbol *) symbols; // that these lie in: ascending, each once
    VEC(struct inline_batch *) answers; // what is inlined at the addresses
    struct map function_ids;            // address of an inline_function -> its number
    uint32_t n_functions;
    struct err inline_note;
    struct err line_note;
    struct err code_note;
};

static void work_fini(struct image_work *work)
{
    vec_fini(&work->addrs);
    vec_fini(&work->symbols);
    for (size_t i = 0; i < work->answers.n; i++) {
        inline_batch_free(work->answers.at[i]);
    }
    vec_fini(&work->answers);
    map_fini(&work->function_ids);
}

// ---- Putting rows ------------------------------------------------------------------------------

static void bind_number(sqlite3_stmt *statement, int at, uint64_t value)
{
    sqlite3_bind_int64(statement, at, (int64_t)value);
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

// Borrowed until the row is put. NULL for NULL.
static void bind_name(sqlite3_stmt *statement, int at, const char *name)
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

static int put(struct writer *w, enum statement which)
{
    int r = run_file_step(w->file, w->statements[which], w->reterr);
    sqlite3_reset(w->statements[which]);
    return r < 0 ? r : 0;
}

static int put_state(struct writer *w, bool complete)
{
    bind_number(w->statements[PUT_STATE], 1, complete);
    return put(w, PUT_STATE);
}

// ---- Which frames? -----------------------------------------------------------------------------

static const struct image *library_image(const struct writer *w, image_id id)
{
    const struct image_row *row = store_image(w->store, id);
    uint32_t n = atomic_load_explicit(&w->library->n, memory_order_acquire);
    return image_row_is_binary(row) && row->library < n ? library_at(w->library, row->library)
                                                        : NULL;
}

static int compare_places(const void *a, const void *b)
{
    const struct place *x = a;
    const struct place *y = b;
    if (x->image != y->image) {
        return x->image < y->image ? -1 : 1;
    }
    return x->off < y->off ? -1 : x->off > y->off;
}

static void collect_places(struct writer *w)
{
    uint32_t n = atomic_load_explicit(&w->store->stacks.n_frames, memory_order_acquire);
    for (frame_id id = 0; id < n; id++) {
        const struct frame_row *row = stacks_get_frame(&w->store->stacks, id);
        if (library_image(w, row->image) != NULL) {
            vec_push(&w->places, (struct place){.image = row->image, .off = row->off});
        }
    }
    if (w->places.n > 1) {
        qsort(w->places.at, w->places.n, sizeof *w->places.at, compare_places);
    }
    size_t kept = 0;
    for (size_t i = 0; i < w->places.n; i++) {
        if (kept == 0 || compare_places(&w->places.at[kept - 1], &w->places.at[i]) != 0) {
            w->places.at[kept++] = w->places.at[i];
        }
    }
    w->places.n = kept;
}

// One past the last place of the image that the place `from` is of.
static size_t end_of_image(const struct writer *w, size_t from)
{
    size_t to = from;
    while (to < w->places.n && w->places.at[to].image == w->places.at[from].image) {
        to++;
    }
    return to;
}

// All at once, so that the hottest is read first.
static void want_all(struct writer *w)
{
    for (size_t i = 0; i < w->places.n; i = end_of_image(w, i)) {
        library_want(w->library, store_image(w->store, w->places.at[i].image)->library);
    }
}

// ---- Waiting -----------------------------------------------------------------------------------

static bool is_stopped(const struct writer *w)
{
    return w->stop != NULL && atomic_load_explicit(w->stop, memory_order_relaxed);
}

// Whether to wait for a bit longer, and until when.
static bool may_wait(struct writer *w, uint64_t now_ns, uint64_t *ret_until_ns)
{
    *ret_until_ns = now_ns + MIN(w->patience_ns, (uint64_t)SLICE_NS);
    return w->patience_ns > 0 && !is_stopped(w);
}

static void account_wait(struct writer *w, uint64_t since_ns)
{
    uint64_t waited_ns = clock_now_ns() - since_ns;
    w->patience_ns -= MIN(w->patience_ns, waited_ns);
}

// Whether it is READY or FAILED.
static bool await_symbols(struct writer *w, uint32_t library_id)
{
    for (;;) {
        uint64_t now_ns = clock_now_ns();
        uint64_t until_ns;
        bool wait = may_wait(w, now_ns, &until_ns);
        if (library_await_symbols(w->library, library_id, wait ? until_ns : 0)) {
            return true;
        }
        if (!wait) {
            return false;
        }
        account_wait(w, now_ns);
    }
}

// The next answer; NULL: nobody waits for it any more.
static struct inline_batch *await_answer(struct writer *w, struct inline_mailbox *mailbox)
{
    for (;;) {
        uint64_t now_ns = clock_now_ns();
        uint64_t until_ns;
        bool wait = may_wait(w, now_ns, &until_ns);
        bool is_closed;
        struct inline_batch *batch = queue_pop_until(&mailbox->answered, wait ? until_ns : 0,
                                                     &is_closed);
        if (batch != NULL || !wait) {
            return batch;
        }
        account_wait(w, now_ns);
    }
}

// ---- Symbols -----------------------------------------------------------------------------------

static int compare_u64(const void *a, const void *b)
{
    const uint64_t *x = a;
    const uint64_t *y = b;
    return *x < *y ? -1 : *x > *y;
}

static int compare_symbols(const void *a, const void *b)
{
    const struct symbol *const *x = a;
    const struct symbol *const *y = b;
    return (*x)->addr < (*y)->addr ? -1 : (*x)->addr > (*y)->addr;
}

// The addresses of the places [from, to), all of one image.
static void find_addrs(const struct writer *w, size_t from, size_t to, struct image_work *work)
{
    for (size_t i = from; i < to; i++) {
        uint64_t addr;
        if (symtab_addr_of_off(work->symtab, w->places.at[i].off, &addr)) {
            vec_push(&work->addrs, addr);
        }
    }
    if (work->addrs.n > 1) {
        qsort(work->addrs.at, work->addrs.n, sizeof *work->addrs.at, compare_u64);
    }
    size_t kept = 0;
    for (size_t i = 0; i < work->addrs.n; i++) {
        if (kept == 0 || work->addrs.at[kept - 1] != work->addrs.at[i]) {
            work->addrs.at[kept++] = work->addrs.at[i];
        }
    }
    work->addrs.n = kept;
}

static void find_symbols(struct image_work *work)
{
    for (size_t i = 0; i < work->addrs.n; i++) {
        const struct symbol *symbol = symtab_find(work->symtab, work->addrs.at[i]);
        if (symbol != NULL && (work->symbols.n == 0 || *vec_last(&work->symbols) != symbol)) {
            vec_push(&work->symbols, symbol);
        }
    }
    if (work->symbols.n > 1) {
        qsort(work->symbols.at, work->symbols.n, sizeof *work->symbols.at, compare_symbols);
    }
    size_t kept = 0;
    for (size_t i = 0; i < work->symbols.n; i++) {
        if (kept == 0 || work->symbols.at[kept - 1] != work->symbols.at[i]) {
            work->symbols.at[kept++] = work->symbols.at[i];
        }
    }
    work->symbols.n = kept;
}

static int put_segments(struct writer *w, const struct image_work *work)
{
    const struct symtab_segment *segments;
    size_t n = symtab_segments(work->symtab, &segments);
    for (size_t i = 0; i < n; i++) {
        sqlite3_stmt *statement = w->statements[PUT_SEGMENT];
        bind_number(statement, 1, work->id);
        bind_number(statement, 2, i);
        bind_number(statement, 3, segments[i].file_off);
        bind_number(statement, 4, segments[i].size);
        bind_number(statement, 5, segments[i].addr);
        bind_number(statement, 6, segments[i].executable);
        int r = put(w, PUT_SEGMENT);
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

static int put_symbols(struct writer *w, const struct image_work *work)
{
    for (size_t i = 0; i < work->symbols.n; i++) {
        const struct symbol *symbol = work->symbols.at[i];
        sqlite3_stmt *statement = w->statements[PUT_SYMBOL];
        bind_number(statement, 1, work->id);
        bind_number(statement, 2, symbol->addr);
        bind_number(statement, 3, symbol->end - symbol->addr);
        bind_name(statement, 4, symbol->name);
        bind_name(statement, 5, symbol->module);
        int r = put(w, PUT_SYMBOL);
        if (r < 0) {
            return r;
        }
        w->counts->symbols++;
    }
    return 0;
}

// ---- Source files ------------------------------------------------------------------------------

// The id of the path, 0 for NULL. `lasts`: as long as the library does.
static int source_file(struct writer *w, const char *path, bool lasts, uint64_t *ret_id)
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
    bind_number(w->statements[PUT_SOURCE_FILE], 1, w->paths.n);
    bind_name(w->statements[PUT_SOURCE_FILE], 2, path);
    return put(w, PUT_SOURCE_FILE);
}

static void bind_file(sqlite3_stmt *statement, int at, uint64_t id)
{
    if (id == 0) {
        sqlite3_bind_null(statement, at);
    } else {
        bind_number(statement, at, id);
    }
}

// ---- Inlined functions -------------------------------------------------------------------------

// Its number in this image; written when it is new.
static int function_number(struct writer *w, struct image_work *work,
                           const struct inline_function *function, uint32_t *ret)
{
    uint64_t key = (uint64_t)(uintptr_t)function;
    *ret = map_find(&work->function_ids, key);
    if (*ret != MAP_NONE) {
        return 0;
    }
    *ret = work->n_functions++;
    map_set(&work->function_ids, key, *ret);
    sqlite3_stmt *statement = w->statements[PUT_FUNCTION];
    bind_number(statement, 1, work->id);
    bind_number(statement, 2, *ret);
    bind_name(statement, 3, function->name);
    bind_number(statement, 4, function->is_linkage_name);
    bind_name(statement, 5, symbol_lang_name(function->lang));
    return put(w, PUT_FUNCTION);
}

static int put_level(struct writer *w, struct image_work *work, uint64_t addr,
                     const struct inline_chain *chain, uint32_t depth)
{
    struct inline_call call = chain->calls == NULL ? (struct inline_call){0} : chain->calls[depth];
    uint32_t function;
    uint64_t file = 0;
    int r = function_number(w, work, chain->at[depth], &function);
    r = r < 0 ? r : source_file(w, call.file, true, &file);
    if (r < 0) {
        return r;
    }
    sqlite3_stmt *statement = w->statements[PUT_INLINED];
    bind_number(statement, 1, work->id);
    bind_number(statement, 2, addr);
    bind_number(statement, 3, depth);
    bind_number(statement, 4, function);
    bind_file(statement, 5, file);
    bind_file(statement, 6, call.line);
    w->counts->inlined++;
    return put(w, PUT_INLINED);
}

static int put_batch(struct writer *w, struct image_work *work, const struct inline_batch *batch)
{
    for (size_t i = 0; i < batch->at.n; i++) {
        const struct inline_chain *chain = batch->at.at[i].chain;
        for (uint32_t depth = 0; chain != NULL && depth < chain->n; depth++) {
            int r = put_level(w, work, batch->at.at[i].addr, chain, depth);
            if (r < 0) {
                return r;
            }
        }
    }
    if (batch->note.text[0] != 0) {
        work->inline_note = batch->note;
    }
    return 0;
}

static bool has_dwarf(const struct image_work *work)
{
    return work->image->kind == IMAGE_FILE && image_has_dwarf(work->image);
}

// How many batches are under way.
static size_t send_questions(struct writer *w, const struct image_work *work,
                             struct inline_mailbox *mailbox)
{
    struct image *image = library_at(w->library, work->image->id);
    size_t n_batches = 0;
    for (size_t i = 0; i < work->addrs.n; n_batches++) {
        struct inline_batch *batch = inline_batch_new(image, mailbox);
        for (; i < work->addrs.n && batch->at.n < BATCH_MAX; i++) {
            vec_push(&batch->at, (struct inline_address){.addr = work->addrs.at[i]});
        }
        library_want_inlines(w->library, batch);
    }
    return n_batches;
}

// What nobody waits for any more is freed when it comes back.
static void ask_for_inlined(struct writer *w, struct image_work *work)
{
    if (!has_dwarf(work)) {
        return;
    }
    struct inline_mailbox *mailbox = inline_mailbox_new(NULL, NULL);
    for (size_t n = send_questions(w, work, mailbox); n > 0; n--) {
        struct inline_batch *batch = await_answer(w, mailbox);
        if (batch == NULL) {
            w->complete = false;
            break;
        }
        vec_push(&work->answers, batch);
    }
    inline_mailbox_close(mailbox);
}

static int put_inlined(struct writer *w, struct image_work *work)
{
    int r = 0;
    for (size_t i = 0; i < work->answers.n && r == 0; i++) {
        r = put_batch(w, work, work->answers.at[i]);
    }
    return r;
}

// ---- Lines -------------------------------------------------------------------------------------

static struct lines *open_lines(const struct writer *w, struct image_work *work)
{
    struct err err = {0};
    struct lines *lines = NULL;
    int fd = image_debug_open(work->image, &work->line_note);
    if (fd >= 0) {
        // A file that is not ours could be opened: so the image has kept its root.
        const struct image_debug *debug = atomic_load_explicit(&work->image->debug,
                                                               memory_order_acquire);
        bool is_ours = debug != NULL && debug->in_own_root;
        if (lines_open(fd, is_ours ? NULL : work->image->root, w->stop, &lines, &err) < 0) {
            work->line_note = err;
        }
    }
    return lines;
}

static int put_rows(struct writer *w, const struct image_work *work, const struct line_rows *rows)
{
    for (size_t i = 0; i < rows->list.n; i++) {
        const struct line_row *row = &rows->list.at[i];
        uint64_t file;
        int r = source_file(w, row->file, false, &file);
        if (r < 0) {
            return r;
        }
        sqlite3_stmt *statement = w->statements[PUT_LINE];
        bind_number(statement, 1, work->id);
        bind_number(statement, 2, row->addr);
        bind_file(statement, 3, file);
        bind_number(statement, 4, row->line);
        bind_number(statement, 5, row->column);
        r = put(w, PUT_LINE);
        if (r < 0) {
            return r;
        }
    }
    w->counts->lines += rows->list.n;
    return 0;
}

static int put_lines_of(struct writer *w, struct image_work *work, struct lines *lines)
{
    int r = 0;
    struct line_rows rows = {0};
    for (size_t i = 0; i < work->symbols.n && r == 0 && !is_stopped(w); i++) {
        const struct symbol *symbol = work->symbols.at[i];
        if (symbol->end - symbol->addr > LIMIT_SAVED_FUNCTION_BYTES) {
            err_set(&work->line_note, 0,
                    "has functions that are too large: their lines are not saved");
            continue;
        }
        if (w->counts->lines > LIMIT_SAVED_LINES) {
            err_set(&work->line_note, 0, "has lines that are missing: more than %d are saved",
                    LIMIT_SAVED_LINES);
            break;
        }
        vec_clear(&rows.list);
        lines_find(lines, symbol->addr, symbol->end, &rows);
        r = put_rows(w, work, &rows);
    }
    vec_fini(&rows.list);
    return r;
}

static int put_lines(struct writer *w, struct image_work *work)
{
    if (!has_dwarf(work) || is_stopped(w)) {
        return 0;
    }
    struct lines *lines = open_lines(w, work);
    if (lines == NULL) {
        return 0;
    }
    int r = put_lines_of(w, work, lines);
    if (work->line_note.text[0] == 0) {
        lines_note(lines, &work->line_note);
    }
    lines_close(lines);
    return r;
}

// ---- Code --------------------------------------------------------------------------------------

static int put_function(struct writer *w, const struct image_work *work,
                        const struct symbol *symbol, const struct text *bytes)
{
    CLEANUP(text_fini) struct text packed = {0};
    struct slice code = {.data = (const uint8_t *)bytes->at, .n = bytes->n};
    codec_put_bytes(&packed, code);
    sqlite3_stmt *statement = w->statements[PUT_CODE];
    bind_number(statement, 1, work->id);
    bind_number(statement, 2, symbol->addr);
    bind_number(statement, 3, bytes->n);
    sqlite3_bind_blob(statement, 4, packed.at, (int)packed.n, SQLITE_STATIC);
    w->counts->code_bytes += bytes->n;
    return put(w, PUT_CODE);
}

static int put_code_of(struct writer *w, struct image_work *work, struct code_bytes *code)
{
    CLEANUP(text_fini) struct text bytes = {0};
    uint64_t total = 0;
    int r = 0;
    for (size_t i = 0; i < work->symbols.n && r == 0 && !is_stopped(w); i++) {
        const struct symbol *symbol = work->symbols.at[i];
        text_clear(&bytes);
        int read = code_bytes_read(code, symbol->addr, symbol->end, &bytes);
        if (read == 0) {
            total += bytes.n;
            r = put_function(w, work, symbol, &bytes);
        } else {
            err_set(&work->code_note, 0, "has functions whose code could not be saved: %s",
                    strerror(-read));
        }
        if (total > LIMIT_SAVED_CODE_BYTES) {
            err_set(&work->code_note, 0, "has code that is missing: more than %d bytes are saved",
                    LIMIT_SAVED_CODE_BYTES);
            break;
        }
    }
    return r;
}

static int put_code(struct writer *w, struct image_work *work)
{
    struct code_bytes *code;
    if (work->image->kind == IMAGE_KERNEL || is_stopped(w) ||
        code_bytes_open(work->image, &code, &work->code_note) < 0) {
        return 0;
    }
    int r = put_code_of(w, work, code);
    code_bytes_close(code);
    return r;
}

// ---- One image ---------------------------------------------------------------------------------

static int put_image(struct writer *w, const struct image_work *work)
{
    sqlite3_stmt *statement = w->statements[PUT_IMAGE];
    bind_number(statement, 1, work->id);
    bind_name(statement, 2, work->symtab != NULL ? "ready" : "failed");
    sqlite3_bind_blob(statement, 3, work->image->file_build_id.at, work->image->file_build_id.n,
                      SQLITE_STATIC);
    bind_number(statement, 4, image_symbol_count(work->image));
    bind_number(statement, 5, image_has_dwarf(work->image));
    bind_name(statement, 6, image_note(work->image));
    bind_name(statement, 7, work->inline_note.text);
    bind_name(statement, 8, work->line_note.text);
    bind_name(statement, 9, work->code_note.text);
    return put(w, PUT_IMAGE);
}

static int put_parts(struct writer *w, struct image_work *work)
{
    static int (*const parts[])(struct writer * w,
                                struct image_work * work) = {put_inlined, put_lines, put_code};
    int r = put_segments(w, work);
    r = r < 0 ? r : put_symbols(w, work);
    for (size_t i = 0; i < ARRAY_LEN(parts) && r == 0; i++) {
        r = parts[i](w, work);
    }
    return r;
}

// Whether all is known that will be put: symbols at least. Waits for it.
static bool prepare(struct writer *w, size_t from, size_t to, struct image_work *work)
{
    uint32_t library_id = store_image(w->store, work->id)->library;
    work->image = library_at(w->library, library_id);
    if (!await_symbols(w, library_id)) {
        w->complete = false;
        return false;
    }
    work->symtab = image_symtab(work->image);
    if (work->symtab != NULL) {
        find_addrs(w, from, to, work);
        find_symbols(work);
        ask_for_inlined(w, work);
    }
    return true;
}

static int put_all(struct writer *w, struct image_work *work)
{
    int r = run_file_begin(w->file, w->reterr);
    if (r == 0 && work->symtab != NULL) {
        r = put_parts(w, work);
    }
    r = r < 0 ? r : put_image(w, work);
    return r < 0 ? r : run_file_commit(w->file, w->reterr);
}

// The image of the places [from, to). One that is still being read is left out.
static int write_image(struct writer *w, size_t from, size_t to)
{
    struct image_work work = {.id = w->places.at[from].image};
    int r = prepare(w, from, to, &work) ? put_all(w, &work) : 0;
    w->counts->images++;
    w->counts->images_without_names += work.symtab == NULL;
    work_fini(&work);
    return r;
}

// ---- All of them -------------------------------------------------------------------------------

static int begin(struct writer *w)
{
    static const char forget[] =
        "DELETE FROM names_state; DELETE FROM image_names; DELETE FROM segments;"
        "DELETE FROM symbols; DELETE FROM inlined_functions; DELETE FROM inlined;"
        "DELETE FROM source_files; DELETE FROM lines; DELETE FROM code";
    int r = run_file_begin(w->file, w->reterr);
    r = r < 0 ? r : run_file_run(w->file, forget, w->reterr);
    for (size_t i = 0; i < N_STATEMENTS && r == 0; i++) {
        r = run_file_prepare(w->file, statement_sql[i], &w->statements[i], w->reterr);
    }
    r = r < 0 ? r : put_state(w, false);
    return r < 0 ? r : run_file_commit(w->file, w->reterr);
}

static int write_all(struct writer *w)
{
    int r = begin(w);
    collect_places(w);
    want_all(w);
    for (size_t from = 0; from < w->places.n && r == 0;) {
        if (is_stopped(w)) {
            w->complete = false;
            break;
        }
        size_t to = end_of_image(w, from);
        r = write_image(w, from, to);
        from = to;
    }
    w->complete = w->complete && !is_stopped(w);
    return r < 0 ? r : put_state(w, w->complete);
}

int names_file_write(struct run_file *file, const struct store *store, struct library *library,
                     uint64_t patience_ns, const _Atomic bool *stop,
                     struct names_file_counts *ret_counts, struct err *reterr)
{
    *ret_counts = (struct names_file_counts){0};
    struct writer w = {.file = file,
                       .store = store,
                       .library = library,
                       .stop = stop,
                       .patience_ns = patience_ns,
                       .complete = true,
                       .counts = ret_counts,
                       .reterr = reterr};
    int r = write_all(&w);
    if (r < 0) {
        run_file_rollback(file);
    }
    for (size_t i = 0; i < N_STATEMENTS; i++) {
        statementp(&w.statements[i]);
    }
    for (size_t i = 0; i < w.copies.n; i++) {
        free(w.copies.at[i]);
    }
    vec_fini(&w.copies);
    vec_fini(&w.paths);
    vec_fini(&w.places);
    map_fini(&w.by_path);
    return r;
}
