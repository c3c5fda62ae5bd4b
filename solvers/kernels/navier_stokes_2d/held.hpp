// Blocks of lanes that stay packed, half on their way to the grid, from one output time to the next.
#pragma once

#include <array>
#include <deque>
#include <numeric>

#include "../workers.hpp"
#include "schedule.hpp"

namespace lanes {

inline std::vector<int> by_steps(const std::vector<Member>& members) {
    std::vector<int> order(members.size());
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return members[a].steps > members[b].steps; });
    return order;
}

inline std::vector<Member> arranged(const std::vector<Member>& members, const std::vector<int>& order) {
    std::vector<Member> sorted;
    for (const int i : order) sorted.push_back(members[i]);
    return sorted;
}

// One for the batch that a solver marches. Members alone, lanes across lines, are packed anew each time, as are blocks
// beyond `most` bytes in all, which would leave the caches between two calls anyway.
class Held {
    static constexpr size_t most = size_t(16) << 20;
    std::array<int, 9> shape{};  // what the workspace's layout follows from
    std::vector<int> order;
    std::vector<Task> tasks;
    std::deque<Loan> loans;
    std::vector<Loan*> own;  // of each task, if it keeps one
    size_t bytes = 0;        // of all loans
    bool whole = false;      // the loans hold the states that were given last
    bool resuming = false;

    friend struct Hold;
    bool busy = false;

  public:
    Held() = default;
    Held(const Held&) = delete;
    Held& operator=(const Held&) = delete;

    // Puts its own order and blocks in the place of those given, where it goes on from them; else makes room for these.
    void arrange(const Flow& flow, Precision precision, bool packed, const std::vector<Member>& members,
                 std::vector<int>& new_order, std::vector<Member>& sorted, std::vector<Task>& new_tasks) {
        const std::array<int, 9> found{flow.ny,         flow.nx,           flow.tracers, flow.wave_count,
                                       flow.graded(),   flow.bashforth,    flow.hyper_power > 1,
                                       int(precision),  int(members.size())};
        resuming = false;
        if (packed && whole && found == shape) {
            std::vector<Member> as_before = arranged(members, order);
            // Blocks whose members have grown apart are put together anew.
            resuming = cost(tasks, flow, as_before) <= 1.1 * cost(new_tasks, flow, sorted);
            if (resuming) sorted = std::move(as_before);
        }
        whole = false;
        if (resuming) {
            new_order = order;
            new_tasks = tasks;
            return;
        }
        shape = found;
        order = new_order;
        tasks = new_tasks;
        loans.clear();
        own.assign(tasks.size(), nullptr);
        bytes = 0;
        for (const Task& task : tasks) bytes += task.kernel->across_lines ? 0 : task.kernel->memory(flow);
        for (size_t i = 0; bytes <= most && i < tasks.size(); ++i) {
            if (tasks[i].kernel->across_lines) continue;
            loans.emplace_back(tasks[i].kernel->memory(flow));
            own[i] = &loans.back();
        }
    }

    void* memory_of(size_t task) const { return own[task] ? own[task]->memory() : nullptr; }
    bool resumes() const { return resuming; }
    void keep() { whole = true; }
    size_t memory() const { return loans.empty() ? 0 : bytes; }
};

// For as long as a call lasts; a second call at the same time goes without.
struct Hold {
    Held* held;
    explicit Hold(Held* wanted) : held(wanted && !wanted->busy ? wanted : nullptr) {
        if (held) held->busy = true;
    }
    Hold(const Hold&) = delete;
    Hold& operator=(const Hold&) = delete;
    ~Hold() {
        if (held) held->busy = false;
    }
};

}  // namespace lanes
