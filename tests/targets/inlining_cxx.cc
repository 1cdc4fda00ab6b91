// Never run: code for comparing what is inlined where. Templates, lambdas, constructors,
// exceptions.

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <regex>
#include <sstream>
#include <string>
#include <vector>

namespace shop {

struct item {
    std::string name;
    double price = 0;
    std::vector<int> parts;
};

template <class T, class F> auto mapped(const std::vector<T> &all, F f)
{
    std::vector<decltype(f(all[0]))> result;
    std::transform(all.begin(), all.end(), std::back_inserter(result), f);
    return result;
}

class store {
  public:
    void add(item one)
    {
        if (one.price < 0) {
            throw std::invalid_argument("a price below zero: " + one.name);
        }
        by_name[one.name] = std::make_shared<item>(std::move(one));
    }

    std::vector<std::string> names_like(const std::string &pattern) const
    {
        const std::regex expression(pattern, std::regex::icase);
        std::vector<std::string> found;
        for (const auto &[name, one] : by_name) {
            if (std::regex_search(name, expression)) {
                found.push_back(name);
            }
        }
        std::sort(found.begin(), found.end(), [](const auto &a, const auto &b) {
            return a.size() != b.size() ? a.size() < b.size() : a < b;
        });
        return found;
    }

    double total() const
    {
        double sum = 0;
        for (const auto &each : by_name) {
            sum += each.second->price *
                   (each.second->parts.empty() ? 1 : each.second->parts.front());
        }
        return sum;
    }

  private:
    std::map<std::string, std::shared_ptr<item>> by_name;
};

} // namespace shop

int main(int argc, char **argv)
{
    shop::store store;
    for (int i = 1; i < argc; i++) {
        store.add({argv[i], static_cast<double>(i), {i, i + 1}});
    }
    std::ostringstream out;
    for (const auto &n :
         shop::mapped(store.names_like("a.*b[0-9]+"), [](auto &s) { return s.size(); })) {
        out << n << ' ' << store.total() << '\n';
    }
    std::function<int(int)> twice = [&](int x) {
        return 2 * x + static_cast<int>(out.str().size());
    };
    return twice(argc) == 0;
}
