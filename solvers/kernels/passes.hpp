// Transforms as plain data, and the words that every kernel and the rest of the extension share.
// No templates of the standard library here: compiled for AVX-512, one of them could end up serving every machine.
#pragma once

#include <stddef.h>

namespace lanes {

// One pass of a transform: `groups` × `blocks` butterflies of `radix`; see fft.hpp.
template <class T> struct Pass {
    int radix, groups, blocks;
    const T* roots;  // [group][radix - 1] pairs (cos, sin)
};

template <class T> struct Plan {
    int count;
    const Pass<T>* passes;
};

struct Plans {
    Plan<float> float32;
    Plan<double> float64;
};

// "mixed": the state in float64, the right-hand side in float32.
enum class Precision { float32, float64, mixed };

}  // namespace lanes
