// Which kernel runs which members: blocks of lanes for most, and for the few left over lines of single members.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "../cpu.hpp"
#include "kernel.hpp"

namespace lanes {

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
    return std::string(set.isa) + (kernel.across_lines ? "/lines/" : "/samples/") + std::to_string(kernel.lanes);
}

struct Task {
    const Kernel* kernel;
    int first, count;
};

// All members by one kernel, as tests and benchmarks want it.
inline std::vector<Task> uniform(const Kernel& kernel, int members) {
    std::vector<Task> tasks;
    const int together = kernel.across_lines ? 1 : kernel.lanes;
    for (int i = 0; i < members; i += together) tasks.push_back({&kernel, i, std::min(together, members - i)});
    return tasks;
}

inline const Kernel& kernel_for(const KernelList& set, Precision precision, bool across_lines) {
    const Kernel* found = set.first;
    while (found->precision != precision || found->across_lines != across_lines) ++found;
    return *found;
}

// Measured: what a member's step costs alone, over its share of a full block's step.
inline double cost_alone(const Flow& flow) { return std::min(flow.ny, flow.nx) < 128 ? 1.5 : 1.1; }

// Of all tasks, in shares of a full block's step.
inline double cost(const std::vector<Task>& tasks, const Flow& flow, const std::vector<Member>& members) {
    double sum = 0;
    for (const Task& task : tasks) {
        double longest = 1;
        for (int i = 0; i < task.count; ++i) longest = std::max(longest, double(members[task.first + i].steps));
        sum += longest * (task.kernel->across_lines ? cost_alone(flow) : task.kernel->lanes);
    }
    return sum;
}

// Blocks of neighbours, unless the same members one by one would take less time: there are too few of them, they take
// too different numbers of steps, or the block would not fit the caches. The same bits either way.
inline std::vector<Task> schedule(const KernelList& set, Precision precision, const Flow& flow,
                                  const std::vector<Member>& members) {
    constexpr size_t cache = size_t(16) << 20;  // measured: blocks of 13 MB still win, of 37 MB lose
    const double alone = cost_alone(flow);
    const Kernel &samples = kernel_for(set, precision, false), &lines = kernel_for(set, precision, true);
    const bool fits = samples.memory(flow) <= cache;
    std::vector<Task> tasks;
    for (const Task& block : uniform(samples, int(members.size()))) {
        double longest = 1, total = 0;
        for (int i = block.first; i < block.first + block.count; ++i) {
            const double steps = std::max(1.0, double(members[i].steps));
            longest = std::max(longest, steps);
            total += steps;
        }
        if (fits && samples.lanes * longest <= alone * total) {
            tasks.push_back(block);
        } else {
            for (int i = 0; i < block.count; ++i) tasks.push_back({&lines, block.first + i, 1});
        }
    }
    return tasks;
}

}  // namespace lanes
