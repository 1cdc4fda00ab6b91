#pragma once

// What diagnostics say about debug files from servers. On the loop thread.

#include "image/debuginfod.h"
#include "rpc/json.h"

// A listing wants a source that debuginfod servers may have; any thread. `debuginfod` is ours.
void fetches_want_source(void *debuginfod, const struct build_id *build_id, const char *path);

// The field `debuginfod`.
void fetches_put(struct json *j, struct debuginfod *debuginfod);
