#include "base/limits.h"
#include "capture/perf/perf_record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/sysmacros.h>

#include <cmocka.h>

static const struct perf_layout layout = {
    .callchain = true, .weight_ns = 1111111, .max_stack = 127};

// A record under construction: fields, then finish() with the trailer.
struct record {
    _Alignas(8) uint8_t bytes[65536];
    size_t n;
};

static void put(struct record *r, const void *bytes, size_t n)
{
    memcpy(r->bytes + r->n, bytes, n);
    r->n += n;
}

static void put_u32(struct record *r, uint32_t value)
{
    put(r, &value, sizeof value);
}

static void put_u64(struct record *r, uint64_t value)
{
    put(r, &value, sizeof value);
}

// With its terminating zero, padded to 8 bytes as the kernel does.
static void put_text(struct record *r, const char *text)
{
    put(r, text, strlen(text) + 1);
    while (r->n % 8 != 0) {
        put(r, "", 1);
    }
}

static void start(struct record *r, uint32_t type, uint16_t misc)
{
    struct perf_event_header header = {.type = type, .misc = misc};
    r->n = 0;
    put(r, &header, sizeof header);
}

static const struct perf_event_header *seal(struct record *r)
{
    struct perf_event_header *header = (void *)r->bytes;
    header->size = (uint16_t)r->n;
    return header;
}

static const struct perf_event_header *finish(struct record *r)
{
    put_u32(r, 71); // pid
    put_u32(r, 72); // tid
    put_u64(r, 7300);
    put_u32(r, 74); // cpu
    put_u32(r, 0);
    put_u64(r, 75); // id
    return seal(r);
}

static void start_sample(struct record *r, uint16_t misc, uint64_t ip)
{
    start(r, PERF_RECORD_SAMPLE, misc);
    put_u64(r, 75); // id
    put_u64(r, ip);
    put_u32(r, 71); // pid
    put_u32(r, 72); // tid
    put_u64(r, 7300);
    put_u32(r, 74); // cpu
    put_u32(r, 0);
}

#define K PERF_CONTEXT_KERNEL
#define U PERF_CONTEXT_USER

static void test_splits_callchains_in_place(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint64_t chain[8];
        uint32_t n;
        uint32_t kernel_at, n_kernel, user_at, n_user;
    } rows[] = {
        {"user", {U, 1, 2, 3}, 4, 0, 0, 1, 3},
        {"both", {K, 9, 8, U, 1, 2}, 6, 1, 2, 4, 2},
        {"kernel", {K, 9, 8}, 3, 1, 2, 0, 0},
        {"zero at the end", {U, 1, 2, 0}, 4, 0, 0, 1, 2},
        {"zero in the middle", {U, 1, 0, 3}, 4, 0, 0, 1, 1},
        {"empty kernel part", {K, U, 1}, 3, 0, 0, 2, 1},
        {"a guest's part", {PERF_CONTEXT_GUEST, 5, 6, U, 1}, 5, 0, 0, 4, 1},
        {"a part twice", {U, 1, U, 2, 3}, 5, 0, 0, 1, 1},
        {"no marker", {1, 2, U, 3}, 4, 0, 0, 3, 1},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct record r;
        start_sample(&r, PERF_RECORD_MISC_USER, 1);
        put_u64(&r, rows[i].n);
        const uint64_t *chain = (const void *)(r.bytes + r.n);
        put(&r, rows[i].chain, rows[i].n * sizeof(uint64_t));
        struct event e;
        assert_int_equal(perf_record_parse(&layout, seal(&r), NULL, &e), PERF_OK);
        const struct event_stack *stack = &e.sample.stack;
        if (stack->n_kernel != rows[i].n_kernel || stack->n_user != rows[i].n_user) {
            fail_msg("%s: %u kernel, %u user", rows[i].name, stack->n_kernel, stack->n_user);
        }
        assert_ptr_equal(stack->kernel, stack->n_kernel ? chain + rows[i].kernel_at : NULL);
        assert_ptr_equal(stack->user, stack->n_user ? chain + rows[i].user_at : NULL);
        assert_false(stack->chain_cut);
    }
}

static void test_a_sample_says_who_when_and_how_much(void **state)
{
    (void)state;
    struct record r;
    start_sample(&r, PERF_RECORD_MISC_USER, 1);
    put_u64(&r, 2);
    put_u64(&r, U);
    put_u64(&r, 1);
    struct event e;
    assert_int_equal(perf_record_parse(&layout, seal(&r), NULL, &e), PERF_OK);
    assert_int_equal(e.kind, EVENT_SAMPLE);
    assert_int_equal(e.pid, 71);
    assert_int_equal(e.tid, 72);
    assert_int_equal(e.cpu, 74);
    assert_int_equal(e.time_ns, 7300);
    assert_int_equal(e.sample.weight_ns, 1111111);
    struct perf_stamp stamp;
    assert_true(perf_record_stamp(seal(&r), &stamp));
    assert_int_equal(stamp.id, 75);
}

static void test_an_empty_chain_leaves_the_address(void **state)
{
    (void)state;
    struct record r;
    struct event e;
    start_sample(&r, PERF_RECORD_MISC_USER, 0x401000);
    put_u64(&r, 0);
    assert_int_equal(perf_record_parse(&layout, seal(&r), NULL, &e), PERF_OK);
    assert_int_equal(e.sample.stack.n_user, 1);
    assert_int_equal(e.sample.stack.user[0], 0x401000);
    start_sample(&r, PERF_RECORD_MISC_KERNEL, 0xffffffff81000000);
    put_u64(&r, 0);
    assert_int_equal(perf_record_parse(&layout, seal(&r), NULL, &e), PERF_OK);
    assert_int_equal(e.sample.stack.n_user, 0);
    assert_int_equal(e.sample.stack.kernel[0], 0xffffffff81000000);
}

static void test_a_chain_at_its_limit_is_cut(void **state)
{
    (void)state;
    for (uint32_t n = 126; n <= 127; n++) {
        struct record r;
        struct event e;
        start_sample(&r, PERF_RECORD_MISC_USER, 1);
        put_u64(&r, n + 1);
        put_u64(&r, U);
        for (uint32_t i = 0; i < n; i++) {
            put_u64(&r, 0x1000 + i);
        }
        assert_int_equal(perf_record_parse(&layout, seal(&r), NULL, &e), PERF_OK);
        assert_int_equal(e.sample.stack.n_user, n);
        assert_int_equal(e.sample.stack.chain_cut, n == 127);
    }
}

static void test_a_chain_beyond_our_limit_is_cut(void **state)
{
    (void)state;
    struct perf_layout deep = layout;
    deep.max_stack = 5000;
    struct record r;
    struct event e;
    start_sample(&r, PERF_RECORD_MISC_USER, 1);
    put_u64(&r, 3001);
    put_u64(&r, U);
    for (uint32_t i = 0; i < 3000; i++) {
        put_u64(&r, 0x1000 + i);
    }
    assert_int_equal(perf_record_parse(&deep, seal(&r), NULL, &e), PERF_OK);
    assert_int_equal(e.sample.stack.n_user, LIMIT_STACK_DEPTH);
    assert_true(e.sample.stack.chain_cut);
}

static void test_a_chain_longer_than_its_record_is_bad(void **state)
{
    (void)state;
    static const uint64_t lengths[] = {3, 1000, UINT64_MAX, UINT64_MAX / 8, UINT64_MAX / 8 + 2};
    for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
        struct record r;
        struct event e;
        start_sample(&r, PERF_RECORD_MISC_USER, 1);
        put_u64(&r, lengths[i]);
        put_u64(&r, U);
        put_u64(&r, 1);
        assert_int_equal(perf_record_parse(&layout, seal(&r), NULL, &e), PERF_E_BAD);
    }
}

static const struct perf_layout wakeup = {
    .meaning = PERF_MEANS_WAKEUP, .callchain = true, .raw = true, .max_stack = 2};

// A stack and raw bytes; `n_raw` is what the record says of them.
static const struct perf_event_header *put_wakeup(struct record *r, uint32_t n_raw)
{
    start_sample(r, PERF_RECORD_MISC_KERNEL, 0xffffffff81000000);
    put_u64(r, 4);
    put_u64(r, K);
    put_u64(r, 0xffffffff81000000);
    put_u64(r, U);
    put_u64(r, 0x401000);
    put_u32(r, n_raw);
    put(r, "raw bytes 12", 12);
    return seal(r);
}

static void test_parts_of_a_sample(void **state)
{
    (void)state;
    struct record r;
    struct event e;
    struct perf_sample sample;
    struct event_stack stack;
    const struct perf_event_header *record = put_wakeup(&r, 12);
    assert_true(perf_sample_parse(&wakeup, record, &sample));
    assert_int_equal(sample.n_chain, 4);
    assert_true(slice_equal(sample.raw, slice_of_text("raw bytes 12")));
    perf_sample_stack(&wakeup, record, &sample, NULL, &stack);
    assert_int_equal(stack.n_kernel, 1);
    assert_int_equal(stack.n_user, 1);
    assert_int_equal(stack.user[0], 0x401000);
    assert_true(stack.chain_cut); // it ends at the limit of this layout
    // Alone it is no event.
    assert_int_equal(perf_record_parse(&wakeup, record, NULL, &e), PERF_E_IGNORED);
    static const uint32_t lengths[] = {13, 16, 4096, INT32_MAX, UINT32_MAX - 3, UINT32_MAX};
    for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
        record = put_wakeup(&r, lengths[i]);
        assert_false(perf_sample_parse(&wakeup, record, &sample));
        assert_int_equal(perf_record_parse(&wakeup, record, NULL, &e), PERF_E_BAD);
    }
    // At every shorter length the raw bytes do not fit, and nothing beyond is read.
    put_wakeup(&r, 12);
    for (size_t n = sizeof(struct perf_event_header); n < r.n; n += 8) {
        uint8_t *copy = aligned_alloc(8, n);
        memcpy(copy, r.bytes, n);
        struct perf_event_header *header = (void *)copy;
        header->size = (uint16_t)n;
        assert_false(perf_sample_parse(&wakeup, header, &sample));
        free(copy);
    }
}

// The tables do not depend on the machine that this runs on.
static const struct perf_regs *const tables[] = {&perf_regs_x86_64, &perf_regs_aarch64};

static struct perf_layout layout_with_copies(const struct perf_regs *table)
{
    return (struct perf_layout){
        .callchain = true, .regs = table, .weight_ns = 1111111, .max_stack = 127};
}

// A chain, the registers (the kernel's number of each is its value, plus 0x1000) and `room` bytes
// of stack, of which it says that `n` are.
static const struct perf_event_header *put_copy(struct record *r, const struct perf_regs *table,
                                                uint64_t abi, uint64_t room, uint64_t n)
{
    start_sample(r, PERF_RECORD_MISC_USER, 1);
    put_u64(r, 2);
    put_u64(r, U);
    put_u64(r, 0x401000);
    put_u64(r, abi);
    for (unsigned i = 0; i < 64 && abi != PERF_SAMPLE_REGS_ABI_NONE; i++) {
        if (table->mask >> i & 1) {
            put_u64(r, 0x1000 + i);
        }
    }
    put_u64(r, room);
    for (uint64_t i = 0; i < room; i++) {
        put(r, &(uint8_t){(uint8_t)(i / 8)}, 1);
    }
    if (room > 0) {
        put_u64(r, n);
    }
    return seal(r);
}

// What the kernel calls x comes out under DWARF's number for x.
static void test_registers_have_the_numbers_of_dwarf(void **state)
{
    (void)state;
    static const struct {
        const struct perf_regs *table;
        enum event_arch arch;
        unsigned kernel; // asm/perf_regs.h
        unsigned dwarf;
    } rows[] = {
        {&perf_regs_x86_64, EVENT_ARCH_X86_64, 0, 0},   // rax
        {&perf_regs_x86_64, EVENT_ARCH_X86_64, 1, 3},   // rbx
        {&perf_regs_x86_64, EVENT_ARCH_X86_64, 2, 2},   // rcx
        {&perf_regs_x86_64, EVENT_ARCH_X86_64, 3, 1},   // rdx
        {&perf_regs_x86_64, EVENT_ARCH_X86_64, 4, 4},   // rsi
        {&perf_regs_x86_64, EVENT_ARCH_X86_64, 5, 5},   // rdi
        {&perf_regs_x86_64, EVENT_ARCH_X86_64, 6, 6},   // rbp
        {&perf_regs_x86_64, EVENT_ARCH_X86_64, 7, 7},   // rsp
        {&perf_regs_x86_64, EVENT_ARCH_X86_64, 8, 16},  // rip
        {&perf_regs_x86_64, EVENT_ARCH_X86_64, 16, 8},  // r8
        {&perf_regs_x86_64, EVENT_ARCH_X86_64, 23, 15}, // r15
        {&perf_regs_aarch64, EVENT_ARCH_AARCH64, 0, 0},
        {&perf_regs_aarch64, EVENT_ARCH_AARCH64, 29, 29}, // frame pointer
        {&perf_regs_aarch64, EVENT_ARCH_AARCH64, 30, 30}, // link register
        {&perf_regs_aarch64, EVENT_ARCH_AARCH64, 31, 31}, // sp
        {&perf_regs_aarch64, EVENT_ARCH_AARCH64, 32, 32}, // pc
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct record r;
        struct event e;
        struct event_regs regs = {0};
        struct perf_layout copies = layout_with_copies(rows[i].table);
        const struct perf_event_header *record = put_copy(&r, rows[i].table,
                                                          PERF_SAMPLE_REGS_ABI_64, 0, 0);
        assert_int_equal(perf_record_parse(&copies, record, &regs, &e), PERF_OK);
        assert_ptr_equal(e.sample.stack.regs, &regs);
        assert_int_equal(regs.arch, rows[i].arch);
        assert_true(rows[i].table->mask >> rows[i].kernel & 1);
        assert_true(regs.valid >> rows[i].dwarf & 1);
        assert_int_equal(regs.at[rows[i].dwarf], 0x1000 + rows[i].kernel);
    }
}

static void test_tables_of_registers_are_sound(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(tables); i++) {
        uint64_t seen = 0;
        for (unsigned k = 0; k < tables[i]->n; k++) {
            assert_true(tables[i]->dwarf[k] < EVENT_REGS_MAX);
            seen |= UINT64_C(1) << tables[i]->dwarf[k];
        }
        assert_int_equal(seen, tables[i]->valid);
        assert_int_equal(__builtin_popcountll(tables[i]->mask), tables[i]->n);
        assert_int_equal(__builtin_popcountll(tables[i]->valid), tables[i]->n);
    }
}

static void test_copies(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint64_t abi;
        uint64_t room;
        uint64_t n;
        bool regs;
        size_t copied;
        bool cut;
    } rows[] = {
        {"as much as there is room for", PERF_SAMPLE_REGS_ABI_64, 8192, 8192, true, 8192, true},
        {"to the end of the memory", PERF_SAMPLE_REGS_ABI_64, 8192, 4096, true, 4096, false},
        {"any number of bytes", PERF_SAMPLE_REGS_ABI_64, 8192, 4091, true, 4091, false},
        {"nothing could be read", PERF_SAMPLE_REGS_ABI_64, 8192, 0, true, 0, false},
        {"less room than was asked for", PERF_SAMPLE_REGS_ABI_64, 61000, 61000, true, 61000, true},
        {"a stack pointer that leads nowhere", PERF_SAMPLE_REGS_ABI_64, 0, 0, true, 0, false},
        {"a program of 32 bits", PERF_SAMPLE_REGS_ABI_32, 8192, 8192, false, 0, false},
        {"a thread on its way out", PERF_SAMPLE_REGS_ABI_NONE, 0, 0, false, 0, false},
    };
    for (size_t i = 0; i < 2 * ARRAY_LEN(rows); i++) {
        struct record r;
        struct event e;
        struct event_regs regs = {0};
        const struct perf_regs *table = tables[i % 2];
        struct perf_layout copies = layout_with_copies(table);
        const struct perf_event_header *record = put_copy(&r, table, rows[i / 2].abi,
                                                          rows[i / 2].room, rows[i / 2].n);
        assert_int_equal(perf_record_parse(&copies, record, &regs, &e), PERF_OK);
        const struct event_stack *stack = &e.sample.stack;
        assert_int_equal(stack->n_user, 1); // the chain stays
        if ((stack->regs != NULL) != rows[i / 2].regs || stack->copy.n != rows[i / 2].copied ||
            stack->copy_cut != rows[i / 2].cut) {
            fail_msg("%s: %zu bytes", rows[i / 2].name, stack->copy.n);
        }
        for (size_t k = 0; k < stack->copy.n; k++) {
            assert_int_equal(stack->copy.data[k], (uint8_t)(k / 8));
        }
    }
}

static void test_copies_that_do_not_fit_are_bad(void **state)
{
    (void)state;
    static const uint64_t lies[] = {65, 72, 4096, INT64_MAX, UINT64_MAX - 7, UINT64_MAX};
    struct record r;
    struct event e;
    struct event_regs regs = {0};
    struct perf_layout copies = layout_with_copies(tables[0]);
    size_t room_at = sizeof(struct perf_event_header) + 40 + 32 + 17 * 8;
    for (size_t i = 0; i < ARRAY_LEN(lies); i++) {
        const struct perf_event_header *record = put_copy(&r, tables[0], PERF_SAMPLE_REGS_ABI_64,
                                                          64, lies[i]);
        assert_int_equal(perf_record_parse(&copies, record, &regs, &e), PERF_E_BAD);
        put_copy(&r, tables[0], PERF_SAMPLE_REGS_ABI_64, 64, 64);
        memcpy(r.bytes + room_at, &lies[i], sizeof lies[i]);
        assert_int_equal(perf_record_parse(&copies, seal(&r), &regs, &e), PERF_E_BAD);
    }
    const struct perf_event_header *record = put_copy(&r, tables[0], 3, 0, 0);
    assert_int_equal(perf_record_parse(&copies, record, &regs, &e), PERF_E_BAD);
}

// Behind the bytes of a tracepoint, whatever their length, too.
static void test_registers_stand_behind_raw_bytes(void **state)
{
    (void)state;
    struct record r;
    struct perf_sample sample;
    struct perf_layout both = wakeup;
    both.regs = tables[1];
    for (uint32_t n_raw = 12; n_raw <= 13; n_raw++) {
        put_wakeup(&r, n_raw);
        put(&r, "", n_raw - 12);
        put_u64(&r, PERF_SAMPLE_REGS_ABI_64);
        for (uint64_t i = 0; i < 33; i++) {
            put_u64(&r, 0x2000 + i);
        }
        put_u64(&r, 0);
        struct event_regs regs = {0};
        struct event_stack stack;
        const struct perf_event_header *record = seal(&r);
        assert_true(perf_sample_parse(&both, record, &sample));
        perf_sample_stack(&both, record, &sample, &regs, &stack);
        assert_int_equal(stack.regs->at[32], 0x2020);
    }
}

static void put_mmap2(struct record *r, uint16_t misc, uint32_t prot, const char *path)
{
    start(r, PERF_RECORD_MMAP2, misc);
    put_u32(r, 11);
    put_u32(r, 12);
    put_u64(r, 0x400000);
    put_u64(r, 0x3000);
    put_u64(r, 0x1000);
    if (misc & PERF_RECORD_MISC_MMAP_BUILD_ID) {
        uint8_t id[24] = {5, 0, 0, 0, 1, 2, 3, 4, 5, 99};
        put(r, id, sizeof id);
    } else {
        put_u32(r, 0xfd);
        put_u32(r, 2);
        put_u64(r, 777);
        put_u64(r, 1);
    }
    put_u32(r, prot);
    put_u32(r, MAP_PRIVATE);
    put_text(r, path);
}

static void test_mappings(void **state)
{
    (void)state;
    struct record r;
    struct event e;
    put_mmap2(&r, PERF_RECORD_MISC_USER, PROT_READ | PROT_EXEC, "/lib/libc.so.6");
    assert_int_equal(perf_record_parse(&layout, finish(&r), NULL, &e), PERF_OK);
    assert_int_equal(e.kind, EVENT_IMAGE_MAPPED);
    assert_int_equal(e.pid, 11);
    assert_int_equal(e.tid, 12);
    assert_int_equal(e.time_ns, 7300);
    assert_int_equal(e.image_mapped.kind, EVENT_IMAGE_FILE);
    assert_int_equal(e.image_mapped.start_addr, 0x400000);
    assert_int_equal(e.image_mapped.size_bytes, 0x3000);
    assert_int_equal(e.image_mapped.file_off, 0x1000);
    assert_int_equal(e.image_mapped.device, makedev(0xfd, 2));
    assert_int_equal(e.image_mapped.inode, 777);
    assert_int_equal(e.image_mapped.build_id.n, 0);
    assert_true(slice_equal(e.image_mapped.path, slice_of_text("/lib/libc.so.6")));

    put_mmap2(&r, PERF_RECORD_MISC_MMAP_BUILD_ID, PROT_EXEC, "/lib/libc.so.6");
    assert_int_equal(perf_record_parse(&layout, finish(&r), NULL, &e), PERF_OK);
    assert_int_equal(e.image_mapped.build_id.n, 5);
    assert_memory_equal(e.image_mapped.build_id.at, "\1\2\3\4\5\0\0", 7);
    assert_int_equal(e.image_mapped.inode, 0);

    put_mmap2(&r, 0, PROT_READ, "/lib/libc.so.6");
    assert_int_equal(perf_record_parse(&layout, finish(&r), NULL, &e), PERF_E_IGNORED);
    put_mmap2(&r, PERF_RECORD_MISC_MMAP_DATA, PROT_EXEC, "/lib/libc.so.6");
    assert_int_equal(perf_record_parse(&layout, finish(&r), NULL, &e), PERF_E_IGNORED);
}

static void test_old_mappings(void **state)
{
    (void)state;
    struct record r;
    struct event e;
    start(&r, PERF_RECORD_MMAP, PERF_RECORD_MISC_USER);
    put_u32(&r, 11);
    put_u32(&r, 12);
    put_u64(&r, 0x400000);
    put_u64(&r, 0x3000);
    put_u64(&r, 0x1000);
    put_text(&r, "/bin/sh");
    assert_int_equal(perf_record_parse(&layout, finish(&r), NULL, &e), PERF_OK);
    assert_int_equal(e.image_mapped.file_off, 0x1000);
    assert_true(slice_equal(e.image_mapped.path, slice_of_text("/bin/sh")));
}

static void test_mappings_that_make_no_sense(void **state)
{
    (void)state;
    struct record r;
    struct event e;
    put_mmap2(&r, 0, PROT_EXEC, "/x");
    memset(r.bytes + 24, 0, 8); // no bytes long
    assert_int_equal(perf_record_parse(&layout, finish(&r), NULL, &e), PERF_E_BAD);
    put_mmap2(&r, 0, PROT_EXEC, "/x");
    memset(r.bytes + 16, 0xff, 16); // around the end of memory
    assert_int_equal(perf_record_parse(&layout, finish(&r), NULL, &e), PERF_E_BAD);
    put_mmap2(&r, PERF_RECORD_MISC_MMAP_BUILD_ID, PROT_EXEC, "/x");
    r.bytes[40] = 21; // a build-id longer than its field
    assert_int_equal(perf_record_parse(&layout, finish(&r), NULL, &e), PERF_E_BAD);
    put_mmap2(&r, 0, PROT_EXEC, "/xxxxxx");
    r.bytes[r.n - 1] = 'x'; // a name without an end, before a trailer that has zeros
    assert_int_equal(perf_record_parse(&layout, finish(&r), NULL, &e), PERF_E_BAD);
}

static void test_kinds_of_images(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        enum event_image_kind kind;
    } rows[] = {
        {"/usr/bin/cat", EVENT_IMAGE_FILE},
        {"/tmp/x.so (deleted)", EVENT_IMAGE_FILE},
        {"/dev/shm/x", EVENT_IMAGE_FILE},
        {"[vdso]", EVENT_IMAGE_VDSO},
        {"//anon", EVENT_IMAGE_ANONYMOUS},
        {"//toolong", EVENT_IMAGE_ANONYMOUS},
        {"[heap]", EVENT_IMAGE_ANONYMOUS},
        {"[stack]", EVENT_IMAGE_ANONYMOUS},
        {"[anon:jit]", EVENT_IMAGE_ANONYMOUS},
        {"[uprobes]", EVENT_IMAGE_ANONYMOUS},
        {"anon_inode:[perf_event]", EVENT_IMAGE_ANONYMOUS},
        {"/memfd:doublemapper (deleted)", EVENT_IMAGE_ANONYMOUS},
        {"/SYSV00000000 (deleted)", EVENT_IMAGE_ANONYMOUS},
        {"/dev/zero", EVENT_IMAGE_ANONYMOUS},
        {"/dev/zero (deleted)", EVENT_IMAGE_ANONYMOUS},
        {"/anon_hugepage (deleted)", EVENT_IMAGE_ANONYMOUS},
        {"[kernel.kallsyms]_text", EVENT_IMAGE_KERNEL},
        {"", EVENT_IMAGE_ANONYMOUS},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (perf_image_kind(slice_of_text(rows[i].path)) != rows[i].kind) {
            fail_msg("%s", rows[i].path);
        }
    }
}

static void test_names_and_execs(void **state)
{
    (void)state;
    for (int exec = 0; exec <= 1; exec++) {
        struct record r;
        struct event e;
        start(&r, PERF_RECORD_COMM, exec ? PERF_RECORD_MISC_COMM_EXEC : 0);
        put_u32(&r, 11);
        put_u32(&r, 12);
        put_text(&r, "worker 1");
        assert_int_equal(perf_record_parse(&layout, finish(&r), NULL, &e), PERF_OK);
        assert_int_equal(e.kind, exec ? EVENT_EXEC : EVENT_THREAD_NAMED);
        assert_int_equal(e.pid, 11);
        assert_int_equal(e.tid, 12);
        struct slice name = exec ? e.exec.name : e.thread_named.name;
        assert_true(slice_equal(name, slice_of_text("worker 1")));
    }
}

static void put_task(struct record *r, uint32_t type, uint32_t pid, uint32_t parent_pid)
{
    start(r, type, 0);
    put_u32(r, pid);
    put_u32(r, parent_pid);
    put_u32(r, 23);
    put_u32(r, 24);
    put_u64(r, 7299);
}

static void test_births_and_deaths(void **state)
{
    (void)state;
    struct record r;
    struct event e;
    put_task(&r, PERF_RECORD_FORK, 21, 21);
    assert_int_equal(perf_record_parse(&layout, finish(&r), NULL, &e), PERF_OK);
    assert_int_equal(e.kind, EVENT_THREAD_STARTED);
    assert_int_equal(e.pid, 21);
    assert_int_equal(e.tid, 23);
    assert_int_equal(e.thread_started.parent_tid, 24);
    put_task(&r, PERF_RECORD_FORK, 23, 21);
    assert_int_equal(perf_record_parse(&layout, finish(&r), NULL, &e), PERF_OK);
    assert_int_equal(e.kind, EVENT_PROCESS_FORKED);
    assert_int_equal(e.pid, 23);
    assert_int_equal(e.process_forked.parent_pid, 21);
    assert_int_equal(e.process_forked.parent_tid, 24);
    assert_false(e.process_forked.recorded);
    put_task(&r, PERF_RECORD_EXIT, 21, 1);
    assert_int_equal(perf_record_parse(&layout, finish(&r), NULL, &e), PERF_OK);
    assert_int_equal(e.kind, EVENT_THREAD_EXITED);
    assert_int_equal(e.pid, 21);
    assert_int_equal(e.tid, 23);
}

static void test_what_the_recorder_says_of_itself(void **state)
{
    (void)state;
    struct record r;
    struct event e;
    start(&r, PERF_RECORD_LOST, 0);
    put_u64(&r, 75);
    put_u64(&r, 1234);
    assert_int_equal(perf_record_parse(&layout, finish(&r), NULL, &e), PERF_OK);
    assert_int_equal(e.kind, EVENT_LOST);
    assert_int_equal(e.lost.n, 1234);
    assert_false(e.lost.samples);
    assert_int_equal(e.pid, 0);
    start(&r, PERF_RECORD_LOST_SAMPLES, 0);
    put_u64(&r, 55);
    assert_int_equal(perf_record_parse(&layout, finish(&r), NULL, &e), PERF_OK);
    assert_int_equal(e.lost.n, 55);
    assert_true(e.lost.samples);
    for (uint32_t type = PERF_RECORD_THROTTLE; type <= PERF_RECORD_UNTHROTTLE; type++) {
        start(&r, type, 0);
        put_u64(&r, 7300);
        put_u64(&r, 75);
        put_u64(&r, 75);
        assert_int_equal(perf_record_parse(&layout, finish(&r), NULL, &e), PERF_OK);
        assert_int_equal(e.kind, EVENT_THROTTLED);
        assert_int_equal(e.throttled.ended, type == PERF_RECORD_UNTHROTTLE);
    }
}

static void test_switches(void **state)
{
    (void)state;
    static const struct {
        uint16_t misc;
        enum event_kind kind;
        bool preempted;
    } rows[] = {
        {0, EVENT_SWITCH_IN, false},
        {PERF_RECORD_MISC_SWITCH_OUT, EVENT_SWITCH_OUT, false},
        {PERF_RECORD_MISC_SWITCH_OUT | PERF_RECORD_MISC_SWITCH_OUT_PREEMPT, EVENT_SWITCH_OUT, true},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        for (int wide = 0; wide <= 1; wide++) {
            struct record r;
            struct event e;
            start(&r, wide ? PERF_RECORD_SWITCH_CPU_WIDE : PERF_RECORD_SWITCH, rows[i].misc);
            if (wide) {
                put_u64(&r, 1);
            }
            assert_int_equal(perf_record_parse(&layout, finish(&r), NULL, &e), PERF_OK);
            assert_int_equal(e.kind, rows[i].kind);
            assert_int_equal(e.tid, 72);
            if (e.kind == EVENT_SWITCH_OUT) {
                assert_int_equal(e.switch_out.preempted, rows[i].preempted);
                assert_false(e.switch_out.has_stack);
            }
        }
    }
}

// Every record of the tests above, at every shorter length: never more than its bytes are read
// (the sanitizer looks on), and what is left does not pass for whole.
static void test_records_cut_short_are_bad(void **state)
{
    (void)state;
    struct record whole;
    struct event e;
    struct event_regs regs = {0};
    struct perf_layout copies = layout_with_copies(tables[0]);
    for (int which = 0; which < 4; which++) {
        if (which == 0) {
            put_mmap2(&whole, 0, PROT_EXEC, "/lib/libc.so.6");
        } else if (which == 1) {
            put_task(&whole, PERF_RECORD_FORK, 21, 21);
        } else if (which == 2) {
            put_copy(&whole, tables[0], PERF_SAMPLE_REGS_ABI_64, 256, 256);
        } else {
            start_sample(&whole, PERF_RECORD_MISC_USER, 1);
            put_u64(&whole, 2);
            put_u64(&whole, U);
            put_u64(&whole, 1);
        }
        size_t size = which >= 2 ? whole.n : finish(&whole)->size;
        const struct perf_layout *as = which == 2 ? &copies : &layout;
        for (size_t n = sizeof(struct perf_event_header); n < size; n += 8) {
            uint8_t *copy = aligned_alloc(8, n);
            memcpy(copy, whole.bytes, n);
            struct perf_event_header *header = (void *)copy;
            header->size = (uint16_t)n;
            assert_int_equal(perf_record_parse(as, header, &regs, &e), PERF_E_BAD);
            free(copy);
        }
    }
}

static void test_an_unknown_type_is_ignored(void **state)
{
    (void)state;
    struct record r;
    struct event e;
    start(&r, 9999, 0);
    put_u64(&r, 1);
    assert_int_equal(perf_record_parse(&layout, finish(&r), NULL, &e), PERF_E_IGNORED);
}

static void test_layouts_by_id(void **state)
{
    (void)state;
    struct perf_layouts layouts = {.n = 2};
    layouts.at[0] = layout;
    map_set(&layouts.by_id, 75, 1);
    struct record r;
    start(&r, PERF_RECORD_SWITCH, 0);
    const struct perf_event_header *header = finish(&r);
    assert_ptr_equal(perf_layouts_find(&layouts, header), &layouts.at[1]);
    start_sample(&r, 0, 1);
    assert_ptr_equal(perf_layouts_find(&layouts, seal(&r)), &layouts.at[1]);
    map_set(&layouts.by_id, 75, 7); // nobody added such a one
    assert_null(perf_layouts_find(&layouts, header));
    layouts.n = 1;
    assert_ptr_equal(perf_layouts_find(&layouts, header), &layouts.at[0]);
    perf_layouts_fini(&layouts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_splits_callchains_in_place),
        cmocka_unit_test(test_a_sample_says_who_when_and_how_much),
        cmocka_unit_test(test_an_empty_chain_leaves_the_address),
        cmocka_unit_test(test_a_chain_at_its_limit_is_cut),
        cmocka_unit_test(test_a_chain_beyond_our_limit_is_cut),
        cmocka_unit_test(test_a_chain_longer_than_its_record_is_bad),
        cmocka_unit_test(test_parts_of_a_sample),
        cmocka_unit_test(test_registers_have_the_numbers_of_dwarf),
        cmocka_unit_test(test_tables_of_registers_are_sound),
        cmocka_unit_test(test_copies),
        cmocka_unit_test(test_copies_that_do_not_fit_are_bad),
        cmocka_unit_test(test_registers_stand_behind_raw_bytes),
        cmocka_unit_test(test_mappings),
        cmocka_unit_test(test_old_mappings),
        cmocka_unit_test(test_mappings_that_make_no_sense),
        cmocka_unit_test(test_kinds_of_images),
        cmocka_unit_test(test_names_and_execs),
        cmocka_unit_test(test_births_and_deaths),
        cmocka_unit_test(test_what_the_recorder_says_of_itself),
        cmocka_unit_test(test_switches),
        cmocka_unit_test(test_records_cut_short_are_bad),
        cmocka_unit_test(test_an_unknown_type_is_ignored),
        cmocka_unit_test(test_layouts_by_id),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
