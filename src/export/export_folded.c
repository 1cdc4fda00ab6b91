// A line per stack, as flamegraph scripts read them: the thread, then functions from the outermost
// on, then the weight.
//
//     worker-4711;main;solve;memcpy 17
//     worker-4711;main;read_all;read;vfs_read_[k];[io_read] 20531          (--off-cpu)
//
// Samples, or with --off-cpu microseconds, with the reason as the innermost frame. The suffixes
// are those of the FlameGraph scripts: _[k] kernel, _[i] inlined, _[j] a JIT's.
//
// A script splits lines at semicolons, and takes one or two numbers behind the last spaces for
// weights. So names have no semicolons, no control bytes, and no such end: these bytes become \xHH.

#include "export/export_cells.h"

#include <stdlib.h>

// Of one function: its name as it is written.
struct written {
    size_t at; // in `names`
    size_t n;  // 0: not there yet
};

struct folded {
    thread_id next_thread;
    struct export_cells cells; // of the thread before
    size_t next_cell;
    uint64_t blocked_ns; // of its cells that were written
    uint64_t given_us;
    struct text names;
    VEC(struct written) of_function;
    VEC(function_id) path; // of one stack, innermost first
    struct text thread;    // what its lines begin with
};

// Bytes that a line can take, from any.
static void add_name(struct text *to, const char *bytes, size_t n)
{
    size_t done = 0;
    for (size_t i = 0; i < n; i++) {
        if (bytes[i] == ';') {
            text_add_escaped(to, bytes + done, i - done);
            text_add(to, "\\x3b");
            done = i + 1;
        }
    }
    text_add_escaped(to, bytes + done, n - done);
}

// Where the last space stands, if there is nothing but a number behind it; else `n`.
static size_t space_before_number(const char *name, size_t n)
{
    size_t at = n;
    while (at > 0 && (name[at - 1] == '.' || (name[at - 1] >= '0' && name[at - 1] <= '9'))) {
        at--;
    }
    return at > 0 && at < n && name[at - 1] == ' ' ? at - 1 : n;
}

static const char *suffix_of(const struct export *export, const struct function *function)
{
    if (function->is_kernel) {
        return "_[k]";
    }
    if (function->inlined) {
        return "_[i]";
    }
    bool is_code = store_image(export->source->store, function->image)->kind == IMAGE_ROW_ANONYMOUS;
    return is_code && function->resolved ? "_[j]" : "";
}

static const struct written *write_function(const struct export *export, function_id id)
{
    struct folded *folded = export->state;
    vec_grow_zeroed(&folded->of_function, (size_t)id + 1);
    struct written *written = &folded->of_function.at[id];
    if (written->n == 0) {
        const struct function *function = names_function(export->source->names, id);
        size_t length = strlen(function->name);
        const char *suffix = suffix_of(export, function);
        size_t space = suffix[0] != 0 ? length : space_before_number(function->name, length);
        written->at = folded->names.n;
        text_add_char(&folded->names, ';');
        add_name(&folded->names, function->name, space);
        if (space < length) {
            text_add(&folded->names, "\\x20");
            text_add(&folded->names, function->name + space + 1);
        }
        text_add(&folded->names, suffix);
        written->n = folded->names.n - written->at;
    }
    return written;
}

static void put_line(struct export *export, const struct export_cell *cell, uint64_t weight)
{
    struct folded *folded = export->state;
    const struct calltree *tree = export->source->tree;
    struct text *to = export_out_text(&export->out);
    vec_clear(&folded->path);
    for (node_id node = cell->node; node != 0; node = tree->nodes.at[node].caller) {
        vec_push(&folded->path, tree->nodes.at[node].function);
    }
    text_add_bytes(to, folded->thread.at, folded->thread.n);
    if (folded->path.n == 0) {
        text_addf(to, ";%s", EXPORT_NO_STACK);
    }
    while (folded->path.n > 0) {
        const struct written *written = write_function(export, vec_pop(&folded->path));
        text_add_bytes(to, folded->names.at + written->at, written->n);
        export_out_drain(&export->out); // a hostile name is long, a hostile stack is deep
    }
    if (export->off_cpu) {
        text_addf(to, ";[%s]", event_reason_name(cell->reason));
    }
    text_addf(to, " %llu\n", (unsigned long long)weight);
    export_out_drain(&export->out);
}

// As with shares of time: sums are rounded, not each for itself. 0: too short for a line.
static uint64_t next_weight(struct folded *folded, const struct export_cell *cell, bool off_cpu)
{
    if (!off_cpu) {
        return cell->n;
    }
    folded->blocked_ns += cell->ns;
    uint64_t until_us = (folded->blocked_ns + 500) / 1000;
    uint64_t weight = until_us - folded->given_us;
    folded->given_us = until_us;
    return weight;
}

static void take_thread(struct export *export, thread_id thread)
{
    struct folded *folded = export->state;
    if (export->off_cpu) {
        export_cells_waiting(&folded->cells, export, thread);
    } else {
        export_cells_running(&folded->cells, export, thread);
    }
    export_cells_merge(&folded->cells);
    folded->next_cell = 0;
    folded->blocked_ns = 0;
    folded->given_us = 0;
    text_clear(&folded->thread);
    struct slice name = export_thread_name(export, thread);
    add_name(&folded->thread, (const char *)name.data, name.n);
    text_addf(&folded->thread, "-%u", store_thread(export->source->store, thread)->tid);
}

static void begin(struct export *export)
{
    export->state = NEW(struct folded);
}

static bool more(struct export *export, uint64_t max_rows)
{
    struct folded *folded = export->state;
    for (uint64_t i = 0; i < max_rows; i++) {
        if (folded->next_cell < folded->cells.at.n) {
            const struct export_cell *cell = &folded->cells.at.at[folded->next_cell++];
            uint64_t weight = next_weight(folded, cell, export->off_cpu);
            if (weight > 0) {
                put_line(export, cell, weight);
            }
        } else if (folded->next_thread < export->source->fold->threads.n) {
            take_thread(export, folded->next_thread++);
        } else {
            return false;
        }
    }
    return true;
}

static void end(struct export *export)
{
    (void)export;
}

static void free_state(struct export *export)
{
    struct folded *folded = export->state;
    if (folded == NULL) {
        return;
    }
    export_cells_fini(&folded->cells);
    text_fini(&folded->names);
    text_fini(&folded->thread);
    vec_fini(&folded->of_function);
    vec_fini(&folded->path);
    free(TAKE(export->state));
}

const struct export_format export_folded = {
    .name = "folded",
    .summary = "lines for flamegraph.pl, inferno and speedscope",
    .begin = begin,
    .more = more,
    .end = end,
    .free = free_state,
};
