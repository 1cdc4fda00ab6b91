#include "archive/names_code.h"

#include "archive/codec.h"
#include "base/limits.h"
#include "disasm/jump_table.h"
#include "image/code_bytes.h"

// ---- Lines -------------------------------------------------------------------------------------

static struct lines *open_lines(const struct names_writer *w, struct names_work *work)
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

static int put_rows(struct names_writer *w, const struct names_work *work,
                    const struct line_rows *rows)
{
    for (size_t i = 0; i < rows->list.n; i++) {
        const struct line_row *row = &rows->list.at[i];
        uint64_t file;
        int r = names_writer_source_file(w, row->file, false, &file);
        if (r < 0) {
            return r;
        }
        sqlite3_stmt *statement = w->statements[NAMES_PUT_LINE];
        names_bind_number(statement, 1, work->id);
        names_bind_number(statement, 2, row->addr);
        names_bind_unless_0(statement, 3, file);
        names_bind_number(statement, 4, row->line);
        names_bind_number(statement, 5, row->column);
        r = names_writer_put(w, NAMES_PUT_LINE);
        if (r < 0) {
            return r;
        }
    }
    w->counts->lines += rows->list.n;
    return 0;
}

static void note_edges(struct names_work *work, const struct symbol *symbol,
                       const struct line_rows *rows)
{
    if (work->edges.n + rows->list.n >= LIMIT_SAVED_EDGES) {
        err_set(&work->inline_note, 0,
                "has inlined functions that are missing: only those of the first %d lines are "
                "saved",
                LIMIT_SAVED_EDGES);
        return;
    }
    for (size_t i = 0; i < rows->list.n; i++) {
        vec_push(&work->edges, rows->list.at[i].addr);
    }
    vec_push(&work->edges, symbol->end);
}

static int put_lines_of(struct names_writer *w, struct names_work *work, struct lines *lines)
{
    int r = 0;
    struct line_rows rows = {0};
    for (size_t i = 0; i < work->symbols.n && r == 0 && !names_writer_is_stopped(w); i++) {
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
        note_edges(work, symbol, &rows);
        r = put_rows(w, work, &rows);
    }
    vec_fini(&rows.list);
    return r;
}

int names_code_put_lines(struct names_writer *w, struct names_work *work)
{
    if (!names_work_has_dwarf(work) || names_writer_is_stopped(w)) {
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

// ---- What code refers to -----------------------------------------------------------------------

struct instructions {
    VEC(struct instruction) list; // of one function
};

static void decode(const struct names_writer *w, const struct symbol *symbol, struct slice code,
                   struct instructions *ret)
{
    vec_clear(&ret->list);
    for (size_t at = 0; w->disasm != NULL && at < code.n;) {
        struct slice rest = {.data = code.data + at, .n = code.n - at};
        struct instruction instruction;
        disasm_next(w->disasm, rest, symbol->addr + at, &instruction);
        vec_push(&ret->list, instruction);
        at += instruction.n_bytes;
    }
}

static void mark_slot(struct names_writer *w, struct names_work *work, uint64_t addr)
{
    const struct symtab_slot *slots;
    const struct symtab_slot *slot = symtab_find_slot(work->symtab, addr);
    if (slot != NULL && symtab_slots(work->symtab, &slots) > 0) {
        uint8_t *is_named = &work->is_named_slot[slot - slots];
        w->counts->slots += *is_named == 0;
        *is_named = 1;
    }
}

// The function that has this address, outside of the one that refers to it.
static void mark(struct names_writer *w, struct names_work *work, const struct symbol *from,
                 uint64_t addr)
{
    if (addr == 0 || (addr >= from->addr && addr < from->end)) {
        return;
    }
    const struct symbol *symbol = symtab_find(work->symtab, addr);
    if (symbol == NULL) {
        return;
    }
    uint8_t *is_named = &work->is_named[symbol - symtab_at(work->symtab, 0)];
    if (*is_named == 0 && w->counts->targets < LIMIT_SAVED_TARGETS) {
        *is_named = 1;
        w->counts->targets++;
    }
}

static void mark_all(struct names_writer *w, struct names_work *work, const struct symbol *symbol,
                     const struct instructions *instructions)
{
    for (size_t i = 0; i < instructions->list.n; i++) {
        const struct instruction *instruction = &instructions->list.at[i];
        mark(w, work, symbol, instruction->target);
        mark(w, work, symbol, instruction->reference);
        mark_slot(w, work, instruction->reference);
    }
}

// ---- Code --------------------------------------------------------------------------------------

// Functions, and what else of the file is needed to read them.
static int put_bytes(struct names_writer *w, const struct names_work *work, uint64_t addr,
                     struct slice bytes)
{
    CLEANUP(text_fini) struct text packed = {0};
    codec_put_bytes(&packed, bytes);
    sqlite3_stmt *statement = w->statements[NAMES_PUT_CODE];
    names_bind_number(statement, 1, work->id);
    names_bind_number(statement, 2, addr);
    names_bind_number(statement, 3, bytes.n);
    sqlite3_bind_blob(statement, 4, packed.at, (int)packed.n, SQLITE_STATIC);
    w->counts->code_bytes += bytes.n;
    return names_writer_put(w, NAMES_PUT_CODE);
}

static struct slice slice_of(const struct text *text)
{
    return (struct slice){.data = (const uint8_t *)text->at, .n = text->n};
}

static bool read_table(void *context, uint64_t addr, uint64_t end, struct text *to)
{
    return code_bytes_read(context, addr, end, to) == 0;
}

// The tables of its switches, which lie among the constants of the file; one that lies among the
// functions is there when that function is.
static int put_tables(struct names_writer *w, const struct names_work *work,
                      struct code_bytes *code, struct slice bytes,
                      const struct instructions *instructions)
{
    int r = 0;
    CLEANUP(jump_tables_fini) struct jump_tables found = {0};
    CLEANUP(text_fini) struct text table = {0};
    jump_tables_find(w->arch, instructions->list.at, instructions->list.n, bytes, read_table, code,
                     &found);
    for (size_t i = 0; i < found.tables.n && r == 0; i++) {
        uint64_t addr = found.tables.at[i].addr;
        text_clear(&table);
        if (symtab_find(work->symtab, addr) == NULL &&
            code_bytes_read(code, addr, found.tables.at[i].end, &table) == 0) {
            r = put_bytes(w, work, addr, slice_of(&table));
        }
    }
    return r;
}

static int put_function(struct names_writer *w, struct names_work *work, struct code_bytes *code,
                        const struct symbol *symbol, struct slice bytes,
                        struct instructions *instructions)
{
    decode(w, symbol, bytes, instructions);
    mark_all(w, work, symbol, instructions);
    int r = put_bytes(w, work, symbol->addr, bytes);
    return r < 0 || instructions->list.n == 0 ? r : put_tables(w, work, code, bytes, instructions);
}

static int put_code_of(struct names_writer *w, struct names_work *work, struct code_bytes *code)
{
    CLEANUP(text_fini) struct text bytes = {0};
    struct instructions instructions = {0};
    uint64_t before = w->counts->code_bytes;
    int r = 0;
    for (size_t i = 0; i < work->symbols.n && r == 0 && !names_writer_is_stopped(w); i++) {
        const struct symbol *symbol = work->symbols.at[i];
        text_clear(&bytes);
        int read = code_bytes_read(code, symbol->addr, symbol->end, &bytes);
        if (read == 0) {
            r = put_function(w, work, code, symbol, slice_of(&bytes), &instructions);
        } else {
            err_set(&work->code_note, 0, "has functions whose code could not be saved: %s",
                    strerror(-read));
        }
        if (w->counts->code_bytes - before > LIMIT_SAVED_CODE_BYTES) {
            err_set(&work->code_note, 0, "has code that is missing: more than %d bytes are saved",
                    LIMIT_SAVED_CODE_BYTES);
            break;
        }
    }
    vec_fini(&instructions.list);
    return r;
}

int names_code_put(struct names_writer *w, struct names_work *work)
{
    struct code_bytes *code;
    if (names_writer_is_stopped(w) || code_bytes_open(work->image, &code, &work->code_note) < 0) {
        return 0;
    }
    int r = put_code_of(w, work, code);
    code_bytes_close(code);
    return r;
}
