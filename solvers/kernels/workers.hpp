// Tasks over threads, each thread with one workspace: memory does not grow with the number of members.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <memory>
#include <new>
#include <system_error>
#include <thread>
#include <vector>

#ifdef __linux__
#include <sys/mman.h>
#endif

#include "schedule.hpp"

namespace lanes {

struct Free {
    void operator()(void* memory) const { std::free(memory); }
};
using Workspace = std::unique_ptr<void, Free>;

inline Workspace workspace(size_t bytes) {
    constexpr size_t huge_page = size_t(1) << 21;
    void* memory = nullptr;
    if (posix_memalign(&memory, bytes < huge_page ? 4096 : huge_page, bytes) != 0) throw std::bad_alloc();
#ifdef MADV_HUGEPAGE
    // A column touches one page per row: with small pages most of the time on large grids goes into finding them.
    madvise(memory, bytes, MADV_HUGEPAGE);
#endif
    return Workspace(memory);
}

template <class Work> void run_tasks(const std::vector<Task>& tasks, int threads, const Flow& flow, Work work) {
    size_t bytes = 1;
    for (const Task& task : tasks) bytes = std::max(bytes, task.kernel->memory(flow));
    const int workers = std::max(1, std::min(threads, int(tasks.size())));
    std::vector<Workspace> memory;
    for (int i = 0; i < workers; ++i) memory.push_back(workspace(bytes));

    std::atomic<size_t> next{0};
    const auto serve = [&](int worker) {
        for (size_t i = next++; i < tasks.size(); i = next++) work(tasks[i], memory[worker].get());
    };
    std::vector<std::thread> others;
    for (int i = 1; i < workers; ++i) {
        try {
            others.emplace_back(serve, i);
        } catch (const std::system_error&) {
            break;  // no more threads to be had: those that run take all tasks
        }
    }
    serve(0);
    for (std::thread& other : others) other.join();
}

}  // namespace lanes
