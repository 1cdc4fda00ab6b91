#include "image/library.h"

#include "base/arch.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/limits.h"
#include "image/test_support.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <unistd.h>

#include <cmocka.h>

// ---- A library whose worker reports to the test ------------------------------------------------

struct world {
    struct library library;
    struct image_root *root;
    char *directory; // files of the test
    char *fixture;   // a copy of the fixture in it
    struct build_id build_id;
    pthread_mutex_t lock;
    pthread_cond_t changed;
};

static void on_change(void *context)
{
    struct world *world = context;
    pthread_mutex_lock(&world->lock);
    pthread_cond_broadcast(&world->changed);
    pthread_mutex_unlock(&world->lock);
}

static struct build_id build_id_of(const char *path)
{
    CLEANUP(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct symtab *symtab = NULL;
    struct elf_facts facts;
    assert_int_equal(elf_symbols_read(fd, &symtab, &facts, NULL), 0);
    symtab_free(symtab);
    return facts.build_id;
}

static int setup(void **state)
{
    struct world *world = NEW(struct world);
    pthread_mutex_init(&world->lock, NULL);
    pthread_cond_init(&world->changed, NULL);
    library_init(&world->library, on_change, world);
    world->root = image_root_open((uint32_t)getpid());
    world->directory = directory_new();
    world->fixture = path_join(world->directory, "libfixture.so");
    CLEANUP(freep) char *original = path_of_code((void *)(uintptr_t)fixture_global);
    file_copy(original, world->fixture);
    world->build_id = build_id_of(world->fixture);
    *state = world;
    return 0;
}

static int teardown(void **state)
{
    struct world *world = *state;
    library_fini(&world->library);
    image_root_unref(world->root);
    directory_remove(world->directory);
    free(world->directory);
    free(world->fixture);
    pthread_cond_destroy(&world->changed);
    pthread_mutex_destroy(&world->lock);
    free(world);
    return 0;
}

static bool is_done(const struct image *image)
{
    return image->state == IMAGE_READY || image->state == IMAGE_FAILED;
}

static struct image *load(struct world *world, uint32_t id)
{
    struct image *image = library_at(&world->library, id);
    library_want(&world->library, id);
    pthread_mutex_lock(&world->lock);
    while (!is_done(image)) {
        pthread_cond_wait(&world->changed, &world->lock);
    }
    pthread_mutex_unlock(&world->lock);
    return image;
}

static struct image_identity file_identity(const char *path)
{
    return (struct image_identity){
        .kind = IMAGE_FILE, .path = slice_of_text(path), .mapped_unix_ns = clock_unix_ns()};
}

// With device and inode, as for a file that has no build-id.
static struct image_identity mapped_identity(const char *path)
{
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    struct image_identity identity = file_identity(path);
    identity.device = st.st_dev;
    identity.inode = st.st_ino;
    return identity;
}

static struct image *load_file(struct world *world, const struct image_identity *identity)
{
    return load(world, library_get(&world->library, identity, world->root));
}

static bool knows(const struct image *image, const char *name)
{
    const struct symtab *symtab = image_symtab(image);
    for (size_t i = 0; symtab != NULL && i < symtab_count(symtab); i++) {
        if (strcmp(symtab_at(symtab, i)->name, name) == 0) {
            return true;
        }
    }
    return false;
}

static void assert_ready(const struct image *image)
{
    if (image->state != IMAGE_READY) {
        fail_msg("%s", image->note.text);
    }
    assert_true(knows(image, "fixture_global"));
    assert_string_equal(image->note.text, "");
}

static void assert_refused(const struct image *image, const char *reason)
{
    assert_int_equal(image->state, IMAGE_FAILED);
    assert_null(image_symtab(image));
    if (strstr(image->note.text, reason) == NULL || strchr(image->note.text, '\n') != NULL) {
        fail_msg("\"%s\" does not say \"%s\"", image->note.text, reason);
    }
}

// Another program in the same file: the build-id with one bit turned.
static void change_build_id(const char *path, const struct build_id *old)
{
    CLEANUP(text_fini) struct text bytes = {0};
    assert_int_equal(file_read(path, (size_t)64 << 20, &bytes), 0);
    char *at = memmem(bytes.at, bytes.n, old->at, old->n);
    assert_non_null(at);
    at[0] = (char)(at[0] ^ 1);
    file_write(path, bytes.at, bytes.n);
}

// ---- What loads --------------------------------------------------------------------------------

static void test_loads_a_file_once(void **state)
{
    struct world *world = *state;
    struct image_identity identity = mapped_identity(world->fixture);
    identity.build_id = world->build_id;
    uint32_t id = library_get(&world->library, &identity, world->root);
    struct image *image = library_at(&world->library, id);
    assert_int_equal(image->state, IMAGE_NEW);
    assert_null(image_symtab(image));
    assert_int_equal(world->library.generation, 0);
    assert_ready(load(world, id));
    assert_int_equal(world->library.generation, 1);
    const struct symtab *symtab = image_symtab(image);
    library_want(&world->library, id);
    assert_int_equal(library_get(&world->library, &identity, world->root), id);
    assert_ptr_equal(image_symtab(load(world, id)), symtab);
    assert_int_equal(world->library.generation, 1);
}

static void test_identity(void **state)
{
    struct world *world = *state;
    struct library *library = &world->library;
    struct image_identity a = file_identity("/usr/lib/liba.so");
    a.build_id = world->build_id;
    struct image_identity b = a;
    b.path = slice_of_text("/containers/7/usr/lib/liba.so");
    b.inode = 77;
    uint32_t id = library_get(library, &a, world->root);
    assert_int_equal(library_get(library, &b, world->root), id); // equal builds
    b.path = slice_of_text("/usr/lib/libb.so");
    assert_int_not_equal(library_get(library, &b, world->root), id); // by another name
    b = a;
    b.build_id.at[19] ^= 1;
    assert_int_not_equal(library_get(library, &b, world->root), id);
    b.build_id = (struct build_id){.n = 19};
    memcpy(b.build_id.at, a.build_id.at, 19);
    assert_int_not_equal(library_get(library, &b, world->root), id);

    a.build_id.n = 0;
    a.device = 5;
    a.inode = 6;
    id = library_get(library, &a, world->root);
    b = a;
    assert_int_equal(library_get(library, &b, world->root), id);
    b.inode = 7;
    assert_int_not_equal(library_get(library, &b, world->root), id);
    b = a;
    b.device = 6;
    assert_int_not_equal(library_get(library, &b, world->root), id);
    b = a;
    b.kind = IMAGE_ANONYMOUS;
    assert_int_not_equal(library_get(library, &b, world->root), id);
}

static void test_anonymous_memory_is_ready_at_once(void **state)
{
    struct world *world = *state;
    struct image_identity identity = {.kind = IMAGE_ANONYMOUS, .path = slice_of_text("//anon")};
    uint32_t id = library_get(&world->library, &identity, world->root);
    struct image *image = library_at(&world->library, id);
    assert_int_equal(image->state, IMAGE_READY);
    assert_null(image_symtab(image));
    library_want(&world->library, id);
    assert_int_equal(image->state, IMAGE_READY);
}

static void test_vdso(void **state)
{
    struct world *world = *state;
    const char *name = ARCH_IS_AARCH64 ? "__kernel_clock_gettime" : "__vdso_clock_gettime";
    void *start = (void *)(uintptr_t)getauxval(AT_SYSINFO_EHDR);
    void *handle = dlopen("linux-vdso.so.1", RTLD_NOW | RTLD_NOLOAD);
    void *function = handle == NULL ? NULL : dlsym(handle, name);
    if (start == NULL || function == NULL) {
        print_message("no vdso here\n");
        skip();
    }
    struct image_identity identity = {.kind = IMAGE_VDSO, .path = slice_of_text("[vdso]")};
    const struct image *image = load_file(world, &identity);
    assert_int_equal(image->state, IMAGE_READY);
    uint64_t off = (uint64_t)((char *)function - (char *)start); // what a frame holds
    uint64_t addr = 0;
    assert_true(symtab_addr_of_off(image_symtab(image), off, &addr));
    const struct symbol *symbol = symtab_find(image_symtab(image), addr);
    assert_non_null(symbol);
    assert_string_equal(symbol->name, name);
    dlclose(handle);
}

static void test_kernel(void **state)
{
    struct world *world = *state;
    struct image_identity identity = {.kind = IMAGE_KERNEL, .path = slice_of_text("[kernel]")};
    const struct image *image = load_file(world, &identity);
    if (image->state == IMAGE_READY) {
        assert_true(knows(image, "schedule"));
    } else {
        assert_refused(image, "/proc/kallsyms");
    }
}

static void test_a_stripped_file_says_so(void **state)
{
    struct world *world = *state;
    CLEANUP(text_fini) struct text bytes = {0};
    char *argv[] = {(char[]){"strip"}, world->fixture, NULL};
    if (!command_output(argv, &bytes)) {
        print_message("no strip here\n");
        skip();
    }
    struct image_identity identity = mapped_identity(world->fixture);
    const struct image *image = load_file(world, &identity);
    assert_int_equal(image->state, IMAGE_READY);
    assert_true(knows(image, "fixture_global"));
    assert_false(knows(image, "fixture_local"));
    assert_non_null(strstr(image->note.text, "stripped: only its "));
    assert_non_null(strstr(image->note.text, world->fixture));
}

enum { PATIENCE_S = 60 };

static void test_waiting_for_symbols(void **state)
{
    struct world *world = *state;
    struct image_identity identity = mapped_identity(world->fixture);
    uint32_t id = library_get(&world->library, &identity, world->root);
    assert_false(library_await_symbols(&world->library, id, 0)); // nobody wants them yet
    assert_false(library_await_symbols(&world->library, id, clock_now_ns() + NS_PER_MS));
    library_want(&world->library, id);
    uint64_t until_ns = clock_now_ns() + PATIENCE_S * (uint64_t)NS_PER_S;
    assert_true(library_await_symbols(&world->library, id, until_ns));
    assert_int_equal(library_at(&world->library, id)->state, IMAGE_READY);
    assert_true(library_await_symbols(&world->library, id, 0));
    struct image_identity none = {.kind = IMAGE_FILE, .path = slice_of_text("/not/there")};
    id = library_get(&world->library, &none, world->root);
    library_want(&world->library, id);
    assert_true(library_await_symbols(&world->library, id, until_ns));
    assert_int_equal(library_at(&world->library, id)->state, IMAGE_FAILED);
}

// ---- Unwinding rules ---------------------------------------------------------------------------

static struct image *load_rules(struct world *world, const struct image_identity *identity)
{
    uint32_t id = library_get(&world->library, identity, world->root);
    library_want_cfi(&world->library, id);
    uint64_t until_ns = clock_now_ns() + PATIENCE_S * (uint64_t)NS_PER_S;
    assert_true(library_await_cfi(&world->library, id, until_ns));
    return library_at(&world->library, id);
}

static void assert_no_rules(const struct image *image, const char *reason)
{
    assert_int_equal(image->cfi_state, IMAGE_FAILED);
    assert_null(image_cfi(image));
    if (strstr(image->cfi_note.text, reason) == NULL) {
        fail_msg("\"%s\" does not say \"%s\"", image->cfi_note.text, reason);
    }
}

static void test_rules_and_symbols_are_read_apart(void **state)
{
    struct world *world = *state;
    for (int rules_first = 0; rules_first < 2; rules_first++) {
        CLEANUP(freep) char *path = path_join(world->directory, rules_first ? "a.so" : "b.so");
        file_copy(world->fixture, path);
        struct image_identity identity = mapped_identity(path);
        uint32_t id = library_get(&world->library, &identity, world->root);
        struct image *image = library_at(&world->library, id);
        assert_int_equal(image->cfi_state, IMAGE_NEW);
        if (rules_first) {
            load_rules(world, &identity);
            assert_int_equal(image->state, IMAGE_NEW);
            assert_non_null(image->root); // the symbols will need it
        }
        assert_ready(load(world, id));
        load_rules(world, &identity);
        assert_int_equal(image->cfi_state, IMAGE_READY);
        assert_non_null(image_cfi(image));
        assert_true(image->keeps_root && image->root == world->root);
    }
    assert_int_equal(world->library.cfi_generation, 2);
}

static void test_rules_of_the_vdso(void **state)
{
    struct world *world = *state;
    if (getauxval(AT_SYSINFO_EHDR) == 0) {
        print_message("no vdso here\n");
        skip();
    }
    struct image_identity identity = {.kind = IMAGE_VDSO, .path = slice_of_text("[vdso]")};
    const struct image *image = load_rules(world, &identity);
    assert_true(image_cfi_is_done(image));
    // That of AArch64 has none (arch/arm64/kernel/vdso/vdso.lds.S discards them).
    assert_int_equal(image_cfi(image) != NULL, !ARCH_IS_AARCH64);
}

// Nobody waits for what there cannot be.
static void test_what_is_no_file_has_no_rules(void **state)
{
    struct world *world = *state;
    const struct image_identity identities[] = {
        {.kind = IMAGE_ANONYMOUS, .path = slice_of_text("[anon]")},
        {.kind = IMAGE_KERNEL, .path = slice_of_text("[kernel]")},
        {.kind = IMAGE_FILE, .path = slice_of_text("[heap]")},
        {.kind = IMAGE_FILE, .path = slice_of_text("")},
    };
    for (size_t i = 0; i < ARRAY_LEN(identities); i++) {
        uint32_t id = library_get(&world->library, &identities[i], world->root);
        assert_true(library_await_cfi(&world->library, id, 0));
        library_want_cfi(&world->library, id);
        assert_no_rules(library_at(&world->library, id), "is not a file");
    }
    assert_int_equal(world->library.cfi_generation, 0);
}

static void test_rules_of_another_file_are_refused(void **state)
{
    struct world *world = *state;
    struct image_identity identity = mapped_identity(world->fixture);
    identity.mapped_unix_ns -= 10 * (uint64_t)NS_PER_S; // the copy was made later
    assert_no_rules(load_rules(world, &identity), "has changed since it was mapped");

    identity = file_identity(world->fixture);
    identity.build_id = world->build_id;
    identity.build_id.at[0] ^= 1;
    assert_no_rules(load_rules(world, &identity), "(other build-id)");

    CLEANUP(text_fini) struct text path = {0};
    text_addf(&path, "%s (deleted)", world->fixture);
    identity.path = slice_of_text(text_get(&path));
    assert_no_rules(load_rules(world, &identity), "libfixture.so: the file was deleted");
    identity.build_id = world->build_id; // what stands there is the same
    assert_non_null(image_cfi(load_rules(world, &identity)));

    CLEANUP(freep) char *script = path_join(world->directory, "script");
    file_write(script, "#!/bin/sh\n", 10);
    identity = mapped_identity(script);
    assert_no_rules(load_rules(world, &identity), "script is not an ELF file");
}

static void test_waiting_for_rules_ends(void **state)
{
    struct world *world = *state;
    struct image_identity identity = mapped_identity(world->fixture);
    uint32_t id = library_get(&world->library, &identity, world->root);
    uint64_t until_ns = clock_now_ns() + NS_PER_MS; // nobody has asked for them
    assert_false(library_await_cfi(&world->library, id, until_ns));
    assert_true(clock_now_ns() >= until_ns);
    assert_false(library_await_cfi(&world->library, id, 0));
}

// ---- What must not load ------------------------------------------------------------------------

static void test_another_build_is_refused(void **state)
{
    struct world *world = *state;
    struct image_identity identity = file_identity(world->fixture);
    identity.build_id = world->build_id;
    uint32_t id = library_get(&world->library, &identity, world->root);
    change_build_id(world->fixture, &world->build_id);
    const struct image *image = load(world, id);
    assert_refused(image, "has changed since it was mapped (other build-id)");
    assert_non_null(strstr(image->note.text, world->fixture));

    // The old build comes back, and is mapped again: that is worth another try.
    struct build_id other = build_id_of(world->fixture);
    change_build_id(world->fixture, &other);
    identity.mapped_unix_ns = clock_unix_ns();
    assert_ready(load_file(world, &identity));
}

static void test_a_file_without_build_id_that_changed_is_refused(void **state)
{
    struct world *world = *state;
    struct image_identity identity = mapped_identity(world->fixture);
    identity.mapped_unix_ns -= 10 * (uint64_t)NS_PER_S; // the copy was made later
    assert_refused(load_file(world, &identity), "has changed since it was mapped");

    // Mapped again as it is now: a new image, and this time the right one.
    identity.mapped_unix_ns = clock_unix_ns();
    uint32_t id = library_get(&world->library, &identity, world->root);
    assert_ready(load(world, id));

    // Mapped once more, unchanged: the same. Changed in place: another one.
    identity.mapped_unix_ns = clock_unix_ns();
    assert_int_equal(library_get(&world->library, &identity, world->root), id);
    change_build_id(world->fixture, &world->build_id);
    file_write(world->fixture, "", 0);
    identity.mapped_unix_ns = clock_unix_ns();
    uint32_t changed = library_get(&world->library, &identity, world->root);
    assert_int_not_equal(changed, id);
    assert_ready(library_at(&world->library, id));
    assert_refused(load(world, changed), "is not an ELF file");
}

static void test_another_inode_is_refused(void **state)
{
    struct world *world = *state;
    struct image_identity identity = mapped_identity(world->fixture);
    identity.inode++;
    const struct image *image = load_file(world, &identity);
    if (image->state == IMAGE_READY) {
        print_message("this file system is not trusted with inode numbers\n");
        skip();
    }
    assert_refused(image, "has changed since it was mapped");
}

static void test_a_deleted_file(void **state)
{
    struct world *world = *state;
    CLEANUP(text_fini) struct text path = {0};
    text_addf(&path, "%s (deleted)", world->fixture);
    struct image_identity identity = file_identity(text_get(&path));
    assert_refused(load_file(world, &identity), "libfixture.so: the file was deleted");

    identity.build_id = world->build_id; // what stands there is the same
    assert_ready(load_file(world, &identity));

    CLEANUP(freep) char *gone = path_join(world->directory, "gone");
    identity = file_identity(gone);
    assert_refused(load_file(world, &identity), "gone: the file was deleted or moved");

    identity = file_identity(text_get(&path)); // and what stands there now is not
    identity.build_id = world->build_id;
    identity.build_id.at[0] ^= 1;
    assert_refused(load_file(world, &identity), "libfixture.so: the file was deleted");

    rename(world->fixture, text_get(&path)); // a name is a name
    identity = mapped_identity(text_get(&path));
    identity.mapped_unix_ns = clock_unix_ns();
    assert_ready(load_file(world, &identity));
}

static void test_a_truncated_file(void **state)
{
    struct world *world = *state;
    struct stat st;
    assert_int_equal(stat(world->fixture, &st), 0);
    for (int part = 1; part < 4; part++) {
        assert_int_equal(truncate(world->fixture, st.st_size * (4 - part) / 4), 0);
        struct image_identity identity = mapped_identity(world->fixture);
        assert_refused(load_file(world, &identity), "is cut short");
    }
}

static void test_what_is_no_file(void **state)
{
    struct world *world = *state;
    CLEANUP(freep) char *fifo = path_join(world->directory, "fifo");
    CLEANUP(freep) char *link = path_join(world->directory, "link");
    assert_int_equal(mkfifo(fifo, 0600), 0);
    assert_int_equal(symlink("fifo", link), 0);
    const char *paths[] = {fifo, link, world->directory, "/dev/null", "/dev/zero"};
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        struct image_identity identity = file_identity(paths[i]);
        assert_refused(load_file(world, &identity), "is not a regular file");
    }
    struct image_identity identity = file_identity("[heap]");
    assert_refused(load_file(world, &identity), "is not the path of a file");
    CLEANUP(freep) char *script = path_join(world->directory, "script\n\x1b[31m");
    file_write(script, "#!/bin/sh\n", 10);
    identity = mapped_identity(script);
    assert_refused(load_file(world, &identity), "script\\x0a\\x1b[31m is not an ELF file");
}

static void test_an_unreadable_file(void **state)
{
    struct world *world = *state;
    assert_int_equal(chmod(world->fixture, 0), 0);
    bool is_root = geteuid() == 0;
    assert_true(!is_root || seteuid(65534) == 0);
    struct image_identity identity = file_identity(world->fixture);
    const struct image *image = load_file(world, &identity);
    assert_true(!is_root || seteuid(0) == 0);
    assert_refused(image, "Permission denied");
}

static void test_long_paths_leave_room_for_the_reason(void **state)
{
    struct world *world = *state;
    CLEANUP(text_fini) struct text path = {0};
    while (path.n < 2 * LIMIT_NAME_BYTES) {
        text_add(&path, "/a-long-directory");
    }
    struct image_identity identity = file_identity(text_get(&path));
    const struct image *image = load_file(world, &identity);
    assert_int_equal(strlen(image->path), LIMIT_NAME_BYTES);
    assert_refused(image, "cannot open ...");
    assert_non_null(strstr(image->note.text, "File name too long"));
}

// ---- Roots -------------------------------------------------------------------------------------

// A directory that looks like the root of a container: /lib/libinside.so, and two symlinks which
// would lead out of it.
static char *make_container(const struct world *world)
{
    char *container = path_join(world->directory, "container");
    CLEANUP(freep) char *lib = path_join(container, "lib");
    CLEANUP(freep) char *inside = path_join(container, "lib/libinside.so");
    CLEANUP(freep) char *absolute = path_join(container, "absolute.so");
    CLEANUP(freep) char *upwards = path_join(container, "upwards.so");
    assert_int_equal(mkdir(container, 0755), 0);
    assert_int_equal(mkdir(lib, 0755), 0);
    file_copy(world->fixture, inside);
    assert_int_equal(symlink("/lib/libinside.so", absolute), 0);
    assert_int_equal(symlink("../../../../../lib/libinside.so", upwards), 0);
    return container;
}

static void test_files_are_those_of_the_root(void **state)
{
    struct world *world = *state;
    CLEANUP(freep) char *container = make_container(world);
    struct image_root *root = image_root_open_directory(container);
    assert_non_null(root);
    static const char *const paths[] = {"/lib/libinside.so", "/absolute.so", "/upwards.so"};
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        struct image_identity identity = file_identity(paths[i]);
        assert_ready(load(world, library_get(&world->library, &identity, root)));
        assert_refused(load_file(world, &identity), "deleted or moved"); // not in our own
    }
    struct image_identity outside = file_identity(world->fixture);
    assert_refused(load(world, library_get(&world->library, &outside, root)), "deleted or moved");
    image_root_unref(root);
}

// One container has lost its file; the other one still has the same build.
static void test_a_failure_there_is_not_a_failure_here(void **state)
{
    struct world *world = *state;
    CLEANUP(freep) char *container = make_container(world);
    struct image_root *root = image_root_open_directory(container);
    struct image_identity identity = file_identity("/lib/libinside.so");
    identity.build_id = world->build_id;
    uint32_t failed = library_get(&world->library, &identity, world->root);
    assert_refused(load(world, failed), "deleted or moved");
    assert_int_equal(library_get(&world->library, &identity, world->root), failed);
    uint32_t id = library_get(&world->library, &identity, root);
    assert_int_not_equal(id, failed);
    assert_ready(load(world, id));
    image_root_unref(root);
}

static void test_processes_share_their_root(void **state)
{
    struct world *world = *state;
    assert_ptr_equal(image_root_open((uint32_t)getppid()), world->root);
    image_root_unref(world->root);
    struct image_root *fallback = image_root_open(UINT32_MAX); // no such process
    assert_ptr_equal(fallback, world->root);
    image_root_unref(fallback);
    assert_null(image_root_open_directory("/no/such/directory"));
}

static void test_without_a_root_paths_are_our_own(void **state)
{
    struct world *world = *state;
    struct image_identity identity = mapped_identity(world->fixture);
    assert_ready(load(world, library_get(&world->library, &identity, NULL)));
}

// ---- Limits and threads ------------------------------------------------------------------------

static void test_too_many_files_share_one_image(void **state)
{
    struct world *world = *state;
    uint32_t last = 0;
    for (uint32_t i = 0; i < LIMIT_LOADED_IMAGES + 10; i++) {
        char path[32];
        snprintf(path, sizeof path, "/bin/program-%u", i);
        struct image_identity identity = file_identity(path);
        last = library_get(&world->library, &identity, world->root);
        assert_int_equal(last, MIN(i, (uint32_t)LIMIT_LOADED_IMAGES - 1));
    }
    library_want(&world->library, last);
    assert_refused(library_at(&world->library, last), "more than 16383 different files");
    struct image_identity known = file_identity("/bin/program-5");
    assert_int_equal(library_get(&world->library, &known, world->root), 5);
}

static void test_fini_does_not_wait_for_what_is_queued(void **state)
{
    struct world *world = *state;
    for (uint32_t i = 0; i < 2000; i++) {
        CLEANUP(text_fini) struct text path = {0};
        text_addf(&path, "/nowhere/%u", i);
        struct image_identity identity = file_identity(text_get(&path));
        library_want(&world->library, library_get(&world->library, &identity, world->root));
    }
    // teardown ends the library in the middle of it
}

enum { CROWD = 6, CROWD_FILES = 12, CROWD_ROUNDS = 400 };

// Gets, wants and reads whatever is there, at the same time as the others and as the worker.
static void *join_crowd(void *context)
{
    struct world *world = context;
    uint64_t n_found = 0;
    for (uint32_t round = 0; round < CROWD_ROUNDS; round++) {
        char name[32];
        snprintf(name, sizeof name, "lib%u.so", round % CROWD_FILES);
        CLEANUP(freep) char *path = path_join(world->directory, name);
        struct image_identity identity = file_identity(path);
        if (round % 2 == 0) {
            identity.build_id = world->build_id;
        }
        struct image_root *root = image_root_open((uint32_t)getpid());
        uint32_t id = library_get(&world->library, &identity, root);
        image_root_unref(root);
        library_want(&world->library, id);
        library_want_cfi(&world->library, id);
        const struct image *image = library_at(&world->library, round % (id + 1));
        if (library_await_cfi(&world->library, id, 0) && image_cfi(image) != NULL) {
            cfi_table_find(image_cfi(image), round);
        }
        const struct symtab *symtab = image_symtab(image);
        if (symtab != NULL) {
            const struct symbol *symbol = symtab_at(symtab, round % symtab_count(symtab));
            n_found += symtab_find(symtab, symbol->addr) != NULL && symbol->name[0] != 0;
        }
        if (is_done(image)) {
            n_found += image->note.text[0] != 0;
        }
    }
    return (void *)(uintptr_t)n_found;
}

static void test_a_crowd(void **state)
{
    struct world *world = *state;
    for (uint32_t i = 0; i < CROWD_FILES - 1; i++) { // the last one does not exist
        char name[32];
        snprintf(name, sizeof name, "lib%u.so", i);
        CLEANUP(freep) char *path = path_join(world->directory, name);
        file_copy(world->fixture, path);
    }
    pthread_t threads[CROWD];
    for (size_t i = 0; i < CROWD; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, join_crowd, world), 0);
    }
    for (size_t i = 0; i < CROWD; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    uint32_t n_ready = 0;
    for (uint32_t id = 0; id < world->library.n; id++) {
        n_ready += load(world, id)->state == IMAGE_READY;
        uint64_t until_ns = clock_now_ns() + PATIENCE_S * (uint64_t)NS_PER_S;
        assert_true(library_await_cfi(&world->library, id, until_ns));
    }
    assert_int_equal(world->library.cfi_generation, world->library.n);
    assert_int_equal(world->library.generation, world->library.n);
    assert_true(n_ready >= CROWD_FILES - 1 && n_ready < world->library.n);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_loads_a_file_once),
        TEST(test_identity),
        TEST(test_anonymous_memory_is_ready_at_once),
        TEST(test_vdso),
        TEST(test_kernel),
        TEST(test_a_stripped_file_says_so),
        TEST(test_waiting_for_symbols),
        TEST(test_rules_and_symbols_are_read_apart),
        TEST(test_rules_of_the_vdso),
        TEST(test_what_is_no_file_has_no_rules),
        TEST(test_rules_of_another_file_are_refused),
        TEST(test_waiting_for_rules_ends),
        TEST(test_another_build_is_refused),
        TEST(test_a_file_without_build_id_that_changed_is_refused),
        TEST(test_another_inode_is_refused),
        TEST(test_a_deleted_file),
        TEST(test_a_truncated_file),
        TEST(test_what_is_no_file),
        TEST(test_an_unreadable_file),
        TEST(test_long_paths_leave_room_for_the_reason),
        TEST(test_files_are_those_of_the_root),
        TEST(test_a_failure_there_is_not_a_failure_here),
        TEST(test_processes_share_their_root),
        TEST(test_without_a_root_paths_are_our_own),
        TEST(test_too_many_files_share_one_image),
        TEST(test_fini_does_not_wait_for_what_is_queued),
        TEST(test_a_crowd),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
