// Which kernel runs which members: whole registers for most, narrow ones for the few left over and for large grids.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "../cpu.hpp"
#include "kernel.hpp"

namespace lanes::family {

// Instruction sets that this processor has, best first.
inline std::vector<KernelList> instruction_sets() {
    std::vector<KernelList> sets;
#ifdef __x86_64__
    if (has_avx512()) sets.push_back(kernels_avx512());
    if (has_avx2()) sets.push_back(kernels_avx2());
#endif
    sets.push_back(kernels_baseline());
    return sets;
}

inline std::string name_of(const KernelList& set, const Kernel& kernel) {
    return std::string(set.isa) + "/" + std::to_string(kernel.lanes);
}

struct Task {
    const Kernel* kernel;
    int first, count;
};

inline void add_tasks(std::vector<Task>& tasks, const Kernel& kernel, int first, int end) {
    for (; first < end; first += kernel.lanes) tasks.push_back({&kernel, first, std::min(kernel.lanes, end - first)});
}

// The widest or the narrowest kernel of a precision.
inline const Kernel& kernel_for(const KernelList& set, Precision precision, bool wide) {
    const Kernel* found = nullptr;
    for (int i = 0; i < set.count; ++i) {
        const Kernel& one = set.first[i];
        if (one.precision == precision && (!found || (one.lanes > found->lanes) == wide)) found = &one;
    }
    return *found;
}

// The same bits either way.
inline std::vector<Task> schedule(const KernelList& set, Precision precision, const Equation& equation, int members) {
    constexpr size_t cache = size_t(16) << 20;
    const Kernel &wide = kernel_for(set, precision, true), &narrow = kernel_for(set, precision, false);
    const bool fits = wide.memory(equation) <= cache;
    const int rest = members % wide.lanes, whole = members - rest;
    std::vector<Task> tasks;
    add_tasks(tasks, fits ? wide : narrow, 0, whole);
    add_tasks(tasks, fits && rest > narrow.lanes ? wide : narrow, whole, members);
    return tasks;
}

}  // namespace lanes::family
