// A library for modules.c whose function is no dynamic symbol: once it is stripped, only a debug
// file knows its name, which is -DHIDDEN=name.

#include "truth.h"

#define TEXT(name)  TEXT_(name)
#define TEXT_(name) #name
#define EXPORTED    __attribute__((visibility("default")))

WORK(HIDDEN)

EXPORTED extern const char hidden_name[];
const char hidden_name[] = TEXT(HIDDEN);

EXPORTED uint64_t hidden_enter(uint64_t budget_ns);
uint64_t hidden_enter(uint64_t budget_ns)
{
    return HIDDEN(budget_ns);
}
