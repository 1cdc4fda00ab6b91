#include "capture/perf/perf_record.h"

#include "base/limits.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <sys/sysmacros.h>

// The prefix of a sample, and the trailer of everything else (attr.sample_id_all).
struct sample_prefix {
    struct perf_event_header header;
    uint64_t id;
    uint64_t ip;
    uint32_t pid;
    uint32_t tid;
    uint64_t time_ns;
    uint32_t cpu;
    uint32_t reserved;
};

struct trailer {
    uint32_t pid;
    uint32_t tid;
    uint64_t time_ns;
    uint32_t cpu;
    uint32_t reserved;
    uint64_t id;
};

_Static_assert(sizeof(struct sample_prefix) == 48, "as the kernel writes it");
_Static_assert(sizeof(struct trailer) == 32, "as the kernel writes it");

void perf_layouts_fini(struct perf_layouts *layouts)
{
    map_fini(&layouts->by_id);
    *layouts = (struct perf_layouts){0};
}

const struct perf_layout *perf_layouts_find(const struct perf_layouts *layouts,
                                            const struct perf_event_header *record)
{
    if (layouts->n == 1) {
        return &layouts->at[0];
    }
    struct perf_stamp stamp;
    perf_record_stamp(record, &stamp);
    uint32_t index = map_find(&layouts->by_id, stamp.id);
    return index < layouts->n ? &layouts->at[index] : NULL;
}

bool perf_record_stamp(const struct perf_event_header *record, struct perf_stamp *ret)
{
    if (record->type == PERF_RECORD_SAMPLE && record->size >= sizeof(struct sample_prefix)) {
        const struct sample_prefix *prefix = (const void *)record;
        *ret = (struct perf_stamp){.id = prefix->id,
                                   .pid = prefix->pid,
                                   .tid = prefix->tid,
                                   .cpu = prefix->cpu,
                                   .time_ns = prefix->time_ns};
        return true;
    }
    if (record->type != PERF_RECORD_SAMPLE &&
        record->size >= sizeof *record + sizeof(struct trailer)) {
        struct trailer trailer;
        memcpy(&trailer, (const uint8_t *)record + record->size - sizeof trailer, sizeof trailer);
        *ret = (struct perf_stamp){.id = trailer.id,
                                   .pid = trailer.pid,
                                   .tid = trailer.tid,
                                   .cpu = trailer.cpu,
                                   .time_ns = trailer.time_ns};
        return true;
    }
    *ret = (struct perf_stamp){0};
    return false;
}

// ---- Samples -----------------------------------------------------------------------------------

// Markers stand in the chain before the part that they name, and zeros where a walk went astray.
static bool is_address(uint64_t entry)
{
    return entry - 1 < PERF_CONTEXT_MAX - 1;
}

// How many addresses there are from `at` on until something that is none.
static uint32_t run_length(const uint64_t *at, const uint64_t *end)
{
    const uint64_t *from = at;
    while (at < end && is_address(*at)) {
        at++;
    }
    return (uint32_t)(at - from);
}

// Splits a chain where it lies. Of each part the first run counts; what comes behind a zero is
// what a walk finds that has lost its way, and parts of a hypervisor or a guest are not ours.
static void split_callchain(const uint64_t *at, uint64_t n, struct event_stack *ret)
{
    const uint64_t *end = at + n;
    uint64_t part = 0;
    while (at < end) {
        if (!is_address(*at)) {
            part = *at++;
            continue;
        }
        uint32_t length = run_length(at, end);
        if (part == PERF_CONTEXT_KERNEL && ret->n_kernel == 0) {
            ret->kernel = at;
            ret->n_kernel = length;
        } else if (part == PERF_CONTEXT_USER && ret->n_user == 0) {
            ret->user = at;
            ret->n_user = length;
        }
        at += length;
    }
}

static void limit_depth(struct event_stack *stack)
{
    if (stack->n_kernel > LIMIT_STACK_DEPTH || stack->n_user > LIMIT_STACK_DEPTH) {
        stack->n_kernel = MIN(stack->n_kernel, (uint32_t)LIMIT_STACK_DEPTH);
        stack->n_user = MIN(stack->n_user, (uint32_t)LIMIT_STACK_DEPTH);
        stack->chain_cut = true;
    }
}

// The kernel may have no chain at hand (its buffers are in use); where it was is known even so.
static void use_ip(const struct perf_event_header *record, const uint64_t *ip,
                   struct event_stack *stack)
{
    if (ip == NULL || !is_address(*ip)) {
        return;
    }
    unsigned mode = record->misc & PERF_RECORD_MISC_CPUMODE_MASK;
    if (mode == PERF_RECORD_MISC_KERNEL) {
        stack->kernel = ip;
        stack->n_kernel = 1;
    } else if (mode == PERF_RECORD_MISC_USER) {
        stack->user = ip;
        stack->n_user = 1;
    }
}

void perf_sample_parse_chain(struct reader *from, struct perf_sample *ret)
{
    uint64_t n = read_u64(from);
    if (n > reader_left(from) / sizeof *ret->chain) {
        from->bad = true;
        return;
    }
    ret->n_chain = n;
    ret->chain = (const void *)read_slice(from, (size_t)n * sizeof *ret->chain).data;
}

// Of a program of 32 bits the registers are others than those that we know.
void perf_sample_parse_regs(const struct perf_regs *table, struct reader *from,
                            struct perf_sample *ret)
{
    uint64_t abi = read_u64(from);
    if (abi == PERF_SAMPLE_REGS_ABI_NONE) {
        return;
    }
    struct slice values = read_slice(from, table->n * sizeof(uint64_t));
    if (abi == PERF_SAMPLE_REGS_ABI_64) {
        ret->regs = values;
    }
    from->bad = from->bad || abi > PERF_SAMPLE_REGS_ABI_64;
}

// Room for as much as was asked for, or as fits into a record; how much of it is the stack, stands
// behind it. Where the copy ends before the room does, the memory ended.
void perf_sample_parse_copy(struct reader *from, struct perf_sample *ret)
{
    uint64_t room = read_u64(from);
    if (room == 0) {
        return;
    }
    if (room > reader_left(from)) {
        from->bad = true;
        return;
    }
    struct slice bytes = read_slice(from, (size_t)room);
    uint64_t n = read_u64(from);
    if (from->bad || n > room) {
        from->bad = true;
    } else if (ret->regs.n > 0) { // without them it is of no use
        ret->copy = (struct slice){bytes.data, (size_t)n};
        ret->copy_cut = n == room;
    }
}

bool perf_sample_parse(const struct perf_layout *layout, const struct perf_event_header *record,
                       struct perf_sample *ret)
{
    *ret = (struct perf_sample){0};
    if (record->size < sizeof(struct sample_prefix)) {
        return false;
    }
    ret->ip = &((const struct sample_prefix *)(const void *)record)->ip;
    struct reader from = reader_of(
        (struct slice){(const uint8_t *)record + sizeof(struct sample_prefix),
                       record->size - sizeof(struct sample_prefix)});
    if (layout->callchain) {
        perf_sample_parse_chain(&from, ret);
    }
    if (layout->raw) {
        ret->raw = read_slice(&from, read_u32(&from));
    }
    if (layout->regs != NULL) {
        perf_sample_parse_regs(layout->regs, &from, ret);
        perf_sample_parse_copy(&from, ret);
    }
    return !from.bad;
}

void perf_sample_stack(const struct perf_layout *layout, const struct perf_event_header *record,
                       const struct perf_sample *sample, struct event_regs *regs,
                       struct event_stack *ret)
{
    *ret = (struct event_stack){0};
    if (layout->callchain) {
        split_callchain(sample->chain, sample->n_chain, ret);
        ret->chain_cut = ret->n_kernel + ret->n_user >= layout->max_stack;
        limit_depth(ret);
    }
    if (ret->n_kernel + ret->n_user == 0) {
        use_ip(record, sample->ip, ret);
    }
    if (sample->regs.n > 0) {
        perf_regs_convert(layout->regs, sample->regs, regs);
        ret->regs = regs;
        ret->copy = sample->copy;
        ret->copy_cut = sample->copy_cut;
    }
}

static enum perf_outcome parse_sample(const struct perf_layout *layout,
                                      const struct perf_event_header *record,
                                      struct event_regs *regs, struct event *ret)
{
    struct perf_sample sample;
    if (!perf_sample_parse(layout, record, &sample)) {
        return PERF_E_BAD;
    }
    if (layout->meaning != PERF_MEANS_CPU_TIME) {
        return PERF_E_IGNORED;
    }
    ret->kind = EVENT_SAMPLE;
    ret->sample.weight_ns = layout->weight_ns;
    perf_sample_stack(layout, record, &sample, regs, &ret->sample.stack);
    return PERF_OK;
}

// ---- Mappings ----------------------------------------------------------------------------------

static bool begins_with(struct slice path, const char *prefix)
{
    size_t n = strlen(prefix);
    return path.n >= n && memcmp(path.data, prefix, n) == 0;
}

enum event_image_kind perf_image_kind(struct slice path)
{
    // Names with a leading slash that no file of the target stands behind: `//anon`, `//toolong`,
    // and files that the kernel itself makes up.
    static const char *const no_files[] = {"//", "/memfd:", "/SYSV", "/dev/zero", "/anon_hugepage"};
    if (begins_with(path, "[vdso")) {
        return EVENT_IMAGE_VDSO;
    }
    if (begins_with(path, "[kernel") || begins_with(path, "[guest.kernel")) {
        return EVENT_IMAGE_KERNEL;
    }
    if (!begins_with(path, "/")) {
        return EVENT_IMAGE_ANONYMOUS;
    }
    for (size_t i = 0; i < ARRAY_LEN(no_files); i++) {
        if (begins_with(path, no_files[i])) {
            return EVENT_IMAGE_ANONYMOUS;
        }
    }
    return EVENT_IMAGE_FILE;
}

// The name at the end of a record's fields; it must have an end of its own.
static struct slice parse_name(struct reader *fields)
{
    struct slice name = read_text(fields);
    if (name.n >= LIMIT_NAME_BYTES) {
        fields->bad = true;
    }
    return name;
}

static void parse_build_id(struct reader *fields, struct event_build_id *ret)
{
    ret->n = read_u8(fields);
    read_slice(fields, 3); // reserved
    read_bytes(fields, ret->at, sizeof ret->at);
    if (ret->n > EVENT_BUILD_ID_MAX) {
        ret->n = 0;
        fields->bad = true;
    }
    // Bytes beyond the length mean nothing, and equal ids shall be equal.
    memset(ret->at + ret->n, 0, sizeof ret->at - ret->n);
}

// Device and inode, or the build-id in their place; returns whether the memory can be executed.
static bool parse_mmap2(const struct perf_event_header *record, struct reader *fields,
                        struct event *ret)
{
    if ((record->misc & PERF_RECORD_MISC_MMAP_BUILD_ID) != 0) {
        parse_build_id(fields, &ret->image_mapped.build_id);
    } else {
        uint32_t major = read_u32(fields);
        uint32_t minor = read_u32(fields);
        ret->image_mapped.device = makedev(major, minor);
        ret->image_mapped.inode = read_u64(fields);
        read_u64(fields); // generation of the inode
    }
    uint32_t prot = read_u32(fields);
    read_u32(fields); // flags
    return (prot & PROT_EXEC) != 0;
}

static enum perf_outcome parse_mmap(const struct perf_event_header *record, struct reader *fields,
                                    struct event *ret)
{
    bool executable = (record->misc & PERF_RECORD_MISC_MMAP_DATA) == 0;
    ret->kind = EVENT_IMAGE_MAPPED;
    ret->pid = read_u32(fields);
    ret->tid = read_u32(fields);
    uint64_t start = ret->image_mapped.start_addr = read_u64(fields);
    uint64_t size = ret->image_mapped.size_bytes = read_u64(fields);
    ret->image_mapped.file_off = read_u64(fields);
    if (record->type == PERF_RECORD_MMAP2) {
        executable = parse_mmap2(record, fields, ret) && executable;
    }
    ret->image_mapped.path = parse_name(fields);
    ret->image_mapped.kind = perf_image_kind(ret->image_mapped.path);
    if (fields->bad || size == 0 || start + size < start) {
        return PERF_E_BAD;
    }
    return executable ? PERF_OK : PERF_E_IGNORED;
}

// ---- Life --------------------------------------------------------------------------------------

static enum perf_outcome parse_comm(const struct perf_event_header *record, struct reader *fields,
                                    struct event *ret)
{
    ret->pid = read_u32(fields);
    ret->tid = read_u32(fields);
    struct slice name = parse_name(fields);
    if ((record->misc & PERF_RECORD_MISC_COMM_EXEC) != 0) {
        ret->kind = EVENT_EXEC;
        ret->exec.name = name;
    } else {
        ret->kind = EVENT_THREAD_NAMED;
        ret->thread_named.name = name;
    }
    return PERF_OK;
}

static enum perf_outcome parse_task(const struct perf_event_header *record, struct reader *fields,
                                    struct event *ret)
{
    ret->pid = read_u32(fields);
    uint32_t parent_pid = read_u32(fields);
    ret->tid = read_u32(fields);
    uint32_t parent_tid = read_u32(fields);
    read_u64(fields); // the time again
    if (record->type == PERF_RECORD_EXIT) {
        ret->kind = EVENT_THREAD_EXITED;
    } else if (ret->pid == parent_pid) {
        ret->kind = EVENT_THREAD_STARTED;
        ret->thread_started.parent_tid = parent_tid;
    } else {
        ret->kind = EVENT_PROCESS_FORKED;
        ret->process_forked.parent_pid = parent_pid;
        ret->process_forked.parent_tid = parent_tid;
    }
    return PERF_OK;
}

// ---- The recorder ------------------------------------------------------------------------------

static enum perf_outcome parse_lost(const struct perf_event_header *record, struct reader *fields,
                                    struct event *ret)
{
    ret->kind = EVENT_LOST;
    ret->pid = ret->tid = 0; // of anybody who wrote into this ring
    ret->lost.samples = record->type == PERF_RECORD_LOST_SAMPLES;
    if (!ret->lost.samples) {
        read_u64(fields); // the id of the event that found room again
    }
    ret->lost.n = read_u64(fields);
    return PERF_OK;
}

static enum perf_outcome parse_throttle(const struct perf_event_header *record,
                                        struct reader *fields, struct event *ret)
{
    ret->kind = EVENT_THROTTLED;
    ret->throttled.ended = record->type == PERF_RECORD_UNTHROTTLE;
    read_slice(fields, 3 * sizeof(uint64_t)); // time, id, stream id
    return PERF_OK;
}

static enum perf_outcome parse_switch(const struct perf_event_header *record, struct reader *fields,
                                      struct event *ret)
{
    if (record->type == PERF_RECORD_SWITCH_CPU_WIDE) {
        read_u64(fields); // the other thread
    }
    if ((record->misc & PERF_RECORD_MISC_SWITCH_OUT) != 0) {
        ret->kind = EVENT_SWITCH_OUT;
        ret->switch_out.preempted = (record->misc & PERF_RECORD_MISC_SWITCH_OUT_PREEMPT) != 0;
    } else {
        ret->kind = EVENT_SWITCH_IN;
    }
    return PERF_OK;
}

static enum perf_outcome parse_by_type(const struct perf_event_header *record,
                                       struct reader *fields, struct event *ret)
{
    switch (record->type) {
    case PERF_RECORD_MMAP:
    case PERF_RECORD_MMAP2:
        return parse_mmap(record, fields, ret);
    case PERF_RECORD_COMM:
        return parse_comm(record, fields, ret);
    case PERF_RECORD_FORK:
    case PERF_RECORD_EXIT:
        return parse_task(record, fields, ret);
    case PERF_RECORD_LOST:
    case PERF_RECORD_LOST_SAMPLES:
        return parse_lost(record, fields, ret);
    case PERF_RECORD_THROTTLE:
    case PERF_RECORD_UNTHROTTLE:
        return parse_throttle(record, fields, ret);
    case PERF_RECORD_SWITCH:
    case PERF_RECORD_SWITCH_CPU_WIDE:
        return parse_switch(record, fields, ret);
    default:
        return PERF_E_IGNORED;
    }
}

enum perf_outcome perf_fields_parse(const struct perf_event_header *record, struct slice fields,
                                    struct event *ret)
{
    struct reader from = reader_of(fields);
    enum perf_outcome outcome = parse_by_type(record, &from, ret);
    return from.bad ? PERF_E_BAD : outcome;
}

enum perf_outcome perf_record_parse(const struct perf_layout *layout,
                                    const struct perf_event_header *record, struct event_regs *regs,
                                    struct event *ret)
{
    struct perf_stamp stamp;
    if (!perf_record_stamp(record, &stamp)) {
        return PERF_E_BAD;
    }
    *ret = (struct event){
        .pid = stamp.pid, .tid = stamp.tid, .cpu = stamp.cpu, .time_ns = stamp.time_ns};
    if (record->type == PERF_RECORD_SAMPLE) {
        return parse_sample(layout, record, regs, ret);
    }
    size_t n = record->size - sizeof *record - sizeof(struct trailer);
    return perf_fields_parse(record, (struct slice){(const uint8_t *)(record + 1), n}, ret);
}
