#include "image/inlines.h"

#include "image/dwarf_units.h"
#include "image/inlines_unit.h"
#include "image/source_files.h"

#include <dwarf.h>
#include <errno.h>

struct inlines {
    struct dwarf_file file;
    const _Atomic bool *stop;
    struct dwarf_units unit_list;
    VEC(struct inlines_unit) units; // one for each of these
    VEC(struct inline_site *) sites;
    struct source_files files; // of calls
    uint64_t bytes;            // of units that were walked
    uint64_t n_cut;            // units that were not walked to their end
    bool names_missing;        // one stands in an alternate file that is not there
};

// ---- Life --------------------------------------------------------------------------------------

static struct inlines *make(struct dwarf_file *file, const _Atomic bool *stop)
{
    struct inlines *inlines = NEW(struct inlines);
    inlines->file = *file;
    inlines->stop = stop;
    source_files_init(&inlines->files, &inlines->file);
    dwarf_units_find(&inlines->file, stop, &inlines->unit_list);
    vec_grow_zeroed(&inlines->units, inlines->unit_list.list.n);
    for (size_t i = 0; i < inlines->units.n; i++) {
        inlines->units.at[i].die_off = inlines->unit_list.list.at[i].die_off;
    }
    return inlines;
}

int inlines_open(int fd, const struct image_root *root, const _Atomic bool *stop,
                 struct inlines **ret, struct err *reterr)
{
    struct dwarf_file file;
    int r = dwarf_file_open(fd, root, &file, reterr);
    *ret = r < 0 ? NULL : make(&file, stop);
    return r;
}

int inlines_open_bytes(struct slice bytes, struct inlines **ret, struct err *reterr)
{
    struct dwarf_file file;
    int r = dwarf_file_open_bytes(bytes, &file, reterr);
    *ret = r < 0 ? NULL : make(&file, NULL);
    return r;
}

void inlines_close(struct inlines *inlines)
{
    if (inlines == NULL) {
        return;
    }
    for (size_t i = 0; i < inlines->units.n; i++) {
        inlines_unit_fini(&inlines->units.at[i]);
    }
    for (size_t i = 0; i < inlines->sites.n; i++) {
        free(inlines->sites.at[i]);
    }
    vec_fini(&inlines->sites);
    vec_fini(&inlines->units);
    source_files_fini(&inlines->files);
    dwarf_units_fini(&inlines->unit_list);
    dwarf_file_close(&inlines->file);
    free(inlines);
}

uint64_t inlines_bytes(const struct inlines *inlines)
{
    return sizeof *inlines + inlines->file.bytes + inlines->bytes +
           inlines->units.room * sizeof(struct inlines_unit) + spans_bytes(&inlines->unit_list.at) +
           inlines->sites.n * (sizeof(struct inline_site) + sizeof(void *));
}

static size_t count_whole(const struct dwarf_units *units)
{
    size_t n = 0;
    for (size_t i = 0; i < units->list.n; i++) {
        n += !units->list.at[i].is_split;
    }
    return n;
}

void inlines_note(const struct inlines *inlines, struct err *ret)
{
    *ret = (struct err){0};
    if (inlines->unit_list.n_split > 0) {
        size_t n_whole = count_whole(&inlines->unit_list);
        err_set(ret, 0,
                "has split DWARF: of %zu units, inlined functions are known of those that are "
                "not in .dwo files (%zu)",
                (size_t)inlines->unit_list.n_split + n_whole, n_whole);
    } else if (inlines->names_missing) {
        err_set(ret, 0, "has names in another file (dwz, .gnu_debugaltlink) that is not there");
    } else if (inlines->unit_list.too_many || inlines->n_cut > 0) {
        err_set(ret, 0,
                "has DWARF that is malformed or too large; some inlined functions are "
                "missing");
    }
}

// ---- Names -------------------------------------------------------------------------------------

static enum symbol_lang lang_of(const Dwarf_Die *die)
{
    Dwarf_Die at = *die;
    Dwarf_Die unit;
    uint64_t lang = 0;
    if (dwarf_diecu(&at, &unit, NULL, NULL) != NULL) {
        dwarf_file_number(&unit, DW_AT_language, &lang);
    }
    switch (lang) {
    case DW_LANG_C:
    case DW_LANG_C89:
    case DW_LANG_C99:
    case DW_LANG_C11:
        return SYMBOL_C;
    case DW_LANG_C_plus_plus:
    case DW_LANG_C_plus_plus_03:
    case DW_LANG_C_plus_plus_11:
    case DW_LANG_C_plus_plus_14:
        return SYMBOL_CPP;
    case DW_LANG_Rust:
        return SYMBOL_RUST;
    case DW_LANG_D:
        return SYMBOL_D;
    default:
        return SYMBOL_UNKNOWN;
    }
}

static const char *text_of(struct inlines *inlines, const Dwarf_Die *die, unsigned name)
{
    Dwarf_Attribute attr;
    Dwarf_Die owner;
    if (!dwarf_file_attr(&inlines->file, die, name, &attr, &owner)) {
        return NULL;
    }
    const char *text = dwarf_file_text(&inlines->file, &attr);
    return text != NULL && *text != 0 ? text : NULL;
}

static void name_site(struct inlines *inlines, const Dwarf_Die *die, struct inline_site *site)
{
    static const unsigned attributes[] = {DW_AT_linkage_name, DW_AT_MIPS_linkage_name, DW_AT_name};
    for (size_t i = 0; i < ARRAY_LEN(attributes) && site->name == NULL; i++) {
        site->name = text_of(inlines, die, attributes[i]);
        site->is_linkage_name = attributes[i] != DW_AT_name;
    }
    if (site->name == NULL) {
        site->name = "[inlined]";
        site->is_linkage_name = false;
        inlines->names_missing |= inlines->file.wants_alt && inlines->file.alt == NULL;
    }
}

enum { NO_FILE = UINT32_MAX }; // 0 is a file, from DWARF 5 on

static uint32_t small_number(const Dwarf_Die *die, unsigned name, uint32_t otherwise)
{
    uint64_t value;
    bool is_small = dwarf_file_number(die, name, &value) && value < UINT32_MAX;
    return is_small ? (uint32_t)value : otherwise;
}

// The site number plus one.
static uint32_t make_site(struct inlines *inlines, uint32_t unit, uint64_t die_off)
{
    struct inline_site *site = NEW(struct inline_site);
    site->unit = unit;
    Dwarf_Die die;
    if (dwarf_offdie(inlines->file.dwarf, die_off, &die) != NULL) {
        Dwarf_Die origin = dwarf_file_origin(&inlines->file, &die);
        name_site(inlines, &die, site);
        site->lang = lang_of(&origin);
        site->call_file = small_number(&die, DW_AT_call_file, NO_FILE);
        site->call_line = small_number(&die, DW_AT_call_line, 0);
    } else {
        site->name = "[inlined]";
        site->lang = SYMBOL_UNKNOWN;
    }
    vec_push(&inlines->sites, site);
    return (uint32_t)inlines->sites.n;
}

const char *inlines_call_file(struct inlines *inlines, const struct inline_site *site)
{
    if (site->call_file == NO_FILE) {
        return NULL;
    }
    source_files_enter(&inlines->files, inlines->units.at[site->unit].die_off);
    return source_files_path(&inlines->files, site->call_file);
}

// ---- Looking up --------------------------------------------------------------------------------

static struct inlines_unit *unit_at(struct inlines *inlines, uint64_t addr, uint32_t *ret_id)
{
    *ret_id = spans_find(&inlines->unit_list.at, addr);
    if (*ret_id == SPANS_NONE || inlines->unit_list.list.at[*ret_id].is_split) {
        return NULL;
    }
    struct inlines_unit *unit = &inlines->units.at[*ret_id];
    if (!unit->walked) {
        inlines_unit_walk(unit, &inlines->file, inlines->stop);
        inlines->bytes += inlines_unit_bytes(unit);
        inlines->n_cut += unit->cut;
    }
    return unit;
}

size_t inlines_find(struct inlines *inlines, uint64_t addr,
                    const struct inline_site *ret[LIMIT_INLINE_DEPTH])
{
    uint32_t id;
    struct inlines_unit *unit = unit_at(inlines, addr, &id);
    uint32_t node = unit == NULL ? (uint32_t)SPANS_NONE : spans_find(&unit->spans, addr);
    if (node == SPANS_NONE) {
        return 0;
    }
    size_t n = 0;
    for (uint32_t at = node; at != 0; at = unit->nodes.at[at].caller) {
        n++;
    }
    ASSERT(n <= LIMIT_INLINE_DEPTH);
    for (size_t i = n; i-- > 0; node = unit->nodes.at[node].caller) {
        uint32_t *site = &unit->nodes.at[node].site;
        if (*site == 0) {
            *site = make_site(inlines, id, unit->nodes.at[node].die_off);
        }
        ret[i] = inlines->sites.at[*site - 1];
    }
    return n;
}
