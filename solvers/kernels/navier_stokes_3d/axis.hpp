// The transform along one axis of which only some modes are kept: a compact line of them <-> all points, scrambled.
#pragma once

#include "../arena.hpp"
#include "../fft.hpp"
#include "kernel.hpp"

namespace lanes::navier_stokes_3d::LANES_ISA {

using namespace lanes::LANES_ISA;

inline const Plan<float>& plan_of(const Plans& plans, float) { return plans.float32; }
inline const Plan<double>& plan_of(const Plans& plans, double) { return plans.float64; }

// Tell the second-level cache what comes next.
enum Purpose { to_read, to_write };
template <int Purpose, class V> LANES_INLINE void fetch(const Complex<V>* next) {
    for (size_t at = 0; at < sizeof(Complex<V>); at += 64) {
        __builtin_prefetch(reinterpret_cast<const char*>(next) + at, Purpose, 2);
    }
}

template <class V> class Axis {
    using T = ScalarOf<V>;

    const Plan<T> plan;
    const int rows;
    int *read, *write;

  public:
    const int points;
    Complex<V>* line;  // the kept modes 0 … K, −K … −1; behind them a zero to read and a place to write the others

    Axis(const Box& box, int axis, Arena& arena)
        : plan(plan_of(box.plans[axis], T{})), rows(box.rows(axis)), read(arena.take<int>(box.points[axis])),
          write(arena.take<int>(box.points[axis])), points(box.points[axis]), line(arena.take<Complex<V>>(rows + 2)) {
        if (!arena.base) return;
        const int largest = box.largest(axis);
        for (int i = 0; i < points; ++i) {
            const int row = i <= largest ? i : points - i <= largest ? rows - (points - i) : -1;
            read[i] = row < 0 ? rows : row;
            write[i] = row < 0 ? rows + 1 : row;
        }
        line[rows] = Complex<V>{};
    }

    // Modes in `from` -> the threshold of the innermost pass in x.
    void go(const Complex<V>* from, Complex<V>* x) const { go_there<V>(plan, Gather<V>{from, read}, x); }
    // The threshold in x, which is overwritten -> modes in `to`, which has a spare place like `line`.
    void come(Complex<V>* x, Complex<V>* to) const { come_back<V>(plan, x, Scatter<V>{to, write}); }

    void arrive(Complex<V>* x) const { turn_round<V>(plan, x, Arrive{}); }
    void depart(Complex<V>* x) const { turn_round<V>(plan, x, Depart{}); }

    const Pass<T>& innermost_pass() const { return plan.passes[plan.count - 1]; }
};

}  // namespace lanes::navier_stokes_3d::LANES_ISA
