#pragma once

// What diagnostics say about debug files from servers. On the loop thread.

#include "image/debuginfod.h"
#include "rpc/json.h"

// The field `debuginfod`.
void fetches_put(struct json *j, struct debuginfod *debuginfod);
