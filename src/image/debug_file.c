#include "image/debug_file.h"

#include "base/file.h"
#include "base/text.h"
#include "image/image_file.h"

#include <errno.h>
#include <stdlib.h>

static const char usual_directory[] = "/usr/lib/debug";

struct hunt {
    const struct debug_search *search;
    bool has_other_root; // than we
    struct debug_file *found;
    struct err *refused;
};

// ---- Is it the right one? ----------------------------------------------------------------------

static int check_identity(int fd, const struct elf_facts *image, const struct elf_facts *facts,
                          struct err *reterr)
{
    if (image->build_id.n > 0 && facts->build_id.n > 0) {
        return build_id_equal(&image->build_id, &facts->build_id)
                   ? 0
                   : err_set(reterr, ESTALE, "is of another build (other build-id)");
    }
    if (image->link.name[0] == 0) {
        return err_set(reterr, ESTALE, "has no build-id to tell whether it is the right one");
    }
    uint32_t crc;
    int r = debuglink_crc(fd, &crc);
    if (r < 0) {
        return err_set(reterr, -r, "cannot be read: %s", strerror(-r));
    }
    return crc == image->link.crc ? 0 : err_set(reterr, ESTALE, "is of another build (other CRC)");
}

int debug_file_check(int fd, const struct elf_facts *image, struct elf_facts *ret,
                     struct err *reterr)
{
    int r = elf_facts_read(fd, ret, reterr);
    if (r < 0) {
        return r;
    }
    bool is_useful = (ret->has_symtab && !image->has_symtab) ||
                     (ret->has_dwarf && !image->has_dwarf);
    return is_useful ? check_identity(fd, image, ret, reterr)
                     : err_set(reterr, ENODATA, "is stripped as well");
}

// ---- Trying ------------------------------------------------------------------------------------

static bool is_plain_absence(int r)
{
    return r == -ENOENT || r == -ENOTDIR || r == -ENOEXEC; // the last: not a regular file
}

static void refuse(struct hunt *hunt, const char *path, const char *why)
{
    CLEANUP(freep) char *shown = image_shown_path(path);
    err_set(hunt->refused, 0, "%s %s", shown, why);
}

static bool try_in(struct hunt *hunt, bool own, const char *path)
{
    struct err err = {0};
    CLEANUP(closep)
    int fd = image_root_open_file(own ? NULL : hunt->search->root, path, NULL);
    if (fd < 0) {
        if (!is_plain_absence(fd)) {
            err_set(&err, -fd, "cannot be opened: %s", strerror(-fd));
            refuse(hunt, path, err.text);
        }
        return false;
    }
    struct elf_facts facts;
    int r = debug_file_check(fd, hunt->search->image, &facts, &err);
    if (r == 0) {
        *hunt->found = (struct debug_file){.fd = take_fd(&fd),
                                           .path = alloc_text(path, strlen(path)),
                                           .in_own_root = own,
                                           .facts = facts};
        return true;
    }
    if (r != -ENODATA) { // that may well be the binary itself
        refuse(hunt, path, err.text);
    }
    return false;
}

// In the root of the target, then in our own.
static bool try_path(struct hunt *hunt, const char *path)
{
    return (hunt->has_other_root && path[0] == '/' && try_in(hunt, false, path)) ||
           try_in(hunt, true, path);
}

// ---- The places --------------------------------------------------------------------------------

static bool try_build_id(struct hunt *hunt, const char *directory)
{
    const struct build_id *id = &hunt->search->image->build_id;
    if (id->n < 2) { // nothing would be left for the name of the file
        return false;
    }
    CLEANUP(text_fini) struct text path = {0};
    text_addf(&path, "%s/.build-id/%02x/", directory, id->at[0]);
    for (size_t i = 1; i < id->n; i++) {
        text_addf(&path, "%02x", id->at[i]);
    }
    text_add(&path, ".debug");
    return try_path(hunt, text_get(&path));
}

static bool try_name(struct hunt *hunt, const char *directory, const char *between,
                     const char *name)
{
    CLEANUP(text_fini) struct text path = {0};
    text_addf(&path, "%s%s/%s", directory, between, name);
    return try_path(hunt, text_get(&path));
}

// What the binary lies in, with its slashes but for the last: "/usr/bin". NULL when that is no way
// to say it.
static char *directory_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (path[0] != '/' || strstr(path, "/../") != NULL) {
        return NULL;
    }
    return alloc_text(path, (size_t)(slash - path));
}

// Beside the binary: its directory is one of the target.
static bool try_beside(struct hunt *hunt, const char *directory)
{
    const char *name = hunt->search->image->link.name;
    CLEANUP(text_fini) struct text beside = {0};
    CLEANUP(text_fini) struct text below = {0};
    text_addf(&beside, "%s/%s", directory, name);
    text_addf(&below, "%s/.debug/%s", directory, name);
    bool own = !hunt->has_other_root;
    return try_in(hunt, own, text_get(&beside)) || try_in(hunt, own, text_get(&below));
}

// The next entry of a colon-separated list, on the heap; NULL at its end. Empty ones are left out.
static char *next_entry(const char **list)
{
    *list += strspn(*list, ":");
    size_t n = strcspn(*list, ":");
    char *entry = n == 0 ? NULL : alloc_text(*list, n);
    *list += n;
    return entry;
}

// An entry that is a file. It is for one binary: that it isn't for this one need not be told.
static bool try_entry(struct hunt *hunt, const char *entry)
{
    struct err before = *hunt->refused;
    bool is_found = try_path(hunt, entry);
    *hunt->refused = before;
    return is_found;
}

static bool find_by_build_id(struct hunt *hunt)
{
    const char *list = hunt->search->debug_path;
    const char *slash = strrchr(hunt->search->image_path, '/');
    CLEANUP(text_fini) struct text name = {0};
    text_addf(&name, "%s.debug", slash == NULL ? hunt->search->image_path : slash + 1);
    for (char *entry; (entry = next_entry(&list)) != NULL;) {
        CLEANUP(freep) char *directory = entry;
        if (try_build_id(hunt, directory) || try_entry(hunt, directory) ||
            try_name(hunt, directory, "", text_get(&name))) {
            return true;
        }
    }
    return try_build_id(hunt, usual_directory);
}

static bool find_by_link(struct hunt *hunt)
{
    const char *name = hunt->search->image->link.name;
    CLEANUP(freep) char *directory = directory_of(hunt->search->image_path);
    if (name[0] == 0 || directory == NULL) {
        return false;
    }
    if (try_beside(hunt, directory)) {
        return true;
    }
    const char *list = hunt->search->debug_path;
    for (char *entry; (entry = next_entry(&list)) != NULL;) {
        CLEANUP(freep) char *base = entry;
        if (try_name(hunt, base, directory, name) || try_name(hunt, base, "", name)) {
            return true;
        }
    }
    return try_name(hunt, usual_directory, directory, name);
}

// ---- Finding -----------------------------------------------------------------------------------

static bool is_own_root(const struct image_root *root)
{
    struct image_root *own = image_root_open_directory("/");
    bool same = root == NULL || root == own; // roots are shared
    image_root_unref(own);
    return same;
}

bool debug_file_find(const struct debug_search *search, struct debug_file *ret, struct err *reterr)
{
    struct debug_search kept = *search;
    kept.debug_path = search->debug_path == NULL ? "" : search->debug_path;
    struct err unread = {0};
    struct hunt hunt = {
        .search = &kept,
        .has_other_root = !is_own_root(search->root),
        .found = ret,
        .refused = reterr == NULL ? &unread : reterr,
    };
    *ret = (struct debug_file){.fd = -1};
    return find_by_build_id(&hunt) || find_by_link(&hunt);
}

void debug_file_close(struct debug_file *file)
{
    if (file->path != NULL) {
        closep(&file->fd);
        free(TAKE(file->path));
    }
}
