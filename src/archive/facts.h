#pragma once

// What is known of a run beside its rows: a list of names with values. The archive keeps it and
// does not ask what it means (server/run_facts.h does); who reads a file finds it in the table
// `meta`.
//
//     label          "python3 train.py"
//     frequency_hz   900
//     stop_reason    "target_exited"

#include "base/bytes.h"
#include "base/vec.h"

#include <stdbool.h>

struct fact {
    char *name;
    bool is_number;
    uint64_t number;
    char *text; // NULL for a number; no zero bytes in it, otherwise of any bytes
};

// All zero: none. At most LIMIT_FACTS of them; further ones are not taken.
struct facts {
    VEC(struct fact) list;
};

void facts_fini(struct facts *facts);
void facts_clear(struct facts *facts);
void facts_copy(struct facts *ret, const struct facts *facts);

// Add it, or replace its value. Texts are copied, and cut at LIMIT_FACT_BYTES.
void facts_set_number(struct facts *facts, const char *name, uint64_t number);
void facts_set_text(struct facts *facts, const char *name, const char *text);

// What stands in for it when it is not there, or is of the other kind.
uint64_t facts_number(const struct facts *facts, const char *name, uint64_t when_absent);
const char *facts_text(const struct facts *facts, const char *name, const char *when_absent);

bool facts_equal(const struct fact *a, const struct fact *b);
