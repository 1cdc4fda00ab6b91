#include "image/dwarf_units.h"

#include "base/limits.h"

#include <dwarf.h>

void dwarf_units_fini(struct dwarf_units *units)
{
    vec_fini(&units->list);
    spans_fini(&units->at);
}

static bool is_split(Dwarf_Die *unit, uint8_t type)
{
    return type == DW_UT_skeleton || dwarf_hasattr(unit, DW_AT_GNU_dwo_name) ||
           dwarf_hasattr(unit, DW_AT_dwo_name);
}

// Units that the linker left out stand at address 0, where no code is.
static void add_unit(struct dwarf_units *units, Dwarf_Die *die, uint8_t type)
{
    if (type != DW_UT_compile && type != DW_UT_skeleton) {
        return; // types, or parts of others: without code
    }
    struct dwarf_unit unit = {.die_off = dwarf_dieoffset(die), .is_split = is_split(die, type)};
    units->n_split += unit.is_split;
    Dwarf_Addr base;
    Dwarf_Addr start;
    Dwarf_Addr end;
    bool any = false;
    for (ptrdiff_t at = 0; (at = dwarf_ranges(die, at, &base, &start, &end)) > 0;) {
        if (start != 0 && units->at.added.n < LIMIT_INLINE_SPANS) {
            spans_add(&units->at, start, end, (uint32_t)units->list.n);
            any = true;
        }
    }
    if (any) {
        vec_push(&units->list, unit);
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

void dwarf_units_find(const struct dwarf_file *file, const _Atomic bool *stop,
                      struct dwarf_units *ret)
{
    *ret = (struct dwarf_units){0};
    Dwarf_CU *unit = NULL;
    Dwarf_Half version;
    uint8_t type;
    Dwarf_Die die;
    Dwarf_Off last_off = 0;
    while (dwarf_get_units(file->dwarf, unit, &unit, &version, &type, &die, NULL) == 0) {
        if (ret->list.n == LIMIT_INLINE_SPANS || (stop != NULL && atomic_load(stop))) {
            ret->too_many = true;
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
        add_unit(ret, &die, type);
    }
    reverse_spans(&ret->at);
    spans_finish(&ret->at);
}
