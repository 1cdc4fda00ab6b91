#include "archive/names_file.h"

#include "archive/codec.h"
#include "archive/inline_codec.h"
#include "base/limits.h"
#include "base/map.h"
#include "image/saved_inlines.h"

#include <inttypes.h>

// Nothing in the file is believed: what does not fit is left out, and counted. Each table is read
// image by image, in the order of its key.

enum statement {
    GET_IMAGE,
    GET_SEGMENTS,
    GET_SYMBOLS,
    GET_SLOTS,
    GET_FUNCTIONS,
    GET_CALLS,
    GET_PLACES,
    GET_SOURCE_FILE,
    N_STATEMENTS
};

static const char *const statement_sql[N_STATEMENTS] = {
    [GET_IMAGE] = "SELECT state, build_id, symbols, has_dwarf, note, inline_note FROM image_names"
                  " WHERE image = ?",
    [GET_SEGMENTS] = "SELECT file_off, size_bytes, addr, executable FROM segments"
                     " WHERE image = ? ORDER BY number",
    [GET_SYMBOLS] = "SELECT addr, size_bytes, name, module FROM symbols WHERE image = ?",
    [GET_SLOTS] = "SELECT addr, name FROM slots WHERE image = ?",
    [GET_FUNCTIONS] = "SELECT first, n, data FROM inlined_functions WHERE image = ?"
                      " ORDER BY first",
    [GET_CALLS] = "SELECT first, n, data FROM inlined_calls WHERE image = ? ORDER BY first",
    [GET_PLACES] = "SELECT first, n, data FROM inlined WHERE image = ? ORDER BY first",
    [GET_SOURCE_FILE] = "SELECT path FROM source_files WHERE id = ?",
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

static int read_slots(struct names_reader *reader, image_id image, struct symtab_builder *builder)
{
    sqlite3_stmt *row = begin(reader, GET_SLOTS, image);
    int r;
    while ((r = next(reader, row)) > 0) {
        if (reader->n_symbols == LIMIT_SAVED_SYMBOLS) {
            reader->n_left_out++;
            break;
        }
        bool is_sound = symtab_builder_add_slot(builder, number_at(row, 0), name_at(row, 1));
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
    r = r < 0 ? r : read_slots(reader, image, builder);
    names->symtab = symtab_builder_finish(builder);
    return r;
}

// ---- Inlined functions -------------------------------------------------------------------------

// They stand in blocks, each of which begins where the one before ends. The first one that is
// damaged ends the list, since numbers must stay what they are.

struct call {
    struct saved_inline level;
    uint32_t caller;
    uint32_t depth; // 1: within none; more than LIMIT_INLINE_DEPTH: of no use
};

struct inlined {
    struct names_reader *reader;
    struct saved_inlines *to;
    size_t n_functions;
    VEC(struct call) calls;
    struct map files; // id of a source file -> the number that `to` has for it, plus one; 0: none
    uint32_t n_files;
    size_t n_places;
    uint64_t last_addr;
};

static void inlined_fini(struct inlined *in)
{
    vec_fini(&in->calls);
    map_fini(&in->files);
}

typedef bool take_block_fn(struct inlined *in, struct slice data, size_t n);

static int read_blocks(struct inlined *in, image_id image, enum statement which,
                       take_block_fn *take, const size_t *n_so_far)
{
    sqlite3_stmt *row = begin(in->reader, which, image);
    int r;
    while ((r = next(in->reader, row)) > 0) {
        uint64_t n = number_at(row, 1);
        if (number_at(row, 0) != *n_so_far || n > INLINE_CODEC_ROWS ||
            *n_so_far > LIMIT_INLINE_SPANS || !take(in, column_slice(row, 2), (size_t)n)) {
            in->reader->n_left_out++;
            break;
        }
    }
    return MIN(r, 0);
}

static bool take_functions(struct inlined *in, struct slice data, size_t n)
{
    CLEANUP(text_fini) struct text names = {0};
    if (codec_parse_bytes(data, LIMIT_BLOB_BYTES, &names) < 0) {
        return false;
    }
    struct reader from = reader_of((struct slice){.data = (const uint8_t *)names.at, .n = names.n});
    struct inline_codec_function function;
    size_t taken = 0;
    while (taken < n && inline_codec_next_function(&from, &function) &&
           saved_inlines_add_function(in->to, function.name, function.is_linkage_name,
                                      function.lang)) {
        taken++;
    }
    in->n_functions += taken;
    return taken == n && reader_left(&from) == 0;
}

static uint32_t add_file(struct inlined *in, uint32_t id)
{
    sqlite3_stmt *row = begin(in->reader, GET_SOURCE_FILE, id);
    uint32_t plus_one = 0;
    if (next(in->reader, row) > 0) {
        struct slice path = name_at(row, 0);
        path.n = MIN(path.n, (size_t)LIMIT_NAME_BYTES);
        plus_one = saved_inlines_add_file(in->to, path) ? ++in->n_files : 0;
    }
    sqlite3_reset(row);
    map_set(&in->files, id, plus_one);
    return plus_one;
}

// The number that this source file has in `to`.
static uint32_t file_of(struct inlined *in, uint32_t id)
{
    if (id == 0) {
        return SAVED_INLINES_NO_FILE;
    }
    uint32_t plus_one = map_find(&in->files, id);
    plus_one = plus_one == MAP_NONE ? add_file(in, id) : plus_one;
    return plus_one == 0 ? (uint32_t)SAVED_INLINES_NO_FILE : plus_one - 1;
}

static void add_call(struct inlined *in, const struct inline_codec_call *packed)
{
    bool is_within = packed->caller != INLINE_CODEC_NONE;
    uint32_t depth = is_within ? in->calls.at[packed->caller].depth : 0;
    struct call call = {.caller = packed->caller,
                        .depth = MIN(depth, (uint32_t)LIMIT_INLINE_DEPTH) + 1};
    call.level = (struct saved_inline){.function = packed->function,
                                       .call_file = file_of(in, packed->file),
                                       .call_line = packed->line};
    vec_push(&in->calls, call);
}

static bool take_calls(struct inlined *in, struct slice data, size_t n)
{
    CLEANUP(freep) struct inline_codec_call *calls = NEW_ARRAY(struct inline_codec_call, n);
    if (inline_codec_parse_calls(data, calls, (uint32_t)in->calls.n, n) < 0) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        add_call(in, &calls[i]);
    }
    return true;
}

// What is inlined from there on.
static bool add_place(struct inlined *in, const struct inline_codec_place *place)
{
    struct saved_inline levels[LIMIT_INLINE_DEPTH];
    uint32_t n = 0;
    if (place->call != INLINE_CODEC_NONE) {
        n = place->call < in->calls.n ? in->calls.at[place->call].depth : UINT32_MAX;
    }
    if (n > LIMIT_INLINE_DEPTH) {
        return false;
    }
    uint32_t at = place->call;
    for (uint32_t depth = n; depth > 0; depth--) {
        levels[depth - 1] = in->calls.at[at].level;
        at = in->calls.at[at].caller;
    }
    return saved_inlines_add_chain(in->to, place->addr, levels, n);
}

static bool take_places(struct inlined *in, struct slice data, size_t n)
{
    CLEANUP(freep) struct inline_codec_place *places = NEW_ARRAY(struct inline_codec_place, n);
    if (inline_codec_parse_places(data, places, n) < 0) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (!add_place(in, &places[i])) {
            return false;
        }
        in->last_addr = places[i].addr;
        in->n_places++;
    }
    return true;
}

static int read_inlines(struct names_reader *reader, image_id image, struct saved_names *names)
{
    CLEANUP(inlined_fini) struct inlined in = {.reader = reader, .to = saved_inlines_new()};
    names->inlines = in.to;
    int r = read_blocks(&in, image, GET_FUNCTIONS, take_functions, &in.n_functions);
    r = r < 0 ? r : read_blocks(&in, image, GET_CALLS, take_calls, &in.calls.n);
    uint64_t n_before = reader->n_left_out;
    r = r < 0 ? r : read_blocks(&in, image, GET_PLACES, take_places, &in.n_places);
    if (reader->n_left_out > n_before && in.last_addr < UINT64_MAX) {
        // What is inlined at the last one is not so for the rest of the file.
        saved_inlines_add_chain(in.to, in.last_addr + 1, NULL, 0);
    }
    saved_inlines_finish(in.to);
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
    names_file_note(row, 4, &names->note);
    names_file_note(row, 5, &names->inline_note);
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
