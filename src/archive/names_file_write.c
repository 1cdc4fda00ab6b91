#include "archive/names_file.h"

#include "archive/names_code.h"
#include "archive/names_inlined.h"
#include "base/clock.h"
#include "base/limits.h"

static const char *const statement_sql[NAMES_STATEMENTS] = {
    [NAMES_PUT_STATE] = "INSERT OR REPLACE INTO names_state VALUES(1, ?)",
    [NAMES_PUT_IMAGE] = "INSERT INTO image_names VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)",
    [NAMES_PUT_SEGMENT] = "INSERT INTO segments VALUES(?, ?, ?, ?, ?, ?)",
    [NAMES_PUT_SYMBOL] = "INSERT INTO symbols VALUES(?, ?, ?, ?, ?)",
    [NAMES_PUT_SLOT] = "INSERT INTO slots VALUES(?, ?, ?)",
    [NAMES_PUT_FUNCTIONS] = "INSERT INTO inlined_functions VALUES(?, ?, ?, ?)",
    [NAMES_PUT_CALLS] = "INSERT INTO inlined_calls VALUES(?, ?, ?, ?)",
    [NAMES_PUT_PLACES] = "INSERT INTO inlined VALUES(?, ?, ?, ?)",
    [NAMES_PUT_SOURCE_FILE] = "INSERT INTO source_files VALUES(?, ?)",
    // Functions that lie in each other have rows in common.
    [NAMES_PUT_LINE] = "INSERT OR IGNORE INTO lines VALUES(?, ?, ?, ?, ?)",
    // And switches their tables.
    [NAMES_PUT_CODE] = "INSERT OR IGNORE INTO code VALUES(?, ?, ?, ?)",
};

// ---- Putting rows ------------------------------------------------------------------------------

static int put_state(struct names_writer *w, bool complete)
{
    names_bind_number(w->statements[NAMES_PUT_STATE], 1, complete);
    return names_writer_put(w, NAMES_PUT_STATE);
}

// ---- Which frames? -----------------------------------------------------------------------------

static const struct image *library_image(const struct names_writer *w, image_id id)
{
    const struct image_row *row = store_image(w->store, id);
    uint32_t n = atomic_load_explicit(&w->library->n, memory_order_acquire);
    return image_row_is_binary(row) && row->library < n ? library_at(w->library, row->library)
                                                        : NULL;
}

static int compare_places(const void *a, const void *b)
{
    const struct names_place *x = a;
    const struct names_place *y = b;
    if (x->image != y->image) {
        return x->image < y->image ? -1 : 1;
    }
    return x->off < y->off ? -1 : x->off > y->off;
}

static void collect_places(struct names_writer *w)
{
    uint32_t n = atomic_load_explicit(&w->store->stacks.n_frames, memory_order_acquire);
    for (frame_id id = 0; id < n; id++) {
        const struct frame_row *row = stacks_get_frame(&w->store->stacks, id);
        if (library_image(w, row->image) != NULL) {
            vec_push(&w->places, (struct names_place){.image = row->image, .off = row->off});
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
static size_t end_of_image(const struct names_writer *w, size_t from)
{
    size_t to = from;
    while (to < w->places.n && w->places.at[to].image == w->places.at[from].image) {
        to++;
    }
    return to;
}

// All at once, so that the hottest is read first.
static void want_all(struct names_writer *w)
{
    for (size_t i = 0; i < w->places.n; i = end_of_image(w, i)) {
        library_want(w->library, store_image(w->store, w->places.at[i].image)->library);
    }
}

// ---- Waiting -----------------------------------------------------------------------------------

// Whether it is READY or FAILED.
static bool await_symbols(struct names_writer *w, uint32_t library_id)
{
    for (;;) {
        uint64_t now_ns = clock_now_ns();
        uint64_t until_ns;
        bool wait = names_writer_may_wait(w, now_ns, &until_ns);
        if (library_await_symbols(w->library, library_id, wait ? until_ns : 0)) {
            return true;
        }
        if (!wait) {
            return false;
        }
        names_writer_account_wait(w, now_ns);
    }
}

// ---- Symbols -----------------------------------------------------------------------------------

static int compare_symbols(const void *a, const void *b)
{
    const struct symbol *const *x = a;
    const struct symbol *const *y = b;
    return (*x)->addr < (*y)->addr ? -1 : (*x)->addr > (*y)->addr;
}

// The addresses of the places [from, to), all of one image.
static void find_addrs(const struct names_writer *w, size_t from, size_t to,
                       struct names_work *work)
{
    for (size_t i = from; i < to; i++) {
        uint64_t addr;
        if (symtab_addr_of_off(work->symtab, w->places.at[i].off, &addr)) {
            vec_push(&work->addrs, addr);
        }
    }
    names_sort_addrs(work->addrs.at, &work->addrs.n);
}

static void find_symbols(struct names_work *work)
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
    const struct symtab_slot *slots;
    work->is_named_slot = NEW_ARRAY(uint8_t, symtab_slots(work->symtab, &slots));
    work->is_named = NEW_ARRAY(uint8_t, symtab_count(work->symtab));
    for (size_t i = 0; i < kept; i++) {
        work->is_named[work->symbols.at[i] - symtab_at(work->symtab, 0)] = 1;
    }
}

static int put_segments(struct names_writer *w, struct names_work *work)
{
    const struct symtab_segment *segments;
    size_t n = symtab_segments(work->symtab, &segments);
    for (size_t i = 0; i < n; i++) {
        sqlite3_stmt *statement = w->statements[NAMES_PUT_SEGMENT];
        names_bind_number(statement, 1, work->id);
        names_bind_number(statement, 2, i);
        names_bind_number(statement, 3, segments[i].file_off);
        names_bind_number(statement, 4, segments[i].size);
        names_bind_number(statement, 5, segments[i].addr);
        names_bind_number(statement, 6, segments[i].executable);
        int r = names_writer_put(w, NAMES_PUT_SEGMENT);
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

static int put_symbol(struct names_writer *w, const struct names_work *work,
                      const struct symbol *symbol)
{
    sqlite3_stmt *statement = w->statements[NAMES_PUT_SYMBOL];
    names_bind_number(statement, 1, work->id);
    names_bind_number(statement, 2, symbol->addr);
    names_bind_number(statement, 3, symbol->end - symbol->addr);
    names_bind_name(statement, 4, symbol->name);
    names_bind_name(statement, 5, symbol->module);
    w->counts->symbols++;
    return names_writer_put(w, NAMES_PUT_SYMBOL);
}

static int put_symbols(struct names_writer *w, struct names_work *work)
{
    int r = 0;
    size_t n = symtab_count(work->symtab);
    for (size_t i = 0; i < n && r == 0; i++) {
        if (work->is_named[i] != 0) {
            r = put_symbol(w, work, symtab_at(work->symtab, i));
        }
    }
    return r;
}

static int put_slots(struct names_writer *w, struct names_work *work)
{
    const struct symtab_slot *slots;
    size_t n = symtab_slots(work->symtab, &slots);
    int r = 0;
    for (size_t i = 0; i < n && r == 0; i++) {
        if (work->is_named_slot[i] != 0) {
            sqlite3_stmt *statement = w->statements[NAMES_PUT_SLOT];
            names_bind_number(statement, 1, work->id);
            names_bind_number(statement, 2, slots[i].addr);
            names_bind_name(statement, 3, slots[i].name);
            r = names_writer_put(w, NAMES_PUT_SLOT);
        }
    }
    return r;
}

// ---- One image ---------------------------------------------------------------------------------

static int put_image(struct names_writer *w, const struct names_work *work)
{
    sqlite3_stmt *statement = w->statements[NAMES_PUT_IMAGE];
    names_bind_number(statement, 1, work->id);
    names_bind_name(statement, 2, work->symtab != NULL ? "ready" : "failed");
    sqlite3_bind_blob(statement, 3, work->image->file_build_id.at, work->image->file_build_id.n,
                      SQLITE_STATIC);
    names_bind_number(statement, 4, image_symbol_count(work->image));
    names_bind_number(statement, 5, image_has_dwarf(work->image));
    names_bind_name(statement, 6, image_note(work->image));
    names_bind_name(statement, 7, work->inline_note.text);
    names_bind_name(statement, 8, work->line_note.text);
    names_bind_name(statement, 9, work->code_note.text);
    return names_writer_put(w, NAMES_PUT_IMAGE);
}

// Code first: it says which other functions are to have names; and lines before what is inlined.
static int put_parts(struct names_writer *w, struct names_work *work)
{
    static int (*const parts[])(struct names_writer * w, struct names_work * work) = {
        put_segments, names_code_put, names_code_put_lines,
        put_symbols,  put_slots,      names_inlined_put};
    int r = 0;
    for (size_t i = 0; i < ARRAY_LEN(parts) && r == 0; i++) {
        r = parts[i](w, work);
    }
    return r;
}

// Waits for its symbols. False: they have not come.
static bool prepare(struct names_writer *w, size_t from, size_t to, struct names_work *work)
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
    }
    return true;
}

static int put_all(struct names_writer *w, struct names_work *work)
{
    int r = run_file_begin(w->file, w->reterr);
    if (r == 0 && work->symtab != NULL) {
        r = put_parts(w, work);
    }
    r = r < 0 ? r : put_image(w, work);
    return r < 0 ? r : run_file_commit(w->file, w->reterr);
}

static void work_fini(struct names_work *work)
{
    vec_fini(&work->addrs);
    vec_fini(&work->symbols);
    vec_fini(&work->edges);
    free(work->is_named);
    free(work->is_named_slot);
}

// The image of the places [from, to). One that is still being read is left out.
static int write_image(struct names_writer *w, size_t from, size_t to)
{
    struct names_work work = {.id = w->places.at[from].image};
    int r = prepare(w, from, to, &work) ? put_all(w, &work) : 0;
    w->counts->images++;
    w->counts->images_without_names += work.symtab == NULL;
    work_fini(&work);
    return r;
}

// ---- All of them -------------------------------------------------------------------------------

static int begin(struct names_writer *w)
{
    static const char forget[] =
        "DELETE FROM names_state; DELETE FROM image_names; DELETE FROM segments;"
        "DELETE FROM symbols; DELETE FROM slots; DELETE FROM inlined_functions; DELETE FROM inlined_calls; DELETE FROM inlined;"
        "DELETE FROM source_files; DELETE FROM lines; DELETE FROM code";
    int r = run_file_begin(w->file, w->reterr);
    r = r < 0 ? r : run_file_run(w->file, forget, w->reterr);
    for (size_t i = 0; i < NAMES_STATEMENTS && r == 0; i++) {
        r = run_file_prepare(w->file, statement_sql[i], &w->statements[i], w->reterr);
    }
    r = r < 0 ? r : put_state(w, false);
    return r < 0 ? r : run_file_commit(w->file, w->reterr);
}

static int write_all(struct names_writer *w)
{
    int r = begin(w);
    collect_places(w);
    want_all(w);
    for (size_t from = 0; from < w->places.n && r == 0;) {
        if (names_writer_is_stopped(w)) {
            w->complete = false;
            break;
        }
        size_t to = end_of_image(w, from);
        r = write_image(w, from, to);
        from = to;
    }
    w->complete = w->complete && !names_writer_is_stopped(w);
    return r < 0 ? r : put_state(w, w->complete);
}

int names_file_write(struct run_file *file, const struct store *store, struct library *library,
                     enum arch arch, uint64_t patience_ns, const _Atomic bool *stop,
                     struct names_file_counts *ret_counts, struct err *reterr)
{
    *ret_counts = (struct names_file_counts){0};
    struct names_writer w = {.file = file,
                             .store = store,
                             .library = library,
                             .arch = arch,
                             .stop = stop,
                             .patience_ns = patience_ns,
                             .complete = true,
                             .counts = ret_counts,
                             .reterr = reterr};
    disasm_open(arch, DISASM_INTEL, &w.disasm, NULL); // or nobody can tell what code refers to
    int r = write_all(&w);
    if (r < 0) {
        run_file_rollback(file);
    }
    for (size_t i = 0; i < NAMES_STATEMENTS; i++) {
        statementp(&w.statements[i]);
    }
    for (size_t i = 0; i < w.copies.n; i++) {
        free(w.copies.at[i]);
    }
    vec_fini(&w.copies);
    vec_fini(&w.paths);
    vec_fini(&w.places);
    map_fini(&w.by_path);
    disasm_close(w.disasm);
    return r;
}
