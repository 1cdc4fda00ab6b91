#include "image/demangle.h"

#include "base/alloc.h"
#include "base/limits.h"
#include "base/text.h"

#include <ctype.h>
#include <libiberty/demangle.h>
#include <setjmp.h>
#include <stdlib.h>

// A mangled name can refer back to its own parts, each reference doubling what is printed: thirty
// bytes more, a thousand times the output. libiberty bounds its recursion but neither its output
// nor its time, so for C++ and Rust the output is taken piece by piece and the work abandoned (by
// longjmp: all its memory is on the stack) when it has become too long. D has no such interface:
// there the length of a name and the number of its references are bounded before.
enum { D_NAME_BYTES_MAX = 1024, D_REFERENCES_MAX = 24 };

struct output {
    struct text text;
    bool too_long;
    jmp_buf give_up;
};

static bool is_ascii(const char *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if ((unsigned char)bytes[i] >= 0x80) {
            return false;
        }
    }
    return true;
}

static void take_piece(const char *piece, size_t n, void *context)
{
    struct output *output = context;
    output->too_long = output->too_long || output->text.n + n > LIMIT_SYMBOL_BYTES;
    if (!output->too_long) {
        text_add_bytes(&output->text, piece, n);
    } else if (is_ascii(piece, n)) {
        // The one thing on the heap while a piece is handed out is a decoded Rust identifier, and
        // that is never all ASCII. The piece after it is.
        longjmp(output->give_up, 1);
    }
}

typedef int (*demangler_fn)(const char *mangled, int options, demangle_callbackref callback,
                            void *context);

// The demangled name on the heap, or NULL.
static char *run(demangler_fn demangler, const char *mangled)
{
    struct output *output = NEW(struct output); // not a local: those are lost by longjmp
    char *result = NULL;
    if (setjmp(output->give_up) == 0 &&
        demangler(mangled, DMGL_PARAMS | DMGL_ANSI, take_piece, output) != 0 && !output->too_long &&
        output->text.n > 0) {
        result = text_take(&output->text);
    }
    text_fini(&output->text);
    free(output);
    return result;
}

static char *run_d(const char *mangled)
{
    size_t n_references = 0;
    size_t n = 0;
    for (; mangled[n] != 0; n++) {
        n_references += mangled[n] == 'Q';
    }
    if (n > D_NAME_BYTES_MAX || n_references > D_REFERENCES_MAX) {
        return NULL;
    }
    char *result = dlang_demangle(mangled, DMGL_PARAMS | DMGL_ANSI);
    if (result != NULL && strlen(result) > LIMIT_SYMBOL_BYTES) {
        free(result);
        return NULL;
    }
    return result;
}

// ---- What kind of name it is -------------------------------------------------------------------

static bool starts_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

// `_ZN…17h<16 hex digits>E`, perhaps with a suffix behind: the hash that ends every legacy Rust
// name. *ret_n is the length up to and with that E.
static bool is_rust_legacy(const char *name, size_t *ret_n)
{
    if (!starts_with(name, "_ZN")) {
        return false;
    }
    for (const char *at = name; (at = strstr(at, "17h")) != NULL; at++) {
        size_t n_hex = strspn(at + 3, "0123456789abcdef");
        if (n_hex == 16 && at[19] == 'E' && (at[20] == 0 || at[20] == '.')) {
            *ret_n = (size_t)(at - name) + 20;
            return true;
        }
    }
    return false;
}

// A name of C, perhaps with a suffix that a compiler adds: `f.part.0`. Others are full of dots too:
// `runtime.mallocgc` is Go.
static bool is_c_name(const char *name)
{
    static const char *const suffixes[] = {".cold", ".constprop.", ".isra.",  ".localalias",
                                           ".part", ".lto_priv.",  ".__uniq."};
    size_t n = 0;
    while (isalnum((unsigned char)name[n]) || name[n] == '_' || name[n] == '$') {
        n++;
    }
    if (n == 0 || isdigit((unsigned char)name[0])) {
        return false;
    }
    const char *rest = name + n;
    bool is_known = rest[0] == 0 || (rest[0] == '.' && isdigit((unsigned char)rest[1]));
    for (size_t i = 0; i < ARRAY_LEN(suffixes) && !is_known; i++) {
        is_known = starts_with(rest, suffixes[i]);
    }
    return is_known;
}

// The length of `name` without its version (`@@GLIBC_2.2.5`) and without `.llvm.812`.
static size_t length_without_tags(const char *name)
{
    const char *at = strchr(name, '@');
    size_t n = at == NULL || at == name ? strlen(name) : (size_t)(at - name);
    size_t tag = n;
    while (tag > 0 && isdigit((unsigned char)name[tag - 1])) {
        tag--;
    }
    static const char llvm[] = ".llvm.";
    size_t n_llvm = sizeof llvm - 1;
    bool is_tagged = tag < n && tag > n_llvm && memcmp(name + tag - n_llvm, llvm, n_llvm) == 0;
    return is_tagged ? tag - n_llvm : n;
}

// libiberty drops what stands behind a Rust name: `.cold`. It is put back.
static char *run_rust(const char *name, size_t n)
{
    CLEANUP(freep) char *mangled = alloc_text(name, n);
    CLEANUP(freep) char *plain = run(rust_demangle_callback, mangled);
    if (plain == NULL) {
        return NULL;
    }
    CLEANUP(text_fini) struct text whole = {0};
    text_add(&whole, plain);
    text_add(&whole, name + n);
    return text_take(&whole);
}

static char *demangle_plain(const char *name, enum symbol_lang *ret_lang)
{
    *ret_lang = SYMBOL_UNKNOWN;
    char *result = NULL;
    size_t n;
    if (is_rust_legacy(name, &n) && (result = run_rust(name, n)) != NULL) {
        *ret_lang = SYMBOL_RUST;
    } else if (starts_with(name, "_R") && (result = run_rust(name, strcspn(name, "."))) != NULL) {
        *ret_lang = SYMBOL_RUST;
    } else if (starts_with(name, "_Z") &&
               (result = run(cplus_demangle_v3_callback, name)) != NULL) {
        *ret_lang = SYMBOL_CPP;
    } else if (starts_with(name, "_D") && (result = run_d(name)) != NULL) {
        *ret_lang = SYMBOL_D;
    } else if (is_c_name(name) && !starts_with(name, "_Z") && !starts_with(name, "_R")) {
        *ret_lang = SYMBOL_C;
    }
    return result;
}

// `puts@plt` is a stub (image/elf_stubs.h), not a version of `puts`.
static const char stub_suffix[] = "@plt";

static bool is_stub(const char *name, size_t n)
{
    size_t n_suffix = sizeof stub_suffix - 1;
    return n > n_suffix && memcmp(name + n - n_suffix, stub_suffix, n_suffix) == 0;
}

static char *demangle_stub(const char *name, size_t n, enum symbol_lang *ret_lang)
{
    CLEANUP(freep) char *callee = alloc_text(name, n - (sizeof stub_suffix - 1));
    CLEANUP(freep) char *readable = demangle_plain(callee, ret_lang);
    struct text whole = {0};
    text_add(&whole, readable != NULL ? readable : callee);
    text_add(&whole, stub_suffix);
    return text_take(&whole);
}

char *demangle(const char *name, enum symbol_lang *ret_lang)
{
    *ret_lang = SYMBOL_UNKNOWN;
    size_t n = strnlen(name, LIMIT_SYMBOL_BYTES + 1);
    if (n > LIMIT_SYMBOL_BYTES) {
        return alloc_text(name, strlen(name));
    }
    if (is_stub(name, n)) {
        return demangle_stub(name, n, ret_lang);
    }
    CLEANUP(freep) char *plain = alloc_text(name, length_without_tags(name));
    char *result = demangle_plain(plain, ret_lang);
    return result != NULL ? result : TAKE(plain);
}
