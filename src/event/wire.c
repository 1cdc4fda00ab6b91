#include "event/wire.h"

#include "base/alloc.h"
#include "base/limits.h"

#include <errno.h>
#include <stdlib.h>

// The two halves stand in the same order, kind by kind: what put_x() writes, parse_x() reads.
//
// A stack is: n_kernel, n_user (u32), their addresses, chain_cut (bool), arch (u8), and unless that
// is NONE the mask of valid registers (u64) and those registers, then the copy (bytes) and copy_cut
// (bool).

static const uint64_t magic = 0x0a77783a78617473; // "stax:xw\n" on a little-endian machine

// ---- Put ---------------------------------------------------------------------------------------

static void put_u8(struct text *to, uint8_t value)
{
    text_add_bytes(to, &value, sizeof value);
}

static void put_bool(struct text *to, bool value)
{
    put_u8(to, value ? 1 : 0);
}

static void put_u32(struct text *to, uint32_t value)
{
    text_add_bytes(to, &value, sizeof value);
}

static void put_u64(struct text *to, uint64_t value)
{
    text_add_bytes(to, &value, sizeof value);
}

static void put_slice(struct text *to, struct slice bytes, size_t limit_bytes)
{
    size_t n = MIN(bytes.n, limit_bytes);
    put_u32(to, (uint32_t)n);
    text_add_bytes(to, bytes.data, n);
}

static void put_regs(struct text *to, const struct event_regs *regs)
{
    if (regs == NULL || regs->arch == EVENT_ARCH_NONE) {
        put_u8(to, EVENT_ARCH_NONE);
        return;
    }
    uint64_t valid = regs->valid & ((UINT64_C(1) << EVENT_REGS_MAX) - 1);
    put_u8(to, (uint8_t)regs->arch);
    put_u64(to, valid);
    for (unsigned i = 0; i < EVENT_REGS_MAX; i++) {
        if (valid >> i & 1) {
            put_u64(to, regs->at[i]);
        }
    }
}

static void put_stack(struct text *to, const struct event_stack *stack)
{
    uint32_t n_kernel = MIN(stack->n_kernel, (uint32_t)LIMIT_STACK_DEPTH);
    uint32_t n_user = MIN(stack->n_user, (uint32_t)LIMIT_STACK_DEPTH);
    put_u32(to, n_kernel);
    put_u32(to, n_user);
    text_add_bytes(to, stack->kernel, n_kernel * sizeof *stack->kernel);
    text_add_bytes(to, stack->user, n_user * sizeof *stack->user);
    put_bool(to, stack->chain_cut || n_kernel < stack->n_kernel || n_user < stack->n_user);
    put_regs(to, stack->regs);
    put_slice(to, stack->copy, WIRE_COPY_MAX_BYTES);
    put_bool(to, stack->copy_cut || stack->copy.n > WIRE_COPY_MAX_BYTES);
}

static void put_counters(struct text *to, const struct event_counters *counters)
{
    uint32_t valid = counters->valid & ((1U << EVENT_COUNTER_COUNT) - 1);
    put_u8(to, (uint8_t)valid);
    for (unsigned i = 0; i < EVENT_COUNTER_COUNT; i++) {
        if (valid >> i & 1) {
            put_u64(to, counters->delta[i]);
        }
    }
}

static void put_switch_out(struct text *to, const struct event *event)
{
    put_stack(to, &event->switch_out.stack);
    put_bool(to, event->switch_out.has_stack);
    put_bool(to, event->switch_out.preempted);
    put_bool(to, event->switch_out.has_reason);
    put_u8(to, (uint8_t)event->switch_out.reason);
}

static void put_wakeup(struct text *to, const struct event *event)
{
    put_u32(to, event->wakeup.wakee_pid);
    put_u32(to, event->wakeup.wakee_tid);
    put_bool(to, event->wakeup.interrupt);
    put_bool(to, event->wakeup.waker_foreign);
    put_bool(to, event->wakeup.wakee_foreign);
    put_bool(to, event->wakeup.has_stack);
    put_stack(to, &event->wakeup.stack);
    put_slice(to, event->wakeup.foreign_name, LIMIT_NAME_BYTES);
}

static void put_image_mapped(struct text *to, const struct event *event)
{
    const struct event_build_id *build_id = &event->image_mapped.build_id;
    put_u8(to, (uint8_t)event->image_mapped.kind);
    put_u64(to, event->image_mapped.start_addr);
    put_u64(to, event->image_mapped.size_bytes);
    put_u64(to, event->image_mapped.file_off);
    put_u64(to, event->image_mapped.device);
    put_u64(to, event->image_mapped.inode);
    put_slice(to, (struct slice){build_id->at, build_id->n}, EVENT_BUILD_ID_MAX);
    put_slice(to, event->image_mapped.path, LIMIT_NAME_BYTES);
}

// Half a function can't be disassembled nor half a table be parsed: all or nothing.
static void put_code(struct text *to, struct slice code)
{
    put_slice(to, code.n > WIRE_CODE_MAX_BYTES ? (struct slice){0} : code, WIRE_CODE_MAX_BYTES);
}

static void put_code_loaded(struct text *to, const struct event *event)
{
    put_u64(to, event->code_loaded.addr);
    put_u64(to, event->code_loaded.size_bytes);
    put_u64(to, event->code_loaded.index);
    put_slice(to, event->code_loaded.name, LIMIT_SYMBOL_BYTES);
    put_code(to, event->code_loaded.code);
    put_code(to, event->code_loaded.eh_frame);
}

static void put_fields(struct text *to, const struct event *event)
{
    switch (event->kind) {
    case EVENT_SAMPLE:
        put_stack(to, &event->sample.stack);
        put_u64(to, event->sample.weight_ns);
        put_counters(to, &event->sample.counters);
        break;
    case EVENT_SWITCH_OUT:
        put_switch_out(to, event);
        break;
    case EVENT_WAKEUP:
        put_wakeup(to, event);
        break;
    case EVENT_WAIT_SEEN:
        put_u64(to, event->wait_seen.since_ns);
        put_slice(to, event->wait_seen.place, LIMIT_NAME_BYTES);
        put_bool(to, event->wait_seen.has_reason);
        put_u8(to, (uint8_t)event->wait_seen.reason);
        break;
    case EVENT_IMAGE_MAPPED:
        put_image_mapped(to, event);
        break;
    case EVENT_IMAGE_UNMAPPED:
        put_u64(to, event->image_unmapped.start_addr);
        put_u64(to, event->image_unmapped.size_bytes);
        break;
    case EVENT_CODE_LOADED:
        put_code_loaded(to, event);
        break;
    case EVENT_CODE_MOVED:
        put_u64(to, event->code_moved.from_addr);
        put_u64(to, event->code_moved.to_addr);
        put_u64(to, event->code_moved.size_bytes);
        put_u64(to, event->code_moved.index);
        break;
    case EVENT_EXEC:
        put_slice(to, event->exec.name, LIMIT_NAME_BYTES);
        break;
    case EVENT_THREAD_STARTED:
        put_u32(to, event->thread_started.parent_tid);
        put_bool(to, event->thread_started.existed);
        put_bool(to, event->thread_started.asleep);
        break;
    case EVENT_PROCESS_FORKED:
        put_u32(to, event->process_forked.parent_pid);
        put_u32(to, event->process_forked.parent_tid);
        put_bool(to, event->process_forked.recorded);
        put_bool(to, event->process_forked.existed);
        put_bool(to, event->process_forked.asleep);
        break;
    case EVENT_THREAD_NAMED:
        put_slice(to, event->thread_named.name, LIMIT_NAME_BYTES);
        break;
    case EVENT_LOST:
        put_u64(to, event->lost.n);
        put_bool(to, event->lost.samples);
        break;
    case EVENT_THROTTLED:
        put_bool(to, event->throttled.ended);
        break;
    case EVENT_SWITCH_IN:
    case EVENT_THREAD_EXITED:
    case EVENT_KIND_COUNT:
        break;
    }
}

void wire_put(struct text *to, const struct event *event)
{
    ASSERT(event->kind >= 0 && event->kind < EVENT_KIND_COUNT);
    size_t length_at = to->n;
    put_u32(to, 0);
    put_u8(to, (uint8_t)event->kind);
    put_u32(to, event->pid);
    put_u32(to, event->tid);
    put_u32(to, event->cpu);
    put_u64(to, event->time_ns);
    put_fields(to, event);
    uint32_t length = (uint32_t)(to->n - length_at - sizeof length);
    ASSERT(length <= WIRE_EVENT_MAX_BYTES);
    memcpy(to->at + length_at, &length, sizeof length);
}

void wire_put_header(struct text *to, const struct wire_header *header)
{
    put_u64(to, magic);
    put_u32(to, WIRE_VERSION);
    put_u32(to, header->frequency_hz);
    put_u64(to, header->switches ? 1 : 0);
}

// ---- Parse -------------------------------------------------------------------------------------
// Every value that does not fit sets `bad`, which reading past the end does too.

static void refuse_unless(struct reader *from, bool condition)
{
    if (!condition) {
        from->bad = true;
    }
}

static bool parse_bool(struct reader *from)
{
    uint8_t value = read_u8(from);
    refuse_unless(from, value <= 1);
    return value == 1;
}

// A value of an enum with `count` values.
static uint8_t parse_enum(struct reader *from, unsigned count)
{
    uint8_t value = read_u8(from);
    refuse_unless(from, value < count);
    return value;
}

static struct slice parse_slice(struct reader *from, size_t limit_bytes)
{
    uint32_t n = read_u32(from);
    refuse_unless(from, n <= limit_bytes);
    return read_slice(from, n);
}

static const struct event_regs *parse_regs(struct reader *from, struct event_regs *regs)
{
    uint8_t arch = parse_enum(from, EVENT_ARCH_AARCH64 + 1);
    if (arch == EVENT_ARCH_NONE) {
        return NULL;
    }
    *regs = (struct event_regs){.arch = (enum event_arch)arch, .valid = read_u64(from)};
    refuse_unless(from, regs->valid >> EVENT_REGS_MAX == 0);
    for (unsigned i = 0; i < EVENT_REGS_MAX; i++) {
        regs->at[i] = regs->valid >> i & 1 ? read_u64(from) : 0;
    }
    return regs;
}

static void parse_stack(struct reader *from, struct wire_scratch *scratch, struct event_stack *ret)
{
    uint32_t n_kernel = read_u32(from);
    uint32_t n_user = read_u32(from);
    refuse_unless(from, n_kernel <= LIMIT_STACK_DEPTH && n_user <= LIMIT_STACK_DEPTH);
    size_t n = from->bad ? 0 : (size_t)n_kernel + n_user;
    if (n > scratch->room) {
        scratch->room = (size_t)2 * LIMIT_STACK_DEPTH;
        scratch->addrs = alloc_resize(scratch->addrs, scratch->room, sizeof *scratch->addrs);
    }
    if (n > 0) {
        read_bytes(from, scratch->addrs, n * sizeof *scratch->addrs);
        ret->kernel = scratch->addrs;
        ret->user = scratch->addrs + n_kernel;
        ret->n_kernel = n_kernel;
        ret->n_user = n_user;
    }
    ret->chain_cut = parse_bool(from);
    ret->regs = parse_regs(from, &scratch->regs);
    ret->copy = parse_slice(from, WIRE_COPY_MAX_BYTES);
    ret->copy_cut = parse_bool(from);
}

static void parse_counters(struct reader *from, struct event_counters *ret)
{
    ret->valid = parse_enum(from, 1U << EVENT_COUNTER_COUNT);
    for (unsigned i = 0; i < EVENT_COUNTER_COUNT; i++) {
        ret->delta[i] = ret->valid >> i & 1 ? read_u64(from) : 0;
    }
}

static void parse_switch_out(struct reader *from, struct wire_scratch *scratch, struct event *ret)
{
    parse_stack(from, scratch, &ret->switch_out.stack);
    ret->switch_out.has_stack = parse_bool(from);
    ret->switch_out.preempted = parse_bool(from);
    ret->switch_out.has_reason = parse_bool(from);
    ret->switch_out.reason = (enum event_reason)parse_enum(from, EVENT_REASON_COUNT);
}

static void parse_wakeup(struct reader *from, struct wire_scratch *scratch, struct event *ret)
{
    ret->wakeup.wakee_pid = read_u32(from);
    ret->wakeup.wakee_tid = read_u32(from);
    ret->wakeup.interrupt = parse_bool(from);
    ret->wakeup.waker_foreign = parse_bool(from);
    ret->wakeup.wakee_foreign = parse_bool(from);
    ret->wakeup.has_stack = parse_bool(from);
    parse_stack(from, scratch, &ret->wakeup.stack);
    ret->wakeup.foreign_name = parse_slice(from, LIMIT_NAME_BYTES);
}

static void parse_image_mapped(struct reader *from, struct event *ret)
{
    struct event_build_id *build_id = &ret->image_mapped.build_id;
    ret->image_mapped.kind = (enum event_image_kind)parse_enum(from, EVENT_IMAGE_KERNEL + 1);
    ret->image_mapped.start_addr = read_u64(from);
    ret->image_mapped.size_bytes = read_u64(from);
    ret->image_mapped.file_off = read_u64(from);
    ret->image_mapped.device = read_u64(from);
    ret->image_mapped.inode = read_u64(from);
    struct slice id = parse_slice(from, EVENT_BUILD_ID_MAX);
    build_id->n = (uint8_t)id.n;
    for (size_t i = 0; i < id.n; i++) {
        build_id->at[i] = id.data[i];
    }
    ret->image_mapped.path = parse_slice(from, LIMIT_NAME_BYTES);
}

static void parse_code_loaded(struct reader *from, struct event *ret)
{
    ret->code_loaded.addr = read_u64(from);
    ret->code_loaded.size_bytes = read_u64(from);
    ret->code_loaded.index = read_u64(from);
    ret->code_loaded.name = parse_slice(from, LIMIT_SYMBOL_BYTES);
    ret->code_loaded.code = parse_slice(from, WIRE_CODE_MAX_BYTES);
    ret->code_loaded.eh_frame = parse_slice(from, WIRE_CODE_MAX_BYTES);
}

static void parse_fields(struct reader *from, struct wire_scratch *scratch, struct event *ret)
{
    switch (ret->kind) {
    case EVENT_SAMPLE:
        parse_stack(from, scratch, &ret->sample.stack);
        ret->sample.weight_ns = read_u64(from);
        parse_counters(from, &ret->sample.counters);
        break;
    case EVENT_SWITCH_OUT:
        parse_switch_out(from, scratch, ret);
        break;
    case EVENT_WAKEUP:
        parse_wakeup(from, scratch, ret);
        break;
    case EVENT_WAIT_SEEN:
        ret->wait_seen.since_ns = read_u64(from);
        ret->wait_seen.place = parse_slice(from, LIMIT_NAME_BYTES);
        ret->wait_seen.has_reason = parse_bool(from);
        ret->wait_seen.reason = (enum event_reason)parse_enum(from, EVENT_REASON_COUNT);
        break;
    case EVENT_IMAGE_MAPPED:
        parse_image_mapped(from, ret);
        break;
    case EVENT_IMAGE_UNMAPPED:
        ret->image_unmapped.start_addr = read_u64(from);
        ret->image_unmapped.size_bytes = read_u64(from);
        break;
    case EVENT_CODE_LOADED:
        parse_code_loaded(from, ret);
        break;
    case EVENT_CODE_MOVED:
        ret->code_moved.from_addr = read_u64(from);
        ret->code_moved.to_addr = read_u64(from);
        ret->code_moved.size_bytes = read_u64(from);
        ret->code_moved.index = read_u64(from);
        break;
    case EVENT_EXEC:
        ret->exec.name = parse_slice(from, LIMIT_NAME_BYTES);
        break;
    case EVENT_THREAD_STARTED:
        ret->thread_started.parent_tid = read_u32(from);
        ret->thread_started.existed = parse_bool(from);
        ret->thread_started.asleep = parse_bool(from);
        break;
    case EVENT_PROCESS_FORKED:
        ret->process_forked.parent_pid = read_u32(from);
        ret->process_forked.parent_tid = read_u32(from);
        ret->process_forked.recorded = parse_bool(from);
        ret->process_forked.existed = parse_bool(from);
        ret->process_forked.asleep = parse_bool(from);
        break;
    case EVENT_THREAD_NAMED:
        ret->thread_named.name = parse_slice(from, LIMIT_NAME_BYTES);
        break;
    case EVENT_LOST:
        ret->lost.n = read_u64(from);
        ret->lost.samples = parse_bool(from);
        break;
    case EVENT_THROTTLED:
        ret->throttled.ended = parse_bool(from);
        break;
    case EVENT_SWITCH_IN:
    case EVENT_THREAD_EXITED:
    case EVENT_KIND_COUNT:
        break;
    }
}

enum wire_outcome wire_parse(struct reader *from, struct wire_scratch *scratch, struct event *ret)
{
    if (reader_left(from) == 0) {
        return from->bad ? WIRE_E_BAD : WIRE_E_END;
    }
    struct reader ahead = *from;
    uint32_t length = read_u32(&ahead);
    if (!ahead.bad && length > WIRE_EVENT_MAX_BYTES) {
        return WIRE_E_BAD;
    }
    struct reader body = reader_of(read_slice(&ahead, length));
    if (ahead.bad) {
        return WIRE_E_CUT;
    }
    *ret = (struct event){.kind = (enum event_kind)parse_enum(&body, EVENT_KIND_COUNT)};
    ret->pid = read_u32(&body);
    ret->tid = read_u32(&body);
    ret->cpu = read_u32(&body);
    ret->time_ns = read_u64(&body);
    if (!body.bad) {
        parse_fields(&body, scratch, ret);
    }
    if (body.bad || reader_left(&body) > 0) {
        return WIRE_E_BAD;
    }
    *from = ahead;
    return WIRE_OK;
}

int wire_parse_header(struct reader *from, struct wire_header *ret, struct err *reterr)
{
    uint64_t found = read_u64(from);
    uint32_t version = read_u32(from);
    uint32_t frequency_hz = read_u32(from);
    if (!from->bad && found == __builtin_bswap64(magic)) {
        return err_set(reterr, EINVAL, "written on a machine with the other byte order");
    }
    if (from->bad || found != magic) {
        return err_set(reterr, EINVAL, "not a stax event stream");
    }
    if (version != WIRE_VERSION) {
        return err_set(reterr, EINVAL, "event stream of version %u, this stax reads version %d",
                       version, WIRE_VERSION);
    }
    if (frequency_hz == 0 || frequency_hz > LIMIT_FREQUENCY_HZ) {
        return err_set(reterr, EINVAL,
                       "event stream says %u samples per second, limits are 1 to %d", frequency_hz,
                       LIMIT_FREQUENCY_HZ);
    }
    uint64_t switches = read_u64(from);
    if (from->bad || switches > 1) {
        return err_set(reterr, EINVAL, "the header of the event stream makes no sense");
    }
    *ret = (struct wire_header){.frequency_hz = frequency_hz, .switches = switches == 1};
    return 0;
}

void wire_scratch_fini(struct wire_scratch *scratch)
{
    free(scratch->addrs);
    *scratch = (struct wire_scratch){0};
}
