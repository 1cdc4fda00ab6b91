// The processed profile format of profiler.firefox.com, version 60: the first in which all threads
// share one table of stacks, as ours do.
//
//     https://github.com/firefox-devtools/profiler: docs-developer/processed-profile-format.md,
//     docs-developer/CHANGELOG-formats.md (58 and before), src/types/profile.ts, and for 59 and 60
//     src/profile-logic/processed-profile-versioning.ts
//
// Samples are samples, with the thread's exact time on a CPU spread over them (threadCPUDelta).
// Stays off the CPU are markers: the name is the reason, the stack is their cause.
//
// Everything but the rows of each thread has to be known before the first byte: so 12 bytes are
// kept of each sample and 40 of each stay, and the file is written at the end, in slices.

#include "base/arch.h"
#include "export/export_timeline.h"
#include "export/firefox_tables.h"
#include "rpc/json.h"

#include <stdio.h>

enum { PROCESSED_VERSION = 60, GECKO_VERSION = 31 };

struct firefox_stay {
    uint64_t start_ns;
    uint64_t length_ns;
    uint32_t reason;   // a string
    uint32_t function; // likewise; FIREFOX_NONE
    uint32_t stack;    // FIREFOX_NONE
    uint32_t waker;    // a string; FIREFOX_NONE: not known
    bool approximate;
    bool runnable;
};

struct firefox_thread {
    VEC(uint64_t) time_ns; // of samples
    VEC(uint32_t) stack;   // likewise; FIREFOX_NONE
    VEC(struct firefox_stay) stays;
};

// Where the writing of the file has come to.
enum firefox_part { PART_HEAD, PART_STRINGS, PART_CODE, PART_THREADS, PART_DONE };

struct firefox {
    struct threads_answer threads;
    struct firefox_thread *rows; // by place in `threads`
    uint32_t *place;             // by thread_id, plus one; 0: not part of the view
    struct map process_of_pid;   // see put_unique_id()
    struct map thread_of_tid;
    struct firefox_tables tables;
    struct json json;
    enum firefox_part part;
    size_t table; // of a part, or of a thread
    size_t column;
    size_t row;
    size_t thread;  // place
    bool in_thread; // what stands in front of its tables is written
};

// ---- Rows --------------------------------------------------------------------------------------

static void begin(struct export *export)
{
    const struct export_source *source = export->source;
    struct firefox *firefox = NEW(struct firefox);
    export->state = firefox;
    json_init(&firefox->json, export_out_text(&export->out));
    threads_make(&firefox->threads, source->tree, source->fold, source->store, source->reasons, 0);
    size_t n = firefox->threads.entries.n;
    firefox->rows = NEW_ARRAY(struct firefox_thread, n + 1);
    firefox->place = NEW_ARRAY(uint32_t, source->fold->threads.n + 1);
    for (size_t i = 0; i < n; i++) {
        firefox->place[firefox->threads.entries.at[i].thread] = (uint32_t)i + 1;
    }
}

static struct firefox_thread *rows_of(struct firefox *firefox, thread_id thread)
{
    ASSERT(firefox->place[thread] != 0); // what has rows in the view is listed
    return &firefox->rows[firefox->place[thread] - 1];
}

static void add_sample(struct export *export, uint64_t time_ns, thread_id thread, stack_id stack)
{
    struct firefox *firefox = export->state;
    struct firefox_thread *rows = rows_of(firefox, thread);
    stack_id known = export_known_stack(export, stack);
    vec_push(&rows->time_ns, export_since_start(export, time_ns));
    vec_push(&rows->stack, firefox_tables_stack(&firefox->tables, export, known));
}

static uint32_t add_waker(struct export *export, thread_id waker)
{
    struct firefox *firefox = export->state;
    CLEANUP(text_fini) struct text name = {0};
    export_add_waker(&name, export, waker);
    return firefox_tables_copy(&firefox->tables, slice_of_text(text_get(&name)));
}

static void add_stay(struct export *export, const struct interval *interval)
{
    struct firefox *firefox = export->state;
    struct firefox_tables *tables = &firefox->tables;
    struct export_stay stay = export_stay_of(export, interval);
    const char *reason = stay.runnable ? "runnable" : event_reason_name(stay.reason);
    struct slice function = slice_of_text(stay.function == NULL ? "" : stay.function->name);
    struct firefox_stay row = {
        .start_ns = export_since_start(export, interval->start_ns),
        .length_ns = interval->duration_ns,
        .reason = firefox_tables_string(tables, slice_of_text(reason)),
        .function = function.n == 0 ? FIREFOX_NONE : firefox_tables_string(tables, function),
        .stack = firefox_tables_stack(tables, export, stay.stack),
        .waker = stay.has_waker ? add_waker(export, stay.waker) : FIREFOX_NONE,
        .approximate = (interval->flags & INTERVAL_APPROXIMATE) != 0,
        .runnable = stay.runnable,
    };
    vec_push(&rows_of(firefox, interval->thread)->stays, row);
}

// ---- Values ------------------------------------------------------------------------------------

static void put_ms_field(struct json *j, const char *key, uint64_t ns)
{
    json_key(j, key);
    json_decimal(j, ns, 6);
}

static void put_index(struct json *j, uint32_t index)
{
    if (index == FIREFOX_NONE) {
        json_none(j);
    } else {
        json_u64(j, index);
    }
}

static void put_index_or_minus_one(struct json *j, uint32_t index)
{
    json_i64(j, index == FIREFOX_NONE ? -1 : (int64_t)index);
}

static void put_slice(struct json *j, struct slice bytes)
{
    json_text(j, bytes.data, bytes.n);
}

// ---- Tables ------------------------------------------------------------------------------------

// A table is an object of columns, each an array, and their length. It is written row by row, so
// that it may be left in the middle of any column.
struct file_column {
    const char *key;
    void (*put)(struct json *j, const struct firefox *firefox, size_t row);
};

struct file_table {
    const char *key;
    size_t (*count)(const struct firefox *firefox);
    const struct file_column *columns;
    size_t n_columns;
    void (*put_more)(struct json *j); // what is no column; NULL
};

// True: it is finished. Takes what it has written off `*rows_left`.
static bool put_table(struct firefox *firefox, const struct file_table *table, uint64_t *rows_left,
                      struct export_out *out)
{
    struct json *j = &firefox->json;
    size_t n = table->count(firefox);
    while (firefox->column < table->n_columns) {
        const struct file_column *column = &table->columns[firefox->column];
        if (*rows_left == 0) {
            return false;
        }
        if (firefox->row == 0) {
            if (firefox->column == 0) {
                json_key(j, table->key);
                json_object_begin(j);
            }
            json_key(j, column->key);
            json_array_begin(j);
        }
        for (; firefox->row<n && * rows_left> 0; (*rows_left)--) {
            column->put(j, firefox, firefox->row++);
            export_out_drain(out);
        }
        if (firefox->row == n) {
            json_array_end(j);
            firefox->row = 0;
            firefox->column++;
        }
    }
    firefox->column = 0;
    if (table->put_more != NULL) {
        table->put_more(j);
    }
    json_u64_field(j, "length", n);
    json_object_end(j);
    return true;
}

static bool put_tables(struct firefox *firefox, const struct file_table *tables, size_t n,
                       uint64_t *rows_left, struct export_out *out)
{
    while (firefox->table < n) {
        if (!put_table(firefox, &tables[firefox->table], rows_left, out)) {
            return false;
        }
        firefox->table++;
    }
    firefox->table = 0;
    return true;
}

#define COLUMN(name) static void name(struct json *j, const struct firefox *firefox, size_t row)

static void put_nothing(struct json *j, const struct firefox *firefox, size_t row)
{
    (void)firefox;
    (void)row;
    json_none(j);
}

static void put_zero(struct json *j, const struct firefox *firefox, size_t row)
{
    (void)firefox;
    (void)row;
    json_u64(j, 0);
}

static void put_false(struct json *j, const struct firefox *firefox, size_t row)
{
    (void)firefox;
    (void)row;
    json_bool(j, false);
}

// ---- Code, of all threads ----------------------------------------------------------------------

COLUMN(put_stack_frame)
{
    json_u64(j, firefox->tables.stacks.at[row].frame);
}

COLUMN(put_stack_caller)
{
    put_index(j, firefox->tables.stacks.at[row].caller);
}

COLUMN(put_frame_addr)
{
    put_index_or_minus_one(j, firefox->tables.frames.at[row].addr);
}

COLUMN(put_frame_inline_depth)
{
    json_u64(j, firefox->tables.frames.at[row].inline_depth);
}

COLUMN(put_frame_category)
{
    json_u64(j, firefox->tables.frames.at[row].category);
}

COLUMN(put_frame_function)
{
    json_u64(j, firefox->tables.frames.at[row].function);
}

COLUMN(put_frame_symbol)
{
    put_index(j, firefox->tables.frames.at[row].symbol);
}

COLUMN(put_function_name)
{
    json_u64(j, firefox->tables.functions.at[row].name);
}

// There is one resource for each library, at the same place.
COLUMN(put_function_resource)
{
    put_index_or_minus_one(j, firefox->tables.functions.at[row].library);
}

COLUMN(put_resource_library)
{
    (void)firefox;
    json_u64(j, row);
}

COLUMN(put_resource_name)
{
    json_u64(j, firefox->tables.libraries.at[row].name);
}

COLUMN(put_resource_type)
{
    (void)firefox;
    (void)row;
    json_u64(j, 1); // a library
}

COLUMN(put_symbol_library)
{
    json_u64(j, firefox->tables.symbols.at[row].library);
}

COLUMN(put_symbol_addr)
{
    json_u64(j, firefox->tables.symbols.at[row].addr);
}

COLUMN(put_symbol_name)
{
    json_u64(j, firefox->tables.symbols.at[row].name);
}

static size_t count_stacks(const struct firefox *firefox)
{
    return firefox->tables.stacks.n;
}

static size_t count_frames(const struct firefox *firefox)
{
    return firefox->tables.frames.n;
}

static size_t count_functions(const struct firefox *firefox)
{
    return firefox->tables.functions.n;
}

static size_t count_libraries(const struct firefox *firefox)
{
    return firefox->tables.libraries.n;
}

static size_t count_symbols(const struct firefox *firefox)
{
    return firefox->tables.symbols.n;
}

static const struct file_column stack_columns[] = {
    {"frame", put_stack_frame},
    {"prefix", put_stack_caller},
};

static const struct file_column frame_columns[] = {
    {"address", put_frame_addr},      {"inlineDepth", put_frame_inline_depth},
    {"category", put_frame_category}, {"subcategory", put_zero},
    {"func", put_frame_function},     {"nativeSymbol", put_frame_symbol},
    {"innerWindowID", put_zero},      {"line", put_nothing},
    {"column", put_nothing},
};

static const struct file_column function_columns[] = {
    {"name", put_function_name},         {"isJS", put_false},     {"relevantForJS", put_false},
    {"resource", put_function_resource}, {"source", put_nothing}, {"lineNumber", put_nothing},
    {"columnNumber", put_nothing},
};

static const struct file_column resource_columns[] = {
    {"lib", put_resource_library},
    {"name", put_resource_name},
    {"host", put_nothing},
    {"type", put_resource_type},
};

static const struct file_column symbol_columns[] = {
    {"libIndex", put_symbol_library},
    {"address", put_symbol_addr},
    {"name", put_symbol_name},
    {"functionSize", put_nothing},
};

static const struct file_table code_tables[] = {
    {"stackTable", count_stacks, stack_columns, ARRAY_LEN(stack_columns), NULL},
    {"frameTable", count_frames, frame_columns, ARRAY_LEN(frame_columns), NULL},
    {"funcTable", count_functions, function_columns, ARRAY_LEN(function_columns), NULL},
    {"resourceTable", count_libraries, resource_columns, ARRAY_LEN(resource_columns), NULL},
    {"nativeSymbols", count_symbols, symbol_columns, ARRAY_LEN(symbol_columns), NULL},
};

// ---- Samples and markers, of one thread --------------------------------------------------------

// The profiler takes a sample's threadCPUDelta for what happened since the one before, and leaves
// out the first. So there is one more in front, which is nobody's and counts for nothing.

COLUMN(put_sample_stack)
{
    put_index(j, row == 0 ? FIREFOX_NONE : firefox->rows[firefox->thread].stack.at[row - 1]);
}

COLUMN(put_sample_time)
{
    const struct firefox_thread *rows = &firefox->rows[firefox->thread];
    uint64_t started_ns = firefox->threads.entries.at[firefox->thread].started_ns;
    started_ns = MAX(started_ns, firefox->threads.health.start_ns);
    json_decimal(j, row == 0 ? MIN(started_ns, rows->time_ns.at[0]) : rows->time_ns.at[row - 1], 6);
}

COLUMN(put_sample_weight)
{
    (void)firefox;
    json_u64(j, row > 0);
}

// The thread's time, in shares that differ by a nanosecond at most and add up to it.
COLUMN(put_sample_cpu)
{
    uint64_t on_cpu_ns = firefox->threads.entries.at[firefox->thread].on_cpu_ns;
    uint64_t n = firefox->rows[firefox->thread].time_ns.n;
    json_u64(j, row == 0 ? 0 : on_cpu_ns / n + (row - 1 < on_cpu_ns % n));
}

static const struct firefox_stay *stay_at(const struct firefox *firefox, size_t row)
{
    return &firefox->rows[firefox->thread].stays.at[row];
}

COLUMN(put_marker_name)
{
    json_u64(j, stay_at(firefox, row)->reason);
}

COLUMN(put_marker_start)
{
    json_decimal(j, stay_at(firefox, row)->start_ns, 6);
}

COLUMN(put_marker_end)
{
    const struct firefox_stay *stay = stay_at(firefox, row);
    json_decimal(j, stay->start_ns + stay->length_ns, 6);
}

COLUMN(put_marker_phase)
{
    (void)firefox;
    (void)row;
    json_u64(j, 1); // an interval
}

COLUMN(put_marker_category)
{
    json_u64(j, stay_at(firefox, row)->runnable ? FIREFOX_RUNNABLE : FIREFOX_WAITING);
}

COLUMN(put_marker_data)
{
    const struct firefox_stay *stay = stay_at(firefox, row);
    json_object_begin(j);
    json_string_field(j, "type", stay->runnable ? "runnable" : "wait");
    if (stay->function != FIREFOX_NONE) {
        json_u64_field(j, "function", stay->function);
    }
    if (stay->waker != FIREFOX_NONE) {
        json_u64_field(j, "waker", stay->waker);
    }
    if (stay->approximate) {
        json_bool_field(j, "approximate", true);
    }
    if (stay->stack != FIREFOX_NONE) {
        json_key(j, "cause");
        json_object_begin(j);
        put_ms_field(j, "time", stay->start_ns);
        json_u64_field(j, "stack", stay->stack);
        json_object_end(j);
    }
    json_object_end(j);
}

static size_t count_samples(const struct firefox *firefox)
{
    size_t n = firefox->rows[firefox->thread].time_ns.n;
    return n == 0 ? 0 : n + 1;
}

static size_t count_stays(const struct firefox *firefox)
{
    return firefox->rows[firefox->thread].stays.n;
}

static void put_weight_type(struct json *j)
{
    json_string_field(j, "weightType", "samples");
}

static const struct file_column sample_columns[] = {
    {"stack", put_sample_stack},
    {"time", put_sample_time},
    {"weight", put_sample_weight},
    {"threadCPUDelta", put_sample_cpu},
};

static const struct file_column marker_columns[] = {
    {"name", put_marker_name},   {"startTime", put_marker_start},   {"endTime", put_marker_end},
    {"phase", put_marker_phase}, {"category", put_marker_category}, {"data", put_marker_data},
};

static const struct file_table thread_tables[] = {
    {"samples", count_samples, sample_columns, ARRAY_LEN(sample_columns), put_weight_type},
    {"markers", count_stays, marker_columns, ARRAY_LEN(marker_columns), NULL},
};

// ---- What describes the run --------------------------------------------------------------------

static void put_categories(struct json *j)
{
    static const char *const categories[FIREFOX_CATEGORY_COUNT][2] = {
        [FIREFOX_OTHER] = {"Other", "grey"},     [FIREFOX_USER] = {"User", "yellow"},
        [FIREFOX_KERNEL] = {"Kernel", "orange"}, [FIREFOX_JIT] = {"JIT", "green"},
        [FIREFOX_WAITING] = {"Waiting", "blue"}, [FIREFOX_RUNNABLE] = {"Runnable", "red"},
    };
    json_key(j, "categories");
    json_array_begin(j);
    for (size_t i = 0; i < ARRAY_LEN(categories); i++) {
        json_object_begin(j);
        json_string_field(j, "name", categories[i][0]);
        json_string_field(j, "color", categories[i][1]);
        json_key(j, "subcategories");
        json_array_begin(j);
        json_cstr(j, "Other");
        json_array_end(j);
        json_object_end(j);
    }
    json_array_end(j);
}

static void put_marker_field(struct json *j, const char *key, const char *label, const char *format)
{
    json_object_begin(j);
    json_string_field(j, "key", key);
    json_string_field(j, "label", label);
    json_string_field(j, "format", format);
    json_object_end(j);
}

static void put_marker_kind(struct json *j, const char *type, const char *what)
{
    json_object_begin(j);
    json_string_field(j, "name", type);
    json_string_field(j, "description", what);
    json_key(j, "display");
    json_array_begin(j);
    json_cstr(j, "marker-chart");
    json_cstr(j, "marker-table");
    json_cstr(j, "timeline-overview");
    json_array_end(j);
    json_string_field(j, "chartLabel", "{marker.data.function}");
    json_string_field(j, "tableLabel", "{marker.data.function}");
    json_string_field(j, "tooltipLabel", "{marker.name}");
    json_key(j, "fields");
    json_array_begin(j);
    put_marker_field(j, "function", "Function that waits", "unique-string");
    put_marker_field(j, "waker", "Woken by", "unique-string");
    put_marker_field(j, "approximate", "Stack of another such wait", "string");
    json_array_end(j);
    json_object_end(j);
}

static void put_marker_schema(struct json *j)
{
    json_key(j, "markerSchema");
    json_array_begin(j);
    put_marker_kind(j, "wait", "A thread waits; the name is the reason.");
    put_marker_kind(j, "runnable", "A thread is ready to run, and waits for a CPU.");
    json_array_end(j);
}

static void put_count(struct json *j, const char *label, uint64_t count)
{
    json_object_begin(j);
    json_string_field(j, "label", label);
    json_string_field(j, "format", "integer");
    json_u64_field(j, "value", count);
    json_object_end(j);
}

// What is missing, in the panel about the profile.
static void put_extra(struct json *j, const struct health *health)
{
    json_key(j, "extra");
    json_array_begin(j);
    json_object_begin(j);
    json_string_field(j, "label", "Recording");
    json_key(j, "entries");
    json_array_begin(j);
    put_count(j, "Samples", health->samples);
    put_count(j, "Lost samples", health->lost_samples);
    put_count(j, "Lost records", health->lost_records);
    put_count(j, "Throttled", health->throttled);
    put_count(j, "Samples without all callers", health->truncated_samples);
    put_count(j, "Samples without a name", health->unresolved_samples);
    json_array_end(j);
    json_object_end(j);
    json_array_end(j);
}

static void put_units(struct json *j)
{
    json_key(j, "sampleUnits");
    json_object_begin(j);
    json_string_field(j, "time", "ms");
    json_string_field(j, "eventDelay", "ms");
    json_string_field(j, "threadCPUDelta", "ns");
    json_object_end(j);
}

static void put_no_extensions(struct json *j)
{
    static const char *const columns[] = {"baseURL", "id", "name"};
    json_key(j, "extensions");
    json_object_begin(j);
    for (size_t i = 0; i < ARRAY_LEN(columns); i++) {
        json_key(j, columns[i]);
        json_array_begin(j);
        json_array_end(j);
    }
    json_u64_field(j, "length", 0);
    json_object_end(j);
}

static void put_meta(struct json *j, const struct export *export)
{
    const struct firefox *firefox = export->state;
    const struct export_source *source = export->source;
    uint64_t period_ns = source->store->samples.weight_ns;
    json_key(j, "meta");
    json_object_begin(j);
    json_u64_field(j, "version", GECKO_VERSION);
    json_u64_field(j, "preprocessedProfileVersion", PROCESSED_VERSION);
    json_text_field(j, "product", source->label, strlen(source->label));
    json_string_field(j, "importedFrom", "stax");
    put_ms_field(j, "interval", MAX(period_ns, UINT64_C(1)));
    put_ms_field(j, "startTime", source->started_unix_ns);
    json_u64_field(j, "startTimeAsClockMonotonicNanosecondsSinceBoot", source->store->started_ns);
    put_ms_field(j, "profilingStartTime", export_since_start(export, export->window.start_ns));
    put_ms_field(j, "profilingEndTime", export_since_start(export, export->window.end_ns));
    json_u64_field(j, "processType", 0);
    json_u64_field(j, "stackwalk", 1);
    json_string_field(j, "platform", "Linux");
    json_bool_field(j, "symbolicated", true);
    json_bool_field(j, "usesOnlyOneStackType", true);
    json_bool_field(j, "sourceCodeIsNotOnSearchfox", true);
    json_bool_field(j, "keepProfileThreadOrder", true);
    put_no_extensions(j);
    put_units(j);
    put_categories(j);
    put_marker_schema(j);
    put_extra(j, &firefox->threads.health);
    json_object_end(j);
}

// ---- Libraries ---------------------------------------------------------------------------------

// Breakpad's form of an ELF build-id: its first 16 bytes as a GUID, of which the first three fields
// are little-endian numbers, and an age of 0.
static void add_breakpad_id(struct text *to, struct slice build_id)
{
    static const uint8_t order[16] = {3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15};
    for (size_t i = 0; build_id.n > 0 && i < sizeof order; i++) {
        text_addf(to, "%02X", order[i] < build_id.n ? build_id.data[order[i]] : 0u);
    }
    text_add(to, build_id.n > 0 ? "0" : "");
}

static void put_library(struct json *j, const struct export *export,
                        const struct firefox_library *library)
{
    const struct firefox *firefox = export->state;
    struct slice name = firefox->tables.strings.at[library->name];
    struct slice path = export_image_path(export, library->image);
    struct slice build_id = export_build_id(export, library->image);
    CLEANUP(text_fini) struct text breakpad_id = {0};
    CLEANUP(text_fini) struct text code_id = {0};
    add_breakpad_id(&breakpad_id, build_id);
    for (size_t i = 0; i < build_id.n; i++) {
        text_addf(&code_id, "%02x", build_id.data[i]);
    }
    json_object_begin(j);
    json_string_field(j, "arch", ARCH_IS_AARCH64 ? "arm64" : "x86_64");
    json_text_field(j, "name", name.data, name.n);
    json_text_field(j, "path", path.data, path.n);
    json_text_field(j, "debugName", name.data, name.n);
    json_text_field(j, "debugPath", path.data, path.n);
    json_string_field(j, "breakpadId", text_get(&breakpad_id));
    json_key(j, "codeId");
    if (build_id.n > 0) {
        json_cstr(j, text_get(&code_id));
    } else {
        json_none(j);
    }
    json_object_end(j);
}

static void put_libraries(struct json *j, struct export *export)
{
    const struct firefox *firefox = export->state;
    json_key(j, "libs");
    json_array_begin(j);
    for (size_t i = 0; i < firefox->tables.libraries.n; i++) {
        put_library(j, export, &firefox->tables.libraries.at[i]);
        export_out_drain(&export->out);
    }
    json_array_end(j);
}

// ---- Threads -----------------------------------------------------------------------------------

// The profiler tells threads and processes apart by their ids, which the kernel uses again: "4711",
// then "4711.2" for another row. `seen` is from such ids to the first row.
static void put_unique_id(struct json *j, const char *key, struct map *seen, uint32_t id,
                          uint32_t row)
{
    uint32_t first = map_find(seen, id);
    if (first == MAP_NONE) {
        map_set(seen, id, row);
        first = row;
    }
    char text[32];
    snprintf(text, sizeof text, first == row ? "%u" : "%u.%u", id, row);
    json_string_field(j, key, text);
}

static void put_end_field(struct json *j, const char *key, const struct export *export,
                          uint64_t ended_ns)
{
    if (ended_ns != 0) {
        put_ms_field(j, key, export_since_start(export, ended_ns));
    } else {
        json_key(j, key);
        json_none(j);
    }
}

static void put_process(struct json *j, const struct export *export, process_id id)
{
    const struct store *store = export->source->store;
    const struct process_row *process = export_process(export, id);
    if (process == NULL) {
        json_string_field(j, "processName", "");
        put_ms_field(j, "processStartupTime", 0);
        put_end_field(j, "processShutdownTime", export, 0);
        return;
    }
    struct slice name = strings_get(&store->strings, atomic_load(&process->name));
    json_text_field(j, "processName", name.data, name.n);
    put_ms_field(j, "processStartupTime", export_since_start(export, process->started_ns));
    put_end_field(j, "processShutdownTime", export,
                  atomic_load_explicit(&process->ended_ns, memory_order_acquire));
}

// All of a thread but its tables.
static void put_thread_head(struct firefox *firefox, const struct export *export)
{
    struct json *j = &firefox->json;
    const struct threads_entry *entry = &firefox->threads.entries.at[firefox->thread];
    const struct thread_row *row = store_thread(export->source->store, entry->thread);
    json_object_begin(j);
    json_string_field(j, "processType", "default");
    put_process(j, export, row->process);
    put_ms_field(j, "registerTime", entry->started_ns);
    json_key(j, "unregisterTime");
    if (entry->ended_ns != 0) {
        json_decimal(j, entry->ended_ns, 6);
    } else {
        json_none(j);
    }
    json_key(j, "pausedRanges");
    json_array_begin(j);
    json_array_end(j);
    json_bool_field(j, "showMarkersInTimeline", true);
    json_text_field(j, "name", entry->name.data, entry->name.n);
    json_bool_field(j, "isMainThread", entry->pid == entry->tid);
    put_unique_id(j, "pid", &firefox->process_of_pid, row->pid, row->process);
    put_unique_id(j, "tid", &firefox->thread_of_tid, row->tid, entry->thread);
}

static bool put_threads(struct export *export, uint64_t *rows_left)
{
    struct firefox *firefox = export->state;
    for (; firefox->thread < firefox->threads.entries.n; firefox->thread++) {
        if (*rows_left == 0) {
            return false;
        }
        if (!firefox->in_thread) {
            put_thread_head(firefox, export);
            firefox->in_thread = true;
            (*rows_left)--;
        }
        if (!put_tables(firefox, thread_tables, ARRAY_LEN(thread_tables), rows_left,
                        &export->out)) {
            return false;
        }
        json_object_end(&firefox->json);
        firefox->in_thread = false;
        export_out_drain(&export->out);
    }
    return true;
}

// ---- The file ----------------------------------------------------------------------------------

static bool put_strings(struct export *export, uint64_t *rows_left)
{
    struct firefox *firefox = export->state;
    for (; firefox->row<firefox->tables.strings.n && * rows_left> 0; (*rows_left)--) {
        put_slice(&firefox->json, firefox->tables.strings.at[firefox->row++]);
        export_out_drain(&export->out);
    }
    return firefox->row == firefox->tables.strings.n;
}

static void put_sources(struct json *j)
{
    json_key(j, "sources");
    json_object_begin(j);
    json_key(j, "id");
    json_array_begin(j);
    json_array_end(j);
    json_key(j, "filename");
    json_array_begin(j);
    json_array_end(j);
    json_u64_field(j, "length", 0);
    json_object_end(j);
}

// True: there is another part.
static bool put_part(struct export *export, uint64_t *rows_left)
{
    struct firefox *firefox = export->state;
    struct json *j = &firefox->json;
    switch (firefox->part) {
    case PART_HEAD:
        export_open_runnable(export, add_stay);
        json_object_begin(j);
        put_meta(j, export);
        put_libraries(j, export);
        json_key(j, "shared");
        json_object_begin(j);
        put_sources(j);
        json_key(j, "stringArray");
        json_array_begin(j);
        return true;
    case PART_STRINGS:
        if (!put_strings(export, rows_left)) {
            return false;
        }
        json_array_end(j);
        firefox->row = 0;
        return true;
    case PART_CODE:
        if (!put_tables(firefox, code_tables, ARRAY_LEN(code_tables), rows_left, &export->out)) {
            return false;
        }
        json_object_end(j);
        json_key(j, "threads");
        json_array_begin(j);
        return true;
    case PART_THREADS:
        return put_threads(export, rows_left);
    case PART_DONE:
        break;
    }
    return false;
}

static bool rest(struct export *export, uint64_t max_rows)
{
    struct firefox *firefox = export->state;
    uint64_t rows_left = max_rows;
    while (firefox->part != PART_DONE && put_part(export, &rows_left)) {
        firefox->part++;
    }
    return firefox->part != PART_DONE;
}

static void end(struct export *export)
{
    struct firefox *firefox = export->state;
    json_array_end(&firefox->json);
    json_object_end(&firefox->json);
}

static void free_state(struct export *export)
{
    struct firefox *firefox = export->state;
    if (firefox == NULL) {
        return;
    }
    for (size_t i = 0; i < firefox->threads.entries.n; i++) {
        vec_fini(&firefox->rows[i].time_ns);
        vec_fini(&firefox->rows[i].stack);
        vec_fini(&firefox->rows[i].stays);
    }
    free(firefox->rows);
    free(firefox->place);
    map_fini(&firefox->process_of_pid);
    map_fini(&firefox->thread_of_tid);
    firefox_tables_fini(&firefox->tables);
    threads_fini(&firefox->threads);
    free(TAKE(export->state));
}

const struct export_format export_firefox = {
    .name = "firefox",
    .summary = "profiler.firefox.com, packed with gzip",
    .gzip = true,
    .begin = begin,
    .sample = add_sample,
    .interval = add_stay,
    .rest = rest,
    .end = end,
    .free = free_state,
};
