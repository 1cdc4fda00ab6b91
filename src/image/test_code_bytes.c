#include "image/code_bytes.h"

#include "base/clock.h"
#include "base/limits.h"
#include "image/kallsyms.h"
#include "image/test_support.h"

#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <link.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <unistd.h>

#include <cmocka.h>

struct world {
    struct library library;
    struct image_root *root;
};

static int set_up(void **state)
{
    struct world *w = NEW(struct world);
    library_init(&w->library, NULL, NULL);
    w->root = image_root_open((uint32_t)getpid());
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    library_fini(&w->library);
    image_root_unref(w->root);
    free(w);
    return 0;
}

enum { PATIENCE_S = 60 };

static struct image *load(struct world *w, enum image_kind kind, const char *path)
{
    struct image_identity identity = {
        .kind = kind, .path = slice_of_text(path), .mapped_unix_ns = clock_unix_ns()};
    uint32_t id = library_get(&w->library, &identity, w->root);
    library_want(&w->library, id);
    assert_true(
        library_await_symbols(&w->library, id, clock_now_ns() + (uint64_t)PATIENCE_S * NS_PER_S));
    return library_at(&w->library, id);
}

static uint64_t addr_in_file(const void *code)
{
    Dl_info info;
    assert_true(dladdr(code, &info) != 0);
    return (uint64_t)(uintptr_t)code - (uint64_t)(uintptr_t)info.dli_fbase;
}

static void check_bytes(struct code_bytes *code, uint64_t addr, const void *expected, size_t n)
{
    CLEANUP(text_fini) struct text bytes = {0};
    text_add(&bytes, "before");
    assert_int_equal(code_bytes_read(code, addr, addr + n, &bytes), 0);
    assert_int_equal(bytes.n, 6 + n);
    assert_memory_equal(bytes.at, "before", 6);
    assert_memory_equal(bytes.at + 6, expected, n);
}

static void check_none(struct code_bytes *code, uint64_t addr, uint64_t end, int error)
{
    CLEANUP(text_fini) struct text bytes = {0};
    assert_int_equal(code_bytes_read(code, addr, end, &bytes), error);
    assert_int_equal(bytes.n, 0);
}

static void test_what_is_mapped(void **state)
{
    struct world *w = *state;
    const void *function = (const void *)(uintptr_t)fixture_global;
    CLEANUP(freep) char *path = path_of_code(function);
    struct code_bytes *code;
    assert_int_equal(code_bytes_open(load(w, IMAGE_FILE, path), &code, NULL), 0);
    check_bytes(code, addr_in_file(function), function, 16);
    check_bytes(code, addr_in_file(function), function, 1);
    code_bytes_close(code);
}

static void test_outside(void **state)
{
    struct world *w = *state;
    const void *function = (const void *)(uintptr_t)fixture_global;
    CLEANUP(freep) char *path = path_of_code(function);
    struct code_bytes *code;
    assert_int_equal(code_bytes_open(load(w, IMAGE_FILE, path), &code, NULL), 0);
    uint64_t addr = addr_in_file(function);
    check_none(code, addr, addr, -ENODATA);
    check_none(code, addr, addr - 1, -ENODATA);
    check_none(code, addr, addr + (64 << 10), -ENODATA); // longer than its segment
    check_none(code, addr, UINT64_MAX, -ENODATA);
    check_none(code, 0, UINT64_MAX, -ENODATA);
    check_none(code, UINT64_MAX - 16, UINT64_MAX, -ENODATA);
    code_bytes_close(code);
}

static void test_too_much(void **state)
{
    struct world *w = *state;
    CLEANUP(freep) char *path = path_of_code((void *)(uintptr_t)getpid); // libc is large enough
    struct code_bytes *code;
    assert_int_equal(code_bytes_open(load(w, IMAGE_FILE, path), &code, NULL), 0);
    uint64_t addr = addr_in_file((void *)(uintptr_t)getpid) & ~UINT64_C(0xfffff);
    addr = MAX(addr, UINT64_C(0x28000));
    check_none(code, addr, addr + LIMIT_SAVED_FUNCTION_BYTES + 1, -EFBIG);
    check_bytes(code, addr_in_file((void *)(uintptr_t)getpid), (void *)(uintptr_t)getpid, 8);
    code_bytes_close(code);
}

static void test_vdso(void **state)
{
    struct world *w = *state;
    const uint8_t *vdso = (const uint8_t *)(uintptr_t)getauxval(AT_SYSINFO_EHDR);
    if (vdso == NULL) {
        skip();
    }
    struct image *image = load(w, IMAGE_VDSO, "[vdso]");
    assert_int_equal(atomic_load(&image->state), IMAGE_READY);
    struct code_bytes *code;
    assert_int_equal(code_bytes_open(image, &code, NULL), 0);
    const struct symbol *symbol = symtab_at(image_symtab(image), 0);
    check_bytes(code, symbol->addr, vdso + symbol->addr, (size_t)(symbol->end - symbol->addr));
    check_none(code, symbol->addr, symbol->addr + (1 << 19), -ENODATA);
    code_bytes_close(code);
}

static void test_what_has_no_code(void **state)
{
    (void)state;
    struct library saved;
    library_init_saved(&saved);
    struct saved_names names = {.symtab = symtab_builder_finish(symtab_builder_new())};
    CLEANUP(freep) char *path = path_of_code((void *)(uintptr_t)fixture_global);
    struct image_identity identity = {.kind = IMAGE_FILE, .path = slice_of_text(path)};
    uint32_t id = library_add_saved(&saved, &identity, &names);
    struct code_bytes *code;
    struct err err = {0};
    // A file of that path is here; but it is not said to be that one.
    assert_int_equal(code_bytes_open(library_at(&saved, id), &code, &err), -ESTALE);
    assert_null(code);
    assert_true(err.text[0] != 0);
    library_fini(&saved);
}

// ---- The kernel --------------------------------------------------------------------------------

static const char kernel_symbols[] = "ffffffff81000000 T schedule\n"
                                     "ffffffff81000008 T schedule_idle\n"
                                     "ffffffffc0000000 t nft_do_chain\t[nf_tables]\n"
                                     "ffffffffc0000004 t nft_last\t[nf_tables]\n";

static struct image kernel_image(const char *path)
{
    struct image image = {.kind = IMAGE_KERNEL, .path = (char *)(uintptr_t)path};
    struct symtab *symtab = NULL;
    assert_int_equal(kallsyms_parse(slice_of_text(kernel_symbols), &symtab), KALLSYMS_OK);
    atomic_init(&image.symtab, symtab);
    atomic_init(&image.state, IMAGE_READY);
    return image;
}

// Eight bytes of the kernel, four of a module.
static char *kcore_new(const char *directory)
{
    Elf64_Ehdr header = {.e_type = ET_CORE,
                         .e_phoff = sizeof header,
                         .e_phentsize = sizeof(Elf64_Phdr),
                         .e_phnum = 2};
    memcpy(header.e_ident, ELFMAG, SELFMAG);
    header.e_ident[EI_CLASS] = ELFCLASS64;
    header.e_ident[EI_DATA] = ELFDATA2LSB;
    uint64_t data_off = sizeof header + 2 * sizeof(Elf64_Phdr);
    Elf64_Phdr segments[] = {{.p_type = PT_LOAD,
                              .p_vaddr = UINT64_C(0xffffffff81000000),
                              .p_filesz = 8,
                              .p_offset = data_off},
                             {.p_type = PT_LOAD,
                              .p_vaddr = UINT64_C(0xffffffffc0000000),
                              .p_filesz = 4,
                              .p_offset = data_off + 8}};
    CLEANUP(text_fini) struct text bytes = {0};
    text_add_bytes(&bytes, &header, sizeof header);
    text_add_bytes(&bytes, segments, sizeof segments);
    text_add(&bytes, "scheduleNFT!");
    char *path = path_join(directory, "kcore");
    file_write(path, bytes.at, bytes.n);
    return path;
}

static void test_kernel(void **state)
{
    (void)state;
    CLEANUP(freep) char *directory = directory_new();
    CLEANUP(freep) char *path = kcore_new(directory);
    struct image image = kernel_image(IMAGE_OWN_KERNEL);
    struct code_bytes *code;
    struct err err = {0};
    assert_int_equal(code_bytes_open_with(&image, path, &code, &err), 0);
    const struct symbol *symbol = symtab_find(image_symtab(&image), UINT64_C(0xffffffff81000004));
    check_bytes(code, symbol->addr, "schedule", (size_t)(symbol->end - symbol->addr));
    check_bytes(code, UINT64_C(0xffffffffc0000000), "NFT!", 4);
    check_none(code, symbol->end, symbol->end + 1, -ENODATA);
    check_none(code, 0x1000, 0x1010, -ENODATA);
    code_bytes_close(code);

    assert_int_equal(code_bytes_open_with(&image, "/not/there", &code, &err), -ENOENT);
    assert_null(code);
    assert_non_null(strstr(err.text, "is not there"));
    symtab_free(atomic_load(&image.symtab));
    directory_remove(directory);
}

// Whatever this kernel has at these addresses is not what ran.
static void test_another_kernel(void **state)
{
    (void)state;
    CLEANUP(freep) char *directory = directory_new();
    CLEANUP(freep) char *path = kcore_new(directory);
    struct code_bytes *code;
    struct err err = {0};
    struct image other = kernel_image("[kernel of another boot]");
    assert_int_equal(code_bytes_open_with(&other, path, &code, &err), -ESTALE);
    assert_non_null(strstr(err.text, "an earlier boot"));
    symtab_free(atomic_load(&other.symtab));

    struct library saved;
    library_init_saved(&saved);
    struct saved_names names = {.symtab = symtab_builder_finish(symtab_builder_new())};
    struct image_identity identity = {.kind = IMAGE_KERNEL,
                                      .path = slice_of_text(IMAGE_OWN_KERNEL)};
    uint32_t id = library_add_saved(&saved, &identity, &names);
    assert_int_equal(code_bytes_open_with(library_at(&saved, id), path, &code, &err), -ESTALE);
    assert_null(code);
    library_fini(&saved);
    directory_remove(directory);
}

// One that was replaced since its symbols were read; and one that is written to while it is open.
static void test_a_file_that_has_changed(void **state)
{
    struct world *w = *state;
    const void *function = (const void *)(uintptr_t)fixture_global;
    CLEANUP(freep) char *original = path_of_code(function);
    CLEANUP(freep) char *directory = directory_new();
    CLEANUP(freep) char *path = path_join(directory, "copy.so");
    file_copy(original, path);
    struct image *image = load(w, IMAGE_FILE, path);
    struct code_bytes *code;
    struct err err = {0};
    assert_int_equal(code_bytes_open(image, &code, &err), 0);
    check_bytes(code, addr_in_file(function), function, 16);
    file_write(path, "no", 2);
    check_none(code, addr_in_file(function), addr_in_file(function) + 16, -ENODATA);
    file_copy(original, path);
    check_none(code, addr_in_file(function), addr_in_file(function) + 16, -ESTALE);
    code_bytes_close(code);
    assert_int_equal(code_bytes_open(image, &code, &err), -ESTALE);
    assert_null(code);
    assert_int_equal(unlink(path), 0);
    assert_true(code_bytes_open(image, &code, &err) < 0);
    assert_true(err.text[0] != 0);
    directory_remove(directory);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_what_is_mapped), TEST(test_outside),          TEST(test_too_much),
        TEST(test_vdso),           TEST(test_what_has_no_code), TEST(test_a_file_that_has_changed),
        TEST(test_kernel),         TEST(test_another_kernel),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
