// Functions that never return, by name. Compilers know them by their declarations, which are not
// in the binary; so this is a list of those that many programs call, like objtool's for the kernel.
//
// A name that is missing costs an edge that is never taken. A name too many hides one that is, so
// those are left out that may return (`error`, `g_assertion_message`), and those that programs also
// give to functions of their own (`err`, `die`, `fatal`).

#include "disasm/blocks.h"

#include "base/bytes.h"

#include <ctype.h>
#include <stdlib.h>

// Whole names, as strcmp() sorts them.
static const char *const whole[] = {
    "Py_Exit",
    "Py_FatalError",
    "_Exit",
    "_PyErr_FatalErrorFunc",
    "_Py_FatalErrorFormat",
    "_Py_FatalErrorFunc",
    "_Unwind_Resume",
    "_ZSt10unexpectedv",
    "_ZSt17rethrow_exceptionNSt15__exception_ptr13exception_ptrE",
    "_ZSt21__glibcxx_assert_failPKciS0_S0_",
    "_ZSt9terminatev",
    "__assert",
    "__assert_fail",
    "__assert_perror_fail",
    "__chk_fail",
    "__clang_call_terminate",
    "__cxa_bad_cast",
    "__cxa_bad_typeid",
    "__cxa_call_terminate",
    "__cxa_call_unexpected",
    "__cxa_deleted_virtual",
    "__cxa_pure_virtual",
    "__cxa_rethrow",
    "__cxa_throw",
    "__cxa_throw_bad_array_new_length",
    "__fortify_fail",
    "__gnu_cxx::__verbose_terminate_handler",
    "__libc_fatal",
    "__libc_start_call_main",
    "__longjmp_chk",
    "__module_put_and_kthread_exit",
    "__pthread_exit",
    "__pthread_unwind",
    "__pthread_unwind_next",
    "__rust_start_panic",
    "__stack_chk_fail",
    "__stack_chk_fail_local",
    "__ubsan_handle_builtin_unreachable",
    "__ubsan_handle_missing_return",
    "_exit",
    "_longjmp",
    "abort",
    "alloc::alloc::handle_alloc_error",
    "alloc::raw_vec::capacity_overflow",
    "alloc::raw_vec::handle_error",
    "caml_failwith",
    "caml_fatal_error",
    "caml_invalid_argument",
    "do_exit",
    "do_group_exit",
    "do_task_dead",
    "errx",
    "exit",
    "fortify_panic",
    "g_abort",
    "kthread_exit",
    "longjmp",
    "make_task_dead",
    "os.Exit",
    "panic",
    "pthread_exit",
    "quick_exit",
    "rewind_stack_and_make_dead",
    "runtime.Goexit",
    "runtime.abort",
    "runtime.exit",
    "runtime.fatalpanic",
    "runtime.fatalthrow",
    "runtime.gopanic",
    "runtime.panicwrap",
    "runtime.throw",
    "rust_panic",
    "siglongjmp",
    "std::nested_exception::rethrow_nested",
    "std::process::abort",
    "std::process::exit",
    "std::rethrow_exception",
    "std::terminate",
    "std::unexpected",
    "thrd_exit",
    "verrx",
    "xalloc_die",
};

// Families: whatever begins like that.
static const char *const families[] = {
    "core::cell::panic_already_",
    "core::option::expect_failed",
    "core::option::unwrap_failed",
    "core::panicking::",
    "core::result::unwrap_failed",
    "core::slice::copy_from_slice_",
    "core::slice::index::slice_",
    "core::str::slice_error_fail",
    "llvm::llvm_unreachable_internal",
    "llvm::report_fatal_error",
    "runtime.goPanic",
    "runtime.panicIndex",
    "runtime.panicSlice",
    "runtime.panicdivide",
    "runtime.panicdottype",
    "runtime.panicmem",
    "runtime.panicnildottype",
    "runtime.panicoverflow",
    "runtime.panicshift",
    "runtime.panicunsafe",
    "std::__glibcxx_assert_fail",
    "std::__throw_",
    "std::panicking::begin_panic",
    "std::panicking::rust_panic",
    "std::rt::begin_panic",
};

static bool starts_with(struct slice name, const char *prefix)
{
    size_t n = strlen(prefix);
    return name.n >= n && memcmp(name.data, prefix, n) == 0;
}

// Without what compilers and linkers put behind a name: `@plt`, `@@GLIBC_2.2.5`, ` [clone .cold]`,
// `.part.0`, `::h0123456789abcdef`, and the parameters of a C++ function.
static struct slice bare(const char *name)
{
    struct slice bytes = {(const uint8_t *)name, strcspn(name, "@([ ")};
    static const char *const suffixes[] = {".part.", ".cold", ".isra.", ".constprop.", ".llvm."};
    for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
        const uint8_t *at = memmem(bytes.data, bytes.n, suffixes[i], strlen(suffixes[i]));
        bytes.n = at == NULL ? bytes.n : (size_t)(at - bytes.data);
    }
    static const size_t hash_bytes = sizeof "::h0123456789abcdef" - 1;
    if (bytes.n > hash_bytes && memcmp(bytes.data + bytes.n - hash_bytes, "::h", 3) == 0) {
        bytes.n -= hash_bytes;
    }
    return bytes;
}

// libstdc++'s `std::__throw_…`, not demangled: `_ZSt20__throw_length_errorPKc`.
static bool is_mangled_throw(struct slice name)
{
    size_t at = strlen("_ZSt");
    if (!starts_with(name, "_ZSt")) {
        return false;
    }
    while (at < name.n && isdigit(name.data[at])) {
        at++;
    }
    return starts_with((struct slice){name.data + at, name.n - at}, "__throw_");
}

static int compare_whole(const void *key, const void *row)
{
    const struct slice *name = key;
    const char *text = *(const char *const *)row;
    int order = strncmp((const char *)name->data, text, name->n);
    return order != 0 ? order : text[name->n] == 0 ? 0 : -1;
}

bool noreturn_name(const char *name)
{
    struct slice bytes = bare(name);
    if (bytes.n == 0) {
        return false;
    }
    if (bsearch(&bytes, whole, ARRAY_LEN(whole), sizeof *whole, compare_whole) != NULL) {
        return true;
    }
    for (size_t i = 0; i < ARRAY_LEN(families); i++) {
        if (starts_with(bytes, families[i])) {
            return true;
        }
    }
    return is_mangled_throw(bytes);
}
