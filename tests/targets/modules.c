// Known: how long each library of a directory worked, in a function of a name of its own. Loads all
// of them and enters one after the other, round by round; 0 rounds: for ever.
//
//     modules DIR [MS_PER_LIBRARY=100] [ROUNDS=1]

#include "truth.h"

#include <dlfcn.h>
#include <glob.h>

enum { MODULES_MAX = 64 };

struct module {
    const char *name;
    uint64_t (*enter)(uint64_t budget_ns);
};

static struct module load(const char *path)
{
    void *library = dlopen(path, RTLD_NOW);
    if (!library) {
        fprintf(stderr, "%s\n", dlerror());
        exit(2);
    }
    struct module module = {.name = dlsym(library, "hidden_name")};
    *(void **)&module.enter = dlsym(library, "hidden_enter");
    if (!module.name || !module.enter) {
        exit(2);
    }
    return module;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        return 2;
    }
    char pattern[4096];
    snprintf(pattern, sizeof pattern, "%s/*.so", argv[1]);
    const uint64_t budget_ns = arg_ms(argc, argv, 2, 100);
    const int rounds = arg_int(argc, argv, 3, 1);
    glob_t found;
    if (glob(pattern, 0, NULL, &found) != 0 || found.gl_pathc > MODULES_MAX) {
        return 2;
    }
    static struct module modules[MODULES_MAX];
    for (size_t i = 0; i < found.gl_pathc; i++) {
        modules[i] = load(found.gl_pathv[i]);
    }
    tell_ready();
    for (int round = 0; rounds == 0 || round < rounds; round++) {
        for (size_t i = 0; i < found.gl_pathc; i++) {
            truth_add(modules[i].name, modules[i].enter(budget_ns));
        }
    }
    truth_write();
    return 0;
}
