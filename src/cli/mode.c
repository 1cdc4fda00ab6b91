#include "cli/mode.h"

#include "base/log.h"

bool mode_read(const struct mode_options *options, enum mode *ret)
{
    if (options->off_cpu && options->wall) {
        log_error(
            "--off-cpu and --wall exclude each other; --wall is waiting and running together");
        return false;
    }
    *ret = options->wall                                 ? MODE_WALL
           : options->off_cpu || options->reason != NULL ? MODE_OFF_CPU
                                                         : MODE_ON_CPU;
    return true;
}

const char *mode_word(enum mode mode)
{
    static const char *const words[] = {
        [MODE_ON_CPU] = "on_cpu",
        [MODE_OFF_CPU] = "off_cpu",
        [MODE_WALL] = "wall",
    };
    return words[mode];
}

const char *mode_things(enum mode mode)
{
    static const char *const things[] = {
        [MODE_ON_CPU] = "samples",
        [MODE_OFF_CPU] = "waits",
        [MODE_WALL] = "samples and no waits",
    };
    return things[mode];
}

uint64_t mode_ns(enum mode mode, uint64_t on_cpu_ns, uint64_t off_cpu_ns)
{
    return (mode == MODE_OFF_CPU ? 0 : on_cpu_ns) + (mode == MODE_ON_CPU ? 0 : off_cpu_ns);
}
