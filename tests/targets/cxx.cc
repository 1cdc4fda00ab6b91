// Known: C++ functions whose names need demangling, each with the same time.
//
//     unsigned long work::spin_typed<int>(unsigned long)       template, two instances
//     unsigned long work::spin_typed<double>(unsigned long)
//     work::(anonymous namespace)::hidden(unsigned long)       anonymous namespace
//     work::Square::run(unsigned long)                         virtual, called through the base
//     work::with_lambda(unsigned long)::{lambda(unsigned long)#1}::operator()(unsigned long) const
//     work::Meter::operator+=(unsigned long)                   operator
//
//     cxx [MS=900]

#include "truth.h"

namespace work {

template <typename T> NOINLINE uint64_t spin_typed(uint64_t budget_ns)
{
    return spin(budget_ns, 1001 + sizeof(T));
}

namespace {
NOINLINE uint64_t hidden(uint64_t budget_ns)
{
    return spin(budget_ns, 1003);
}
} // namespace

struct Shape {
    virtual ~Shape() = default;
    virtual uint64_t run(uint64_t budget_ns) = 0;
};

struct Square : Shape {
    NOINLINE uint64_t run(uint64_t budget_ns) override
    {
        return spin(budget_ns, 1007);
    }
};

struct Meter {
    uint64_t total_ns = 0;
    NOINLINE Meter &operator+=(uint64_t budget_ns)
    {
        total_ns += spin(budget_ns, 1013);
        return *this;
    }
};

NOINLINE uint64_t with_lambda(uint64_t budget_ns)
{
    auto body = [](uint64_t ns) __attribute__((noinline))
    {
        return spin(ns, 1021);
    };
    return body(budget_ns) + (spin_sink & 0);
}

} // namespace work

int main(int argc, char **argv)
{
    const uint64_t total_ns = arg_ms(argc, argv, 1, 900);
    const uint64_t step_ns = 5 * MS;
    work::Square square;
    work::Shape *volatile shape = &square;
    tell_ready();
    while (thread_cpu_ns() < total_ns) {
        work::Meter meter;
        truth_add("unsigned long work::spin_typed<int>(unsigned long)",
                  work::spin_typed<int>(step_ns));
        truth_add("unsigned long work::spin_typed<double>(unsigned long)",
                  work::spin_typed<double>(step_ns));
        truth_add("work::(anonymous namespace)::hidden(unsigned long)", work::hidden(step_ns));
        truth_add("work::Square::run(unsigned long)", shape->run(step_ns));
        truth_add("work::with_lambda(unsigned long)::{lambda(unsigned long)#1}::operator()("
                  "unsigned long) const",
                  work::with_lambda(step_ns));
        meter += step_ns;
        truth_add("work::Meter::operator+=(unsigned long)", meter.total_ns);
    }
    truth_write();
    return 0;
}
