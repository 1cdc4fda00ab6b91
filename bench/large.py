"""Makes a large C++ program with debug information: many units of templates, optimised, inlined.

Each unit is the same code over types of its own, so that nothing can be shared: about 3 MB of debug
information each. The program goes round through all of them until it has used so much CPU time.
"""

import concurrent.futures
import os
import pathlib
import subprocess

UNITS = 32  # 69 MB

UNIT = r"""
#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <regex>
#include <sstream>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

namespace unit_NUMBER {

template <int N> struct Key {
    long value;
    bool operator<(const Key &other) const { return value * (N | 1) < other.value * (N | 1); }
    bool operator==(const Key &other) const { return value == other.value; }
};

template <int N> struct Hash {
    size_t operator()(const Key<N> &key) const { return std::hash<long>()(key.value) * (2 * N + 1); }
};

template <int N> struct Shape {
    virtual ~Shape() = default;
    virtual long area(long scale) const { return scale * N; }
};

template <int N> struct Square : Shape<N> {
    long side;
    explicit Square(long s) : side(s) {}
    long area(long scale) const override { return side * side * scale + N; }
};

template <int N> long sorted(long seed) {
    std::vector<Key<N>> keys;
    for (long i = 0; i < 400; i++) keys.push_back({(seed * 7919 + i * 104729) % 10007});
    std::sort(keys.begin(), keys.end());
    std::map<Key<N>, std::string> ordered;
    std::unordered_map<Key<N>, long, Hash<N>> counted;
    for (const auto &key : keys) {
        ordered[key] += static_cast<char>('a' + key.value % 26);
        counted[key]++;
    }
    long sum = 0;
    for (const auto &[key, text] : ordered) sum += key.value * static_cast<long>(text.size()) + counted[key];
    return sum;
}

template <int N> long shaped(long seed) {
    std::vector<std::unique_ptr<Shape<N>>> shapes;
    for (long i = 0; i < 300; i++) shapes.push_back(std::make_unique<Square<N>>(seed % 17 + i));
    auto twice = [seed](auto &&f) { return f(seed) + f(seed + 1); };
    long sum = 0;
    std::function<long(const Shape<N> &)> measure = [&](const Shape<N> &shape) {
        return twice([&](long scale) { return shape.area(scale); });
    };
    for (const auto &shape : shapes) sum += measure(*shape);
    return sum;
}

template <int N> long written(long seed) {
    std::ostringstream out;
    std::vector<std::variant<long, std::string, double>> values = {seed, std::string("NUMBER"), 0.5 * N};
    for (int i = 0; i < 40; i++) {
        std::visit([&](const auto &value) { out << value << ','; }, values[static_cast<size_t>(i) % 3]);
    }
    return static_cast<long>(out.str().size());
}

long matched(long seed) {
    static const std::regex pattern("([a-z]+)-([0-9]+)(x|y)*NUMBER?");
    std::smatch match;
    std::string text = "word-" + std::to_string(seed % 1000) + "xyxNUMBER";
    return std::regex_match(text, match, pattern) ? static_cast<long>(match.size()) : 0;
}

} // namespace

long run_NUMBER(long seed) {
    using namespace unit_NUMBER;
    return sorted<1>(seed) + sorted<2>(seed) + shaped<3>(seed) + shaped<4>(seed) + written<5>(seed) + written<6>(seed) +
           matched(seed);
}
"""

MAIN = r"""
#include <cstdio>
#include <cstdlib>
#include <ctime>
DECLARATIONS
int main(int argc, char **argv) {
    long wanted = (argc > 1 ? std::atol(argv[1]) : 1000) * (CLOCKS_PER_SEC / 1000);
    long (*const units[])(long) = {UNITS};
    long sum = 0;
    for (long seed = 0; std::clock() < wanted; seed++) sum += units[seed % COUNT](seed);
    std::printf("%ld\n", sum);
}
"""


def compile_one(folder, name, text):
    source = folder / f"{name}.cc"
    source.write_text(text)
    subprocess.run(["g++", "-O2", "-g", "-fomit-frame-pointer", "-std=c++17", "-c", source, "-o",
                    source.with_suffix(".o")], check=True)


def make_large(folder, units=UNITS):
    """The program, built once in `folder`."""
    folder = pathlib.Path(folder)
    program = folder / "large"
    if program.exists():
        return program
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"unit_{i}" for i in range(units)]
    main = MAIN.replace("DECLARATIONS", "".join(f"long run_{i}(long);\n" for i in range(units)))
    main = main.replace("UNITS", ", ".join(f"run_{i}" for i in range(units))).replace("COUNT", str(units))
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        jobs = [pool.submit(compile_one, folder, name, UNIT.replace("NUMBER", str(i)))
                for i, name in enumerate(names)]
        jobs.append(pool.submit(compile_one, folder, "main", main))
        for job in jobs:
            job.result()
    objects = [folder / f"{name}.o" for name in [*names, "main"]]
    subprocess.run(["g++", "-o", program, *objects], check=True)
    for thing in objects:
        thing.unlink()
    return program
