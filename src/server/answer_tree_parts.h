#pragma once

// A tree of functions as JSON: columns, and a table of names. On the query thread.

#include "server/answer_parts.h"

// Names, each once, in the order in which nodes need them. Keyed by pointer: functions have one
// name, and few functions share a name. A zeroed one is empty, and ready.
struct string_table {
    struct map by_pointer;
    VEC(const char *) strings;
};

void string_table_fini(struct string_table *table);

// The fields `nodes` and `waits`. Several trees may share one table.
void put_tree(struct json *j, const struct flame *tree, struct string_table *strings);

// The field `strings`, after the trees that need them.
void put_strings(struct json *j, const struct string_table *table);
