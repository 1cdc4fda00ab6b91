#pragma once

// The numbers of an answer about code, row by row (instructions, or basic blocks), and what a
// subscriber has been told of them: code is sent once, then only the rows whose numbers changed.
//
//     first answer     rows, whole           ──► code_sent keeps the numbers and what they are of
//     later ones       `changed`: by columns ◄── compared with what was sent
//
// What was sent is lent to each question of a subscription: server/sent.h.

#include "base/vec.h"
#include "rpc/json.h"

struct code_numbers {
    uint64_t self_samples;
    uint64_t self_on_cpu_ns;
    uint64_t total_samples;
    uint64_t total_on_cpu_ns;
    uint64_t total_off_ns;
};

struct code_rows {
    VEC(struct code_numbers) list;
};

struct code_sent {
    uint64_t key; // what the rows are; 0: nothing has been sent
    struct code_rows rows;
};

void code_sent_fini(struct code_sent *sent); // a zeroed one is empty, and ready

// The fields self_samples, self_on_cpu_ns, total_samples, total_on_cpu_ns, total_off_cpu_ns.
void put_code_numbers(struct json *j, const struct code_numbers *numbers);

// Of a subscription whose client has rows with this key: puts the field `changed`, the rows that
// differ as a table by columns, where `row` counts from `first_row`, and keeps their numbers.
// False: it has not (or it is no subscription: `sent` is NULL): the rows are to be sent whole, and
// their numbers are kept.
bool put_code_changed(struct json *j, struct code_sent *sent, uint64_t key,
                      const struct code_rows *rows, uint32_t first_row);
