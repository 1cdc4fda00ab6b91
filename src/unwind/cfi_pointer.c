#include "unwind/cfi_pointer.h"

#include "unwind/dwarf_bytes.h"

static bool read_width(struct reader *from, uint8_t encoding, uint64_t *ret)
{
    switch (encoding & POINTER_WIDTH) {
    case POINTER_NATIVE:
    case POINTER_U64:
    case POINTER_S64:
        *ret = read_u64(from);
        break;
    case POINTER_U32:
        *ret = read_u32(from);
        break;
    case POINTER_S32:
        *ret = (uint64_t)(int32_t)read_u32(from);
        break;
    case POINTER_U16:
        *ret = read_u16(from);
        break;
    case POINTER_S16:
        *ret = (uint64_t)(int16_t)read_u16(from);
        break;
    case POINTER_ULEB:
        *ret = read_uleb(from);
        break;
    case POINTER_SLEB:
        *ret = (uint64_t)read_sleb(from);
        break;
    default:
        return false;
    }
    return !from->bad;
}

bool pointer_read_size(struct reader *from, uint8_t encoding, uint64_t *ret)
{
    return read_width(from, encoding, ret);
}

bool pointer_read(struct reader *from, uint8_t encoding, const struct pointer_bases *bases,
                  uint64_t *ret)
{
    if ((encoding & POINTER_INDIRECT) != 0) {
        return false; // POINTER_OMITTED is one of these
    }
    uint64_t base;
    switch (encoding & POINTER_RELATION) {
    case POINTER_ABSOLUTE:
        base = 0;
        break;
    case POINTER_TO_ITSELF:
        base = bases->section_addr + from->at;
        break;
    case POINTER_TO_TEXT:
        base = bases->text_addr;
        break;
    case POINTER_TO_DATA:
        base = bases->data_addr;
        break;
    default:
        return false;
    }
    uint64_t value;
    if (!read_width(from, encoding, &value)) {
        return false;
    }
    *ret = base + value;
    return true;
}

bool pointer_skip(struct reader *from, uint8_t encoding, const struct pointer_bases *bases)
{
    if (encoding == POINTER_OMITTED) {
        return true;
    }
    if ((encoding & POINTER_RELATION) == POINTER_ALIGNED) {
        uint64_t place = bases->section_addr + from->at;
        read_slice(from, (size_t)(-place & 7));
        encoding = POINTER_NATIVE;
    }
    uint64_t ignored;
    return read_width(from, encoding, &ignored);
}
