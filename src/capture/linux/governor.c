#include "capture/linux/governor.h"

#include "base/clock.h"

void governor_init(struct governor *governor, int64_t savings, uint64_t now_ns)
{
    *governor = (struct governor){.savings = savings,
                                  .burst = MIN((int64_t)GOVERNOR_BURST, savings / 2),
                                  .balance = savings,
                                  .at_ns = now_ns,
                                  .on = true};
}

static int64_t income(const struct governor *governor, uint64_t elapsed_ns)
{
    uint64_t per_s = governor->storm ? GOVERNOR_SCARCE_PER_S : GOVERNOR_PLENTY_PER_S;
    return (int64_t)(MIN(elapsed_ns, (uint64_t)NS_PER_S) * per_s / NS_PER_S);
}

bool governor_pay(struct governor *governor, uint64_t price, bool crowded, uint64_t now_ns)
{
    now_ns = MAX(now_ns, governor->at_ns); // whoever read the clock earlier may come later
    int64_t got = income(governor, now_ns - governor->at_ns);
    crowded = crowded && governor->on;
    if (got == 0 && price == 0 && !crowded) {
        return governor->on; // too soon: let the time add up
    }
    governor->at_ns = now_ns;
    int64_t most = governor->storm ? governor->burst : governor->savings;
    governor->balance = MIN(governor->balance + got - (int64_t)price, most);
    governor->balance = MAX(governor->balance, -(int64_t)GOVERNOR_DEBT);
    if (crowded) { // what fills the rings has still to be paid
        governor->balance = MIN(governor->balance, governor->burst - 1);
    }
    if (governor->balance < 0 || crowded) {
        governor->storm = true;
        governor->on = false;
        governor->since_ns = now_ns;
    } else if (!governor->on && governor->balance >= governor->burst) {
        governor->on = true;
        governor->since_ns = now_ns;
    } else if (governor->storm && governor->on &&
               now_ns - governor->since_ns >= (uint64_t)GOVERNOR_CALM_MS * NS_PER_MS) {
        governor_init(governor, governor->savings, now_ns);
    }
    return governor->on;
}
