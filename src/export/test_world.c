#include "export/test_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>

#include <cmocka.h>

static const uint64_t STARTED_NS = 5000000;
enum { SYMBOL_BYTES = 0x100, WEIGHT_NS = 1000, JIT_ADDR = 0x70000000 };

static const char *const symbols[] = {
    "main",    "semi;colon",           "new\nline",   "q\"uote\\", "bad\xff\xfe utf8", "ends 12",
    "dot 3.5", "\xc3\xa4\xe2\x82\xac", "tab\tbell\a", "<&>",
};

uint64_t world_dice(struct world *w, uint64_t sides)
{
    w->random = w->random * 6364136223846793005ULL + 1442695040888963407ULL;
    return (w->random >> 33) % sides;
}

static string_id string(struct world *w, const char *text)
{
    return strings_add(&w->store->strings, slice_of_text(text));
}

// ---- Places ------------------------------------------------------------------------------------

struct binaries {
    image_id program;
    image_id unknown;
    image_id kernel;
    image_id jit;
    image_id truncated;
};

static void publish(struct world *w)
{
    struct symtab_builder *builder = symtab_builder_new();
    symtab_builder_add_segment(builder,
                               &(struct symtab_segment){.size = 0x10000, .addr = 0x400000});
    for (size_t i = 0; i <= ARRAY_LEN(symbols); i++) {
        const char *name = i < ARRAY_LEN(symbols) ? symbols[i] : w->long_name;
        symtab_builder_add(builder, 0x400000 + i * SYMBOL_BYTES, 0x80, slice_of_text(name),
                           slice_of_text(""), SYMBOL_GLOBAL);
    }
    fake_library_publish(&w->library, 0, symtab_builder_finish(builder));
}

static struct binaries add_images(struct world *w)
{
    struct store *store = w->store;
    store_add_process(store, 10, 0, STARTED_NS, 0);
    struct binaries images = {
        .program = store_add_image(
            store, &(struct image_row){.path = string(w, "/bin/pro\"gram"),
                                       .build_id = string(w, "\x12\x34\xff"),
                                       .load_bias = 0x555500000000,
                                       .library = fake_library_add(&w->library, IMAGE_FILE)}),
        .unknown = store_add_image(
            store, &(struct image_row){.path = string(w, "/lib/none.so"),
                                       .library = fake_library_add(&w->library, IMAGE_FILE)}),
        .kernel = store_add_image(
            store, &(struct image_row){.kind = IMAGE_ROW_NAMED, .library = UINT32_MAX}),
        .jit = store_add_image(store, &(struct image_row){.kind = IMAGE_ROW_ANONYMOUS,
                                                          .library = UINT32_MAX,
                                                          .until_ns = UINT64_MAX}),
        .truncated = store_add_image(
            store, &(struct image_row){.kind = IMAGE_ROW_TRUNCATED, .library = UINT32_MAX}),
    };
    atomic_store(&store_process_mut(store, 0)->main_image, images.program);
    store_add_code(store, &(struct code_row){.addr = JIT_ADDR,
                                             .size_bytes = 0x1000,
                                             .loaded_ns = STARTED_NS,
                                             .name = string(w, "jitted")});
    publish(w);
    return images;
}

static struct frame_row random_frame(struct world *w, const struct binaries *images, bool leaf)
{
    static const char *const waits[] = {"pipe_read", "hrtimer_nanosleep", "schedule"};
    uint64_t kind = world_dice(w, leaf ? 5 : 3);
    if (kind == 0) {
        return (struct frame_row){.image = images->unknown, .off = world_dice(w, 3) * 16};
    }
    if (kind == 1) {
        return (struct frame_row){.image = images->jit, .off = JIT_ADDR + world_dice(w, 3)};
    }
    if (kind == 4) {
        const char *name = waits[world_dice(w, ARRAY_LEN(waits))];
        return (struct frame_row){.image = images->kernel, .off = string(w, name)};
    }
    uint64_t symbol = world_dice(w, ARRAY_LEN(symbols) + 1);
    return (struct frame_row){.image = images->program,
                              .off = symbol * SYMBOL_BYTES + world_dice(w, 2) * 8,
                              .leaf = leaf};
}

static stack_id push(struct world *w, stack_id stack, const struct frame_row *frame)
{
    bool cut = false;
    return stacks_push(&w->store->stacks, stack, stacks_frame(&w->store->stacks, frame), &cut);
}

// The first one is empty.
static void make_stacks(struct world *w, const struct binaries *images)
{
    for (size_t i = 1; i < WORLD_STACKS; i++) {
        stack_id stack = STACK_ROOT;
        if (world_dice(w, 6) == 0) {
            uint64_t why = truncation_off(TRUNCATED_LOST, images->program);
            stack = push(w, stack, &(struct frame_row){.image = images->truncated, .off = why});
        }
        uint64_t depth = 1 + world_dice(w, 9);
        for (uint64_t at = 0; at < depth; at++) {
            struct frame_row frame = random_frame(w, images, at + 1 == depth);
            stack = push(w, stack, &frame);
        }
        w->stacks[i] = stack;
    }
}

// ---- Rows --------------------------------------------------------------------------------------

enum { RUNNER, OTHER, SLEEPER, NEVER_SAMPLED, FOREIGN, THREADS };

static void add_threads(struct world *w)
{
    static const char *const names[THREADS] = {"run;ner", "bad\xff\nname", "12 34", "", "foreign"};
    for (uint32_t i = 0; i < THREADS; i++) {
        string_id name = string(w, names[i]);
        if (i == FOREIGN) {
            store_add_foreign_thread(w->store, 99, 99, 0, STARTED_NS, name);
        } else {
            store_add_thread(w->store, 10, 11 + i, 0, STARTED_NS, name);
        }
    }
}

// Each thread that waits does so in turn, without overlaps; the sleeper goes on with it.
static void add_rows(struct world *w)
{
    uint64_t now_ns = STARTED_NS;
    uint64_t since_ns[THREADS] = {now_ns, now_ns, now_ns, now_ns, now_ns};
    for (size_t i = 0; i < WORLD_ROWS; i++) {
        now_ns += 1 + world_dice(w, 700);
        stack_id stack = w->stacks[world_dice(w, WORLD_STACKS)];
        thread_id thread = (thread_id)world_dice(w, NEVER_SAMPLED);
        if (world_dice(w, 2) == 0) {
            assert_true(store_add_sample(w->store, now_ns, thread, stack));
            continue;
        }
        uint64_t duration_ns = world_dice(w, now_ns - since_ns[thread]);
        uint64_t flags = world_dice(w, 5) == 0 ? INTERVAL_RUNNABLE
                                               : world_dice(w, 2) * INTERVAL_APPROXIMATE;
        store_add_interval(w->store,
                           &(struct interval){
                               .start_ns = now_ns - duration_ns,
                               .duration_ns = duration_ns,
                               .reason = world_dice(w, 2) ? REASON_BY_STACK : EVENT_REASON_LOCK,
                               .flags = (uint8_t)flags,
                               .thread = thread,
                               .stack = stack,
                           });
        since_ns[thread] = now_ns;
    }
    struct thread_off off = {.since_ns = now_ns, .stack = w->stacks[3], .reason = REASON_BY_STACK};
    store_set_off(w->store, SLEEPER, &off);
    atomic_store(&w->store->last_ns, now_ns + 12345);
}

// ---- The whole ---------------------------------------------------------------------------------

static void catch_up(struct world *w)
{
    for (;;) {
        calltree_refresh(&w->tree);
        while (!fold_advance(&w->fold, w->store, &w->names, 100)) {
        }
        fold_settle(&w->fold, w->store, &w->names);
        if (!calltree_refresh(&w->tree)) {
            return;
        }
    }
}

struct world *world_new(uint64_t seed, bool has_switches, struct view *view)
{
    struct world *w = NEW(struct world);
    struct view all = {0};
    w->random = seed;
    w->long_name = alloc_zeroed(WORLD_LONG_NAME + 1, 1);
    memset(w->long_name, 'x', WORLD_LONG_NAME);
    w->store = store_new(STARTED_NS, 1700000000000000000, WEIGHT_NS);
    w->store->has_switches = has_switches;
    fake_library_init(&w->library);
    struct binaries images = add_images(w);
    make_stacks(w, &images);
    add_threads(w);
    add_rows(w);
    names_init(&w->names, w->store, &w->library);
    calltree_init(&w->tree, &w->names);
    reasons_init(&w->reasons, &w->names);
    fold_init(&w->fold, view == NULL ? &all : view);
    catch_up(w);
    w->source = (struct export_source){
        .store = w->store,
        .names = &w->names,
        .tree = &w->tree,
        .fold = &w->fold,
        .reasons = &w->reasons,
        .label = "pro\"gram; --all",
        .pid = 10,
        .frequency_hz = 900,
        .started_unix_ns = 1700000000000000000,
    };
    return w;
}

void world_free(struct world *w)
{
    fold_fini(&w->fold);
    reasons_fini(&w->reasons);
    calltree_fini(&w->tree);
    names_fini(&w->names);
    fake_library_fini(&w->library);
    store_free(w->store);
    free(w->long_name);
    free(w);
}

struct text world_export(struct world *w, const struct export_format *format, bool off_cpu,
                         uint64_t max_rows)
{
    int fd = memfd_create("export", MFD_CLOEXEC);
    assert_true(fd >= 0);
    struct export export;
    export_init(&export, format, &w->source, off_cpu, fd);
    int r;
    while ((r = export_advance(&export, max_rows)) == 1) {
    }
    assert_int_equal(r, 0);
    export_fini(&export);
    struct text bytes = {0};
    char part[4096];
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    for (ssize_t n; (n = read(fd, part, sizeof part)) > 0;) {
        text_add_bytes(&bytes, part, (size_t)n);
    }
    close(fd);
    return bytes;
}

struct text world_unpack(const struct text *packed)
{
    enum { ANY_GZIP = 15 + 16 };
    z_stream stream = {.next_in = (Bytef *)packed->at, .avail_in = (uInt)packed->n};
    assert_int_equal(inflateInit2(&stream, ANY_GZIP), Z_OK);
    struct text bytes = {0};
    int r = Z_OK;
    while (r == Z_OK) {
        unsigned char part[4096];
        stream.next_out = part;
        stream.avail_out = sizeof part;
        r = inflate(&stream, Z_NO_FLUSH);
        text_add_bytes(&bytes, part, sizeof part - stream.avail_out);
    }
    assert_int_equal(r, Z_STREAM_END);
    inflateEnd(&stream);
    return bytes;
}
