#include "image/line_program.h"

#include "base/limits.h"
#include "unwind/dwarf_bytes.h"

#include <dwarf.h>

void line_program_fini(struct line_program *program)
{
    vec_fini(&program->directories);
    vec_fini(&program->files);
}

void line_table_fini(struct line_table *table)
{
    vec_fini(&table->steps);
    vec_fini(&table->sequences);
}

// ---- The header --------------------------------------------------------------------------------

struct header {
    struct line_program *program;
    const struct line_sections *sections;
    struct reader bytes; // up to the end of the unit
    bool is_64;          // offsets of 8 bytes
    uint64_t text_bytes; // in other sections
};

static uint64_t read_offset(struct header *h)
{
    return h->is_64 ? read_u64(&h->bytes) : read_u32(&h->bytes);
}

// The unit at `off`, behind its length.
static bool begin(struct header *h, uint64_t off)
{
    struct slice line = h->sections->line;
    if (off >= line.n) {
        return false;
    }
    struct reader at = reader_of((struct slice){.data = line.data + off, .n = line.n - off});
    uint64_t n = read_u32(&at);
    h->is_64 = n == 0xffffffff;
    n = h->is_64 ? read_u64(&at) : n;
    if (n > reader_left(&at)) {
        return false;
    }
    h->bytes = reader_of(read_slice(&at, (size_t)n));
    return !at.bad;
}

// Lists of names before DWARF 5: texts, the last one empty.
static void read_old_directories(struct header *h)
{
    for (;;) {
        struct slice name = read_text(&h->bytes);
        if (name.n == 0 || h->program->directories.n == LIMIT_LINE_FILES) {
            return;
        }
        vec_push(&h->program->directories, name);
    }
}

static struct line_file read_old_file(struct reader *r)
{
    struct line_file file = {.name = read_text(r)};
    if (file.name.n > 0) {
        file.directory = read_uleb(r);
        read_uleb(r); // when it was changed
        read_uleb(r); // its size
    }
    return file;
}

static void read_old_files(struct header *h)
{
    for (;;) {
        struct line_file file = read_old_file(&h->bytes);
        if (file.name.n == 0 || h->program->files.n == LIMIT_LINE_FILES) {
            return;
        }
        vec_push(&h->program->files, file);
    }
}

// Empty when it is longer than a path can be.
static struct slice read_text_at(struct header *h, struct slice section)
{
    uint64_t off = read_offset(h);
    if (off >= section.n) {
        return (struct slice){0};
    }
    size_t n = MIN(section.n - (size_t)off, (size_t)LIMIT_NAME_BYTES);
    struct reader at = reader_of((struct slice){.data = section.data + off, .n = n});
    struct slice text = read_text(&at);
    h->text_bytes += at.bad ? n : text.n;
    return text;
}

// What describes a list of names since DWARF 5: which facts each entry has, and in which form.
enum { FORMATS_MAX = 255 };

struct format {
    uint64_t content; // DW_LNCT_…
    uint64_t form;    // DW_FORM_…
};

// The value of one fact: a text or a number, each empty when it is not that. Forms of no bytes are
// refused as unknown ones are: a list of them could be as long as it likes.
static void read_form(struct header *h, uint64_t form, struct slice *ret_text, uint64_t *ret_number)
{
    struct reader *r = &h->bytes;
    *ret_text = (struct slice){0};
    *ret_number = 0;
    switch (form) {
    case DW_FORM_string:
        *ret_text = read_text(r);
        break;
    case DW_FORM_line_strp:
        *ret_text = read_text_at(h, h->sections->line_str);
        break;
    case DW_FORM_strp:
        *ret_text = read_text_at(h, h->sections->str);
        break;
    case DW_FORM_strp_sup:
        read_offset(h); // in another file
        break;
    case DW_FORM_udata:
    case DW_FORM_strx:
        *ret_number = read_uleb(r);
        break;
    case DW_FORM_data1:
    case DW_FORM_strx1:
        *ret_number = read_u8(r);
        break;
    case DW_FORM_data2:
    case DW_FORM_strx2:
        *ret_number = read_u16(r);
        break;
    case DW_FORM_strx3:
        read_slice(r, 3);
        break;
    case DW_FORM_data4:
    case DW_FORM_strx4:
        *ret_number = read_u32(r);
        break;
    case DW_FORM_data8:
        *ret_number = read_u64(r);
        break;
    case DW_FORM_data16:
        read_slice(r, 16);
        break;
    case DW_FORM_block:
        read_slice(r, (size_t)read_uleb(r));
        break;
    default:
        r->bad = true;
        break;
    }
}

static struct line_file read_entry(struct header *h, const struct format *formats, size_t n)
{
    struct line_file entry = {0};
    for (size_t i = 0; i < n; i++) {
        struct slice text;
        uint64_t number;
        read_form(h, formats[i].form, &text, &number);
        if (formats[i].content == DW_LNCT_path) {
            entry.name = text;
        } else if (formats[i].content == DW_LNCT_directory_index) {
            entry.directory = number;
        }
    }
    return entry;
}

// Reads a list of directories, or of files.
static void read_list(struct header *h, bool of_files)
{
    struct format formats[FORMATS_MAX];
    size_t n_formats = read_u8(&h->bytes);
    for (size_t i = 0; i < n_formats; i++) {
        formats[i].content = read_uleb(&h->bytes);
        formats[i].form = read_uleb(&h->bytes);
    }
    uint64_t n = read_uleb(&h->bytes);
    if (n > LIMIT_LINE_FILES || (n > 0 && n_formats == 0)) {
        h->bytes.bad = true;
    }
    for (uint64_t i = 0; i < n && !h->bytes.bad; i++) {
        struct line_file entry = read_entry(h, formats, n_formats);
        if (of_files) {
            vec_push(&h->program->files, entry);
        } else {
            vec_push(&h->program->directories, entry.name);
        }
    }
}

static void read_lists(struct header *h)
{
    if (h->program->version >= 5) {
        read_list(h, false);
        read_list(h, true);
    } else {
        read_old_directories(h);
        read_old_files(h);
    }
}

static bool read_header(struct header *h)
{
    struct line_program *program = h->program;
    struct reader *r = &h->bytes;
    program->version = read_u16(r);
    if (program->version < 2 || program->version > 5) {
        return false;
    }
    if (program->version >= 5) {
        read_u8(r); // how long addresses are: every one says so
        read_u8(r); // likewise of segments, which there are none of
    }
    uint64_t header_bytes = read_offset(h);
    if (header_bytes > reader_left(r)) {
        return false;
    }
    size_t opcodes_at = r->at + (size_t)header_bytes;
    program->min_instruction_bytes = read_u8(r);
    program->max_operations = program->version >= 4 ? read_u8(r) : 1;
    read_u8(r); // whether rows are beginnings of statements to begin with
    program->line_base = (int8_t)read_u8(r);
    program->line_range = read_u8(r);
    program->opcode_base = read_u8(r);
    if (program->opcode_base == 0 || program->line_range == 0 || program->max_operations == 0) {
        return false;
    }
    program->operands = read_slice(r, program->opcode_base - 1u);
    read_lists(h);
    if (r->bad || r->at > opcodes_at) {
        return false;
    }
    program->opcodes = (struct slice){.data = r->bytes.data + opcodes_at,
                                      .n = r->bytes.n - opcodes_at};
    return true;
}

static void charge(uint64_t *budget, uint64_t bytes)
{
    *budget -= MIN(*budget, bytes);
}

bool line_program_parse(const struct line_sections *sections, uint64_t off, uint64_t *budget,
                        struct line_program *ret)
{
    *ret = (struct line_program){0};
    struct header header = {.program = ret, .sections = sections};
    bool sound = *budget > 0 && begin(&header, off) && read_header(&header);
    // What is bad may have been looked through to its end.
    charge(budget, header.text_bytes + (sound ? header.bytes.at : header.bytes.bytes.n));
    if (!sound) {
        line_program_fini(ret);
        *ret = (struct line_program){0};
    }
    return sound;
}

// ---- The machine -------------------------------------------------------------------------------

struct machine {
    struct line_program *program;
    struct line_table *table;
    struct reader bytes;
    struct line_step row; // its registers
    uint64_t op_index;
    uint32_t first; // of the sequence, in the table
    bool in_order;
};

static void begin_sequence(struct machine *m)
{
    m->row = (struct line_step){.file = 1, .line = 1};
    m->op_index = 0;
    m->first = (uint32_t)m->table->steps.n;
    m->in_order = true;
}

static void advance(struct machine *m, uint64_t operations)
{
    const struct line_program *p = m->program;
    uint64_t at = m->op_index + operations;
    m->row.addr += p->min_instruction_bytes * (at / p->max_operations);
    m->op_index = at % p->max_operations;
}

// Whether this address can stand behind the last one.
static bool is_behind(const struct machine *m, uint64_t addr)
{
    return m->table->steps.n == m->first || vec_last(&m->table->steps)->addr <= addr;
}

static void put_row(struct machine *m)
{
    if (m->table->steps.n == LIMIT_LINE_ROWS) {
        m->in_order = false;
        return;
    }
    m->in_order = m->in_order && is_behind(m, m->row.addr);
    vec_push(&m->table->steps, m->row);
}

static void end_sequence(struct machine *m)
{
    struct line_table *table = m->table;
    uint32_t n = (uint32_t)table->steps.n - m->first;
    bool in_order = m->in_order && is_behind(m, m->row.addr);
    uint64_t start = n == 0 ? 0 : table->steps.at[m->first].addr;
    if (start != 0 && in_order && start < m->row.addr) {
        vec_push(
            &table->sequences,
            (struct line_sequence){.start = start, .end = m->row.addr, .first = m->first, .n = n});
    } else {
        table->steps.n = m->first;
        table->cut |= !in_order && start != 0;
    }
    begin_sequence(m);
}

static void special(struct machine *m, uint8_t opcode)
{
    uint8_t adjusted = (uint8_t)(opcode - m->program->opcode_base);
    advance(m, adjusted / m->program->line_range);
    m->row.line += (uint32_t)(m->program->line_base + adjusted % m->program->line_range);
    put_row(m);
}

static void define_file(struct machine *m, struct reader *r)
{
    struct line_file file = read_old_file(r);
    if (m->program->version < 5 && m->program->files.n < LIMIT_LINE_FILES) {
        vec_push(&m->program->files, file);
    }
}

static void extended(struct machine *m)
{
    struct reader r = reader_of(read_slice(&m->bytes, (size_t)read_uleb(&m->bytes)));
    switch (read_u8(&r)) {
    case DW_LNE_end_sequence:
        end_sequence(m);
        break;
    case DW_LNE_set_address:
        m->row.addr = reader_left(&r) == 4 ? read_u32(&r) : read_u64(&r);
        m->op_index = 0;
        m->bytes.bad |= r.bad;
        break;
    case DW_LNE_define_file:
        define_file(m, &r);
        break;
    default: // discriminators, and what is not known
        break;
    }
}

static void skip_operands(struct machine *m, uint8_t opcode)
{
    for (uint8_t n = m->program->operands.data[opcode - 1]; n > 0; n--) {
        read_uleb(&m->bytes);
    }
}

static void standard(struct machine *m, uint8_t opcode)
{
    struct reader *r = &m->bytes;
    switch (opcode) {
    case DW_LNS_copy:
        put_row(m);
        break;
    case DW_LNS_advance_pc:
        advance(m, read_uleb(r));
        break;
    case DW_LNS_advance_line:
        m->row.line += (uint32_t)read_sleb(r);
        break;
    case DW_LNS_set_file:
        m->row.file = (uint32_t)MIN(read_uleb(r), (uint64_t)UINT32_MAX);
        break;
    case DW_LNS_set_column:
        m->row.column = (uint32_t)MIN(read_uleb(r), (uint64_t)UINT32_MAX);
        break;
    case DW_LNS_const_add_pc:
        advance(m, (uint8_t)(255 - m->program->opcode_base) / m->program->line_range);
        break;
    case DW_LNS_fixed_advance_pc:
        m->row.addr += read_u16(r);
        m->op_index = 0;
        break;
    default: // marks of rows that are not kept, and what is not known
        skip_operands(m, opcode);
        break;
    }
}

static int compare_sequences(const void *a, const void *b)
{
    const struct line_sequence *x = a;
    const struct line_sequence *y = b;
    if (x->start != y->start) {
        return x->start < y->start ? -1 : 1;
    }
    return x->first < y->first ? -1 : x->first > y->first;
}

static void sort_sequences(struct line_table *table)
{
    if (table->sequences.n < 2) {
        return;
    }
    qsort(table->sequences.at, table->sequences.n, sizeof *table->sequences.at, compare_sequences);
    size_t kept = 1;
    for (size_t i = 1; i < table->sequences.n; i++) {
        struct line_sequence sequence = table->sequences.at[i];
        sequence.start = MAX(sequence.start, table->sequences.at[kept - 1].end);
        if (sequence.start < sequence.end) {
            table->sequences.at[kept++] = sequence;
        }
    }
    table->sequences.n = kept;
}

void line_program_run(struct line_program *program, uint64_t *budget, struct line_table *ret)
{
    *ret = (struct line_table){0};
    struct machine m = {.program = program, .table = ret, .bytes = reader_of(program->opcodes)};
    begin_sequence(&m);
    while (reader_left(&m.bytes) > 0 && *budget > 0) {
        size_t at = m.bytes.at;
        uint8_t opcode = read_u8(&m.bytes);
        if (opcode >= program->opcode_base) {
            special(&m, opcode);
        } else if (opcode == 0) {
            extended(&m);
        } else {
            standard(&m, opcode);
        }
        charge(budget, m.bytes.at - at);
    }
    ret->cut |= m.bytes.bad || reader_left(&m.bytes) > 0;
    ret->steps.n = m.first; // what has no end is no sequence
    sort_sequences(ret);
}

// ---- Looking up --------------------------------------------------------------------------------

const struct line_sequence *line_table_sequence(const struct line_table *table, uint64_t addr)
{
    size_t low = 0;
    size_t high = table->sequences.n; // the first one that ends behind `addr` is in [low, high]
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (table->sequences.at[middle].end <= addr) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < table->sequences.n ? &table->sequences.at[low] : NULL;
}

uint32_t line_table_row(const struct line_table *table, const struct line_sequence *sequence,
                        uint64_t addr)
{
    uint32_t low = sequence->first;
    uint32_t high = sequence->first + sequence->n; // the first one behind `addr` is in [low, high]
    ASSERT(table->steps.at[low].addr <= addr);
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (table->steps.at[middle].addr <= addr) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low - 1;
}
