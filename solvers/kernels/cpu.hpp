// What this processor can do, asked at run time.
#pragma once

namespace lanes {

#ifdef __x86_64__
#ifdef LANES_WITHOUT_AVX512  // not compiled; see setup.py
constexpr bool has_avx512() { return false; }
#else
inline bool has_avx512() {
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("fma");
}
#endif

#ifdef LANES_WITHOUT_AVX2
constexpr bool has_avx2() { return false; }
#else
inline bool has_avx2() {
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}
#endif
#endif

}  // namespace lanes
