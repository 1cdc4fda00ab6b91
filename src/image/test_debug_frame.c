// A function of which only .debug_frame says how to unwind it. The tests link it and read its file.

#include "image/test_support.h"

int debug_frame_function(int x)
{
    volatile int room[16] = {x};
    return room[x & 15] + 1;
}
