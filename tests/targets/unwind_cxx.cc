// Known: chains of C++ calls (unwind.h). Functions have the names that a demangler gives them.
//
//     unwind_cxx KIND [MS=400] [END=spin]

#include "unwind.h"

#include <stdexcept>
#include <string>

namespace calls {

// ---- Exceptions ----

// Thrown through nine frames that have something to destroy, and caught. Nearly all of the time
// passes in the libraries that search the stack.
struct Guard {
    std::string name;
    explicit Guard(long n) : name("some text that needs memory " + std::to_string(n))
    {
    }
};

APART long thrower(long n)
{
    if (n == 0) {
        throw std::runtime_error("enough");
    }
    Guard guard(n);
    const long y = thrower(n - 1);
    AFTER_CALL();
    return y + static_cast<long>(guard.name.size());
}

APART long catcher(long x)
{
    const uint64_t start_ns = thread_cpu_ns();
    do {
        for (int i = 0; i < 100; i++) {
            try {
                x += thrower(8);
            } catch (const std::exception &e) {
                x += e.what()[0];
            }
        }
    } while (thread_cpu_ns() - start_ns < stack_budget_ns);
    return x;
}

// The time passes in a destructor that runs while an exception is on its way.
struct Slow {
    APART ~Slow()
    {
        stack_end(1);
        AFTER_CALL();
    }
};

APART long unwound(long x)
{
    Slow slow;
    throw x;
}

APART long cleans_up(long x)
{
    try {
        return unwound(x);
    } catch (long y) {
        return y;
    }
}

// ---- Calls ----

struct Shape {
    virtual ~Shape() = default;
    virtual long area(long x) = 0;
};

template <typename T> struct Square : Shape {
    T side = 3;
    APART long area(long x) override
    {
        auto grow = [this](long y) __attribute__((noipa))
        {
            const long z = stack_end(y);
            AFTER_CALL();
            return z + static_cast<long>(side);
        };
        const long y = grow(x);
        AFTER_CALL();
        return y;
    }
};

template <int depth> APART long nested(long x)
{
    const long y = nested<depth - 1>(x);
    AFTER_CALL();
    return y;
}

template <> APART long nested<0>(long x)
{
    Square<double> square;
    Shape *volatile shape = &square;
    const long y = shape->area(x);
    AFTER_CALL();
    return y;
}

} // namespace calls

static const struct stack_kind kinds[] = {
    {"throw", calls::catcher, "calls::catcher(long);calls::thrower(long)*9", 3, nullptr, false},
    {"cleanup", calls::cleans_up,
     "calls::cleans_up(long);calls::unwound(long);calls::Slow::~Slow();END", 0, nullptr, false},
    {"virtual", calls::nested<2>,
     "long calls::nested<2>(long);long calls::nested<1>(long);long calls::nested<0>(long);"
     "calls::Square<double>::area(long);"
     "calls::Square<double>::area(long)::{lambda(long)#1}::operator()(long) const;END",
     0, nullptr, false},
};

int main(int argc, char **argv)
{
    return stack_main(argc, argv, kinds, sizeof kinds / sizeof *kinds);
}
