// Tasks over threads, each thread with one workspace: memory does not grow with the number of members.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <deque>
#include <mutex>
#include <new>
#include <system_error>
#include <thread>
#include <vector>

#ifdef __linux__
#include <sys/mman.h>
#endif

namespace lanes {

struct Workspace {
    void* memory = nullptr;
    size_t bytes = 0;
};

// Workspaces between calls: finding fresh pages takes as long as several right-hand sides. As many stay as threads were
// ever at work at once.
class Pool {
    std::mutex door;
    std::vector<Workspace> spare;

  public:
    Workspace take(size_t bytes) {
        Workspace found;
        {
            const std::lock_guard<std::mutex> inside(door);
            if (!spare.empty()) {
                found = spare.back();
                spare.pop_back();
            }
        }
        if (found.bytes >= bytes) return found;
        std::free(found.memory);
        constexpr size_t huge_page = size_t(1) << 21;
        if (posix_memalign(&found.memory, bytes < huge_page ? 4096 : huge_page, bytes) != 0) throw std::bad_alloc();
#ifdef MADV_HUGEPAGE
        // A column touches one page per row: with small pages, large grids spend their time in finding them.
        madvise(found.memory, bytes, MADV_HUGEPAGE);
#endif
        return {found.memory, bytes};
    }

    void give_back(Workspace one) {
        const std::lock_guard<std::mutex> inside(door);
        spare.push_back(one);
    }
};

inline Pool& pool() {
    static Pool all;
    return all;
}

// A workspace for as long as this lives.
class Loan {
    Workspace own;

  public:
    explicit Loan(size_t bytes) : own(pool().take(bytes)) {}
    Loan(const Loan&) = delete;
    Loan& operator=(const Loan&) = delete;
    ~Loan() { pool().give_back(own); }
    void* memory() const { return own.memory; }
};

// work(i, memory) for each of `count` tasks; every worker has `bytes` of memory of its own.
template <class Work> void run_tasks(size_t count, int threads, size_t bytes, Work work) {
    const int workers = std::max(1, std::min(threads, int(count)));
    std::deque<Loan> loans;
    for (int i = 0; i < workers; ++i) loans.emplace_back(std::max(bytes, size_t(1)));

    std::atomic<size_t> next{0};
    const auto serve = [&](int worker) {
        for (size_t i = next++; i < count; i = next++) work(i, loans[worker].memory());
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
