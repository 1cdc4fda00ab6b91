#include "image/demangle.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/text.h"
#include "image/test_support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

struct row {
    const char *mangled;
    const char *readable; // NULL: the same
    enum symbol_lang lang;
};

static const struct row rows[] = {
    // C, and what compilers and linkers put behind it
    {"main", NULL, SYMBOL_C},
    {"_start", NULL, SYMBOL_C},
    {"__libc_start_main@@GLIBC_2.34", "__libc_start_main", SYMBOL_C},
    {"realpath@GLIBC_2.3", "realpath", SYMBOL_C},
    {"parse_args.constprop.0", NULL, SYMBOL_C},
    {"do_work.isra.0.cold", NULL, SYMBOL_C},
    {"static_one.llvm.1234567890", "static_one", SYMBOL_C},
    {"thing.part.3", NULL, SYMBOL_C},
    {"local.7", NULL, SYMBOL_C},
    {"_DYNAMIC", NULL, SYMBOL_C},
    {"_Reallocate", NULL, SYMBOL_UNKNOWN},
    // C++
    {"_Z3foov", "foo()", SYMBOL_CPP},
    {"_Z3foov.constprop.0", "foo() [clone .constprop.0]", SYMBOL_CPP},
    {"_Z3foov@@VERS_1.0", "foo()", SYMBOL_CPP},
    {"_Z3fooi.llvm.99", "foo(int)", SYMBOL_CPP},
    {"_ZNK6matrixclEii", "matrix::operator()(int, int) const", SYMBOL_CPP},
    {"_ZN6matrixpLERKS_", "matrix::operator+=(matrix const&)", SYMBOL_CPP},
    {"_ZNK6matrixcvbEv", "matrix::operator bool() const", SYMBOL_CPP},
    {"_ZN6matrix3getIlEET_S1_", "long matrix::get<long>(long)", SYMBOL_CPP},
    {"_ZN12_GLOBAL__N_16hiddenEi", "(anonymous namespace)::hidden(int)", SYMBOL_CPP},
    {"_ZZN12_GLOBAL__N_16hiddenEiENKUliE_clEi",
     "(anonymous namespace)::hidden(int)::{lambda(int)#1}::operator()(int) const", SYMBOL_CPP},
    {"_ZNSt3mapINSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEEiSt4lessIS5_ESaISt4pairIKS5_iEE"
     "EixERS9_",
     "std::map<std::__cxx11::basic_string<char, std::char_traits<char>, std::allocator<char> >, int, "
     "std::less<std::__cxx11::basic_string<char, std::char_traits<char>, std::allocator<char> > >, "
     "std::allocator<std::pair<std::__cxx11::basic_string<char, std::char_traits<char>, "
     "std::allocator<char> > const, int> > >::operator[](std::__cxx11::basic_string<char, "
     "std::char_traits<char>, std::allocator<char> > const&)",
     SYMBOL_CPP},
    {"_ZN3app3sumIJildEEEiDpT_", "int app::sum<int, long, double>(int, long, double)", SYMBOL_CPP},
    {"_ZN3app4ringIdLi3EE4eachIZ4mainEUlRdE_EEvT_",
     "void app::ring<double, 3>::each<main::{lambda(double&)#1}>(main::{lambda(double&)#1})",
     SYMBOL_CPP},
    {"_ZNK3app7genericMUlT_DpOT0_E_clIiJRA2_KcdEEEDaS0_S3_",
     "auto app::generic::{lambda(auto:1, (auto:2&&)...)#1}::operator()<int, char const (&) [2], "
     "double>(app::generic, char const (&) [2]) const",
     SYMBOL_CPP},
    {"_ZNSt14_Function_base13_Base_managerIZN3app4makeEiEUliE_E21_M_not_empty_functionIS2_EEbRKT_",
     "bool std::_Function_base::_Base_manager<app::make(int)::{lambda(int)#1}>::_M_not_empty_"
     "function<app::make(int)::{lambda(int)#1}>(app::make(int)::{lambda(int)#1} const&)",
     SYMBOL_CPP},
    {"_ZN3app5valueILb1EEEiv", "int app::value<true>()", SYMBOL_CPP},
    {"_ZN3appli3_kmEy", "app::operator\"\" _km(unsigned long long)", SYMBOL_CPP},
    {"_ZN3app4baseD0Ev", "app::base::~base()", SYMBOL_CPP},
    {"_ZTv0_n24_N3app4baseD1Ev", "virtual thunk to app::base::~base()", SYMBOL_CPP},
    {"_ZGVZN3app4makeEiE1k", "guard variable for app::make(int)::k", SYMBOL_CPP},
    {"_ZN3app4makeEi.part.0.cold", "app::make(int) [clone .part.0] [clone .cold]", SYMBOL_CPP},
    // Stubs
    {"puts@plt", NULL, SYMBOL_C},
    {"_ZN3app4makeEi@plt", "app::make(int)@plt", SYMBOL_CPP},
    {"_RNvCs6GmmlP4bgsG_1r4main@plt", "r::main@plt", SYMBOL_RUST},
    {"*ABS*+0x9f550@plt", NULL, SYMBOL_UNKNOWN},
    {"@plt", NULL, SYMBOL_UNKNOWN},
    // Rust, legacy
    {"_ZN1r5shape5apply17h2ead3cb165823035E", "r::shape::apply", SYMBOL_RUST},
    {"_ZN1r4main28_$u7b$$u7b$closure$u7d$$u7d$17h79fd6d1f1b9eb592E", "r::main::{{closure}}",
     SYMBOL_RUST},
    {"_ZN62_$LT$r..shape..Circle$LT$f64$GT$$u20$as$u20$r..shape..Area$GT$4area17hb38b2cbaf0c76ea5E",
     "<r::shape::Circle<f64> as r::shape::Area>::area", SYMBOL_RUST},
    {"_ZN1r5shape5apply17h2ead3cb165823035E.llvm.1234", "r::shape::apply", SYMBOL_RUST},
    {"_ZN1r5shape5apply17h2ead3cb165823035E.cold", "r::shape::apply.cold", SYMBOL_RUST},
    // Rust, v0
    {"_RNvCs6GmmlP4bgsG_1r4main", "r::main", SYMBOL_RUST},
    {"_RNCNvCs6GmmlP4bgsG_1r4main0B3_", "r::main::{closure#0}", SYMBOL_RUST},
    {"_RINvNtCs6GmmlP4bgsG_1r5shape5applyNCNvB4_4main0EB4_",
     "r::shape::apply::<r::main::{closure#0}>", SYMBOL_RUST},
    {"_RNvXNtCs6GmmlP4bgsG_1r5shapeINtB2_6CircledENtB2_4Area4area",
     "<r::shape::Circle<f64> as r::shape::Area>::area", SYMBOL_RUST},
    {"_RNvCs6GmmlP4bgsG_1r4main.cold.1", "r::main.cold.1", SYMBOL_RUST},
    // D
    {"_Dmain", "D main", SYMBOL_D},
    {"_D8demangle4testFiZv", "demangle.test(int)", SYMBOL_D},
    {"_D8demangle4testFAyaZv", "demangle.test(immutable(char)[])", SYMBOL_D},
    {"_D6object6Object8toStringMFZAya", "object.Object.toString()", SYMBOL_D},
    {"_D3app4mainFZ9__lambda1MFNaNbNiNfiZi", "app.main().__lambda1(int)", SYMBOL_D},
    {"_D3std5stdio__T7writelnTAyaZQnFNfQjZv",
     "std.stdio.writeln!(immutable(char)[]).writeln(immutable(char)[])", SYMBOL_D},
    {"_D2rt6dmain212_d_run_main2UAAamPUQgZiZ6runAllMFZv",
     "rt.dmain2._d_run_main2(char[][], ulong, extern(C) int(char[][]) function).runAll()",
     SYMBOL_D},
    {"_D3app3runFiZv@plt", "app.run(int)@plt", SYMBOL_D},
    // Something else
    {"runtime.mallocgc", NULL, SYMBOL_UNKNOWN},
    {"main.(*server).run", NULL, SYMBOL_UNKNOWN},
    {"", NULL, SYMBOL_UNKNOWN},
    {"_Z", NULL, SYMBOL_UNKNOWN},
    {"_ZN", NULL, SYMBOL_UNKNOWN},
    {"_Z999999999999foo", NULL, SYMBOL_UNKNOWN},
    {"_RNvC", NULL, SYMBOL_UNKNOWN},
    {"_D9", NULL, SYMBOL_C},
    {"@", NULL, SYMBOL_UNKNOWN},
    {"17h0123456789abcdefE", NULL, SYMBOL_UNKNOWN},
    {"\xff\x01\x1b[2J", NULL, SYMBOL_UNKNOWN},
    {".text", NULL, SYMBOL_UNKNOWN},
};

static void test_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        enum symbol_lang lang;
        CLEANUP(freep) char *readable = demangle(rows[i].mangled, &lang);
        const char *expected = rows[i].readable == NULL ? rows[i].mangled : rows[i].readable;
        assert_string_equal(readable, expected);
        if (lang != rows[i].lang) {
            fail_msg("%s: %s, not %s", expected, symbol_lang_name(lang),
                     symbol_lang_name(rows[i].lang));
        }
    }
}

// ---- Against c++filt ---------------------------------------------------------------------------

// Versions and marks of link-time optimisation are cut here and not there; and with Rust it shows
// hashes, which are left out here.
static bool is_known_to_filt(const struct row *row)
{
    return (row->lang == SYMBOL_CPP || row->lang == SYMBOL_D) &&
           strchr(row->mangled, '@') == NULL && strstr(row->mangled, ".llvm.") == NULL;
}

static bool filt(const struct row *row, struct text *ret)
{
    char *format = row->lang == SYMBOL_D ? (char[]){"dlang"} : (char[]){"auto"};
    char *argv[] = {(char[]){"c++filt"}, (char[]){"-s"}, format, (char *)(uintptr_t)row->mangled,
                    NULL};
    bool ok = command_output(argv, ret);
    if (ok && ret->n > 0 && ret->at[ret->n - 1] == '\n') {
        ret->at[--ret->n] = 0;
    }
    return ok;
}

static void test_agrees_with_filt(void **state)
{
    (void)state;
    size_t n = 0;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        CLEANUP(text_fini) struct text text = {0};
        if (!is_known_to_filt(&rows[i])) {
            continue;
        }
        if (!filt(&rows[i], &text)) {
            print_message("no c++filt here\n");
            skip();
        }
        assert_string_equal(text_get(&text), rows[i].readable);
        n++;
    }
    print_message("%zu names as from c++filt\n", n);
    assert_true(n > 20);
}

// ---- What must not take for ever ---------------------------------------------------------------

// Comes back as it is, and soon: half a second is a thousand times what it needs, while the whole
// output would take years.
static void assert_refused(const char *mangled)
{
    enum symbol_lang lang;
    uint64_t before_ns = clock_thread_cpu_ns();
    CLEANUP(freep) char *readable = demangle(mangled, &lang);
    assert_string_equal(readable, mangled);
    assert_true(clock_thread_cpu_ns() - before_ns < NS_PER_S / 2);
}

// _Z1f(pair<int, int>, pair<that, that>, pair<that, that>, …)
static void test_cpp_that_explodes(void **state)
{
    (void)state;
    static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    CLEANUP(text_fini) struct text name = {0};
    text_add(&name, "_Z1fSt4pairIiiE");
    for (int i = 0; i < 35; i++) {
        text_addf(&name, "S_IS%c_S%c_E", digits[i], digits[i]);
    }
    assert_refused(text_get(&name));
}

// `B<n>_` points back to a byte behind `_R`: "_" is 0, "0_" is 1 (RFC 2603).
static void add_back_reference(struct text *name, size_t at)
{
    static const char digits[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    text_add(name, "B");
    if (at > 62) {
        text_add_char(name, digits[(at - 1) / 62]);
    }
    if (at > 0) {
        text_add_char(name, digits[(at - 1) % 62]);
    }
    text_add(name, "_");
}

// a::f::<(usize, usize), (that, that), …>, with `crate` as the name of the crate.
static void rust_that_explodes(struct text *name, const char *crate, int levels)
{
    text_addf(name, "_RINvC%s1f", crate);
    size_t last = name->n - 2;
    text_add(name, "TjjE");
    for (int i = 0; i < levels; i++) {
        size_t here = name->n - 2;
        text_add(name, "T");
        add_back_reference(name, last);
        add_back_reference(name, last);
        text_add(name, "E");
        last = here;
    }
    text_add(name, "E");
}

static void test_rust_that_explodes(void **state)
{
    (void)state;
    CLEANUP(text_fini) struct text small = {0};
    rust_that_explodes(&small, "1a", 1);
    enum symbol_lang lang;
    CLEANUP(freep) char *readable = demangle(text_get(&small), &lang);
    assert_string_equal(readable, "a::f::<(usize, usize), ((usize, usize), (usize, usize))>");
    CLEANUP(text_fini) struct text big = {0};
    rust_that_explodes(&big, "1a", 50);
    assert_refused(text_get(&big));
}

static void assert_demangled(const char *mangled, const char *readable)
{
    enum symbol_lang lang;
    CLEANUP(freep) char *got = demangle(mangled, &lang);
    assert_string_equal(got, readable);
}

// The pieces that overflow are decoded identifiers, which libiberty holds on the heap meanwhile.
static void punycode_that_explodes(struct text *name, int levels)
{
    text_add(name, "_RINvC1a1f");
    size_t last = name->n - 2;
    text_add(name, "NtC1au8gdel_5qa");
    for (int i = 0; i < levels; i++) {
        size_t here = name->n - 2;
        text_add(name, "T");
        add_back_reference(name, last);
        add_back_reference(name, last);
        text_add(name, "E");
        last = here;
    }
    text_add(name, "E");
}

static void test_rust_that_explodes_with_punycode(void **state)
{
    (void)state;
    CLEANUP(text_fini) struct text small = {0};
    punycode_that_explodes(&small, 1);
    assert_demangled(text_get(&small), "a::f::<a::g\xc3\xb6"
                                       "del, (a::g\xc3\xb6"
                                       "del, a::g\xc3\xb6"
                                       "del)>");
    CLEANUP(text_fini) struct text big = {0};
    punycode_that_explodes(&big, 50);
    assert_refused(text_get(&big));
}

// Each associative array has the one before as its key and as its value.
static void d_that_explodes(struct text *name, int levels)
{
    text_add(name, "_D8demangle4testFHii");
    for (int i = 0; i < levels; i++) {
        text_add(name, i == 0 ? "HQeQg" : "HQgQi");
    }
    text_add(name, "Zv");
}

static void test_d_that_explodes(void **state)
{
    (void)state;
    CLEANUP(text_fini) struct text small = {0};
    d_that_explodes(&small, 1);
    assert_demangled(text_get(&small), "demangle.test(int[int], int[int][int[int]])");
    CLEANUP(text_fini) struct text big = {0};
    d_that_explodes(&big, 40);
    assert_refused(text_get(&big));
}

static void test_very_long_names_stay(void **state)
{
    (void)state;
    size_t n = 2 * LIMIT_SYMBOL_BYTES;
    static const char *const starts[] = {"_Z",       "_ZN",           "_R", "_D", "f",
                                         "_ZN1a17h", "_RTTTTTTTTTTTT"};
    for (size_t i = 0; i < ARRAY_LEN(starts); i++) {
        for (size_t length = LIMIT_SYMBOL_BYTES / 2; length <= n; length *= 2) {
            CLEANUP(freep) char *name = NEW_ARRAY(char, length + 1);
            memset(name, "PTNF"[i % 4], length);
            memcpy(name, starts[i], strlen(starts[i]));
            assert_refused(name);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_agrees_with_filt),
        cmocka_unit_test(test_cpp_that_explodes),
        cmocka_unit_test(test_rust_that_explodes),
        cmocka_unit_test(test_rust_that_explodes_with_punycode),
        cmocka_unit_test(test_d_that_explodes),
        cmocka_unit_test(test_very_long_names_stay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
