#include "image/inlines.h"

#include "image/dwarf_file.h"
#include "image/inlines_unit.h"

#include <dwarf.h>
#include <errno.h>

struct inlines {
    struct dwarf_file file;
    const _Atomic bool *stop;
    VEC(struct inlines_unit) units;
    struct spans units_at; // of units, by address
    VEC(struct inline_site *) sites;
    uint64_t bytes;     // of units that were walked
    uint64_t n_split;   // units whose DIEs are in another file
    uint64_t n_cut;     // units that were not walked to their end
    bool too_many;      // units
    bool names_missing; // one stands in an alternate file that is not there
};

// ---- Which unit? -------------------------------------------------------------------------------

static bool is_split(Dwarf_Die *unit, uint8_t type)
{
    return type == DW_UT_skeleton || dwarf_hasattr(unit, DW_AT_GNU_dwo_name) ||
           dwarf_hasattr(unit, DW_AT_dwo_name);
}

// Units that the linker left out stand at address 0, where no code is.
static void add_unit(struct inlines *inlines, Dwarf_Die *die, uint8_t type)
{
    if (type != DW_UT_compile && type != DW_UT_skeleton) {
        return; // types, or parts of others: without code
    }
    if (is_split(die, type)) {
        inlines->n_split++;
        return;
    }
    uint32_t id = (uint32_t)inlines->units.n;
    Dwarf_Addr base;
    Dwarf_Addr start;
    Dwarf_Addr end;
    bool any = false;
    for (ptrdiff_t at = 0; (at = dwarf_ranges(die, at, &base, &start, &end)) > 0;) {
        if (start != 0 && inlines->units_at.added.n < LIMIT_INLINE_SPANS) {
            spans_add(&inlines->units_at, start, end, id);
            any = true;
        }
    }
    if (any) {
        vec_push(&inlines->units, (struct inlines_unit){.die_off = dwarf_dieoffset(die)});
    }
}

// Of units that claim the same address (one function that several have, of which the linker kept
// one), the first one counts: spans takes the last.
static void reverse_spans(struct spans *spans)
{
    for (size_t i = 0; i < spans->added.n; i++) {
        spans->added.at[i].order = (uint32_t)(spans->added.n - i);
    }
}

static void find_units(struct inlines *inlines)
{
    Dwarf_CU *unit = NULL;
    Dwarf_Half version;
    uint8_t type;
    Dwarf_Die die;
    Dwarf_Off last_off = 0;
    while (dwarf_get_units(inlines->file.dwarf, unit, &unit, &version, &type, &die, NULL) == 0) {
        if (inlines->units.n == LIMIT_INLINE_SPANS ||
            (inlines->stop != NULL && atomic_load(inlines->stop))) {
            inlines->too_many = true;
            break;
        }
        if (die.addr == NULL || type == DW_UT_type || type == DW_UT_split_type) {
            continue;
        }
        Dwarf_Off off = dwarf_dieoffset(&die);
        if (off <= last_off) {
            break; // only forward
        }
        last_off = off;
        add_unit(inlines, &die, type);
    }
    reverse_spans(&inlines->units_at);
    spans_finish(&inlines->units_at);
}

// ---- Life --------------------------------------------------------------------------------------

static struct inlines *make(struct dwarf_file *file, const _Atomic bool *stop)
{
    struct inlines *inlines = NEW(struct inlines);
    inlines->file = *file;
    inlines->stop = stop;
    find_units(inlines);
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
    spans_fini(&inlines->units_at);
    dwarf_file_close(&inlines->file);
    free(inlines);
}

uint64_t inlines_bytes(const struct inlines *inlines)
{
    return sizeof *inlines + inlines->file.bytes + inlines->bytes +
           inlines->units.room * sizeof(struct inlines_unit) + spans_bytes(&inlines->units_at) +
           inlines->sites.n * (sizeof(struct inline_site) + sizeof(void *));
}

void inlines_note(const struct inlines *inlines, struct err *ret)
{
    *ret = (struct err){0};
    if (inlines->n_split > 0) {
        err_set(ret, 0,
                "has split DWARF: of %zu units, inlined functions are known of those that are "
                "not in .dwo files (%zu)",
                (size_t)inlines->n_split + inlines->units.n, inlines->units.n);
    } else if (inlines->names_missing) {
        err_set(ret, 0, "has names in another file (dwz, .gnu_debugaltlink) that is not there");
    } else if (inlines->too_many || inlines->n_cut > 0) {
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
    Dwarf_Die die;
    Dwarf_Files *files;
    size_t n;
    Dwarf_Off die_off = inlines->units.at[site->unit].die_off;
    if (dwarf_offdie(inlines->file.dwarf, die_off, &die) == NULL ||
        dwarf_getsrcfiles(&die, &files, &n) != 0 || site->call_file >= n) {
        return NULL;
    }
    const char *name = dwarf_filesrc(files, site->call_file, NULL, NULL);
    return name != NULL && strcmp(name, "???") != 0 ? name : NULL; // what libdw puts at number 0
}

// ---- Looking up --------------------------------------------------------------------------------

static struct inlines_unit *unit_at(struct inlines *inlines, uint64_t addr, uint32_t *ret_id)
{
    *ret_id = spans_find(&inlines->units_at, addr);
    if (*ret_id == SPANS_NONE) {
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
