// Known: a program that takes its own files away once they are mapped, before any work is done.
//
//     swapped delete-self PATH [MS=500]           PATH, its own binary, is deleted; then `own_work`
//     swapped delete LIBRARY [MS=500]             LIBRARY (plug_a) is loaded, then deleted
//     swapped replace LIBRARY OTHER [MS=500]      LIBRARY is loaded, then OTHER is renamed over it
//
// No answer may name a function of OTHER, whose addresses fit as well.

#include "truth.h"

#include <dlfcn.h>

WORK(own_work)

int main(int argc, char **argv)
{
    if (argc < 3) {
        return 2;
    }
    if (strcmp(argv[1], "delete-self") == 0) {
        if (unlink(argv[2]) != 0) {
            return 2;
        }
        tell_ready();
        truth_add("own_work", own_work(arg_ms(argc, argv, 3, 500)));
        truth_write();
        return 0;
    }
    void *library = dlopen(argv[2], RTLD_NOW);
    uint64_t (*work)(uint64_t) = NULL;
    *(void **)&work = library ? dlsym(library, "plug_a_work") : NULL;
    if (!work) {
        return 2;
    }
    const int replace = strcmp(argv[1], "replace") == 0;
    if (replace ? argc < 4 || rename(argv[3], argv[2]) != 0 : unlink(argv[2]) != 0) {
        return 2;
    }
    tell_ready();
    truth_add("plug_a_work", work(arg_ms(argc, argv, replace ? 4 : 3, 500)));
    truth_write();
    return 0;
}
