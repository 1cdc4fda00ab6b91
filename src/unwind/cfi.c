#include "unwind/cfi.h"

#include "base/limits.h"
#include "base/map.h"
#include "base/vec.h"
#include "unwind/cfi_expressions.h"
#include "unwind/cfi_section.h"

// How a table is made. Each function's rows are kept as they are found; then, of each section, the
// functions are put in order:
//
//     a      ├──────────┤                  as found; they may overlap
//     b          ├─────────────┤
//     c                           ├───┤
//
//     rows   a   b             -  c   -    an instruction belongs to the last function that starts
//                                          at or before it, if it reaches so far; of two that start
//                                          at the same one, to the first of the section
//
// This is what a linker's search table (.eh_frame_hdr) makes of it for a program's own unwinder.
// Then the rows of the second section fill the gaps of the first.

struct row {
    uint32_t off;  // from the table's base
    uint32_t rule; // or NO_RULE: a gap
};

enum { NO_RULE = UINT32_MAX };

struct cfi_table {
    uint64_t base_off;
    struct row *rows;
    size_t n_rows;
    struct cfi_rule *rules;
    size_t n_rules;
    struct cfi_expressions expressions;
};

// ---- Finding -----------------------------------------------------------------------------------

// The last row that is not behind `off`; there is one.
static size_t row_at(const struct row *rows, size_t n, uint32_t off)
{
    size_t from = 0;
    while (n > 1) {
        size_t half = n / 2;
        from += rows[from + half].off <= off ? half : 0;
        n -= half;
    }
    return from;
}

static const struct cfi_rule *rule_of(const struct cfi_table *table, const struct row *row)
{
    return row->rule == NO_RULE ? NULL : &table->rules[row->rule];
}

const struct cfi_rule *cfi_table_find(const struct cfi_table *table, uint64_t file_off)
{
    uint64_t off = file_off - table->base_off;
    if (table->n_rows == 0 || off < table->rows[0].off || off > UINT32_MAX) {
        return NULL;
    }
    return rule_of(table, &table->rows[row_at(table->rows, table->n_rows, (uint32_t)off)]);
}

struct slice cfi_table_expression(const struct cfi_table *table, int32_t off)
{
    return cfi_expressions_get(&table->expressions, off);
}

bool cfi_table_row(const struct cfi_table *table, size_t n, uint64_t *ret_off,
                   const struct cfi_rule **ret_rule)
{
    if (n >= table->n_rows) {
        return false;
    }
    *ret_off = table->base_off + table->rows[n].off;
    *ret_rule = rule_of(table, &table->rows[n]);
    return true;
}

uint64_t cfi_table_bytes(const struct cfi_table *table)
{
    return sizeof *table + table->n_rows * sizeof *table->rows +
           table->n_rules * sizeof *table->rules +
           table->expressions.list.room * sizeof *table->expressions.list.at +
           table->expressions.bytes.room;
}

void cfi_table_free(struct cfi_table *table)
{
    if (table == NULL) {
        return;
    }
    free(table->rows);
    free(table->rules);
    cfi_expressions_fini(&table->expressions);
    free(table);
}

// ---- Collecting --------------------------------------------------------------------------------

// A function: its rows, in addresses relative to the base.
struct piece {
    uint32_t start;
    uint32_t end;
    uint32_t first_row; // also says which of two pieces was found first
    uint32_t n_rows;
};

struct builder {
    const struct cfi_source *source;
    struct cfi_table *table;
    struct cfi_segment *segments; // sorted by address, none behind what a row can say
    size_t n_segments;
    VEC(struct piece) pieces;
    VEC(struct row) rows;
    VEC(struct cfi_rule) rules;
    struct map by_hash;
    uint32_t addr_to_off; // of the function that is being read: what to add, modulo 2^32
    bool full;
};

static uint64_t place_bits(const struct cfi_place *place)
{
    return (uint64_t)(uint32_t)place->off << 16 | (uint64_t)place->reg << 8 | place->how;
}

static uint64_t rule_hash(const struct cfi_rule *rule)
{
    uint64_t hash = hash_pair(place_bits(&rule->cfa), (uint32_t)rule->cfa_add);
    hash ^= (uint64_t)rule->told << 1 | rule->signal_frame;
    for (unsigned left = rule->told; left != 0; left &= left - 1) {
        // Cheap, and mixed once at the end: rows are many.
        hash = (hash ^ place_bits(&rule->saved[__builtin_ctz(left)])) * 0x9e3779b97f4a7c15ULL;
        hash ^= hash >> 32;
    }
    return hash_u64(hash);
}

static bool rule_equal(const struct cfi_rule *a, const struct cfi_rule *b)
{
    if (a->told != b->told || a->signal_frame != b->signal_frame || a->cfa_add != b->cfa_add ||
        place_bits(&a->cfa) != place_bits(&b->cfa)) {
        return false;
    }
    for (unsigned left = a->told; left != 0; left &= left - 1) {
        unsigned slot = (unsigned)__builtin_ctz(left);
        if (place_bits(&a->saved[slot]) != place_bits(&b->saved[slot])) {
            return false;
        }
    }
    return true;
}

// The number of this rule, or NO_RULE when there are too many.
static uint32_t intern(struct builder *builder, const struct cfi_rule *rule)
{
    uint64_t hash = rule_hash(rule);
    size_t cursor = 0;
    for (uint32_t found; (found = map_find_from(&builder->by_hash, hash, &cursor)) != MAP_NONE;) {
        if (rule_equal(&builder->rules.at[found], rule)) {
            return found;
        }
    }
    if (builder->rules.n >= LIMIT_CFI_RULES) {
        builder->full = true;
        return NO_RULE;
    }
    uint32_t number = (uint32_t)builder->rules.n;
    vec_push(&builder->rules, *rule);
    map_add(&builder->by_hash, hash, number);
    return number;
}

// Without a CFA nothing can be found, unless nothing has to be.
static bool says_something(const struct cfi_rule *rule)
{
    return rule->cfa.how != CFI_UNDEFINED || rule->saved[CFI_SLOT_RA].how == CFI_UNDEFINED;
}

static bool emit(void *context, uint64_t addr, const struct cfi_rule *rule)
{
    struct builder *builder = context;
    uint32_t number = says_something(rule) ? intern(builder, rule) : NO_RULE;
    builder->full = builder->full || builder->rows.n >= LIMIT_CFI_ROWS;
    if (builder->full) {
        return false;
    }
    vec_push(&builder->rows,
             (struct row){.off = (uint32_t)addr + builder->addr_to_off, .rule = number});
    return true;
}

static const struct cfi_segment *segment_of(const struct builder *builder, uint64_t addr)
{
    const struct cfi_segment *segments = builder->segments;
    size_t from = 0;
    size_t to = builder->n_segments;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (segments[middle].addr <= addr) {
            from = middle + 1;
        } else {
            to = middle;
        }
    }
    if (from == 0 || addr - segments[from - 1].addr >= segments[from - 1].size_bytes) {
        return NULL;
    }
    return &segments[from - 1];
}

static bool take_function(void *context, const struct cfi_function *function)
{
    struct builder *builder = context;
    const struct cfi_segment *segment = segment_of(builder, function->start_addr);
    if (segment == NULL || builder->full) {
        return true;
    }
    uint64_t end_addr = MIN(function->end_addr, segment->addr + segment->size_bytes);
    if (end_addr <= function->start_addr) {
        return true;
    }
    builder->addr_to_off = (uint32_t)(segment->file_off - builder->table->base_off - segment->addr);
    uint32_t first_row = (uint32_t)builder->rows.n;
    struct cfi_program program = {
        .arch = builder->source->arch,
        .cie = function->cie,
        .expressions = &builder->table->expressions,
        .bases = function->bases,
        .code = function->code,
        .start_addr = function->start_addr,
        .end_addr = end_addr,
        .emit = emit,
        .context = builder,
    };
    if (!cfi_program_run(&program)) {
        builder->rows.n = first_row;
        return builder->full; // that is not the function's fault
    }
    vec_push(&builder->pieces, (struct piece){
                                   .start = (uint32_t)function->start_addr + builder->addr_to_off,
                                   .end = (uint32_t)end_addr + builder->addr_to_off,
                                   .first_row = first_row,
                                   .n_rows = (uint32_t)builder->rows.n - first_row,
                               });
    return true;
}

// ---- Putting in order --------------------------------------------------------------------------

struct rows {
    struct row *at;
    size_t n;
};

// Rows come in order, so one at the place of the last replaces it.
static void append(struct rows *to, uint32_t off, uint32_t rule)
{
    if (to->n > 0 && to->at[to->n - 1].off == off) {
        to->n--;
    }
    if (to->n == 0 ? rule != NO_RULE : to->at[to->n - 1].rule != rule) {
        to->at[to->n++] = (struct row){.off = off, .rule = rule};
    }
}

static int by_start(const void *a, const void *b)
{
    const struct piece *x = a;
    const struct piece *y = b;
    if (x->start != y->start) {
        return x->start < y->start ? -1 : 1;
    }
    return (x->first_row > y->first_row) - (x->first_row < y->first_row);
}

static void sort_pieces(struct builder *builder)
{
    size_t n = builder->pieces.n;
    for (size_t i = 1; i < n; i++) {
        if (by_start(&builder->pieces.at[i - 1], &builder->pieces.at[i]) > 0) {
            qsort(builder->pieces.at, n, sizeof *builder->pieces.at, by_start);
            return;
        }
    }
}

// The rows of the pieces that are there so far, cut where they overlap; the pieces are used up.
static struct rows lay_out(struct builder *builder)
{
    sort_pieces(builder);
    size_t n = builder->pieces.n;
    struct rows result = {.at = NEW_ARRAY(struct row, builder->rows.n + n)};
    const struct piece *pieces = builder->pieces.at;
    for (size_t i = 0; i < n;) {
        const struct piece *piece = &pieces[i++];
        while (i < n && pieces[i].start == piece->start) {
            i++;
        }
        uint32_t end = i < n ? MIN(piece->end, pieces[i].start) : piece->end;
        const struct row *rows = &builder->rows.at[piece->first_row];
        for (size_t j = 0; j < piece->n_rows && rows[j].off < end; j++) {
            append(&result, rows[j].off, rows[j].rule);
        }
        append(&result, end, NO_RULE);
    }
    vec_clear(&builder->pieces);
    vec_clear(&builder->rows);
    return result;
}

// Both, where the first has nothing to say the second. Frees them.
static struct rows merge(struct rows first, struct rows second)
{
    struct rows result = {.at = NEW_ARRAY(struct row, first.n + second.n)};
    uint32_t of_first = NO_RULE;
    uint32_t of_second = NO_RULE;
    for (size_t i = 0, j = 0; i < first.n || j < second.n;) {
        bool from_first = i < first.n && (j == second.n || first.at[i].off <= second.at[j].off);
        uint32_t off = from_first ? first.at[i].off : second.at[j].off;
        *(from_first ? &of_first : &of_second) = from_first ? first.at[i].rule : second.at[j].rule;
        *(from_first ? &i : &j) += 1;
        append(&result, off, of_first != NO_RULE ? of_first : of_second);
    }
    free(first.at);
    free(second.at);
    return result;
}

// ---- Segments ----------------------------------------------------------------------------------

static int by_addr(const void *a, const void *b)
{
    const struct cfi_segment *x = a;
    const struct cfi_segment *y = b;
    return (x->addr > y->addr) - (x->addr < y->addr);
}

// Rows count from the lowest offset of a file, and have 32 bits for it: what is further than that
// is left out.
static void take_segments(struct builder *builder)
{
    const struct cfi_source *source = builder->source;
    uint64_t base_off = UINT64_MAX;
    for (uint32_t i = 0; i < source->n_segments; i++) {
        base_off = MIN(base_off, source->segments[i].file_off);
    }
    builder->table->base_off = base_off;
    builder->segments = NEW_ARRAY(struct cfi_segment, (size_t)source->n_segments + 1);
    for (uint32_t i = 0; i < source->n_segments; i++) {
        struct cfi_segment segment = source->segments[i];
        uint64_t off = segment.file_off - base_off;
        if (off < UINT32_MAX) {
            segment.size_bytes = MIN(segment.size_bytes, UINT32_MAX - off);
            segment.size_bytes = MIN(segment.size_bytes, UINT64_MAX - segment.addr);
            builder->segments[builder->n_segments++] = segment;
        }
    }
    qsort(builder->segments, builder->n_segments, sizeof *builder->segments, by_addr);
}

// ---- Building ----------------------------------------------------------------------------------

static struct rows read_section(struct builder *builder, const struct cfi_section *section,
                                struct cfi_facts *facts)
{
    struct cfi_section_facts of_section;
    cfi_section_read(section, builder->source, &builder->table->expressions, take_function, builder,
                     &of_section);
    facts->n_fdes += of_section.n_fdes;
    facts->n_bad += of_section.n_bad;
    return lay_out(builder);
}

static void finish(struct builder *builder, struct rows rows, struct cfi_facts *facts)
{
    struct cfi_table *table = builder->table;
    table->rows = alloc_resize(rows.at, MAX(rows.n, (size_t)1), sizeof *rows.at);
    table->n_rows = rows.n;
    table->n_rules = builder->rules.n;
    table->rules = alloc_resize(TAKE(builder->rules.at), MAX(table->n_rules, (size_t)1),
                                sizeof *table->rules);
    map_fini(&table->expressions.by_hash);
    facts->n_rows = table->n_rows;
    facts->n_rules = table->n_rules;
    facts->n_expressions = table->expressions.list.n;
    facts->full = builder->full;
}

struct cfi_table *cfi_table_build(const struct cfi_source *source, struct cfi_facts *ret_facts)
{
    *ret_facts = (struct cfi_facts){0};
    ASSERT(source->n_sections <= ARRAY_LEN(source->sections));
    struct builder builder = {.source = source, .table = NEW(struct cfi_table)};
    take_segments(&builder);
    struct rows rows = {0};
    for (uint32_t i = 0; i < source->n_sections; i++) {
        struct rows of_section = read_section(&builder, &source->sections[i], ret_facts);
        rows = i == 0 ? of_section : merge(rows, of_section);
    }
    finish(&builder, rows, ret_facts);
    vec_fini(&builder.pieces);
    vec_fini(&builder.rows);
    vec_fini(&builder.rules);
    map_fini(&builder.by_hash);
    free(builder.segments);
    return builder.table;
}
