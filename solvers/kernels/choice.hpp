// Precisions and kernels by name, for every part that has a `KernelList` and says `name_of(list, kernel)` beside it.
#pragma once

#include <stdexcept>
#include <string>
#include <vector>

#include "passes.hpp"

namespace lanes {

inline Precision precision_called(const std::string& name) {
    if (name == "float32") return Precision::float32;
    if (name == "float64") return Precision::float64;
    if (name == "mixed") return Precision::mixed;
    throw std::invalid_argument("precision must be float32, float64 or mixed, not " + name);
}

template <class List>
std::vector<std::string> kernel_names(const std::vector<List>& machine, const std::string& precision) {
    std::vector<std::string> names;
    for (const List& set : machine) {
        for (int i = 0; i < set.count; ++i) {
            if (set.first[i].precision == precision_called(precision)) names.push_back(name_of(set, set.first[i]));
        }
    }
    return names;
}

template <class List>
const auto& kernel_called(const std::vector<List>& machine, const std::string& name, Precision precision) {
    for (const List& set : machine) {
        for (int i = 0; i < set.count; ++i) {
            if (set.first[i].precision == precision && name_of(set, set.first[i]) == name) return set.first[i];
        }
    }
    throw std::invalid_argument("no kernel " + name + " for this precision on this machine; see kernels(precision)");
}

}  // namespace lanes
