// Walks through a program whose rules are known (test_rules.h), told by events.

#include "run/unwinder.h"

#include "base/clock.h"
#include "run/pipeline.h"
#include "run/test_rules.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { PID = 100, START_NS = 1000 };

static const uint64_t PROGRAM_ADDR = 0x10000;
static const uint64_t BARE_ADDR = 0x20000; // of a file that nothing is known about
static const uint64_t MADE_ADDR = 0x30000; // of memory without a file

struct world {
    struct library library;
    struct store *store;
    struct pipeline *pipeline;
    struct unwinder *unwinder;
    uint64_t now_ns;
};

// The worker of these tests reads nothing: publish() does.
static void read_nothing(struct library *library, const struct wanted_job *job)
{
    (void)library;
    (void)job;
}

static void apply(struct world *w, struct event event)
{
    event.time_ns = ++w->now_ns;
    event.pid = event.tid = PID;
    pipeline_apply(w->pipeline, &event);
}

static void map_image(struct world *w, uint64_t addr, const char *path)
{
    bool is_file = strcmp(path, "//anon") != 0;
    apply(w, (struct event){.kind = EVENT_IMAGE_MAPPED,
                            .image_mapped = {
                                .kind = is_file ? EVENT_IMAGE_FILE : EVENT_IMAGE_ANONYMOUS,
                                .start_addr = addr,
                                .size_bytes = RULES_IMAGE_BYTES,
                                .file_off = is_file ? CODE_OFF : 0,
                                .inode = is_file ? hash_bytes(path, strlen(path)) : 0,
                                .path = slice_of_text(path),
                            }});
}

static const struct process *process_of(struct world *w)
{
    return processes_find(&w->pipeline->live, PID);
}

static image_id image_at(struct world *w, uint64_t addr)
{
    const struct mapping *mapping = space_find(&process_of(w)->space, addr);
    assert_non_null(mapping);
    return mapping->image;
}

// The rules of the file at this address have been read; NULL: there are none.
static void publish(struct world *w, uint64_t addr, struct cfi_table *table)
{
    struct image *image = library_at(&w->library,
                                     store_image(w->store, image_at(w, addr))->library);
    atomic_store(&image->cfi, table);
    atomic_store(&image->cfi_state, table != NULL ? IMAGE_READY : IMAGE_FAILED);
    atomic_fetch_add(&w->library.cfi_generation, 1);
}

static int setup(void **state)
{
    struct world *w = NEW(struct world);
    library_init(&w->library, NULL, NULL);
    w->library.rules.load = read_nothing;
    w->store = store_new(START_NS, 5000, 10);
    w->pipeline = pipeline_new(w->store, &w->library);
    w->unwinder = &w->pipeline->stacks.unwinder;
    w->now_ns = START_NS;
    map_image(w, PROGRAM_ADDR, "/bin/program");
    publish(w, PROGRAM_ADDR, rules_table());
    map_image(w, BARE_ADDR, "/lib/bare.so");
    publish(w, BARE_ADDR, NULL);
    map_image(w, MADE_ADDR, "//anon");
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    pipeline_free(w->pipeline);
    store_free(w->store);
    library_fini(&w->library);
    free(w);
    return 0;
}

static uint64_t in(unsigned function)
{
    return rules_pc(PROGRAM_ADDR, function);
}

// The stack of a thread at `pc`, whose copy are these words.
static struct unwound walk(struct world *w, uint64_t pc, const uint64_t *words, size_t n)
{
    struct event_regs regs = rules_regs(pc);
    struct event_stack stack = {.regs = &regs, .copy = rules_copy(words, n)};
    return unwinder_walk(w->unwinder, process_of(w), &stack, true);
}

static struct unwound walk_with_chain(struct world *w, uint64_t pc, const uint64_t *words, size_t n,
                                      const uint64_t *chain, uint32_t n_chain)
{
    struct event_regs regs = rules_regs(pc);
    struct event_stack stack = {
        .regs = &regs, .copy = rules_copy(words, n), .user = chain, .n_user = n_chain};
    return unwinder_walk(w->unwinder, process_of(w), &stack, true);
}

static void assert_addrs(const struct unwound *unwound, const uint64_t *addrs, uint32_t n)
{
    assert_int_equal(unwound->n, n);
    assert_memory_equal(unwound->addrs, addrs, n * sizeof *addrs);
}

static void assert_truncated(struct world *w, const struct unwound *unwound, enum truncation why,
                             uint64_t addr)
{
    assert_true(unwound->is_truncated);
    assert_string_equal(truncation_name(unwound->why), truncation_name(why));
    assert_int_equal(unwound->image, addr == 0 ? 0 : image_at(w, addr));
}

// ---- The walk alone ----------------------------------------------------------------------------

static void test_a_whole_stack(void **state)
{
    struct world *w = *state;
    const uint64_t words[] = {0, in(RULES_MIDDLE), 0, in(RULES_START)};
    const uint64_t wanted[] = {in(RULES_LEAF), in(RULES_MIDDLE), in(RULES_START)};
    struct unwound unwound = walk(w, in(RULES_LEAF), words, ARRAY_LEN(words));
    assert_addrs(&unwound, wanted, 3);
    assert_false(unwound.is_truncated);
    assert_int_equal(w->unwinder->counts.n_missed, 3);
    unwound = walk(w, in(RULES_LEAF), words, ARRAY_LEN(words));
    assert_addrs(&unwound, wanted, 3);
    assert_int_equal(w->unwinder->counts.n_missed, 3); // the places are known by now
    assert_int_equal(w->unwinder->counts.n_walks, 2);
    assert_int_equal(w->unwinder->counts.n_complete, 2);
    assert_int_equal(w->unwinder->counts.n_joined, 0);
    assert_int_equal(w->unwinder->counts.waited_ns, 0);
}

// Each stack goes on from MIDDLE to where its walk ends.
static void test_why_it_ends(void **state)
{
    struct world *w = *state;
    const struct {
        uint64_t to;
        size_t n_words;
        bool cut;
        enum truncation why;
        uint64_t image_addr;
    } cases[] = {
        {rules_pc(BARE_ADDR, 0), 4, false, TRUNCATED_NO_UNWIND_INFO, BARE_ADDR},
        {in(RULES_NONE), 4, false, TRUNCATED_NO_UNWIND_INFO, PROGRAM_ADDR},
        {MADE_ADDR + 0x10, 4, false, TRUNCATED_NO_UNWIND_INFO, MADE_ADDR},
        {in(RULES_MIDDLE), 4, true, TRUNCATED_COPY_TOO_SHORT, PROGRAM_ADDR},
        {in(RULES_MIDDLE), 4, false, TRUNCATED_UNREADABLE, PROGRAM_ADDR},
        {in(RULES_INWARDS), 4, false, TRUNCATED_BAD_UNWIND_INFO, PROGRAM_ADDR},
        {0x99999, 4, false, TRUNCATED_LOST, PROGRAM_ADDR},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const uint64_t words[] = {0, in(RULES_MIDDLE), 0, cases[i].to};
        struct event_regs regs = rules_regs(in(RULES_LEAF));
        struct event_stack stack = {
            .regs = &regs, .copy = rules_copy(words, cases[i].n_words), .copy_cut = cases[i].cut};
        struct unwound unwound = unwinder_walk(w->unwinder, process_of(w), &stack, true);
        assert_truncated(w, &unwound, cases[i].why, cases[i].image_addr);
        assert_int_equal(unwound.n, cases[i].why == TRUNCATED_LOST ? 2 : 3);
    }
    assert_int_equal(w->unwinder->counts.n_walks, ARRAY_LEN(cases));
    assert_int_equal(w->unwinder->counts.n_complete, 0);
}

static void test_too_deep(void **state)
{
    struct world *w = *state;
    static uint64_t words[2 * LIMIT_STACK_DEPTH + 2];
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        words[i] = in(RULES_MIDDLE);
    }
    struct unwound unwound = walk(w, in(RULES_LEAF), words, ARRAY_LEN(words));
    assert_int_equal(unwound.n, LIMIT_STACK_DEPTH);
    assert_truncated(w, &unwound, TRUNCATED_TOO_DEEP, 0);
}

// ---- The chain alone ---------------------------------------------------------------------------

static void test_without_registers_or_a_copy(void **state)
{
    struct world *w = *state;
    const uint64_t chain[] = {in(RULES_LEAF), in(RULES_NONE)};
    const uint64_t words[] = {0, in(RULES_START)};
    struct event_regs none = rules_regs(in(RULES_LEAF));
    struct event_regs no_sp = none;
    struct event_regs no_pc = none;
    none.arch = EVENT_ARCH_NONE;
    no_sp.valid = UINT64_C(1) << 16;
    no_pc.valid = UINT64_C(1) << 7;
    struct event_regs whole = rules_regs(in(RULES_LEAF));
    const struct {
        const struct event_regs *regs;
        size_t n_words;
    } cases[] = {{NULL, 0}, {NULL, 2}, {&whole, 0}, {&none, 2}, {&no_sp, 2}, {&no_pc, 2}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct event_stack stack = {.user = chain,
                                    .n_user = 2,
                                    .regs = cases[i].regs,
                                    .copy = rules_copy(words, cases[i].n_words)};
        struct unwound unwound = unwinder_walk(w->unwinder, process_of(w), &stack, true);
        assert_addrs(&unwound, chain, 2);
        assert_false(unwound.is_truncated); // nobody knows
        stack.chain_cut = true;
        unwound = unwinder_walk(w->unwinder, process_of(w), &stack, true);
        assert_truncated(w, &unwound, TRUNCATED_TOO_DEEP, 0);
        stack.n_user = 0;
        unwound = unwinder_walk(w->unwinder, process_of(w), &stack, true);
        assert_int_equal(unwound.n, 0);
        assert_false(unwound.is_truncated);
    }
    assert_int_equal(w->unwinder->counts.n_walks, 0);
}

// A chain without a copy, in a run whose other stacks have one.
static struct unwound uncopied(struct world *w, const uint64_t *chain, uint32_t n, bool cut)
{
    struct event_stack stack = {.user = chain, .n_user = n, .chain_cut = cut};
    return unwinder_walk(w->unwinder, process_of(w), &stack, true);
}

static void test_one_that_was_not_copied(void **state)
{
    struct world *w = *state;
    const uint64_t words[] = {0, in(RULES_START)};
    assert_false(walk(w, in(RULES_LEAF), words, 2).is_truncated); // the others are
    const uint64_t whole[] = {in(RULES_FP), in(RULES_FP), in(RULES_START)};
    struct unwound unwound = uncopied(w, whole, 3, false);
    assert_addrs(&unwound, whole, 3);
    assert_false(unwound.is_truncated);
    unwound = uncopied(w, whole, 3, true);
    assert_addrs(&unwound, whole, 3);
    assert_truncated(w, &unwound, TRUNCATED_TOO_DEEP, 0);
    unwound = uncopied(w, whole, 2, false);
    assert_addrs(&unwound, whole, 2);
    assert_truncated(w, &unwound, TRUNCATED_NOT_COPIED, 0);
    // What keeps no frame pointer says nothing of its caller.
    const uint64_t astray[] = {in(RULES_FP), in(RULES_MIDDLE), in(RULES_START)};
    unwound = uncopied(w, astray, 3, false);
    assert_addrs(&unwound, astray, 2);
    assert_truncated(w, &unwound, TRUNCATED_NOT_COPIED, 0);
    struct event_stack of_a_waker = {.user = astray, .n_user = 3};
    unwound = unwinder_walk(w->unwinder, process_of(w), &of_a_waker, false); // none of these is
    assert_addrs(&unwound, astray, 3);
    assert_false(unwound.is_truncated);
    const uint64_t leaf[] = {in(RULES_LEAF), in(RULES_START)};
    unwound = uncopied(w, leaf, 2, true);
    assert_addrs(&unwound, leaf, 1);
    assert_truncated(w, &unwound, TRUNCATED_NOT_COPIED, 0);
    unwound = uncopied(w, leaf, 0, false);
    assert_int_equal(unwound.n, 0);
    assert_false(unwound.is_truncated);
}

// ---- Both --------------------------------------------------------------------------------------

static void test_the_chain_goes_on(void **state)
{
    struct world *w = *state;
    const uint64_t bare = rules_pc(BARE_ADDR, 0);
    const uint64_t words[] = {0, in(RULES_MIDDLE), 0, bare};
    const uint64_t chain[] = {in(RULES_LEAF), bare, bare + 1, in(RULES_START)}; // without MIDDLE
    const uint64_t wanted[] = {in(RULES_LEAF), in(RULES_MIDDLE), bare, bare + 1, in(RULES_START)};
    struct unwound unwound = walk_with_chain(w, in(RULES_LEAF), words, 4, chain, 4);
    assert_addrs(&unwound, wanted, 5);
    assert_false(unwound.is_truncated);
    assert_int_equal(w->unwinder->counts.n_joined, 1);
    assert_int_equal(w->unwinder->counts.n_complete, 1);
    // Its end is not the outermost function: still better than without.
    unwound = walk_with_chain(w, in(RULES_LEAF), words, 4, chain, 3);
    assert_addrs(&unwound, wanted, 4);
    assert_truncated(w, &unwound, TRUNCATED_NO_UNWIND_INFO, BARE_ADDR);
    // Its end is nonsense.
    const uint64_t astray[] = {in(RULES_LEAF), bare, bare + 1, 0x99999, in(RULES_START)};
    unwound = walk_with_chain(w, in(RULES_LEAF), words, 4, astray, 5);
    assert_addrs(&unwound, wanted, 4);
    assert_truncated(w, &unwound, TRUNCATED_NO_UNWIND_INFO, BARE_ADDR);
    unwound = walk_with_chain(w, in(RULES_LEAF), words, 4, astray + 2, 3);
    assert_addrs(&unwound, wanted, 3);
    // It was cut.
    struct event_regs regs = rules_regs(in(RULES_LEAF));
    struct event_stack stack = {
        .regs = &regs, .copy = rules_copy(words, 4), .user = chain, .n_user = 4, .chain_cut = true};
    unwound = unwinder_walk(w->unwinder, process_of(w), &stack, true);
    assert_addrs(&unwound, wanted, 5);
    assert_truncated(w, &unwound, TRUNCATED_TOO_DEEP, 0);
}

// Code that uses the frame pointer for something else: the kernel has followed it to anywhere.
static void test_no_code_in_the_chain(void **state)
{
    struct world *w = *state;
    const uint64_t bare = rules_pc(BARE_ADDR, 0);
    const uint64_t words[] = {0, in(RULES_MIDDLE), 0, bare};
    const uint64_t chain[] = {in(RULES_LEAF), bare, bare + 1, 0x1234, in(RULES_START)};
    const uint64_t wanted[] = {in(RULES_LEAF), in(RULES_MIDDLE), bare, bare + 1};
    struct unwound unwound = walk_with_chain(w, in(RULES_LEAF), words, 4, chain, 5);
    assert_addrs(&unwound, wanted, 4);
    assert_truncated(w, &unwound, TRUNCATED_NO_UNWIND_INFO, BARE_ADDR);
}

static void test_the_chain_is_no_help(void **state)
{
    struct world *w = *state;
    const uint64_t bare = rules_pc(BARE_ADDR, 0);
    const uint64_t words[] = {0, in(RULES_MIDDLE), 0, bare};
    const uint64_t wanted[] = {in(RULES_LEAF), in(RULES_MIDDLE), bare};
    const uint64_t shorter[] = {in(RULES_LEAF), bare};
    const uint64_t elsewhere[] = {in(RULES_LEAF), 1, 2, 3, in(RULES_START)};
    struct unwound unwound = walk_with_chain(w, in(RULES_LEAF), words, 4, shorter, 2);
    assert_addrs(&unwound, wanted, 3);
    assert_truncated(w, &unwound, TRUNCATED_NO_UNWIND_INFO, BARE_ADDR);
    unwound = walk_with_chain(w, in(RULES_LEAF), words, 4, elsewhere, 5);
    assert_addrs(&unwound, wanted, 3);
    assert_true(unwound.is_truncated);
    // A walk that is complete needs none.
    const uint64_t whole[] = {0, in(RULES_START)};
    const uint64_t longer[] = {in(RULES_LEAF), in(RULES_START), 1, 2};
    unwound = walk_with_chain(w, in(RULES_LEAF), whole, 2, longer, 4);
    assert_int_equal(unwound.n, 2);
    assert_false(unwound.is_truncated);
    assert_int_equal(w->unwinder->counts.n_joined, 0);
}

// The walk has come to the second call of the same place, so the chain goes on behind the second.
static void test_recursion_in_the_chain(void **state)
{
    struct world *w = *state;
    const uint64_t at = in(RULES_FP);
    const uint64_t words[] = {0, at, RULES_SP + 0x1000, at};
    const uint64_t chain[] = {in(RULES_LEAF), at, at, at, at, in(RULES_START)};
    struct event_regs regs = rules_regs(in(RULES_LEAF));
    regs.at[6] = RULES_SP + 16;
    regs.valid |= UINT64_C(1) << 6;
    struct event_stack stack = {
        .regs = &regs, .copy = rules_copy(words, 4), .user = chain, .n_user = 6};
    struct unwound unwound = unwinder_walk(w->unwinder, process_of(w), &stack, true);
    assert_addrs(&unwound, chain, 6);
    assert_false(unwound.is_truncated);
}

// Behind a function that keeps no frame pointer the chain goes on with a caller further out.
static void test_a_chain_that_leaves_callers_out(void **state)
{
    struct world *w = *state;
    const uint64_t short_copy[] = {0, in(RULES_MIDDLE)};
    const uint64_t chain[] = {in(RULES_LEAF), in(RULES_MIDDLE), in(RULES_FP), in(RULES_START)};
    struct unwound unwound = walk_with_chain(w, in(RULES_LEAF), short_copy, 2, chain, 4);
    assert_addrs(&unwound, chain, 2);
    assert_truncated(w, &unwound, TRUNCATED_UNREADABLE, PROGRAM_ADDR);
    assert_int_equal(w->unwinder->counts.n_joined, 0);
    const uint64_t words[] = {0, in(RULES_FP)};
    const uint64_t later[] = {in(RULES_LEAF), in(RULES_FP), in(RULES_FP), in(RULES_MIDDLE),
                              in(RULES_START)};
    unwound = walk_with_chain(w, in(RULES_LEAF), words, 2, later, 5);
    assert_addrs(&unwound, later, 4);
    assert_true(unwound.is_truncated);
    assert_int_equal(w->unwinder->counts.n_joined, 1);
}

// The same on AArch64, where compilers find everything by the stack pointer, and a frame pointer
// shows in what is kept side by side.
static void test_frame_pointers_of_aarch64(void **state)
{
    (void)state;
    struct cfi_rule rule = {.cfa = {.how = CFI_IN_REGISTER, .reg = 31, .off = 32}};
    rule.saved[CFI_SLOT_RA] = (struct cfi_place){.how = CFI_AT_CFA, .off = -24};
    assert_false(unwinder_keeps_frame(UNWIND_AARCH64, &rule));
    rule.saved[CFI_SLOT_FP] = (struct cfi_place){.how = CFI_AT_CFA, .off = -32};
    assert_true(unwinder_keeps_frame(UNWIND_AARCH64, &rule));
    assert_false(unwinder_keeps_frame(UNWIND_X86_64, &rule));
    rule.saved[CFI_SLOT_FP].off = -8;
    assert_false(unwinder_keeps_frame(UNWIND_AARCH64, &rule));
    rule.saved[CFI_SLOT_FP].off = 80; // longjmp(): its buffer
    rule.saved[CFI_SLOT_RA].off = 88;
    assert_false(unwinder_keeps_frame(UNWIND_AARCH64, &rule));
    rule.cfa.reg = 29;
    assert_true(unwinder_keeps_frame(UNWIND_AARCH64, &rule));
}

static void test_a_joined_stack_has_its_limit(void **state)
{
    struct world *w = *state;
    static uint64_t chain[LIMIT_STACK_DEPTH * 2];
    const uint64_t bare = rules_pc(BARE_ADDR, 0);
    const uint64_t words[] = {0, in(RULES_MIDDLE), 0, bare};
    for (size_t i = 0; i < ARRAY_LEN(chain); i++) {
        chain[i] = bare;
    }
    struct unwound unwound = walk_with_chain(w, in(RULES_LEAF), words, 4, chain, ARRAY_LEN(chain));
    assert_int_equal(unwound.n, LIMIT_STACK_DEPTH);
    assert_truncated(w, &unwound, TRUNCATED_TOO_DEEP, 0);
}

// ---- What changes ------------------------------------------------------------------------------

static void test_another_library_at_the_same_place(void **state)
{
    struct world *w = *state;
    const uint64_t words[] = {0, in(RULES_START)};
    assert_false(walk(w, in(RULES_LEAF), words, 2).is_truncated);
    map_image(w, PROGRAM_ADDR, "/lib/other.so"); // dlclose and dlopen
    publish(w, PROGRAM_ADDR, NULL);
    struct unwound unwound = walk(w, in(RULES_LEAF), words, 2);
    assert_truncated(w, &unwound, TRUNCATED_NO_UNWIND_INFO, PROGRAM_ADDR);
    map_image(w, PROGRAM_ADDR, "/bin/program");
    assert_false(walk(w, in(RULES_LEAF), words, 2).is_truncated);
    apply(w, (struct event){.kind = EVENT_EXEC, .exec = {.name = slice_of_text("next")}});
    unwound = walk(w, in(RULES_LEAF), words, 2);
    assert_int_equal(unwound.n, 1);
    assert_truncated(w, &unwound, TRUNCATED_NO_UNWIND_INFO, 0);
}

static void test_rules_that_come_late(void **state)
{
    struct world *w = *state;
    map_image(w, PROGRAM_ADDR, "/lib/late.so");
    const uint64_t words[] = {0, in(RULES_START)};
    struct unwound unwound = walk(w, in(RULES_LEAF), words, 2);
    assert_int_equal(unwound.n, 1);
    assert_truncated(w, &unwound, TRUNCATED_NOT_LOADED, PROGRAM_ADDR);
    uint64_t waited_ns = w->unwinder->counts.waited_ns;
    assert_true(waited_ns > 0);
    assert_true(walk(w, in(RULES_LEAF), words, 2).is_truncated);
    assert_int_equal(w->unwinder->counts.waited_ns, waited_ns); // once is enough
    publish(w, PROGRAM_ADDR, rules_table());
    assert_false(walk(w, in(RULES_LEAF), words, 2).is_truncated);
}

// However many files there are, most of the time is left for the rings.
static void test_waiting_has_its_limit(void **state)
{
    struct world *w = *state;
    uint64_t before_ns = clock_now_ns();
    enum { FILES = 12, WAITS_PER_S = 4 };
    for (uint64_t i = 0; i < FILES; i++) {
        char path[] = "/lib/a.so";
        path[5] = (char)('a' + i);
        uint64_t addr = 0x100000 + i * RULES_IMAGE_BYTES;
        map_image(w, addr, path);
        const uint64_t words[] = {0, in(RULES_START)};
        struct unwound unwound = walk(w, rules_pc(addr, RULES_LEAF), words, 2);
        assert_truncated(w, &unwound, TRUNCATED_NOT_LOADED, addr);
    }
    uint64_t seconds = (clock_now_ns() - before_ns) / NS_PER_S + 1;
    assert_true(w->unwinder->waited_for.n >= 1);
    assert_true(w->unwinder->waited_for.n <= seconds * WAITS_PER_S);
}

// ---- Code that the process made ----------------------------------------------------------------

static struct process *process_mut(struct world *w)
{
    return processes_find(&w->pipeline->live, PID);
}

// Rules for one function of this size, as a jitdump has them: right behind the code.
static bool add_code(struct world *w, uint64_t addr, uint64_t size, uint8_t cfa_off)
{
    struct frames frames = {0};
    frames_cie(&frames, "zR", 0x1b, USUAL);
    frames_fde(&frames, SECTION_ADDR - (size + 7) / 8 * 8, size, PROGRAM(0x0e, cfa_off));
    bool added = unwinder_add_code(w->unwinder, process_mut(w), addr, size,
                                   frames_section(&frames).bytes);
    frames_fini(&frames);
    return added;
}

static void test_made_code(void **state)
{
    struct world *w = *state;
    const uint64_t pc = MADE_ADDR + 0x10;
    const uint64_t words[] = {0, in(RULES_START), in(RULES_MIDDLE), in(RULES_START)};
    assert_true(walk(w, pc, words, 4).is_truncated);
    assert_true(add_code(w, MADE_ADDR, 0x21, 16));
    const uint64_t wanted[] = {pc, in(RULES_START)};
    struct unwound unwound = walk(w, pc, words, 4);
    assert_addrs(&unwound, wanted, 2);
    assert_false(unwound.is_truncated);
    assert_true(walk(w, MADE_ADDR + 0x21, words, 4).is_truncated); // behind it
    // Compiled again, with another frame: it leaves four words. And nearby.
    assert_true(add_code(w, MADE_ADDR + 8, 0x40, 32));
    assert_false(walk(w, pc, words, 4).is_truncated);
    assert_true(walk(w, MADE_ADDR + 4, words, 4).is_truncated); // of the one before
    assert_true(add_code(w, MADE_ADDR + 0x48, 0x40, 16));
    assert_int_equal(process_of(w)->code_rules.ranges.n, 2);
    assert_false(walk(w, pc, words, 4).is_truncated);
    // Code without rules takes its place; in the end everything goes.
    assert_true(unwinder_add_code(w->unwinder, process_mut(w), MADE_ADDR, 0x20, (struct slice){0}));
    assert_true(walk(w, pc, words, 4).is_truncated);
    assert_int_equal(process_of(w)->code_rules.ranges.n, 1);
    apply(w, (struct event){.kind = EVENT_EXEC, .exec = {.name = slice_of_text("next")}});
    assert_int_equal(process_of(w)->code_rules.ranges.n, 0);
    assert_int_equal(process_of(w)->code_rules.n_bytes, 0);
}

static void test_made_code_is_bounded(void **state)
{
    struct world *w = *state;
    assert_false(add_code(w, 0, 0, 16));
    assert_false(unwinder_add_code(w->unwinder, process_mut(w), 1, UINT64_MAX, (struct slice){0}));
    assert_false(unwinder_add_code(w->unwinder, process_mut(w), UINT64_MAX, 2, (struct slice){0}));
    static uint8_t bytes[LIMIT_JIT_RULES_BYTES / 4 + 1];
    struct slice much = {.data = bytes, .n = sizeof bytes};
    for (uint64_t i = 0; i < 4; i++) {
        assert_int_equal(unwinder_add_code(w->unwinder, process_mut(w), i * 16, 16, much), i < 3);
    }
    code_rules_clear(&process_mut(w)->code_rules);
    struct slice little = {.data = bytes, .n = 4};
    for (uint64_t i = 0; i <= LIMIT_JIT_RULES; i++) {
        bool added = unwinder_add_code(w->unwinder, process_mut(w), i * 16, 16, little);
        assert_int_equal(added, i < LIMIT_JIT_RULES);
    }
    // One in the place of another is not one more.
    assert_true(unwinder_add_code(w->unwinder, process_mut(w), 16, 16, little));
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_whole_stack),
        TEST(test_why_it_ends),
        TEST(test_too_deep),
        TEST(test_without_registers_or_a_copy),
        TEST(test_one_that_was_not_copied),
        TEST(test_the_chain_goes_on),
        TEST(test_no_code_in_the_chain),
        TEST(test_the_chain_is_no_help),
        TEST(test_recursion_in_the_chain),
        TEST(test_a_chain_that_leaves_callers_out),
        TEST(test_frame_pointers_of_aarch64),
        TEST(test_a_joined_stack_has_its_limit),
        TEST(test_another_library_at_the_same_place),
        TEST(test_rules_that_come_late),
        TEST(test_waiting_has_its_limit),
        TEST(test_made_code),
        TEST(test_made_code_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
