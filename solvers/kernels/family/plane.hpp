// Transforms along the slow axes, at one kx: kept modes in the order of `rfftn` <-> the lines of the grid, scrambled.
#pragma once

#include "real.hpp"

namespace lanes::family::LANES_ISA {

// The innermost pass from or to points that lie `stride` apart.
template <class V> void leave(const Plan<ScalarOf<V>>& plan, const Complex<V>* x, Complex<V>* target, size_t stride) {
    const Pass<ScalarOf<V>>& pass = plan.passes[plan.count - 1];
    with_radix(pass.radix, [&](auto chosen) {
        constexpr int R = decltype(chosen)::radix;
        for (int block = 0; block < pass.blocks; ++block, x += R, target += R * stride) {
            Complex<V> a[R];
            for (int j = 0; j < R; ++j) a[j] = x[j];
            butterfly<R, +1>(a);
            for (int j = 0; j < R; ++j) target[j * stride] = a[j];
        }
    });
}
template <class V> void enter(const Plan<ScalarOf<V>>& plan, const Complex<V>* source, size_t stride, Complex<V>* x) {
    const Pass<ScalarOf<V>>& pass = plan.passes[plan.count - 1];
    with_radix(pass.radix, [&](auto chosen) {
        constexpr int R = decltype(chosen)::radix;
        for (int block = 0; block < pass.blocks; ++block, x += R, source += R * stride) {
            Complex<V> a[R];
            for (int j = 0; j < R; ++j) a[j] = source[j * stride];
            butterfly<R, -1>(a);
            for (int j = 0; j < R; ++j) x[j] = a[j];
        }
    });
}

template <class V> class Plane {
    using T = ScalarOf<V>;

    // One slow axis: where its modes are read and written; those not kept meet a zero and a spare place at the end.
    struct Axis {
        int points = 1, count = 1, top = 0;
        Plan<T> plan{};
        T *wavenumber = nullptr;
        int *read = nullptr, *write = nullptr;

        void take(const Equation& equation, int axis, int stride, Arena& arena) {
            points = equation.points[axis];
            count = equation.count_of(axis);
            top = equation.top[axis];
            plan = plan_of(equation.slow[axis], T{});
            wavenumber = arena.take<T>(count);
            read = arena.take<int>(points);
            write = arena.take<int>(points);
            if (!arena.base) return;
            for (int i = 0; i < points; ++i) {
                const int mode = i <= top ? i : points - i <= top ? count - (points - i) : -1;
                read[i] = (mode < 0 ? count : mode) * stride;
                write[i] = (mode < 0 ? count + 1 : mode) * stride;
            }
            for (int i = 0; i < count; ++i) {
                wavenumber[i] = T(2 * M_PI / equation.lengths[axis] * (i <= top ? i : i - count));
            }
        }
    };

    const int dimensions, row_length;
    Axis y, z;
    Complex<V>*line, *column, *sheet;  // modes along y; points along z; (kz, y)

  public:
    const int modes;  // of one kx

    Plane(const Equation& equation, int row_length, Arena& arena)
        : dimensions(equation.dimensions), row_length(row_length), modes(equation.kept() / equation.columns()) {
        if (dimensions > 1) y.take(equation, dimensions - 2, 1, arena);
        if (dimensions > 2) z.take(equation, 0, y.points, arena);
        line = arena.take<Complex<V>>(y.count + 2);
        column = arena.take<Complex<V>>(y.points > z.points ? y.points : z.points);
        sheet = arena.take<Complex<V>>(dimensions > 2 ? size_t(z.count + 2) * y.points : 0);
        if (!arena.base) return;
        line[y.count] = Complex<V>{};
        for (int i = 0; dimensions > 2 && i < y.points; ++i) sheet[z.count * y.points + i] = Complex<V>{};
    }

    // `u`, differentiated along slow axis `axis` if it is not negative -> target, a column of lines `row_length` apart.
    void to_lines(const Complex<V>* u, int axis, Complex<V>* target) const {
        for (int j = 0; j < z.count; ++j, u += y.count) {
            for (int i = 0; i < y.count; ++i) line[i] = u[i];
            if (axis >= 0) differentiate(axis == dimensions - 2, j);
            Complex<V>* points = dimensions == 2 ? column : sheet + size_t(j) * y.points;
            go_there<V>(y.plan, Gather<V>{line, y.read}, points);
            if (dimensions == 2) return leave<V>(y.plan, points, target, row_length);
            turn_round<V>(y.plan, points, Arrive{});
        }
        for (int i = 0; i < y.points; ++i) {
            go_there<V>(z.plan, Gather<V>{sheet + i, z.read}, column);
            leave<V>(z.plan, column, target + size_t(i) * row_length, size_t(y.points) * row_length);
        }
    }

    void from_lines(const Complex<V>* source, Complex<V>* u) const {
        for (int i = 0; dimensions == 3 && i < y.points; ++i) {
            enter<V>(z.plan, source + size_t(i) * row_length, size_t(y.points) * row_length, column);
            come_back<V>(z.plan, column, Scatter<V>{sheet + i, z.write});
        }
        for (int j = 0; j < z.count; ++j, u += y.count) {
            Complex<V>* points = dimensions == 2 ? column : sheet + size_t(j) * y.points;
            if (dimensions == 2) enter<V>(y.plan, source, row_length, points);
            else turn_round<V>(y.plan, points, Depart{});
            come_back<V>(y.plan, points, Scatter<V>{line, y.write});
            for (int i = 0; i < y.count; ++i) u[i] = line[i];
        }
    }

  private:
    // Row kz = j of the modes, along y or along z.
    void differentiate(bool along_y, int j) const {
        for (int i = 0; i < y.count; ++i) {
            line[i] = times_i<+1>(line[i] * (along_y ? y.wavenumber[i] : z.wavenumber[j]));
        }
    }
};

}  // namespace lanes::family::LANES_ISA
