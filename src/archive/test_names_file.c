#include "archive/names_file.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/limits.h"
#include "disasm/jump_table.h"
#include "image/code_bytes.h"
#include "image/test_inlines_fixture.h"
#include "image/test_support.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

// ---- A run -------------------------------------------------------------------------------------

static const uint64_t patience_ns = (uint64_t)120 * NS_PER_S;

struct world {
    struct library library;
    struct image_root *root;
    struct store *store;
    char *directory;
    struct run_file file;
};

static int set_up(void **state)
{
    struct world *w = NEW(struct world);
    library_init(&w->library, NULL, NULL);
    w->root = image_root_open((uint32_t)getpid());
    w->store = store_new(1, 1, 1);
    w->directory = directory_new();
    CLEANUP(freep) char *path = path_join(w->directory, "run.stax");
    struct err err = {0};
    if (run_file_create(path, &w->file, &err) < 0) {
        fail_msg("%s", err.text);
    }
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    run_file_close(&w->file);
    directory_remove(w->directory);
    free(w->directory);
    store_free(w->store);
    library_fini(&w->library);
    image_root_unref(w->root);
    free(w);
    return 0;
}

static image_id add_row(struct world *w, enum image_row_kind kind, const char *path,
                        uint32_t library_id)
{
    struct image_row row = {.kind = kind,
                            .path = strings_add(&w->store->strings, slice_of_text(path)),
                            .library = library_id};
    return store_add_image(w->store, &row);
}

// Maps it into the run, and waits for its symbols, out of which frames are made.
static image_id add_image(struct world *w, enum image_kind kind, const char *path)
{
    static const enum image_row_kind kinds[] = {[IMAGE_FILE] = IMAGE_ROW_FILE,
                                                [IMAGE_VDSO] = IMAGE_ROW_VDSO,
                                                [IMAGE_KERNEL] = IMAGE_ROW_KERNEL};
    struct image_identity identity = {
        .kind = kind, .path = slice_of_text(path), .mapped_unix_ns = clock_unix_ns()};
    uint32_t id = library_get(&w->library, &identity, w->root);
    library_want(&w->library, id);
    assert_true(library_await_symbols(&w->library, id, clock_now_ns() + patience_ns));
    return add_row(w, kinds[kind], path, id);
}

static image_id add_image_of(struct world *w, const void *code)
{
    CLEANUP(freep) char *path = path_of_code(code);
    return add_image(w, IMAGE_FILE, path);
}

static const struct symtab *table_of(const struct library *library, const struct store *store,
                                     image_id image)
{
    return image_symtab(library_at(library, store_image(store, image)->library));
}

static void add_frame(struct world *w, image_id image, uint64_t off)
{
    bool cut = false;
    struct frame_row frame = {.off = off, .image = image};
    stacks_push(&w->store->stacks, STACK_ROOT, stacks_frame(&w->store->stacks, &frame), &cut);
    assert_false(cut);
}

static void add_frame_at(struct world *w, image_id image, uint64_t addr)
{
    uint64_t off;
    if (symtab_off_of_addr(table_of(&w->library, w->store, image), addr, &off)) {
        add_frame(w, image, off);
    }
}

// Frames in some of its functions, and at their edges.
static void add_frames(struct world *w, image_id image, size_t n_functions)
{
    const struct symtab *symtab = table_of(&w->library, w->store, image);
    size_t n = symtab_count(symtab);
    size_t step = MAX(n / n_functions, (size_t)1);
    for (size_t i = 0; i < n; i += step) {
        const struct symbol *symbol = symtab_at(symtab, i);
        uint64_t middle = symbol->addr + (symbol->end - symbol->addr) / 2;
        uint64_t addrs[] = {symbol->addr, symbol->addr + 1, middle, symbol->end - 1, symbol->end};
        for (size_t k = 0; k < ARRAY_LEN(addrs); k++) {
            add_frame_at(w, image, addrs[k]);
        }
    }
}

static struct names_file_counts write_names(struct world *w)
{
    struct names_file_counts counts;
    struct err err = {0};
    if (names_file_write(&w->file, w->store, &w->library, (enum arch)ARCH_HERE, patience_ns, NULL,
                         &counts, &err) < 0) {
        fail_msg("%s", err.text);
    }
    return counts;
}

// ---- A run that was read -----------------------------------------------------------------------

// A store of the same images, as it comes out of a file; and the names.
struct copy {
    struct store *store;
    struct library library;
    struct err note;
};

static struct copy copy_new(struct world *w)
{
    struct copy copy = {.store = store_new(1, 1, 1)};
    uint32_t n = atomic_load(&w->store->images.n);
    for (image_id id = 1; id < n; id++) {
        struct image_row row = {.kind = store_image(w->store, id)->kind, .library = UINT32_MAX};
        struct slice path = strings_get(&w->store->strings, store_image(w->store, id)->path);
        row.path = strings_add(&copy.store->strings, path);
        assert_int_equal(store_add_image(copy.store, &row), id);
    }
    return copy;
}

static void read_names(struct world *w, struct copy *copy)
{
    struct err err = {0};
    library_init_saved(&copy->library);
    if (names_file_read(&w->file, copy->store, &copy->library, &copy->note, &err) < 0) {
        fail_msg("%s", err.text);
    }
}

static void copy_free(struct copy *copy)
{
    library_fini(&copy->library);
    store_free(copy->store);
}

static const struct image *image_in(const struct copy *copy, image_id id)
{
    return library_at(&copy->library, store_image(copy->store, id)->library);
}

// ---- Are they the same? ------------------------------------------------------------------------

static void check_texts(const char *a, const char *b)
{
    assert_int_equal(a == NULL, b == NULL);
    if (a != NULL) {
        assert_string_equal(a, b);
    }
}

static const struct symbol *find(const struct symtab *symtab, uint64_t off, uint64_t *ret_addr)
{
    *ret_addr = 0;
    if (symtab == NULL || !symtab_addr_of_off(symtab, off, ret_addr)) {
        return NULL;
    }
    return symtab_find(symtab, *ret_addr);
}

static bool check_symbol(const struct symtab *live, const struct symtab *saved, uint64_t off)
{
    uint64_t live_addr;
    uint64_t saved_addr;
    const struct symbol *a = find(live, off, &live_addr);
    const struct symbol *b = find(saved, off, &saved_addr);
    assert_int_equal(live_addr, saved_addr);
    assert_int_equal(a == NULL, b == NULL);
    if (a == NULL) {
        return false;
    }
    assert_int_equal(a->addr, b->addr);
    assert_int_equal(a->end, b->end);
    check_texts(a->name, b->name);
    check_texts(a->module, b->module);
    return true;
}

static struct inline_batch *ask(struct library *library, uint32_t image, uint64_t addr)
{
    struct inline_mailbox *mailbox = inline_mailbox_new(NULL, NULL);
    struct inline_batch *batch = inline_batch_new(library_at(library, image), mailbox);
    vec_push(&batch->at, (struct inline_address){.addr = addr});
    library_want_inlines(library, batch);
    batch = queue_pop(&mailbox->answered);
    inline_mailbox_close(mailbox);
    return batch;
}

static uint32_t check_inlined(struct world *w, struct copy *copy, image_id id, uint64_t addr)
{
    struct inline_batch *live = ask(&w->library, store_image(w->store, id)->library, addr);
    struct inline_batch *saved = ask(&copy->library, store_image(copy->store, id)->library, addr);
    const struct inline_chain *a = live->at.at[0].chain;
    const struct inline_chain *b = saved->at.at[0].chain;
    assert_int_equal(a == NULL, b == NULL);
    assert_string_equal(live->note.text, saved->note.text);
    uint32_t n = a == NULL ? 0 : a->n;
    assert_true(a == NULL || a->n == b->n);
    for (uint32_t i = 0; i < n; i++) {
        assert_string_equal(a->at[i]->name, b->at[i]->name);
        assert_int_equal(a->at[i]->lang, b->at[i]->lang);
        assert_int_equal(a->at[i]->is_linkage_name, b->at[i]->is_linkage_name);
        check_texts(a->calls[i].file, b->calls[i].file);
        assert_int_equal(a->calls[i].line, b->calls[i].line);
    }
    inline_batch_free(live);
    inline_batch_free(saved);
    return n;
}

struct seen {
    uint64_t frames;
    uint64_t slots;
    uint64_t symbols;
    uint64_t inlined;
};

static struct seen check_frames(struct world *w, struct copy *copy)
{
    struct seen seen = {0};
    uint32_t n = atomic_load(&w->store->stacks.n_frames);
    for (frame_id frame = 1; frame < n; frame++) {
        const struct frame_row *row = stacks_get_frame(&w->store->stacks, frame);
        const struct symtab *live = table_of(&w->library, w->store, row->image);
        const struct image *saved = image_in(copy, row->image);
        seen.frames++;
        seen.symbols += check_symbol(live, image_symtab(saved), row->off);
        uint64_t addr;
        if (live != NULL && saved->kind == IMAGE_FILE && image_has_dwarf(saved) &&
            symtab_addr_of_off(live, row->off, &addr)) {
            seen.inlined += check_inlined(w, copy, row->image, addr);
        }
    }
    return seen;
}

static void check_images(struct world *w, struct copy *copy)
{
    uint32_t n = atomic_load(&w->store->images.n);
    for (image_id id = 1; id < n; id++) {
        const struct image *live = library_at(&w->library, store_image(w->store, id)->library);
        const struct image *saved = image_in(copy, id);
        assert_int_equal(live->kind, saved->kind);
        assert_string_equal(live->path, saved->path);
        assert_int_equal(atomic_load(&live->state), atomic_load(&saved->state));
        assert_string_equal(image_note(live), image_note(saved));
        assert_int_equal(image_has_dwarf(live), image_has_dwarf(saved));
        assert_int_equal(image_symbol_count(live), image_symbol_count(saved));
        assert_true(build_id_equal(&live->file_build_id, &saved->file_build_id));
    }
}

// ---- Binaries of this machine ------------------------------------------------------------------

// NULL: it is not installed.
static char *libstdcxx_path(void)
{
    void *handle = dlopen("libstdc++.so.6", RTLD_LAZY);
    const void *code = handle == NULL ? NULL : dlsym(handle, "_ZSt9terminatev");
    return code == NULL ? NULL : path_of_code(code);
}

static void add_everything(struct world *w)
{
    add_frames(w, add_image_of(w, (void *)(uintptr_t)set_up), 300);
    add_frames(w, add_image_of(w, (void *)(uintptr_t)fixture_outer), 100);
    add_frames(w, add_image_of(w, (void *)(uintptr_t)getpid), 500);
    CLEANUP(freep) char *libstdcxx = libstdcxx_path();
    if (libstdcxx != NULL) {
        add_frames(w, add_image(w, IMAGE_FILE, libstdcxx), 500);
    }
    image_id kernel = add_image(w, IMAGE_KERNEL, "[kernel]");
    if (table_of(&w->library, w->store, kernel) != NULL) {
        add_frames(w, kernel, 1000);
    } else {
        add_frame(w, kernel, UINT64_C(0xffffffff81000000));
    }
    image_id vdso = add_image(w, IMAGE_VDSO, "[vdso]");
    if (table_of(&w->library, w->store, vdso) != NULL) {
        add_frames(w, vdso, 10);
    } else {
        add_frame(w, vdso, 0x800);
    }
    add_frame(w, add_image(w, IMAGE_FILE, "/not/there"), 0x1234);
}

static void test_the_same_as_live(void **state)
{
    struct world *w = *state;
    add_everything(w);
    assert_false(names_file_is_complete(&w->file));
    struct names_file_counts counts = write_names(w);
    assert_true(names_file_is_complete(&w->file));
    struct copy copy = copy_new(w);
    read_names(w, &copy);
    assert_string_equal(copy.note.text, "");
    check_images(w, &copy);
    struct seen seen = check_frames(w, &copy);
    assert_true(seen.frames > 1000 && seen.symbols > 1000 && seen.inlined > 20);
    assert_int_equal(counts.images, atomic_load(&w->store->images.n) - 1);
    assert_true(counts.images_without_names >= 1 && counts.images_without_names <= 3);
    assert_true(counts.symbols > 300 && counts.symbols - counts.targets <= seen.symbols);
    assert_true(counts.inlined > 20);
    assert_true(counts.lines > 1000 && counts.code_bytes > 10000);
    copy_free(&copy);
}

static uint64_t addr_in_file(const void *code)
{
    Dl_info info;
    assert_true(dladdr(code, &info) != 0);
    return (uint64_t)(uintptr_t)code - (uint64_t)(uintptr_t)info.dli_fbase;
}

static void check_lines(struct world *w, image_id image, const char *path,
                        const struct symbol *symbol)
{
    struct lines *lines = NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_int_equal(lines_open(fd, NULL, NULL, &lines, NULL), 0);
    struct line_rows expected = {0};
    lines_find(lines, symbol->addr, symbol->end, &expected);
    struct names_lines saved = {0};
    assert_int_equal(names_file_lines(&w->file, image, symbol->addr, symbol->end, &saved, NULL), 0);
    assert_int_equal(saved.rows.list.n, expected.list.n);
    for (size_t i = 0; i < expected.list.n; i++) {
        const struct line_row *a = &expected.list.at[i];
        const struct line_row *b = &saved.rows.list.at[i];
        assert_int_equal(a->addr, b->addr);
        check_texts(a->file, b->file);
        assert_int_equal(a->line, b->line);
        assert_int_equal(a->column, b->column);
    }
    vec_fini(&expected.list);
    names_lines_fini(&saved);
    lines_close(lines);
}

static void test_lines_and_code(void **state)
{
    struct world *w = *state;
    const void *function = (const void *)(uintptr_t)fixture_outer;
    CLEANUP(freep) char *path = path_of_code(function);
    image_id image = add_image(w, IMAGE_FILE, path);
    uint64_t addr = addr_in_file(function);
    add_frame_at(w, image, addr);
    write_names(w);
    const struct symbol *symbol = symtab_find(table_of(&w->library, w->store, image), addr);
    assert_string_equal(symbol->name, "fixture_outer");
    check_lines(w, image, path, symbol);

    CLEANUP(text_fini) struct text code = {0};
    assert_int_equal(names_file_code(&w->file, image, addr, symbol->end, &code, NULL), 0);
    assert_int_equal(code.n, symbol->end - addr);
    assert_memory_equal(code.at, function, code.n);
    text_clear(&code);
    assert_int_equal(names_file_code(&w->file, image, addr + 1, addr + 2, &code, NULL), 0);
    assert_int_equal(code.n, 1);
    assert_memory_equal(code.at, (const uint8_t *)function + 1, 1);

    struct err err = {0};
    text_clear(&code);
    uint64_t end = symbol->end;
    assert_int_equal(names_file_code(&w->file, image, addr, end + 1, &code, &err), -ENODATA);
    assert_string_equal(err.text, "the code was not saved");
    assert_int_equal(names_file_code(&w->file, image, addr, addr, &code, &err), -ENODATA);
    assert_int_equal(names_file_code(&w->file, image, end, end + 1, &code, &err), -ENODATA);
    assert_int_equal(names_file_code(&w->file, image + 1, addr, end, &code, &err), -ENODATA);
    assert_int_equal(code.n, 0);
    struct names_lines none = {0};
    assert_int_equal(names_file_lines(&w->file, image, 0, 16, &none, &err), 0);
    assert_int_equal(names_file_lines(&w->file, image + 1, addr, end, &none, &err), 0);
    assert_int_equal(none.rows.list.n, 0);
    names_lines_fini(&none);
}

static bool check_slot(const struct symtab *live, const struct symtab *saved, uint64_t addr)
{
    const struct symtab_slot *a = symtab_find_slot(live, addr);
    const struct symtab_slot *b = symtab_find_slot(saved, addr);
    assert_int_equal(a == NULL, b == NULL);
    check_texts(a == NULL ? NULL : a->name, b == NULL ? NULL : b->name);
    return a != NULL;
}

// What a listing of a function asks: at the beginning of each line, what is inlined; and the names
// of all that its instructions lead to. Of that, `seen` counts what is known.
static void check_listing(struct world *w, struct copy *copy, image_id image,
                          const struct symbol *function, struct seen *seen)
{
    const struct symtab *live = table_of(&w->library, w->store, image);
    const struct symtab *saved = image_symtab(image_in(copy, image));
    struct names_lines lines = {0};
    assert_int_equal(names_file_lines(&w->file, image, function->addr, function->end, &lines, NULL),
                     0);
    for (size_t i = 0; i < lines.rows.list.n; i++) {
        seen->inlined += check_inlined(w, copy, image, lines.rows.list.at[i].addr) > 0;
    }
    names_lines_fini(&lines);

    CLEANUP(text_fini) struct text code = {0};
    assert_int_equal(names_file_code(&w->file, image, function->addr, function->end, &code, NULL),
                     0);
    struct disasm *disasm;
    assert_int_equal(disasm_open((enum arch)ARCH_HERE, DISASM_INTEL, &disasm, NULL), 0);
    for (size_t at = 0; at < code.n;) {
        struct slice rest = {.data = (const uint8_t *)code.at + at, .n = code.n - at};
        struct instruction instruction;
        disasm_next(disasm, rest, function->addr + at, &instruction);
        const uint64_t addrs[] = {instruction.target, instruction.reference};
        for (size_t k = 0; k < ARRAY_LEN(addrs); k++) {
            uint64_t off;
            bool is_mapped = symtab_off_of_addr(live, addrs[k], &off);
            seen->symbols += is_mapped && check_symbol(live, saved, off);
            seen->slots += check_slot(live, saved, addrs[k]);
        }
        at += instruction.n_bytes;
    }
    disasm_close(disasm);
}

// ---- Tables of switches ------------------------------------------------------------------------

struct table_source {
    struct code_bytes *live;
    struct run_file *file;
    image_id image;
};

static bool read_live(void *context, uint64_t addr, uint64_t end, struct text *to)
{
    return code_bytes_read(((struct table_source *)context)->live, addr, end, to) == 0;
}

static bool read_saved(void *context, uint64_t addr, uint64_t end, struct text *to)
{
    struct table_source *source = context;
    return names_file_code(source->file, source->image, addr, end, to, NULL) == 0;
}

// With what was saved, the same tables are found as in the file itself. How many.
static size_t check_tables(struct table_source *source, const struct symbol *function)
{
    CLEANUP(text_fini) struct text code = {0};
    assert_true(read_live(source, function->addr, function->end, &code));
    struct disasm *disasm;
    assert_int_equal(disasm_open((enum arch)ARCH_HERE, DISASM_INTEL, &disasm, NULL), 0);
    struct slice bytes = {.data = (const uint8_t *)code.at, .n = code.n};
    CLEANUP(freep) struct instruction *instructions = NEW_ARRAY(struct instruction, code.n);
    size_t n = 0;
    for (size_t at = 0; at < code.n; at += instructions[n++].n_bytes) {
        struct slice rest = {.data = bytes.data + at, .n = code.n - at};
        disasm_next(disasm, rest, function->addr + at, &instructions[n]);
    }
    disasm_close(disasm);
    struct jump_tables live = {0};
    struct jump_tables saved = {0};
    jump_tables_find((enum arch)ARCH_HERE, instructions, n, bytes, read_live, source, &live);
    jump_tables_find((enum arch)ARCH_HERE, instructions, n, bytes, read_saved, source, &saved);
    assert_int_equal(live.tables.n, saved.tables.n);
    assert_int_equal(live.targets.n, saved.targets.n);
    for (size_t i = 0; i < live.targets.n; i++) {
        assert_int_equal(live.targets.at[i], saved.targets.at[i]);
    }
    n = live.tables.n;
    jump_tables_fini(&live);
    jump_tables_fini(&saved);
    return n;
}

static void test_tables_of_switches(void **state)
{
    struct world *w = *state;
    image_id image = add_image_of(w, (void *)(uintptr_t)getpid); // libc
    add_frames(w, image, 400);
    write_names(w);
    struct table_source source = {.file = &w->file, .image = image};
    const struct image *live = library_at(&w->library, store_image(w->store, image)->library);
    assert_int_equal(code_bytes_open(live, &source.live, NULL), 0);
    const struct symtab *symtab = image_symtab(live);
    size_t n = symtab_count(symtab);
    size_t n_tables = 0;
    for (size_t i = 0; i < n; i += MAX(n / 400, (size_t)1)) {
        n_tables += check_tables(&source, symtab_at(symtab, i));
    }
    print_message("%zu tables of switches\n", n_tables);
    assert_true(n_tables > 0);
    code_bytes_close(source.live);
}

static void test_listings(void **state)
{
    struct world *w = *state;
    image_id images[] = {add_image_of(w, (void *)(uintptr_t)set_up),
                         add_image_of(w, (void *)(uintptr_t)fixture_outer),
                         add_image_of(w, (void *)(uintptr_t)getpid)};
    for (size_t i = 0; i < ARRAY_LEN(images); i++) {
        add_frames(w, images[i], 60);
    }
    struct names_file_counts counts = write_names(w);
    assert_true(counts.targets > 100);
    struct copy copy = copy_new(w);
    read_names(w, &copy);
    struct seen seen = {0};
    for (size_t i = 0; i < ARRAY_LEN(images); i++) {
        const struct symtab *symtab = table_of(&w->library, w->store, images[i]);
        size_t n = symtab_count(symtab);
        for (size_t k = 0; k < n; k += MAX(n / 60, (size_t)1)) {
            check_listing(w, &copy, images[i], symtab_at(symtab, k), &seen);
        }
    }
    assert_true(seen.symbols > 1000 && seen.inlined > 10);
    assert_true(!ARCH_IS_X86_64 || seen.slots > 10); // elsewhere no instruction names one by itself
    copy_free(&copy);
}

// Nobody can say what it calls; everything else is there.
static void test_a_machine_that_nobody_can_decode(void **state)
{
    struct world *w = *state;
    image_id image = add_image_of(w, (void *)(uintptr_t)set_up);
    add_frames(w, image, 60);
    struct names_file_counts counts;
    assert_int_equal(names_file_write(&w->file, w->store, &w->library, ARCH_UNKNOWN, patience_ns,
                                      NULL, &counts, NULL),
                     0);
    assert_int_equal(counts.targets, 0);
    assert_true(counts.code_bytes > 0);
    struct copy copy = copy_new(w);
    read_names(w, &copy);
    check_frames(w, &copy);
    copy_free(&copy);
}

// Nobody asked about it, so nobody will; but it is in the store and must be somewhere.
static void test_an_image_without_frames(void **state)
{
    struct world *w = *state;
    image_id bare = add_image_of(w, (void *)(uintptr_t)getpid);
    image_id used = add_image_of(w, (void *)(uintptr_t)fixture_outer);
    add_row(w, IMAGE_ROW_NAMED, "[kernel]", 0);
    add_frames(w, used, 10);
    assert_int_equal(write_names(w).images, 1);
    struct copy copy = copy_new(w);
    read_names(w, &copy);
    assert_int_equal(atomic_load(&copy.library.n), 2);
    assert_int_equal(atomic_load(&image_in(&copy, bare)->state), IMAGE_FAILED);
    assert_true(image_note(image_in(&copy, bare))[0] != 0);
    assert_int_equal(atomic_load(&image_in(&copy, used)->state), IMAGE_READY);
    assert_int_equal(store_image(copy.store, used + 1)->library, UINT32_MAX); // no binary
    copy_free(&copy);
}

static void test_written_again(void **state)
{
    struct world *w = *state;
    image_id image = add_image_of(w, (void *)(uintptr_t)fixture_outer);
    add_frames(w, image, 3);
    struct names_file_counts first = write_names(w);
    add_frames(w, image, 20);
    struct names_file_counts second = write_names(w);
    assert_true(second.symbols > first.symbols);
    struct copy copy = copy_new(w);
    read_names(w, &copy);
    assert_string_equal(copy.note.text, "");
    check_frames(w, &copy);
    copy_free(&copy);
}

static void test_stopped(void **state)
{
    struct world *w = *state;
    add_frames(w, add_image_of(w, (void *)(uintptr_t)fixture_outer), 3);
    write_names(w);
    _Atomic bool stop = true;
    struct names_file_counts counts;
    assert_int_equal(names_file_write(&w->file, w->store, &w->library, (enum arch)ARCH_HERE,
                                      patience_ns, &stop, &counts, NULL),
                     0);
    assert_int_equal(counts.images, 0);
    assert_false(names_file_is_complete(&w->file));
    struct copy copy = copy_new(w); // can be read all the same
    read_names(w, &copy);
    copy_free(&copy);
}

// Symbols that do not come: a worker that is busy with nobody knows what.
static void test_patience_ends(void **state)
{
    struct world *w = *state;
    struct image_identity identity = {.kind = IMAGE_FILE, .path = slice_of_text("/slow")};
    uint32_t id = library_get(&w->library, &identity, w->root);
    atomic_store(&library_at(&w->library, id)->state, IMAGE_QUEUED);
    add_frame(w, add_row(w, IMAGE_ROW_FILE, "/slow", id), 0x10);
    image_id image = add_image_of(w, (void *)(uintptr_t)fixture_outer);
    add_frames(w, image, 3);
    struct names_file_counts counts;
    uint64_t before_ns = clock_now_ns();
    assert_int_equal(names_file_write(&w->file, w->store, &w->library, (enum arch)ARCH_HERE,
                                      50 * NS_PER_MS, NULL, &counts, NULL),
                     0);
    assert_true(clock_now_ns() - before_ns >= 50 * NS_PER_MS);
    assert_int_equal(counts.images, 2);
    assert_int_equal(counts.images_without_names, 1);
    assert_false(names_file_is_complete(&w->file));
    struct copy copy = copy_new(w); // what was there was written
    read_names(w, &copy);
    assert_int_equal(atomic_load(&image_in(&copy, image)->state), IMAGE_READY);
    copy_free(&copy);
}

// ---- Tables made by hand -----------------------------------------------------------------------

static uint64_t random_next(uint64_t *random)
{
    *random = *random * UINT64_C(6364136223846793005) + 1442695040888963407;
    return *random >> 33;
}

static void add_random_symbol(struct symtab_builder *builder, uint64_t *random)
{
    static const char *const modules[] = {"", "", "nf_tables", "a\xff", "\xf0\x28\x8c"};
    CLEANUP(text_fini) struct text name = {0};
    for (uint64_t n = random_next(random) % 12 + 1; n > 0; n--) {
        text_add_char(&name, (char)(random_next(random) % 255 + 1)); // any byte but 0
    }
    struct slice bytes = {.data = (const uint8_t *)name.at, .n = name.n};
    uint64_t size = random_next(random) % 4 == 0 ? 0 : random_next(random) % 200;
    symtab_builder_add(builder, 0x1000 + random_next(random) % 4096, size, bytes,
                       slice_of_text(modules[random_next(random) % ARRAY_LEN(modules)]),
                       (enum symbol_binding)(random_next(random) % 3));
}

static struct symtab *random_table(uint64_t *random)
{
    struct symtab_builder *builder = symtab_builder_new();
    static const struct symtab_segment segments[] = {
        {.file_off = 0x200, .size = 0x800, .addr = 0x1000, .executable = true},
        {.file_off = 0xa00, .size = 0x900, .addr = 0x1800, .executable = false},
        {.file_off = 0xc00,
         .size = 0x200,
         .addr = UINT64_C(0xffffffff81000000),
         .executable = true},
    };
    for (size_t i = 0; i < ARRAY_LEN(segments); i++) {
        symtab_builder_add_segment(builder, &segments[i]);
    }
    for (uint64_t n = random_next(random) % 60; n > 0; n--) {
        add_random_symbol(builder, random);
    }
    return symtab_builder_finish(builder);
}

// Nested, overlapping and sizeless symbols, modules, names of any bytes; and only some have frames.
static void test_random_tables(void **state)
{
    struct world *w = *state;
    library_fini(&w->library);
    library_init_saved(&w->library);
    uint64_t random = 1;
    for (uint32_t i = 0; i < 100; i++) {
        struct saved_names names = {.symtab = random_table(&random), .n_symbols = i};
        err_set(&names.note, 0, "note %" PRIu32, i);
        struct image_identity identity = {.kind = IMAGE_FILE, .path = slice_of_text("/app")};
        uint32_t id = library_add_saved(&w->library, &identity, &names);
        image_id image = add_row(w, IMAGE_ROW_FILE, "/app", id);
        for (uint64_t n = random_next(&random) % 50; n > 0; n--) {
            add_frame(w, image, random_next(&random) % 0x1400);
        }
        add_frame(w, image, 0x200);
    }
    write_names(w);
    struct copy copy = copy_new(w);
    read_names(w, &copy);
    assert_string_equal(copy.note.text, "");
    check_images(w, &copy);
    assert_true(check_frames(w, &copy).symbols > 500);
    copy_free(&copy);
}

// ---- Files of others ---------------------------------------------------------------------------

static void change(struct world *w, const char *sql)
{
    struct err err = {0};
    if (run_file_run(&w->file, sql, &err) < 0) {
        fail_msg("%s: %s", sql, err.text);
    }
}

static struct copy one_image(struct world *w)
{
    image_id image = add_image_of(w, (void *)(uintptr_t)fixture_outer);
    assert_int_equal(image, 1);
    add_frames(w, image, 100);
    write_names(w);
    return copy_new(w);
}

// Each of these rows is left out, and said; the rest is as before.
static void test_rows_that_make_no_sense(void **state)
{
    static const char *const rows[] = {
        "INSERT INTO symbols VALUES(1, 1, 0, 'empty', NULL)",
        "INSERT INTO symbols VALUES(1, -16, 64, 'wraps', NULL)",
        "INSERT INTO symbols VALUES(1, 16, -1, 'wraps', NULL)",
        "INSERT INTO symbols VALUES(1, 2, 3, NULL, NULL)",
        "INSERT INTO symbols VALUES(1, 2, 3, x'0041', NULL)",
        "INSERT INTO slots VALUES(1, 2, NULL)",
        "INSERT INTO slots VALUES(1, 2, x'0041')",
        "INSERT INTO image_names VALUES(2, 'ready', x'', 0, 0, '', '', '', '')",
        "INSERT INTO image_names VALUES(0, 'ready', x'', 0, 0, '', '', '', '')",
        "INSERT INTO image_names VALUES(-1, 'ready', x'', 0, 0, '', '', '', '')",
        "INSERT INTO image_names VALUES(4294967297, 'ready', x'', 0, 0, '', '', '', '')",
        "UPDATE image_names SET build_id = zeroblob(21)",
        "INSERT INTO inlined_functions VALUES(1, 1000000, 1, x'00')", // there is a gap
        "INSERT INTO inlined_calls VALUES(1, 1000000, 1, x'00')",
        "INSERT INTO inlined VALUES(1, 1000000, 1, x'00')",
    };
    struct world *w = *state;
    struct copy copy = one_image(w);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_int_equal(run_file_begin(&w->file, NULL), 0);
        change(w, rows[i]);
        read_names(w, &copy);
        run_file_rollback(&w->file);
        if (strncmp(copy.note.text, "1 of the names in ", 18) != 0) {
            fail_msg("%s: \"%s\"", rows[i], copy.note.text);
        }
        check_frames(w, &copy);
        library_fini(&copy.library);
    }
    store_free(copy.store);
}

static void test_notes_are_for_terminals(void **state)
{
    struct world *w = *state;
    struct copy copy = one_image(w);
    change(w, "UPDATE image_names SET note = x'1b5b324a' || zeroblob(100000)");
    read_names(w, &copy);
    assert_string_equal(image_note(image_in(&copy, 1)), "\\x1b[2J");
    copy_free(&copy);
}

static void test_wrong_types(void **state)
{
    struct world *w = *state;
    struct copy copy = one_image(w);
    change(w, "UPDATE symbols SET name = 1.5, module = 7; UPDATE image_names SET"
              " state = 5, build_id = 'text', symbols = 'many', has_dwarf = NULL, note = 3;"
              "UPDATE segments SET file_off = 'x', size_bytes = 1e30, addr = NULL;"
              "UPDATE inlined_functions SET n = 'f', data = 5; UPDATE inlined_calls SET n = 'x';"
              "UPDATE inlined SET data = 1.5, n = -1;"
              "UPDATE lines SET file = 'f', line = 'l', column_number = x'';"
              "UPDATE code SET data = 5, size_bytes = 'x'");
    read_names(w, &copy);
    assert_int_equal(atomic_load(&image_in(&copy, 1)->state), IMAGE_FAILED);
    library_fini(&copy.library);
    change(w, "UPDATE image_names SET state = 'ready', has_dwarf = 1");
    read_names(w, &copy);
    assert_int_equal(atomic_load(&image_in(&copy, 1)->state), IMAGE_READY);
    struct names_lines lines = {0};
    names_file_lines(&w->file, 1, 0, INT64_MAX, &lines, NULL);
    for (size_t i = 0; i < lines.rows.list.n; i++) {
        assert_null(lines.rows.list.at[i].file);
    }
    names_lines_fini(&lines);
    copy_free(&copy);
}

static void test_damaged_code(void **state)
{
    struct world *w = *state;
    struct copy copy = one_image(w);
    uint64_t addr = addr_in_file((const void *)(uintptr_t)fixture_outer);
    CLEANUP(text_fini) struct text code = {0};
    struct err err = {0};
    change(w, "UPDATE code SET data = x'00ff00ff'");
    assert_int_equal(names_file_code(&w->file, 1, addr, addr + 1, &code, &err), -EBADMSG);
    assert_non_null(strstr(err.text, "is damaged"));
    change(w, "UPDATE code SET size_bytes = 1 << 40");
    assert_int_equal(names_file_code(&w->file, 1, addr, addr + 1, &code, &err), -ENODATA);
    assert_int_equal(code.n, 0);
    store_free(copy.store);
}

// A table that is gone: an error, and all images have a place all the same.
static void test_no_tables(void **state)
{
    struct world *w = *state;
    struct copy copy = one_image(w);
    change(w, "DROP TABLE symbols");
    library_init_saved(&copy.library);
    struct err err = {0};
    assert_true(names_file_read(&w->file, copy.store, &copy.library, &copy.note, &err) < 0);
    assert_true(err.text[0] != 0);
    assert_int_equal(atomic_load(&image_in(&copy, 1)->state), IMAGE_FAILED);
    copy_free(&copy);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_the_same_as_live),
        TEST(test_lines_and_code),
        TEST(test_listings),
        TEST(test_tables_of_switches),
        TEST(test_a_machine_that_nobody_can_decode),
        TEST(test_an_image_without_frames),
        TEST(test_written_again),
        TEST(test_stopped),
        TEST(test_patience_ends),
        TEST(test_random_tables),
        TEST(test_rows_that_make_no_sense),
        TEST(test_notes_are_for_terminals),
        TEST(test_wrong_types),
        TEST(test_damaged_code),
        TEST(test_no_tables),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
