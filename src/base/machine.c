#include "base/machine.h"

#include "base/file.h"

#include <string.h>

int machine_boot_id(struct text *to)
{
    CLEANUP(text_fini) struct text line = {0};
    int r = file_read("/proc/sys/kernel/random/boot_id", 256, &line);
    if (r == 0) {
        text_add_bytes(to, text_get(&line), strcspn(text_get(&line), "\n"));
    }
    return r;
}
