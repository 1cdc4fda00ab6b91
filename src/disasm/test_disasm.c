#include "disasm/disasm.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void test_says_which_machines_it_knows(void **state)
{
    (void)state;
    struct err err;
    struct disasm *disasm = NULL;
    assert_int_equal(disasm_open(ARCH_UNKNOWN, DISASM_INTEL, &disasm, &err), -ENOTSUP);
    assert_null(disasm);
    assert_non_null(strstr(err.text, "AArch64"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_says_which_machines_it_knows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
