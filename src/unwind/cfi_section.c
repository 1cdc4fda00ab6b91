#include "unwind/cfi_section.h"

#include "base/limits.h"
#include "base/vec.h"
#include "unwind/dwarf_bytes.h"

struct scan {
    const struct cfi_section *section;
    const struct cfi_source *source;
    struct cfi_expressions *expressions;
    struct pointer_bases bases;
    VEC(struct cfi_cie) cies; // sorted by `off`
    size_t last_cie;          // the one that was found last
    bool (*take)(void *context, const struct cfi_function *function);
    void *context;
    struct cfi_section_facts *facts;
};

// ---- The chain ---------------------------------------------------------------------------------

struct entry {
    uint64_t off;
    bool is_cie;
    uint64_t cie_off;   // of an FDE
    struct reader body; // behind the id; its `at` counts from the start of the section
};

enum step { STEP_ENTRY, STEP_END, STEP_BROKEN };

static void read_id(struct entry *entry, bool is_debug_frame, bool is_64)
{
    struct reader *body = &entry->body;
    uint64_t id_off = body->at;
    if (!is_debug_frame) {
        uint32_t back = read_u32(body); // 4 bytes even where the length has 8
        entry->is_cie = back == 0;
        entry->cie_off = id_off - back;
    } else if (is_64) {
        entry->cie_off = read_u64(body);
        entry->is_cie = entry->cie_off == UINT64_MAX;
    } else {
        entry->cie_off = read_u32(body);
        entry->is_cie = entry->cie_off == UINT32_MAX;
    }
}

static enum step next_entry(const struct cfi_section *section, struct reader *chain,
                            struct entry *ret)
{
    uint64_t length = 0;
    bool is_64 = false;
    uint64_t off = 0;
    while (length == 0) {
        if (reader_left(chain) < sizeof(uint32_t)) {
            return STEP_END;
        }
        off = chain->at;
        length = read_u32(chain);
        is_64 = length == UINT32_MAX;
        length = is_64 ? read_u64(chain) : length;
    }
    if (length > reader_left(chain)) {
        return STEP_BROKEN;
    }
    size_t end = chain->at + (size_t)length;
    *ret = (struct entry){
        .off = off,
        .body = {.bytes = {.data = section->bytes.data, .n = end}, .at = chain->at},
    };
    read_id(ret, section->is_debug_frame, is_64);
    chain->at = end;
    return STEP_ENTRY;
}

// ---- Common information ------------------------------------------------------------------------

// What follows the letters of the augmentation, in their order. False: what this is can't be known.
static bool read_augmentation_data(struct scan *scan, struct slice letters, struct reader *body,
                                   struct cfi_cie *cie)
{
    for (size_t i = 0; i < letters.n; i++) {
        switch (letters.data[i]) {
        case 'R': // addresses of the functions
            cie->pointer_encoding = read_u8(body);
            break;
        case 'L': // what language-specific data is like: each FDE has its size
            read_u8(body);
            break;
        case 'P': { // a function that handles exceptions
            uint8_t encoding = read_u8(body);
            if (!pointer_skip(body, encoding, &scan->bases)) {
                return false;
            }
            break;
        }
        case 'S':
            cie->signal_frame = true;
            break;
        case 'B': // return addresses are signed with the second key
        case 'G': // memory tags of the frame
            break;
        default: // nobody knows what the rest is about, but the length says where it ends
            return true;
        }
    }
    return !body->bad;
}

static bool read_augmentation(struct scan *scan, struct reader *body, struct slice letters,
                              struct cfi_cie *cie)
{
    if (letters.n == 0) {
        return true;
    }
    if (letters.data[0] != 'z') {
        return false;
    }
    cie->sized = true;
    uint64_t size = read_uleb(body);
    if (size > reader_left(body)) {
        return false;
    }
    struct reader data = *body;
    data.bytes.n = data.at + (size_t)size;
    read_slice(body, (size_t)size);
    letters.data++;
    letters.n--;
    return read_augmentation_data(scan, letters, &data, cie);
}

static bool read_cie(struct scan *scan, const struct entry *entry, struct cfi_cie *cie)
{
    struct reader body = entry->body;
    uint8_t version = read_u8(&body);
    bool known = scan->section->is_debug_frame ? version == 1 || version == 3 || version == 4
                                               : version == 1 || version == 3;
    struct slice letters = read_text(&body);
    if (!known || body.bad) {
        return false;
    }
    if (version == 4) {
        uint8_t address_bytes = read_u8(&body);
        uint8_t selector_bytes = read_u8(&body);
        if (address_bytes != 8 || selector_bytes != 0) {
            return false;
        }
    }
    if (slice_equal(letters, slice_of_text("eh"))) {
        read_u64(&body); // an address that an old compiler's runtime needs
        letters = (struct slice){0};
    }
    cie->code_align = read_uleb(&body);
    cie->data_align = read_sleb(&body);
    cie->ra_column = version == 1 ? read_u8(&body) : read_uleb(&body);
    if (!read_augmentation(scan, &body, letters, cie) || body.bad) {
        return false;
    }
    struct cfi_program program = {
        .arch = scan->source->arch,
        .cie = cie,
        .expressions = scan->expressions,
        .bases = scan->bases,
        .code = body,
    };
    return cfi_program_run_cie(&program, cie);
}

static void read_cies(struct scan *scan)
{
    struct reader chain = reader_of(scan->section->bytes);
    struct entry entry;
    while (next_entry(scan->section, &chain, &entry) == STEP_ENTRY) {
        if (entry.is_cie && scan->cies.n < LIMIT_CFI_CIES) {
            struct cfi_cie cie = {.off = entry.off};
            cie.bad = entry.body.bad || !read_cie(scan, &entry, &cie);
            vec_push(&scan->cies, cie);
        }
    }
}

static const struct cfi_cie *find_cie(struct scan *scan, uint64_t off)
{
    if (scan->cies.n == 0) {
        return NULL;
    }
    if (scan->cies.at[scan->last_cie].off != off) {
        size_t from = 0;
        size_t to = scan->cies.n;
        while (to - from > 1) {
            size_t middle = from + (to - from) / 2;
            *(scan->cies.at[middle].off <= off ? &from : &to) = middle;
        }
        scan->last_cie = from;
    }
    const struct cfi_cie *found = &scan->cies.at[scan->last_cie];
    return found->off == off && !found->bad ? found : NULL;
}

// ---- Functions ---------------------------------------------------------------------------------

static bool read_fde(struct scan *scan, const struct entry *entry)
{
    const struct cfi_cie *cie = find_cie(scan, entry->cie_off);
    if (cie == NULL) {
        return false;
    }
    struct cfi_function function = {.cie = cie, .code = entry->body, .bases = scan->bases};
    struct reader *body = &function.code;
    uint64_t size;
    if (!pointer_read(body, cie->pointer_encoding, &scan->bases, &function.start_addr) ||
        !pointer_read_size(body, cie->pointer_encoding, &size) ||
        __builtin_add_overflow(function.start_addr, size, &function.end_addr)) {
        return false;
    }
    if (cie->sized) {
        read_slice(body, (size_t)read_uleb(body));
    }
    return !body->bad && scan->take(scan->context, &function);
}

static void read_fdes(struct scan *scan)
{
    struct reader chain = reader_of(scan->section->bytes);
    struct entry entry;
    enum step step;
    while ((step = next_entry(scan->section, &chain, &entry)) == STEP_ENTRY) {
        if (!entry.is_cie) {
            scan->facts->n_fdes++;
            scan->facts->n_bad += entry.body.bad || !read_fde(scan, &entry);
        }
    }
    scan->facts->n_bad += step == STEP_BROKEN;
}

void cfi_section_read(const struct cfi_section *section, const struct cfi_source *source,
                      struct cfi_expressions *expressions,
                      bool (*take)(void *context, const struct cfi_function *function),
                      void *context, struct cfi_section_facts *ret)
{
    *ret = (struct cfi_section_facts){0};
    struct scan scan = {
        .section = section,
        .source = source,
        .expressions = expressions,
        .bases = {.section_addr = section->addr,
                  .text_addr = source->text_addr,
                  .data_addr = source->data_addr},
        .take = take,
        .context = context,
        .facts = ret,
    };
    read_cies(&scan);
    read_fdes(&scan);
    vec_fini(&scan.cies);
}
