#include "code/listing_origins.h"

#include "archive/names_file.h"
#include "base/clock.h"
#include "base/limits.h"
#include "image/demangle.h"
#include "image/image_file.h"

#include <string.h>

enum {
    SLICE_NS = 20 * NS_PER_MS, // how long a stop may go unnoticed
    INLINED_PATIENCE_S = 10,   // the inliner may be busy with a large binary
};

struct origins {
    struct listing *listing;
    struct listing_tools *tools;
    const struct listing_run *run;
    struct image *image;
    struct names_lines rows;                 // of all parts, by address; their own ones (p_vaddr)
    VEC(const char *) files;                 // readable
    struct map file_ids;                     // text of a row -> file
    struct map source_ids;                   // hash of file and line -> source
    VEC(const struct inline_chain *) chains; // by chain of the listing
    struct map chain_ids;                    // hash of a chain -> chain
};

static const char *keep(struct listing *listing, char *text)
{
    vec_push(&listing->texts, text);
    return text;
}

static bool same_text(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static uint64_t hash_text(const char *text)
{
    return text == NULL ? 0 : hash_bytes(text, strlen(text));
}

// ---- Rows of line tables -----------------------------------------------------------------------

static void find_saved_rows(struct origins *o, uint64_t addr, uint64_t end)
{
    struct run_file file;
    struct err ignored = {0};
    if (o->run->names_path == NULL ||
        names_file_open(o->run->names_path, o->run->store, &file, &ignored) < 0) {
        return;
    }
    names_file_lines(&file, o->listing->wish.image, addr, end, &o->rows, &ignored);
    if (o->rows.rows.list.n == 0 && o->listing->line_note.text[0] == 0) {
        names_file_notes(&file, o->listing->wish.image, &o->listing->line_note, &ignored);
    }
    run_file_close(&file);
}

static void find_live_rows(struct origins *o, uint64_t addr, uint64_t end)
{
    struct lines *lines = listing_tools_lines(o->tools, o->image, &o->listing->line_note);
    if (lines == NULL) {
        return;
    }
    lines_find(lines, addr, end, &o->rows.rows);
    lines_note(lines, &o->listing->line_note);
}

static void find_rows(struct origins *o)
{
    const struct listing_wish *wish = &o->listing->wish;
    if (o->run->library->is_saved && !image_has_dwarf(o->image)) {
        err_set(&o->listing->line_note, 0, "%s has no debug information", o->image->path);
        return;
    }
    for (size_t i = 0; i < o->listing->parts.n; i++) {
        const struct listing_part *part = &o->listing->parts.at[i];
        if (part->n == 0) {
            continue;
        }
        const struct instruction *last =
            &o->listing->lines.at[part->first + part->n - 1].instruction;
        uint64_t addr = part->range.addr - wish->bias;
        uint64_t end = last->addr + last->n_bytes - wish->bias;
        if (!o->run->library->is_saved) {
            find_live_rows(o, addr, end);
        }
        if (o->rows.rows.list.n == 0) {
            find_saved_rows(o, addr, end);
        }
    }
}

// The row that an address belongs to; NULL: none that is known. Addresses are asked in ascending
// order: `*at` is where the last one was found.
static const struct line_row *row_of(const struct origins *o, size_t *at, uint64_t addr)
{
    const struct line_row *rows = o->rows.rows.list.at;
    size_t n = o->rows.rows.list.n;
    if (n == 0 || addr < rows[0].addr) {
        return NULL;
    }
    if (*at >= n || rows[*at].addr > addr) {
        *at = 0;
    }
    while (*at + 1 < n && rows[*at + 1].addr <= addr) {
        (*at)++;
    }
    return &rows[*at];
}

// ---- Source lines ------------------------------------------------------------------------------

// As people read it: "/src/../include/x.h" is "/include/x.h". Rows share the texts of their files.
static const char *readable_file(struct origins *o, const char *path)
{
    uint64_t key = (uint64_t)(uintptr_t)path;
    uint32_t known = map_find(&o->file_ids, key);
    if (known == MAP_NONE) {
        struct text text = {0};
        if (!source_path_normalize(path, &text)) {
            text_add(&text, path);
        }
        known = (uint32_t)o->files.n;
        vec_push(&o->files, keep(o->listing, text_take(&text)));
        map_set(&o->file_ids, key, known);
    }
    return o->files.at[known];
}

static uint32_t find_source(struct origins *o, const struct line_row *row)
{
    struct listing *listing = o->listing;
    const char *file = readable_file(o, row->file);
    uint64_t hash = hash_pair(hash_text(file), row->line);
    size_t cursor = 0;
    for (uint32_t id; (id = map_find_from(&o->source_ids, hash, &cursor)) != MAP_NONE;) {
        if (listing->sources.at[id].line == row->line &&
            strcmp(listing->sources.at[id].file, file) == 0) {
            return id;
        }
    }
    uint32_t id = (uint32_t)listing->sources.n;
    vec_push(&listing->sources, (struct listing_source){.file = file, .line = row->line});
    map_add(&o->source_ids, hash, id);
    return id;
}

static void set_sources(struct origins *o)
{
    size_t at = 0;
    for (size_t i = 0; i < o->listing->lines.n; i++) {
        struct listing_line *line = &o->listing->lines.at[i];
        const struct line_row *row = row_of(o, &at, line->instruction.addr - o->listing->wish.bias);
        if (row != NULL && row->file != NULL && row->line != 0) {
            line->source = find_source(o, row);
        }
    }
}

// ---- Their text --------------------------------------------------------------------------------

static int compare_sources(const void *a, const void *b)
{
    const struct listing_source *const *x = a;
    const struct listing_source *const *y = b;
    int files = strcmp((*x)->file, (*y)->file);
    return files != 0 ? files : (*x)->line < (*y)->line ? -1 : (*x)->line > (*y)->line;
}

static const struct build_id *build_id_of(const struct image *image)
{
    return image->build_id.n > 0 ? &image->build_id : &image->file_build_id;
}

// What is the matter with the texts, so far.
struct source_notes {
    uint32_t n_missing; // files
    uint32_t n_fetched;
    const char *first_missing;
    struct err why;
};

static void fetch_source(struct origins *o, const struct build_id *build_id, const char *path,
                         struct source_notes *notes)
{
    CLEANUP(text_fini) struct text name = {0};
    if (o->run->fetch_source != NULL && source_path_normalize(path, &name) &&
        notes->n_fetched++ < LIMIT_SOURCE_FETCHES) {
        o->run->fetch_source(o->run->context, build_id, text_get(&name));
        o->listing->may_improve = true;
    }
}

static struct source_file *open_source(struct origins *o, const char *path,
                                       struct source_notes *notes)
{
    bool fetch = false;
    struct err why = {0};
    struct source_wish wish = {
        .path = path,
        .maps = &o->listing->wish.maps,
        .root = o->image->root,
        .build_id = build_id_of(o->image),
        .built_unix_ns = o->image->stamp.changed_unix_ns,
        .cache_path = o->run->source_cache,
    };
    struct source_file *file = source_texts_find(o->tools->sources, &wish, &fetch, &why);
    if (file == NULL) {
        if (notes->n_missing++ == 0) {
            notes->first_missing = path;
            notes->why = why;
        }
        if (fetch) {
            fetch_source(o, wish.build_id, path, notes);
        }
    } else if (source_file_note(file)[0] != 0) {
        CLEANUP(freep) char *shown = image_shown_path(source_file_path(file));
        err_set(&o->listing->source_note, 0, "%s %s", shown, source_file_note(file));
    }
    return file;
}

static void say_missing(struct listing *listing, const struct source_notes *notes)
{
    if (notes->n_missing == 0) {
        return;
    }
    CLEANUP(text_fini) struct text text = {0};
    text_add_escaped(&text, notes->first_missing, strlen(notes->first_missing));
    if (notes->n_missing > 1) {
        text_addf(&text, " and %u other files are not to be had", notes->n_missing - 1);
    } else {
        text_add(&text, " is not to be had");
    }
    text_addf(&text, "%s%s", notes->why.text[0] != 0 ? ": " : "", notes->why.text);
    err_set(&listing->source_note, 0, "%s", text_get(&text));
}

// File by file, since one file at a time is open.
static void set_texts(struct origins *o)
{
    struct listing *listing = o->listing;
    size_t n = listing->sources.n;
    struct listing_source **sorted = NEW_ARRAY(struct listing_source *, n + 1);
    struct source_notes notes = {0};
    struct source_file *file = NULL;
    for (size_t i = 0; i < n; i++) {
        sorted[i] = &listing->sources.at[i];
    }
    qsort(sorted, n, sizeof *sorted, compare_sources);
    for (size_t i = 0; i < n && !listing_tools_are_stopped(o->tools); i++) {
        struct slice text;
        if (i == 0 || strcmp(sorted[i]->file, sorted[i - 1]->file) != 0) {
            file = open_source(o, sorted[i]->file, &notes);
        }
        if (file != NULL && source_file_line(file, sorted[i]->line, &text)) {
            sorted[i]->text = keep(listing, alloc_text((const char *)text.data, text.n));
        }
    }
    free(sorted);
    say_missing(listing, &notes);
}

// ---- Inlined functions -------------------------------------------------------------------------

static uint64_t hash_chain(const struct inline_chain *chain)
{
    uint64_t hash = chain->n;
    for (uint32_t i = 0; i < chain->n; i++) {
        hash = hash_pair(hash, hash_text(chain->at[i]->name));
        hash = hash_pair(hash, chain->calls == NULL ? 0 : chain->calls[i].line);
    }
    return hash;
}

static struct inline_call call_of(const struct inline_chain *chain, uint32_t depth)
{
    return chain->calls == NULL ? (struct inline_call){0} : chain->calls[depth];
}

static bool same_chain(const struct inline_chain *a, const struct inline_chain *b)
{
    for (uint32_t i = 0; a->n == b->n && i < a->n; i++) {
        struct inline_call x = call_of(a, i);
        struct inline_call y = call_of(b, i);
        if (!same_text(a->at[i]->name, b->at[i]->name) || x.line != y.line ||
            !same_text(x.file, y.file)) {
            return false;
        }
    }
    return a->n == b->n;
}

static struct listing_inlined describe(struct origins *o, const struct inline_chain *chain,
                                       uint32_t depth)
{
    enum symbol_lang lang;
    const struct inline_function *function = chain->at[depth];
    struct inline_call call = call_of(chain, depth);
    char *name = function->is_linkage_name ? demangle(function->name, &lang)
                                           : alloc_text(function->name, strlen(function->name));
    return (struct listing_inlined){
        .function_name = keep(o->listing, name),
        .call_file = call.file == NULL ? NULL : readable_file(o, call.file),
        .call_line = call.line,
    };
}

static uint32_t find_chain(struct origins *o, const struct inline_chain *chain)
{
    struct listing *listing = o->listing;
    if (chain == NULL || chain->n == 0) {
        return LISTING_NONE;
    }
    uint64_t hash = hash_chain(chain);
    size_t cursor = 0;
    for (uint32_t id; (id = map_find_from(&o->chain_ids, hash, &cursor)) != MAP_NONE;) {
        if (same_chain(o->chains.at[id], chain)) {
            return id;
        }
    }
    uint32_t id = (uint32_t)listing->chains.n;
    vec_push(&o->chains, chain);
    vec_push(&listing->chains,
             (struct listing_chain){.first = (uint32_t)listing->inlined.n, .n = chain->n});
    for (uint32_t depth = 0; depth < chain->n; depth++) {
        vec_push(&listing->inlined, describe(o, chain, depth));
    }
    map_add(&o->chain_ids, hash, id);
    return id;
}

static void set_chains(struct origins *o, const struct inline_batch *batch)
{
    struct listing *listing = o->listing;
    uint32_t *ids = NEW_ARRAY(uint32_t, batch->at.n);
    for (size_t i = 0; i < batch->at.n; i++) {
        ids[i] = find_chain(o, batch->at.at[i].chain);
    }
    size_t at = 0;
    for (size_t i = 0; i < listing->lines.n; i++) {
        struct listing_line *line = &listing->lines.at[i];
        const struct line_row *row = row_of(o, &at, line->instruction.addr - listing->wish.bias);
        if (row != NULL) {
            line->chain = ids[row - o->rows.rows.list.at];
        }
    }
    free(ids);
    listing->inline_note = batch->note;
}

// NULL: the inliner has not answered in time, or this is being stopped.
static struct inline_batch *await(const struct origins *o, struct inline_mailbox *mailbox)
{
    uint64_t end_ns = clock_now_ns() + (uint64_t)INLINED_PATIENCE_S * NS_PER_S;
    struct inline_batch *batch = NULL;
    while (batch == NULL && clock_now_ns() < end_ns && !listing_tools_are_stopped(o->tools)) {
        bool is_closed;
        batch = queue_pop_until(&mailbox->answered, clock_now_ns() + SLICE_NS, &is_closed);
    }
    return batch;
}

static void add_inlined(struct origins *o)
{
    if (o->rows.rows.list.n == 0) {
        return;
    }
    struct inline_mailbox *mailbox = inline_mailbox_new(NULL, NULL);
    struct inline_batch *batch = inline_batch_new(o->image, mailbox);
    for (size_t i = 0; i < o->rows.rows.list.n; i++) {
        vec_push(&batch->at, (struct inline_address){.addr = o->rows.rows.list.at[i].addr});
    }
    library_want_inlines(o->run->library, batch);
    batch = await(o, mailbox);
    if (batch != NULL) {
        set_chains(o, batch);
        inline_batch_free(batch);
    } else {
        err_set(&o->listing->inline_note, 0,
                "inlined functions are still being looked up; ask again in a while");
        o->listing->may_improve = true;
    }
    inline_mailbox_close(mailbox);
}

// ---- All of it ---------------------------------------------------------------------------------

void listing_add_origins(struct listing *listing, struct listing_tools *tools,
                         const struct listing_run *run)
{
    const struct image_row *row = store_image(run->store, listing->wish.image);
    if (row->kind != IMAGE_ROW_FILE) {
        return; // the kernel and code made at run time have no debug information
    }
    struct origins o = {.listing = listing, .tools = tools, .run = run};
    o.image = library_at(run->library, row->library);
    find_rows(&o);
    if (listing->wish.source) {
        set_sources(&o);
        set_texts(&o);
    }
    add_inlined(&o);
    names_lines_fini(&o.rows);
    vec_fini(&o.chains);
    vec_fini(&o.files);
    map_fini(&o.file_ids);
    map_fini(&o.source_ids);
    map_fini(&o.chain_ids);
}
