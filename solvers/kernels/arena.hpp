// The workspace of one block: a single allocation made by the caller, cut into aligned pieces.
#pragma once

#include <stddef.h>

#include "vec.hpp"

#ifdef __SANITIZE_ADDRESS__  // a forbidden strip behind each piece, so that the sanitizer sees one run into the next
#include <sanitizer/asan_interface.h>
#define LANES_FORBID(start, size) ASAN_POISON_MEMORY_REGION(start, size)
#define LANES_ALLOW(start, size) ASAN_UNPOISON_MEMORY_REGION(start, size)
#else
#define LANES_FORBID(start, size) static_cast<void>(start)
#define LANES_ALLOW(start, size) static_cast<void>(start)
#endif

namespace lanes::LANES_ISA {

// Without a base it only adds up what the pieces need.
struct Arena {
    char* base;
    size_t used = 0;

    template <class X> X* take(size_t count) {
        constexpr size_t line = 64;
        const size_t start = used, size = count * sizeof(X);
        used = (start + size + line - 1) / line * line + line;
        if (!base) return nullptr;
        LANES_ALLOW(base + start, size);
        LANES_FORBID(base + used - line, line);
        return reinterpret_cast<X*>(base + start);
    }
};

}  // namespace lanes::LANES_ISA
