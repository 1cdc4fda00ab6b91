#pragma once

// The protocol for readers who are not C: printed from the tables of schema.c, so that none of them
// can say anything else than what the server checks.

#include "base/text.h"

// One JSON object: an OpenRPC 1.3 document, the result of rpc.discover.
void document_put_openrpc(struct text *to);

// docs/protocol.md.
void document_put_markdown(struct text *to);

// Types for the browser UI.
void document_put_typescript(struct text *to);
