#pragma once

// Pieces of JSON that answers about one function have in common. On the query thread.

#include "server/answer_parts.h"
#include "server/code_question.h"

// TARGET_FIELDS of rpc/schema.c.
void put_target_fields(struct json *j, const struct analysis *analysis,
                       const struct code_work *work);

// LISTING_FIELDS.
void put_listing_fields(struct json *j, const struct analysis *analysis,
                        const struct code_work *work);

// The field `source_header`; nothing for LISTING_NONE.
void put_source_header(struct json *j, const struct listing *listing, uint32_t source);

// FUNCTION_NUMBERS.
void put_heat_fields(struct json *j, const struct function_heat *heat);
