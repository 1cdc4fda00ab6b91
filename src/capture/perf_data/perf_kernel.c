#include "capture/perf_data/perf_kernel.h"

#include "base/file.h"

#include <stdio.h>
#include <stdlib.h>

enum { NOTES_BYTES = 64 << 10, NOTE_BUILD_ID = 3, NOTE_ALIGN = 4 };

static struct slice read_padded(struct reader *from, uint32_t n)
{
    struct slice bytes = read_slice(from, n);
    read_slice(from, MIN((size_t)(-n % NOTE_ALIGN), reader_left(from)));
    return bytes;
}

struct event_build_id perf_kernel_build_id(struct slice notes)
{
    struct reader from = reader_of(notes);
    struct event_build_id id = {0};
    while (reader_left(&from) > 0) {
        uint32_t n_name = read_u32(&from);
        uint32_t n_bytes = read_u32(&from);
        uint32_t type = read_u32(&from);
        struct slice name = read_padded(&from, n_name);
        struct slice bytes = read_padded(&from, n_bytes);
        bool is_gnu = name.n == sizeof "GNU" && memcmp(name.data, "GNU", sizeof "GNU") == 0;
        if (!from.bad && is_gnu && type == NOTE_BUILD_ID && bytes.n <= sizeof id.at) {
            id.n = (uint8_t)bytes.n;
            memcpy(id.at, bytes.data, bytes.n);
            break;
        }
    }
    return id;
}

void perf_kernel_read_mapping(struct perf_kernel *kernel, struct slice path, uint64_t addr)
{
    static const char start[] = "[kernel.kallsyms]";
    size_t n = sizeof start - 1;
    if (path.n <= n || path.n - n >= sizeof kernel->symbol || memcmp(path.data, start, n) != 0) {
        return;
    }
    memcpy(kernel->symbol, path.data + n, path.n - n);
    kernel->symbol[path.n - n] = 0;
    kernel->symbol_addr = addr;
}

// Where that symbol lies in the kernel that runs; 0: not known.
static uint64_t find_symbol(const char *name)
{
    FILE *file = fopen("/proc/kallsyms", "re");
    char *line = NULL;
    size_t room = 0;
    uint64_t found = 0;
    while (file != NULL && getline(&line, &room, file) > 0) {
        char *end;
        uint64_t addr = strtoull(line, &end, 16);
        // " T _text\n"
        if (strlen(end) > 3 && strncmp(end + 3, name, strlen(name)) == 0 &&
            end[3 + strlen(name)] == '\n') {
            found = addr;
            break;
        }
    }
    free(line);
    if (file != NULL) {
        fclose(file);
    }
    return found;
}

static bool is_same_release(const char *osrelease)
{
    CLEANUP(text_fini) struct text ours = {0};
    if (osrelease == NULL || file_read("/proc/sys/kernel/osrelease", 4096, &ours) < 0) {
        return true;
    }
    size_t n = strcspn(text_get(&ours), "\n");
    return n == strlen(osrelease) && memcmp(text_get(&ours), osrelease, n) == 0;
}

static bool is_same_build(const struct event_build_id *build_id)
{
    CLEANUP(text_fini) struct text notes = {0};
    if (build_id == NULL || file_read("/sys/kernel/notes", NOTES_BYTES, &notes) < 0) {
        return true;
    }
    struct event_build_id ours = perf_kernel_build_id(
        (struct slice){(const uint8_t *)text_get(&notes), notes.n});
    return ours.n == 0 || (ours.n == build_id->n && memcmp(ours.at, build_id->at, ours.n) == 0);
}

bool perf_kernel_is_ours(const struct perf_kernel *kernel, struct err *ret_why)
{
    if (!is_same_release(kernel->osrelease)) {
        err_set(ret_why, 0, "it was recorded on Linux %.60s", kernel->osrelease);
        return false;
    }
    if (!is_same_build(kernel->build_id)) {
        err_set(ret_why, 0, "it was recorded on another build of this kernel");
        return false;
    }
    if (kernel->symbol[0] == 0 || kernel->symbol_addr == 0) {
        return true;
    }
    uint64_t ours = find_symbol(kernel->symbol);
    if (ours != 0 && ours != kernel->symbol_addr) {
        err_set(ret_why, 0, "this machine has been booted since it was recorded");
        return false;
    }
    return true;
}
