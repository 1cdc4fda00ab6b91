// Functions of which only .debug_frame says how to unwind them. The tests link this and read its
// file. There are enough of them for compressing to be worth it.

#include "image/test_support.h"

#define FUNCTION(name)                                                                             \
    int name(int x);                                                                               \
    int name(int x)                                                                                \
    {                                                                                              \
        volatile int room[16] = {x};                                                               \
        return room[x & 15] + 1;                                                                   \
    }
#define FUNCTIONS(name) FUNCTION(name##_1) FUNCTION(name##_2) FUNCTION(name##_3) FUNCTION(name##_4)

FUNCTION(debug_frame_function)
FUNCTIONS(debug_frame_a)
FUNCTIONS(debug_frame_b)
FUNCTIONS(debug_frame_c)
FUNCTIONS(debug_frame_d)
