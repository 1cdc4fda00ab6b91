#include "image/source_files.h"

#include "base/limits.h"

#include <dwarf.h>

void source_files_init(struct source_files *files, const struct dwarf_file *file)
{
    *files = (struct source_files){
        .file = file,
        .sections = {.line = dwarf_file_section(file, ".debug_line"),
                     .line_str = dwarf_file_section(file, ".debug_line_str"),
                     .str = dwarf_file_section(file, ".debug_str")},
        .budget = LIMIT_LINE_BYTES,
    };
}

static void forget_unit(struct source_files *files)
{
    line_program_fini(&files->program);
    files->program = (struct line_program){0};
    vec_fini(&files->path_of);
    text_clear(&files->directory);
    files->unit = 0;
}

void source_files_fini(struct source_files *files)
{
    forget_unit(files);
    text_fini(&files->directory);
    for (size_t i = 0; i < files->paths.n; i++) {
        free(files->paths.at[i]);
    }
    vec_fini(&files->paths);
    map_fini(&files->by_path);
}

uint64_t source_files_bytes(const struct source_files *files)
{
    return files->path_bytes + files->paths.n * (sizeof(char *) + 2 * sizeof(struct map_slot)) +
           files->program.files.room * (sizeof(struct line_file) + sizeof(char *));
}

// ---- One unit ----------------------------------------------------------------------------------

static void read_directory(struct source_files *files, const Dwarf_Die *die)
{
    Dwarf_Attribute attr;
    Dwarf_Die owner;
    const char *text = NULL;
    if (dwarf_file_attr(files->file, die, DW_AT_comp_dir, &attr, &owner)) {
        text = dwarf_file_text(files->file, &attr);
    }
    text_add(&files->directory, text == NULL ? "" : text);
}

bool source_files_enter(struct source_files *files, Dwarf_Off unit)
{
    if (files->unit == unit) {
        return false;
    }
    forget_unit(files);
    files->unit = unit;
    Dwarf_Die die;
    uint64_t off;
    if (dwarf_offdie(files->file->dwarf, unit, &die) == NULL ||
        !dwarf_file_number(&die, DW_AT_stmt_list, &off)) {
        return true;
    }
    if (line_program_parse(&files->sections, off, &files->budget, &files->program)) {
        read_directory(files, &die);
    } else {
        files->cut = true;
    }
    return true;
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
static struct slice directory_at(const struct source_files *files, uint64_t number)
{
    const struct line_program *program = &files->program;
    if (program->version < 5 && number == 0) {
        return slice_of_text(text_get(&files->directory));
    }
    uint64_t at = program->version < 5 ? number - 1 : number;
    return at < program->directories.n ? program->directories.at[at] : (struct slice){0};
}

// Empty when it is not known.
static void make_path(const struct source_files *files, const struct line_file *file,
                      struct text *path)
{
    struct slice directory = directory_at(files, file->directory);
    if (file->name.n == 0) {
        return;
    }
    if (!is_absolute(file->name)) {
        if (!is_absolute(directory) && file->directory != 0) {
            add_part(path, directory_at(files, 0));
        }
        add_part(path, directory);
    }
    add_part(path, file->name);
    if (path->n > LIMIT_NAME_BYTES) {
        text_clear(path);
    }
}

// "" when there are too many.
static const char *intern_path(struct source_files *files, const struct text *path)
{
    uint64_t hash = hash_bytes(text_get(path), path->n);
    size_t cursor = 0;
    for (uint32_t id; (id = map_find_from(&files->by_path, hash, &cursor)) != MAP_NONE;) {
        if (strcmp(files->paths.at[id], text_get(path)) == 0) {
            return files->paths.at[id];
        }
    }
    if (path->n > LIMIT_LINE_PATH_BYTES - files->path_bytes) {
        files->cut = true;
        return "";
    }
    files->path_bytes += path->n;
    map_add(&files->by_path, hash, (uint32_t)files->paths.n);
    vec_push(&files->paths, alloc_text(text_get(path), path->n));
    return *vec_last(&files->paths);
}

const char *source_files_path(struct source_files *files, uint32_t number)
{
    size_t at = files->program.version < 5 ? (size_t)number - 1 : number;
    if (at >= files->program.files.n) {
        return NULL;
    }
    vec_grow_zeroed(&files->path_of, files->program.files.n); // it may define more as it runs
    if (files->path_of.at[at] == NULL) {
        CLEANUP(text_fini) struct text path = {0};
        make_path(files, &files->program.files.at[at], &path);
        files->path_of.at[at] = path.n == 0 ? "" : intern_path(files, &path);
    }
    return files->path_of.at[at][0] == 0 ? NULL : files->path_of.at[at];
}
