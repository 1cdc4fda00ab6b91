#include "image/lines.h"

#include "image/dwarf_units.h"
#include "image/source_files.h"

struct lines {
    struct dwarf_file file;
    const _Atomic bool *stop;
    struct dwarf_units units;
    struct source_files files; // of the unit that was asked about last
    struct line_table table;   // of that one
};

// ---- Life --------------------------------------------------------------------------------------

static struct lines *make(struct dwarf_file *file, const _Atomic bool *stop)
{
    struct lines *lines = NEW(struct lines);
    lines->file = *file;
    lines->stop = stop;
    source_files_init(&lines->files, &lines->file);
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

void lines_close(struct lines *lines)
{
    if (lines == NULL) {
        return;
    }
    source_files_fini(&lines->files);
    line_table_fini(&lines->table);
    dwarf_units_fini(&lines->units);
    dwarf_file_close(&lines->file);
    free(lines);
}

void lines_note(const struct lines *lines, struct err *ret)
{
    *ret = (struct err){0};
    if (lines->files.cut || lines->units.too_many) {
        err_set(ret, 0, "has line tables that are malformed or too large; some lines are missing");
    }
}

// ---- One unit ----------------------------------------------------------------------------------

// Makes it the unit whose table is read. Without a line table it has no rows.
static void enter_unit(struct lines *lines, uint32_t unit)
{
    struct source_files *files = &lines->files;
    if (source_files_enter(files, lines->units.list.at[unit].die_off)) {
        line_table_fini(&lines->table);
        line_program_run(&files->program, &files->budget, &lines->table);
        files->cut |= lines->table.cut;
    }
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
                                   .file = source_files_path(&lines->files, step->file)};
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
            enter_unit(lines, unit);
            find_in_unit(lines, addr, until, first, ret);
        }
        addr = until;
    }
}
