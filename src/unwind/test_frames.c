#include "unwind/test_frames.h"

void frames_fini(struct frames *frames)
{
    vec_fini(&frames->bytes);
}

void frames_put(struct frames *frames, const void *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        vec_push(&frames->bytes, ((const uint8_t *)bytes)[i]);
    }
}

void frames_put_int(struct frames *frames, uint64_t value, size_t n_bytes)
{
    frames_put(frames, &value, n_bytes);
}

void frames_put_uleb(struct frames *frames, uint64_t value)
{
    while (value > 0x7f) {
        frames_put_int(frames, (value & 0x7f) | 0x80, 1);
        value >>= 7;
    }
    frames_put_int(frames, value, 1);
}

void frames_put_sleb(struct frames *frames, int64_t value)
{
    while (value < -64 || value > 63) {
        frames_put_int(frames, ((uint64_t)value & 0x7f) | 0x80, 1);
        value >>= 7;
    }
    frames_put_int(frames, (uint64_t)value & 0x7f, 1);
}

void frames_begin(struct frames *frames)
{
    frames->entry_off = frames->bytes.n;
    frames_put_int(frames, 0, 4);
}

void frames_end(struct frames *frames)
{
    uint32_t length = (uint32_t)(frames->bytes.n - frames->entry_off - 4);
    memcpy(frames->bytes.at + frames->entry_off, &length, sizeof length);
}

static void put_augmentation_data(struct frames *frames, const char *augmentation)
{
    frames_put_uleb(frames, strcspn(augmentation, "?") == strlen(augmentation)
                                ? (strchr(augmentation, 'R') != NULL)
                                : 1U + (strchr(augmentation, 'R') != NULL));
    for (const char *letter = augmentation; *letter != 0; letter++) {
        if (*letter == 'R') {
            frames_put_int(frames, frames->encoding, 1);
        } else if (*letter == '?') {
            frames_put_int(frames, 0xee, 1);
        }
    }
}

void frames_cie(struct frames *frames, const char *augmentation, uint8_t encoding,
                const uint8_t *program, size_t n)
{
    uint8_t version = frames->version != 0 ? frames->version : 1;
    uint64_t ra = frames->ra != 0 ? frames->ra : frames->arch == UNWIND_X86_64 ? 16 : 30;
    frames->encoding = encoding;
    frames->sized = augmentation[0] == 'z';
    frames->cie_off = frames->bytes.n;
    frames_begin(frames);
    frames_put_int(frames, frames->is_debug_frame ? UINT32_MAX : 0, 4);
    frames_put_int(frames, version, 1);
    frames_put(frames, augmentation, strlen(augmentation) + 1);
    if (version == 4) {
        frames_put_int(frames, 8, 1);
        frames_put_int(frames, 0, 1);
    }
    frames_put_uleb(frames, frames->code_align != 0 ? frames->code_align : 1);
    frames_put_sleb(frames, frames->data_align != 0 ? frames->data_align : -8);
    frames_put_uleb(frames, ra);
    if (frames->sized) {
        put_augmentation_data(frames, augmentation);
    }
    frames_put(frames, program, n);
    frames_end(frames);
}

// Of the encodings that are tested with whole tables: relative to itself or not, 4 or 8 bytes.
void frames_fde(struct frames *frames, uint64_t start_addr, uint64_t size, const uint8_t *program,
                size_t n)
{
    frames_begin(frames);
    uint64_t back = frames->bytes.n - frames->cie_off;
    frames_put_int(frames, frames->is_debug_frame ? frames->cie_off : back, 4);
    bool is_relative = (frames->encoding & 0x70) == 0x10;
    size_t width = (frames->encoding & 0x07) == 0x03 ? 4 : 8;
    uint64_t place = SECTION_ADDR + frames->bytes.n;
    frames_put_int(frames, is_relative ? start_addr - place : start_addr, width);
    frames_put_int(frames, size, width);
    if (frames->sized) {
        frames_put_uleb(frames, 0);
    }
    frames_put(frames, program, n);
    frames_end(frames);
}

struct cfi_section frames_section(const struct frames *frames)
{
    return (struct cfi_section){
        .bytes = {.data = frames->bytes.at, .n = frames->bytes.n},
        .addr = SECTION_ADDR,
        .is_debug_frame = frames->is_debug_frame,
    };
}

struct cfi_table *frames_table(const struct frames *frames, struct cfi_facts *ret_facts)
{
    struct cfi_segment segment = {
        .addr = CODE_ADDR, .size_bytes = CODE_BYTES, .file_off = CODE_OFF};
    struct cfi_source source = {
        .arch = frames->arch,
        .sections = {frames_section(frames)},
        .n_sections = 1,
        .segments = &segment,
        .n_segments = 1,
    };
    struct cfi_facts facts;
    return cfi_table_build(&source, ret_facts != NULL ? ret_facts : &facts);
}
