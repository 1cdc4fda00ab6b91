// Known: 64 threads, each named hot-NN and working only in its own function hot_NN, all for the
// same CPU time.
//
//     threads64 [MS_PER_THREAD=30]

#include "truth.h"

// clang-format off
WORK(hot_00) WORK(hot_01) WORK(hot_02) WORK(hot_03) WORK(hot_04) WORK(hot_05) WORK(hot_06) WORK(hot_07)
WORK(hot_08) WORK(hot_09) WORK(hot_10) WORK(hot_11) WORK(hot_12) WORK(hot_13) WORK(hot_14) WORK(hot_15)
WORK(hot_16) WORK(hot_17) WORK(hot_18) WORK(hot_19) WORK(hot_20) WORK(hot_21) WORK(hot_22) WORK(hot_23)
WORK(hot_24) WORK(hot_25) WORK(hot_26) WORK(hot_27) WORK(hot_28) WORK(hot_29) WORK(hot_30) WORK(hot_31)
WORK(hot_32) WORK(hot_33) WORK(hot_34) WORK(hot_35) WORK(hot_36) WORK(hot_37) WORK(hot_38) WORK(hot_39)
WORK(hot_40) WORK(hot_41) WORK(hot_42) WORK(hot_43) WORK(hot_44) WORK(hot_45) WORK(hot_46) WORK(hot_47)
WORK(hot_48) WORK(hot_49) WORK(hot_50) WORK(hot_51) WORK(hot_52) WORK(hot_53) WORK(hot_54) WORK(hot_55)
WORK(hot_56) WORK(hot_57) WORK(hot_58) WORK(hot_59) WORK(hot_60) WORK(hot_61) WORK(hot_62) WORK(hot_63)

static const struct { const char *name; uint64_t (*work)(uint64_t); } jobs[64] = {
    {"hot_00", hot_00}, {"hot_01", hot_01}, {"hot_02", hot_02}, {"hot_03", hot_03},
    {"hot_04", hot_04}, {"hot_05", hot_05}, {"hot_06", hot_06}, {"hot_07", hot_07},
    {"hot_08", hot_08}, {"hot_09", hot_09}, {"hot_10", hot_10}, {"hot_11", hot_11},
    {"hot_12", hot_12}, {"hot_13", hot_13}, {"hot_14", hot_14}, {"hot_15", hot_15},
    {"hot_16", hot_16}, {"hot_17", hot_17}, {"hot_18", hot_18}, {"hot_19", hot_19},
    {"hot_20", hot_20}, {"hot_21", hot_21}, {"hot_22", hot_22}, {"hot_23", hot_23},
    {"hot_24", hot_24}, {"hot_25", hot_25}, {"hot_26", hot_26}, {"hot_27", hot_27},
    {"hot_28", hot_28}, {"hot_29", hot_29}, {"hot_30", hot_30}, {"hot_31", hot_31},
    {"hot_32", hot_32}, {"hot_33", hot_33}, {"hot_34", hot_34}, {"hot_35", hot_35},
    {"hot_36", hot_36}, {"hot_37", hot_37}, {"hot_38", hot_38}, {"hot_39", hot_39},
    {"hot_40", hot_40}, {"hot_41", hot_41}, {"hot_42", hot_42}, {"hot_43", hot_43},
    {"hot_44", hot_44}, {"hot_45", hot_45}, {"hot_46", hot_46}, {"hot_47", hot_47},
    {"hot_48", hot_48}, {"hot_49", hot_49}, {"hot_50", hot_50}, {"hot_51", hot_51},
    {"hot_52", hot_52}, {"hot_53", hot_53}, {"hot_54", hot_54}, {"hot_55", hot_55},
    {"hot_56", hot_56}, {"hot_57", hot_57}, {"hot_58", hot_58}, {"hot_59", hot_59},
    {"hot_60", hot_60}, {"hot_61", hot_61}, {"hot_62", hot_62}, {"hot_63", hot_63},
};
// clang-format on

static uint64_t budget_ns;

static void *thread_main(void *arg)
{
    const int i = (int)(intptr_t)arg;
    char name[16];
    snprintf(name, sizeof name, "hot-%02d", i);
    pthread_setname_np(pthread_self(), name);
    truth_add(jobs[i].name, jobs[i].work(budget_ns));
    truth_add_thread(name);
    return NULL;
}

int main(int argc, char **argv)
{
    budget_ns = arg_ms(argc, argv, 1, 30);
    tell_ready();
    pthread_t threads[64];
    for (int i = 0; i < 64; i++) {
        if (pthread_create(&threads[i], NULL, thread_main, (void *)(intptr_t)i) != 0) {
            return 2;
        }
    }
    for (int i = 0; i < 64; i++) {
        pthread_join(threads[i], NULL);
    }
    truth_write();
    return 0;
}
