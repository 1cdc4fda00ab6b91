#include "image/lines.h"

#include "base/limits.h"
#include "base/map.h"
#include "base/text.h"
#include "image/dwarf_units.h"
#include "image/line_program.h"

#include <dwarf.h>

enum { NO_UNIT = UINT32_MAX };

struct lines {
    struct dwarf_file file;
    const _Atomic bool *stop;
    struct dwarf_units units;
    struct line_sections sections;
    uint64_t budget; // bytes of line tables that may still be read
    bool cut;        // tables that were not read, or not to their end

    uint32_t unit; // that has been read last
    struct line_program program;
    struct line_table table;
    struct text directory;     // where its compiler ran
    VEC(const char *) path_of; // by the program's number; NULL: not made yet

    VEC(char *) paths; // each once
    uint64_t path_bytes;
    struct map by_path;
};

// ---- Life --------------------------------------------------------------------------------------

static struct lines *make(struct dwarf_file *file, const _Atomic bool *stop)
{
    struct lines *lines = NEW(struct lines);
    lines->file = *file;
    lines->stop = stop;
    lines->budget = LIMIT_LINE_BYTES;
    lines->unit = NO_UNIT;
    lines->sections = (struct line_sections){
        .line = dwarf_file_section(file, ".debug_line"),
        .line_str = dwarf_file_section(file, ".debug_line_str"),
        .str = dwarf_file_section(file, ".debug_str"),
    };
    dwarf_units_find(&lines->file, stop, &lines->units);
    return lines;
}

int lines_open(int fd, const struct image_root *root, const _Atomic bool *stop, struct lines **ret,
               struct err *reterr)
{
    struct dwarf_file file;
    int r = dwarf_file_open(fd, root, &file, reterr);
    *ret = r < 0 ? NULL : make(&file, stop);
    return r;
}

int lines_open_bytes(struct slice bytes, struct lines **ret, struct err *reterr)
{
    struct dwarf_file file;
    int r = dwarf_file_open_bytes(bytes, &file, reterr);
    *ret = r < 0 ? NULL : make(&file, NULL);
    return r;
}

static void forget_unit(struct lines *lines)
{
    line_program_fini(&lines->program);
    line_table_fini(&lines->table);
    vec_fini(&lines->path_of);
    text_clear(&lines->directory);
    lines->program = (struct line_program){0};
    lines->table = (struct line_table){0};
    lines->unit = NO_UNIT;
}

void lines_close(struct lines *lines)
{
    if (lines == NULL) {
        return;
    }
    forget_unit(lines);
    text_fini(&lines->directory);
    for (size_t i = 0; i < lines->paths.n; i++) {
        free(lines->paths.at[i]);
    }
    vec_fini(&lines->paths);
    map_fini(&lines->by_path);
    dwarf_units_fini(&lines->units);
    dwarf_file_close(&lines->file);
    free(lines);
}

void lines_note(const struct lines *lines, struct err *ret)
{
    *ret = (struct err){0};
    if (lines->cut || lines->units.too_many) {
        err_set(ret, 0, "has line tables that are malformed or too large; some lines are missing");
    }
}

// ---- One unit ----------------------------------------------------------------------------------

static void read_directory(struct lines *lines, const Dwarf_Die *die)
{
    Dwarf_Attribute attr;
    Dwarf_Die owner;
    const char *text = NULL;
    if (dwarf_file_attr(&lines->file, die, DW_AT_comp_dir, &attr, &owner)) {
        text = dwarf_file_text(&lines->file, &attr);
    }
    text_add(&lines->directory, text == NULL ? "" : text);
}

// Makes it the unit that is read. Without a line table it has no rows.
static void read_unit(struct lines *lines, uint32_t unit)
{
    if (lines->unit == unit) {
        return;
    }
    forget_unit(lines);
    lines->unit = unit;
    Dwarf_Die die;
    uint64_t off;
    if (dwarf_offdie(lines->file.dwarf, lines->units.list.at[unit].die_off, &die) == NULL ||
        !dwarf_file_number(&die, DW_AT_stmt_list, &off)) {
        return;
    }
    if (!line_program_parse(&lines->sections, off, &lines->budget, &lines->program)) {
        lines->cut = true;
        return;
    }
    read_directory(lines, &die);
    line_program_run(&lines->program, &lines->budget, &lines->table);
    lines->cut |= lines->table.cut;
    vec_grow_zeroed(&lines->path_of, lines->program.files.n);
}

// ---- Paths -------------------------------------------------------------------------------------

static bool is_absolute(struct slice path)
{
    return path.n > 0 && path.data[0] == '/';
}

static void add_part(struct text *path, struct slice part)
{
    if (path->n > 0 && path->at[path->n - 1] != '/' && part.n > 0) {
        text_add_char(path, '/');
    }
    text_add_bytes(path, part.data, part.n);
}

// The directory of that number. Number 0 is where the compiler ran; only since DWARF 5 does the
// line table say so itself.
static struct slice directory_at(const struct lines *lines, uint64_t number)
{
    const struct line_program *program = &lines->program;
    if (program->version < 5 && number == 0) {
        return slice_of_text(text_get(&lines->directory));
    }
    uint64_t at = program->version < 5 ? number - 1 : number;
    return at < program->directories.n ? program->directories.at[at] : (struct slice){0};
}

// Empty when it is not known.
static void make_path(const struct lines *lines, const struct line_file *file, struct text *path)
{
    struct slice directory = directory_at(lines, file->directory);
    if (file->name.n == 0) {
        return;
    }
    if (!is_absolute(file->name)) {
        if (!is_absolute(directory) && file->directory != 0) {
            add_part(path, directory_at(lines, 0));
        }
        add_part(path, directory);
    }
    add_part(path, file->name);
    if (path->n > LIMIT_NAME_BYTES) {
        text_clear(path);
    }
}

// "" when there are too many.
static const char *intern_path(struct lines *lines, const struct text *path)
{
    uint64_t hash = hash_bytes(text_get(path), path->n);
    size_t cursor = 0;
    for (uint32_t id; (id = map_find_from(&lines->by_path, hash, &cursor)) != MAP_NONE;) {
        if (strcmp(lines->paths.at[id], text_get(path)) == 0) {
            return lines->paths.at[id];
        }
    }
    if (path->n > LIMIT_LINE_PATH_BYTES - lines->path_bytes) {
        lines->cut = true;
        return "";
    }
    lines->path_bytes += path->n;
    map_add(&lines->by_path, hash, (uint32_t)lines->paths.n);
    vec_push(&lines->paths, alloc_text(text_get(path), path->n));
    return *vec_last(&lines->paths);
}

// NULL: not known.
static const char *path_of(struct lines *lines, uint32_t number)
{
    size_t at = lines->program.version < 5 ? (size_t)number - 1 : number;
    if (at >= lines->program.files.n) {
        return NULL;
    }
    if (lines->path_of.at[at] == NULL) {
        CLEANUP(text_fini) struct text path = {0};
        make_path(lines, &lines->program.files.at[at], &path);
        lines->path_of.at[at] = path.n == 0 ? "" : intern_path(lines, &path);
    }
    return lines->path_of.at[at][0] == 0 ? NULL : lines->path_of.at[at];
}

// ---- Looking up --------------------------------------------------------------------------------

// Of several rows at one address the last one counts; paths are the same if their pointers are.
static void put(struct line_rows *rows, size_t first, const struct line_row *row)
{
    if (rows->list.n > first && vec_last(&rows->list)->addr == row->addr) {
        rows->list.n--;
    }
    const struct line_row *last = rows->list.n > first ? vec_last(&rows->list) : NULL;
    bool says_nothing = last == NULL ? row->file == NULL
                                     : last->file == row->file && last->line == row->line &&
                                           last->column == row->column;
    if (!says_nothing) {
        vec_push(&rows->list, *row);
    }
}

// The rows of [addr, end) in that unit, which is read. `first` is the first one of this answer.
static void find_in_unit(struct lines *lines, uint64_t addr, uint64_t end, size_t first,
                         struct line_rows *ret)
{
    while (addr < end) {
        const struct line_sequence *sequence = line_table_sequence(&lines->table, addr);
        if (sequence == NULL || sequence->start > addr) {
            put(ret, first, &(struct line_row){.addr = addr});
            addr = sequence == NULL ? end : MIN(end, sequence->start);
            continue;
        }
        uint64_t until = MIN(end, sequence->end);
        uint32_t behind = sequence->first + sequence->n;
        for (uint32_t i = line_table_row(&lines->table, sequence, addr); i < behind; i++) {
            const struct line_step *step = &lines->table.steps.at[i];
            if (step->addr >= until) {
                break;
            }
            struct line_row row = {.addr = MAX(step->addr, addr),
                                   .file = path_of(lines, step->file)};
            row.line = row.file == NULL ? 0 : step->line;
            row.column = row.file == NULL ? 0 : step->column;
            put(ret, first, &row);
        }
        addr = until;
    }
}

void lines_find(struct lines *lines, uint64_t addr, uint64_t end, struct line_rows *ret)
{
    size_t first = ret->list.n;
    while (addr < end && (lines->stop == NULL || !atomic_load(lines->stop))) {
        uint64_t until;
        uint32_t unit = spans_find_until(&lines->units.at, addr, &until);
        until = MIN(until, end);
        if (unit == SPANS_NONE) {
            put(ret, first, &(struct line_row){.addr = addr});
        } else {
            read_unit(lines, unit);
            find_in_unit(lines, addr, until, first, ret);
        }
        addr = until;
    }
}
