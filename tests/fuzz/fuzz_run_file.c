// Any bytes, as a run file: an error, or a run in which everything that is named exists. Whatever
// is opened can be read back when its rows are not in memory.

#include "archive/load.h"

#include "archive/test_support.h"
#include "base/alloc.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *folder;
static struct library library;

static void clean_up(void)
{
    library_fini(&library);
    folder_remove(folder);
}

static void set_up(void)
{
    folder = folder_make();
    library_init(&library, NULL, NULL);
    atexit(clean_up);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (folder == NULL) {
        set_up();
    }
    CLEANUP(freep) char *path = folder_path(folder, "input.stax");
    file_put(path, data, size);
    struct err err = {0};
    struct loaded_run run;
    if (archive_load(path, &library, 1 << 20, NULL, &run, &err) == 0) {
        ASSERT(run.rows_missing == 0 || run.note.text[0] != 0);
        store_walk(run.store);
        ASSERT(store_paging(run.store).failed == 0);
        loaded_run_fini(&run);
    } else {
        ASSERT(err.text[0] != 0);
    }
    unlink(path);
    return 0;
}
