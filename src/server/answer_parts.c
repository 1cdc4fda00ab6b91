#include "server/answer_parts.h"

#include "base/limits.h"

#include <stdio.h>

bool answer_is_full(const struct json *j)
{
    return j->to->n > LIMIT_ANSWER_BYTES;
}

static double percent(uint64_t part, uint64_t whole)
{
    return whole == 0 ? 0 : MIN(100.0, 100.0 * (double)part / (double)whole);
}

void put_health(struct json *j, const struct health *health)
{
    json_key(j, "health");
    json_object_begin(j);
    json_u64_field(j, "samples", health->samples);
    json_u64_field(j, "lost_samples", health->lost_samples);
    json_u64_field(j, "lost_records", health->lost_records);
    json_u64_field(j, "throttled", health->throttled);
    json_u64_field(j, "truncated_samples", health->truncated_samples);
    json_u64_field(j, "unresolved_samples", health->unresolved_samples);
    json_double_field(j, "truncated_pct", percent(health->truncated_samples, health->samples));
    json_key(j, "truncated");
    json_object_begin(j);
    for (enum truncation reason = 0; reason < TRUNCATION_COUNT; reason++) {
        json_u64_field(j, truncation_name(reason), health->truncated[reason]);
    }
    json_object_end(j);
    json_double_field(j, "unresolved_pct", percent(health->unresolved_samples, health->samples));
    json_bool_field(j, "estimated", health->estimated);
    json_u64_field(j, "unsampled_ns", health->unsampled_ns);
    json_double_field(j, "approximate_pct",
                      percent(health->approximate_blocked_ns, health->blocked_ns));
    json_u64_field(j, "unpaired_switches", health->unpaired_switches);
    json_bool_field(j, "recording", health->recording);
    json_u64_field(j, "start_ns", health->start_ns);
    json_u64_field(j, "end_ns", health->end_ns);
    json_object_end(j);
}

void put_off_cpu(struct json *j, const char *key, const struct off_cpu *off_cpu)
{
    json_key(j, key);
    json_object_begin(j);
    for (enum event_reason reason = 0; reason < EVENT_REASON_COUNT; reason++) {
        char name[32];
        snprintf(name, sizeof name, "%s_ns", event_reason_name(reason));
        json_u64_field(j, name, off_cpu->ns[reason]);
    }
    json_object_end(j);
}

struct total put_view_fields(struct json *j, struct analysis *analysis,
                             const struct kept_view *kept)
{
    const struct store *store = analysis->run->store;
    struct total total = {0};
    total_make(&total, analysis->tree, &kept->fold, store, &analysis->reasons);
    json_u64_field(j, "total_on_cpu_ns", total.total_on_cpu_ns);
    put_health(j, &total.health);
    return total;
}

void put_top_fields(struct json *j, const struct top *top)
{
    json_u64_field(j, "total_on_cpu_ns", top->total_on_cpu_ns);
    put_health(j, &top->health);
    put_off_cpu(j, "total_off_cpu", &top->total_off_cpu);
    json_u64_field(j, "total_runnable_ns", top->total_runnable_ns);
    json_u64_field(j, "n_functions", top->n_functions);
}

struct slice thread_name_of(const struct store *store, thread_id thread)
{
    static const char irq[] = "[irq]";
    if (thread == THREAD_INTERRUPT) {
        return (struct slice){(const uint8_t *)irq, sizeof irq - 1};
    }
    return strings_get(&store->strings, atomic_load(&store_thread(store, thread)->name));
}

void put_thread_fields(struct json *j, const char *name_key, const struct store *store,
                       thread_id thread)
{
    const struct thread_row *row = store_thread(store, thread);
    struct slice name = thread_name_of(store, thread);
    json_u64_field(j, "tid", row->tid);
    json_u64_field(j, "pid", row->pid);
    json_text_field(j, name_key, name.data, name.n);
}

void put_function(struct json *j, const char *name_key, const char *binary_key,
                  const struct function *function)
{
    json_string_field(j, name_key, function == NULL ? "" : function->name);
    json_string_field(j, binary_key, function == NULL ? "" : function->binary);
}

// Rows that are read at this moment may have stacks that are newer than the names.
static bool is_named(const struct analysis *analysis, stack_id stack)
{
    return stack < analysis->tree->of_stack.n;
}

static void put_frame(struct json *j, const struct function *function)
{
    json_object_begin(j);
    put_function(j, "function_name", "binary", function);
    json_bool_field(j, "inlined", function->inlined);
    json_object_end(j);
}

// The tree has a node per function of the stack, and that is what there is to list.
uint32_t put_stack(struct json *j, const struct analysis *analysis, stack_id stack,
                   uint32_t max_frames)
{
    const struct calltree *tree = analysis->tree;
    node_id node = is_named(analysis, stack) ? tree->of_stack.at[stack] : 0;
    json_key(j, "stack");
    json_array_begin(j);
    for (uint32_t n = 0; node != 0 && n < max_frames && !answer_is_full(j); n++) {
        put_frame(j, calltree_function(tree, node));
        node = tree->nodes.at[node].caller;
    }
    json_array_end(j);
    return tree->nodes.at[node].depth;
}

const struct function *telling_function(struct analysis *analysis, stack_id stack)
{
    return is_named(analysis, stack) ? reasons_waker_function(&analysis->reasons, stack) : NULL;
}

void put_waker_fields(struct json *j, struct analysis *analysis, bool woken, thread_id waker,
                      stack_id stack)
{
    const struct store *store = analysis->run->store;
    if (!woken) {
        return;
    }
    if (is_named(analysis, stack) && reasons_is_interrupt(&analysis->reasons, stack)) {
        waker = THREAD_INTERRUPT; // it came while that thread ran, and has nothing to do with it
    }
    struct slice name = thread_name_of(store, waker);
    const struct function *function = telling_function(analysis, stack);
    json_u64_field(j, "waker_tid", waker == THREAD_INTERRUPT ? 0 : store_thread(store, waker)->tid);
    json_text_field(j, "waker_name", name.data, name.n);
    if (function != NULL) {
        put_function(j, "waker_function_name", "waker_binary", function);
    }
}
