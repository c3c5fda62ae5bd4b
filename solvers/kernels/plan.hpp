// Lengths -> passes. Built once per call, outside the copies for instruction sets.
#pragma once

#include <cmath>
#include <stdexcept>
#include <string>
#include <vector>

#include "passes.hpp"

namespace lanes {

// Radices of the passes for `size` points, none if a prime above 5 divides it or there would be fewer than two.
inline std::vector<int> radices_of(int size) {
    int twos = 0, threes = 0, fives = 0;
    for (; size > 1 && size % 5 == 0; size /= 5) ++fives;
    for (; size > 1 && size % 3 == 0; size /= 3) ++threes;
    for (; size > 1 && size % 2 == 0; size /= 2) ++twos;
    if (size != 1) return {};
    std::vector<int> radices;
    const bool only_eight = twos == 3 && !threes && !fives;  // taken as 4 × 2
    for (; (twos >= 5 || twos == 3) && !only_eight; twos -= 3) radices.push_back(8);
    for (; twos >= 2; twos -= 2) radices.push_back(4);
    if (twos) radices.push_back(2);
    radices.insert(radices.end(), threes, 3);
    radices.insert(radices.end(), fives, 5);
    if (radices.size() < 2) radices.clear();
    return radices;
}

constexpr int largest_size = 4096;

inline bool can_transform(int size) { return size <= largest_size && !radices_of(size).empty(); }

// "65 points: the nearest sizes that can be transformed are 64 and 72"
inline std::string advice(int size) {
    int below = size, above = size;
    while (below > 1 && !can_transform(below)) --below;
    while (above <= largest_size && !can_transform(above)) ++above;
    std::string near;
    if (below > 1) near = std::to_string(below);
    if (above <= largest_size) near += (near.empty() ? "" : " and ") + std::to_string(above);
    return std::to_string(size) +
           " points have a prime factor above 5, or are too few or too many; nearest sizes: " + near;
}

template <class T> class PassList {
    std::vector<std::vector<T>> roots;
    std::vector<Pass<T>> passes;

  public:
    explicit PassList(int size) {
        int left = size, blocks = 1;
        for (const int radix : radices_of(size)) {
            std::vector<T> table;
            for (int p = 0; p < left / radix; ++p) {
                for (int k = 1; k < radix; ++k) {
                    const double angle = 2 * M_PI * double(p * k) / left;
                    table.push_back(T(std::cos(angle)));
                    table.push_back(T(std::sin(angle)));
                }
            }
            roots.push_back(std::move(table));  // its elements stay where they are
            passes.push_back({radix, left / radix, blocks, roots.back().data()});
            left /= radix;
            blocks *= radix;
        }
    }

    Plan<T> plan() const { return {int(passes.size()), passes.data()}; }
};

struct PassLists {
    PassList<float> float32;
    PassList<double> float64;

    explicit PassLists(int size) : float32(size), float64(size) {}
    Plans plans() const { return {float32.plan(), float64.plan()}; }
};

}  // namespace lanes
