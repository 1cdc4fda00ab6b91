#include "archive/names_file.h"

#include "base/limits.h"
#include "base/map.h"
#include "image/saved_inlines.h"

#include <inttypes.h>

// Nothing in the file is believed: what does not fit is left out, and counted. Each table is read
// image by image, in the order of its key.

enum statement { GET_IMAGE, GET_SEGMENTS, GET_SYMBOLS, GET_FUNCTIONS, GET_INLINED, N_STATEMENTS };

static const char *const statement_sql[N_STATEMENTS] = {
    [GET_IMAGE] = "SELECT state, build_id, symbols, has_dwarf, note, inline_note FROM image_names"
                  " WHERE image = ?",
    [GET_SEGMENTS] = "SELECT file_off, size_bytes, addr, executable FROM segments"
                     " WHERE image = ? ORDER BY number",
    [GET_SYMBOLS] = "SELECT addr, size_bytes, name, module FROM symbols WHERE image = ?",
    [GET_FUNCTIONS] = "SELECT number, name, is_linkage_name, language FROM inlined_functions"
                      " WHERE image = ? ORDER BY number",
    [GET_INLINED] = "SELECT addr, depth, function, call_file, call_line, path FROM inlined"
                    " LEFT JOIN source_files ON id = call_file WHERE image = ?"
                    " ORDER BY addr, depth",
};

struct names_reader {
    struct run_file *file;
    struct store *store;
    struct library *library;
    struct err *reterr;
    sqlite3_stmt *statements[N_STATEMENTS];
    uint64_t n_symbols; // so far
    uint64_t n_left_out;
};

// ---- Values ------------------------------------------------------------------------------------

static uint64_t number_at(sqlite3_stmt *statement, int column)
{
    return (uint64_t)sqlite3_column_int64(statement, column);
}

static uint32_t small_number_at(sqlite3_stmt *statement, int column)
{
    return (uint32_t)MIN(number_at(statement, column), (uint64_t)UINT32_MAX);
}

// Up to a zero byte: what is behind it would be lost sooner or later.
static struct slice name_at(sqlite3_stmt *statement, int column)
{
    struct slice name = column_slice(statement, column);
    name.n = name.n == 0 ? 0 : strnlen((const char *)name.data, name.n);
    return name;
}

static bool is_text(sqlite3_stmt *statement, int column, const char *text)
{
    return slice_equal(column_slice(statement, column), slice_of_text(text));
}

// A line for people, that may say anything.
static void get_note(sqlite3_stmt *statement, int column, struct err *ret)
{
    struct slice note = name_at(statement, column);
    CLEANUP(text_fini) struct text escaped = {0};
    text_add_escaped(&escaped, (const char *)note.data, MIN(note.n, (size_t)ERR_TEXT_BYTES));
    err_set(ret, 0, "%s", text_get(&escaped));
}

static sqlite3_stmt *begin(struct names_reader *reader, enum statement which, image_id image)
{
    sqlite3_stmt *statement = reader->statements[which];
    sqlite3_reset(statement);
    sqlite3_bind_int64(statement, 1, image);
    return statement;
}

static int next(struct names_reader *reader, sqlite3_stmt *statement)
{
    return run_file_step(reader->file, statement, reader->reterr);
}

// ---- Symbols -----------------------------------------------------------------------------------

static int read_segments(struct names_reader *reader, image_id image,
                         struct symtab_builder *builder)
{
    sqlite3_stmt *row = begin(reader, GET_SEGMENTS, image);
    int r;
    int n = 0;
    while ((r = next(reader, row)) > 0 && n++ < SYMTAB_SEGMENTS_MAX) {
        struct symtab_segment segment = {.file_off = number_at(row, 0),
                                         .size = number_at(row, 1),
                                         .addr = number_at(row, 2),
                                         .executable = sqlite3_column_int(row, 3) != 0};
        symtab_builder_add_segment(builder, &segment);
    }
    reader->n_left_out += r > 0;
    return MIN(r, 0);
}

// A range that wraps, an empty one, no name.
static bool add_symbol(struct symtab_builder *builder, sqlite3_stmt *row)
{
    uint64_t addr = number_at(row, 0);
    uint64_t size = number_at(row, 1);
    struct slice module = name_at(row, 3);
    module.n = MIN(module.n, (size_t)LIMIT_NAME_BYTES);
    return size > 0 && size <= UINT64_MAX - addr &&
           symtab_builder_add(builder, addr, size, name_at(row, 2), module, SYMBOL_GLOBAL);
}

static int read_symbols(struct names_reader *reader, image_id image, struct symtab_builder *builder)
{
    sqlite3_stmt *row = begin(reader, GET_SYMBOLS, image);
    int r;
    while ((r = next(reader, row)) > 0) {
        if (reader->n_symbols == LIMIT_SAVED_SYMBOLS) {
            reader->n_left_out++;
            break;
        }
        bool is_sound = add_symbol(builder, row);
        reader->n_symbols += is_sound;
        reader->n_left_out += !is_sound;
    }
    return MIN(r, 0);
}

static int read_symtab(struct names_reader *reader, image_id image, struct saved_names *names)
{
    struct symtab_builder *builder = symtab_builder_new();
    int r = read_segments(reader, image, builder);
    r = r < 0 ? r : read_symbols(reader, image, builder);
    names->symtab = symtab_builder_finish(builder);
    return r;
}

// ---- Inlined functions -------------------------------------------------------------------------

static enum symbol_lang lang_of(struct slice name)
{
    for (enum symbol_lang lang = SYMBOL_C; lang < SYMBOL_UNKNOWN; lang++) {
        if (slice_equal(name, slice_of_text(symbol_lang_name(lang)))) {
            return lang;
        }
    }
    return SYMBOL_UNKNOWN;
}

// All of them, or up to the first that does not fit: numbers must stay what they are.
static int read_functions(struct names_reader *reader, image_id image,
                          struct saved_inlines *inlines)
{
    sqlite3_stmt *row = begin(reader, GET_FUNCTIONS, image);
    int r;
    for (uint64_t n = 0; (r = next(reader, row)) > 0; n++) {
        if (number_at(row, 0) != n ||
            !saved_inlines_add_function(inlines, name_at(row, 1), sqlite3_column_int(row, 2) != 0,
                                        lang_of(column_slice(row, 3)))) {
            reader->n_left_out++;
            break;
        }
    }
    return MIN(r, 0);
}

// The levels at one address while they are gathered.
struct chain {
    uint64_t addr;
    uint32_t n;
    bool is_empty; // nothing is inlined from there on
    bool is_sound;
    struct saved_inline levels[LIMIT_INLINE_DEPTH];
};

static void end_chain(struct names_reader *reader, struct saved_inlines *inlines,
                      struct chain *chain)
{
    if (chain->n > 0 || chain->is_empty || !chain->is_sound) {
        bool is_kept = chain->is_sound &&
                       saved_inlines_add_chain(inlines, chain->addr, chain->levels, chain->n);
        reader->n_left_out += !is_kept;
        if (!is_kept && chain->addr <= INT64_MAX) { // the one before it does not go on here
            saved_inlines_add_chain(inlines, chain->addr, NULL, 0);
        }
    }
    chain->n = 0;
    chain->is_empty = false;
    chain->is_sound = true;
}

// The number that this source file has in `inlines`.
static uint32_t file_of(struct saved_inlines *inlines, struct map *files, uint32_t *n_files,
                        sqlite3_stmt *row)
{
    uint64_t id = number_at(row, 3);
    uint32_t number = map_find(files, id);
    struct slice path = name_at(row, 5);
    path.n = MIN(path.n, (size_t)LIMIT_NAME_BYTES);
    if (number == MAP_NONE && saved_inlines_add_file(inlines, path)) {
        number = (*n_files)++;
        map_set(files, id, number);
    }
    return number == MAP_NONE ? (uint32_t)SAVED_INLINES_NO_FILE : number;
}

// Addresses that are negative in SQLite would not come in their order; no file has such.
static void add_level(struct chain *chain, uint32_t file, sqlite3_stmt *row)
{
    bool is_none = sqlite3_column_type(row, 2) == SQLITE_NULL;
    bool fits = number_at(row, 1) == chain->n && chain->n < LIMIT_INLINE_DEPTH &&
                number_at(row, 0) <= INT64_MAX && !chain->is_empty && (!is_none || chain->n == 0);
    chain->addr = number_at(row, 0);
    chain->is_sound = chain->is_sound && fits;
    chain->is_empty = chain->is_empty || is_none;
    if (fits && !is_none) {
        chain->levels[chain->n++] = (struct saved_inline){.function = small_number_at(row, 2),
                                                          .call_file = file,
                                                          .call_line = small_number_at(row, 4)};
    }
}

static int read_chains(struct names_reader *reader, image_id image, struct saved_inlines *inlines)
{
    sqlite3_stmt *row = begin(reader, GET_INLINED, image);
    CLEANUP(map_fini) struct map files = {0};
    uint32_t n_files = 0;
    struct chain chain = {.is_sound = true};
    int r;
    while ((r = next(reader, row)) > 0) {
        if (number_at(row, 0) != chain.addr) {
            end_chain(reader, inlines, &chain);
        }
        add_level(&chain, file_of(inlines, &files, &n_files, row), row);
    }
    end_chain(reader, inlines, &chain);
    return MIN(r, 0);
}

static int read_inlines(struct names_reader *reader, image_id image, struct saved_names *names)
{
    struct saved_inlines *inlines = saved_inlines_new();
    int r = read_functions(reader, image, inlines);
    r = r < 0 ? r : read_chains(reader, image, inlines);
    saved_inlines_finish(inlines);
    names->inlines = inlines;
    return r;
}

// ---- One image ---------------------------------------------------------------------------------

static bool read_row(struct names_reader *reader, sqlite3_stmt *row, struct saved_names *names)
{
    struct slice id = column_slice(row, 1);
    if (id.n <= BUILD_ID_MAX) {
        names->build_id.n = (uint8_t)id.n;
        memcpy(names->build_id.at, id.n == 0 ? (const uint8_t *)"" : id.data, id.n);
    } else {
        reader->n_left_out++;
    }
    names->n_symbols = number_at(row, 2);
    names->has_dwarf = sqlite3_column_int(row, 3) != 0;
    get_note(row, 4, &names->note);
    get_note(row, 5, &names->inline_note);
    return is_text(row, 0, "ready");
}

static int read_names(struct names_reader *reader, image_id image, struct saved_names *names)
{
    sqlite3_stmt *row = begin(reader, GET_IMAGE, image);
    int r = next(reader, row);
    if (r == 0) {
        err_set(&names->note, 0, "has no names in the file of the run");
    }
    bool is_ready = r > 0 && read_row(reader, row, names);
    sqlite3_reset(row);
    r = MIN(r, 0);
    if (is_ready) {
        r = read_symtab(reader, image, names);
        if (r == 0 && names->has_dwarf) {
            r = read_inlines(reader, image, names);
        }
    }
    return r;
}

static struct image_identity identity_of(const struct store *store, const struct image_row *row)
{
    struct slice id = strings_get(&store->strings, row->build_id);
    struct image_identity identity = {
        .kind = row->kind == IMAGE_ROW_FILE   ? IMAGE_FILE
                : row->kind == IMAGE_ROW_VDSO ? IMAGE_VDSO
                                              : IMAGE_KERNEL,
        .path = strings_get(&store->strings, row->path),
    };
    if (id.n > 0 && id.n <= BUILD_ID_MAX) {
        identity.build_id.n = (uint8_t)id.n;
        memcpy(identity.build_id.at, id.data, id.n);
    }
    return identity;
}

// ---- All of them -------------------------------------------------------------------------------

static int prepare_all(struct names_reader *reader)
{
    int r = 0;
    for (size_t i = 0; i < N_STATEMENTS && r == 0; i++) {
        r = run_file_prepare(reader->file, statement_sql[i], &reader->statements[i],
                             reader->reterr);
    }
    return r;
}

// All images get a place in the library; those behind an error one without names.
static int read_images(struct names_reader *reader, int r)
{
    uint32_t n = atomic_load_explicit(&reader->store->images.n, memory_order_acquire);
    for (image_id id = 0; id < n; id++) {
        const struct image_row *row = store_image(reader->store, id);
        if (!image_row_is_binary(row)) {
            continue;
        }
        struct saved_names names = {0};
        if (r == 0) {
            r = read_names(reader, id, &names);
        } else {
            err_set(&names.note, 0, "has names in the file of the run that cannot be read");
        }
        struct image_identity identity = identity_of(reader->store, row);
        uint32_t library_id = library_add_saved(reader->library, &identity, &names);
        store_image_mut(reader->store, id)->library = library_id;
    }
    return r;
}

// Names of images that the run does not have.
static int count_strangers(struct names_reader *reader)
{
    CLEANUP(statementp) sqlite3_stmt *row = NULL;
    uint32_t n = atomic_load_explicit(&reader->store->images.n, memory_order_acquire);
    int r = run_file_prepare(reader->file, "SELECT image FROM image_names", &row, reader->reterr);
    while (r == 0 && (r = next(reader, row)) > 0) {
        uint64_t id = number_at(row, 0);
        bool is_ours = id < n && image_row_is_binary(store_image(reader->store, (image_id)id));
        reader->n_left_out += !is_ours;
        r = 0;
    }
    return r;
}

int names_file_read(struct run_file *file, struct store *store, struct library *library,
                    struct err *ret_note, struct err *reterr)
{
    struct names_reader reader = {
        .file = file, .store = store, .library = library, .reterr = reterr};
    *ret_note = (struct err){0};
    int r = read_images(&reader, prepare_all(&reader));
    r = r < 0 ? r : count_strangers(&reader);
    for (size_t i = 0; i < N_STATEMENTS; i++) {
        statementp(&reader.statements[i]);
    }
    if (reader.n_left_out > 0) {
        err_set(ret_note, 0, "%" PRIu64 " of the names in %s are damaged, and were left out",
                reader.n_left_out, file->path);
    }
    return r;
}
