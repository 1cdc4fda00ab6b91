// Known: two libraries, one after the other at the same address. libplug_a.so is loaded, works in
// `plug_a_work`, is unloaded; then libplug_b.so of the same size works in `plug_b_work`. The truth
// says in "same_address" whether the loader really put both functions at the same place.
//
//     plugins DIR [MS_PER_LIBRARY=400] [ROUNDS=1]

#include "truth.h"

#include <dlfcn.h>

static uintptr_t use(const char *dir, const char *letter, const char *function, uint64_t budget_ns)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/libplug_%s.so", dir, letter);
    void *library = dlopen(path, RTLD_NOW);
    if (!library) {
        fprintf(stderr, "%s\n", dlerror());
        exit(2);
    }
    uint64_t (*work)(uint64_t) = NULL;
    *(void **)&work = dlsym(library, function);
    if (!work) {
        exit(2);
    }
    truth_add(function, work(budget_ns));
    const uintptr_t address = (uintptr_t)work;
    dlclose(library);
    return address;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        return 2;
    }
    const uint64_t budget_ns = arg_ms(argc, argv, 2, 400);
    const int rounds = arg_int(argc, argv, 3, 1);
    int same = 1;
    tell_ready();
    for (int i = 0; i < rounds; i++) {
        const uintptr_t a = use(argv[1], "a", "plug_a_work", budget_ns);
        const uintptr_t b = use(argv[1], "b", "plug_b_work", budget_ns);
        same = same && a == b;
    }
    truth_write_extra(same ? ", \"same_address\": true" : ", \"same_address\": false");
    return 0;
}
