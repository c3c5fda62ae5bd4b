// Passive tracers: 𝒩 = −∇·(u c) − G·u of each, where two of them share the complex transform c₁ + i c₂ to the grid, and
// the flux z c = u c + i v c of each takes one back. With Q its spectrum, a = Q(k) and b = conj Q(−k):
//     −∇·(u c) = −i kx (a + b)/2 − ky (a − b)/2
#pragma once

#include "navier_stokes.hpp"

namespace lanes::LANES_ISA {

template <class Layout> class Tracers {
    using T = typename Layout::Scalar;
    using Number = typename Layout::Number;
    using V = Vector<T, Layout::lanes>;

    const Flow& flow;
    const int modes;
    const NavierStokes<Layout>& equation;
    Complex<V>* vorticity;  // [pair][± ][kx] at this stage, where a mean gradient asks for the velocity
    T scale;

  public:
    const bool graded;

    Tracers(const Flow& shared, const NavierStokes<Layout>& carrier, Arena& arena)
        : flow(shared), modes(shared.largest_kx() + 1), equation(carrier), scale(T(1) / (T(shared.nx) * T(shared.ny))),
          graded(shared.graded()) {
        vorticity = arena.take<Complex<V>>(graded ? size_t(2) * Layout::pairs(shared.largest_ky()) * modes : 0);
    }

    // The vorticity at (kx, ±ky) that the next 𝒩 will be of.
    LANES_INLINE void note(int pair, int k, Complex<V> plus, Complex<V> minus) {
        vorticity[size_t(pair) * 2 * modes + k] = plus;
        vorticity[(size_t(pair) * 2 + 1) * modes + k] = minus;
    }

    // ĉ at (kx, ±ky) of a tracer that waits for its partner.
    LANES_INLINE void hold(int k, Complex<V> plus, Complex<V> minus) {
        equation.grid.held[0][k] = plus;
        equation.grid.held[1][k] = minus;
    }

    // The tracer held, and its partner here: ĉ₁ + i ĉ₂ at (±kx, ±ky).
    LANES_INLINE void put(int k, Complex<V> plus, Complex<V> minus) {
        const Complex<V> first_plus = equation.grid.held[0][k], first_minus = equation.grid.held[1][k];
        const int mirror = k ? flow.nx - k : 0;
        equation.grid.held[1][mirror] = {first_plus.re + plus.im, plus.re - first_plus.im};
        equation.grid.held[0][mirror] = {first_minus.re + minus.im, minus.re - first_minus.im};
        equation.grid.held[0][k] = {first_plus.re - plus.im, first_plus.im + plus.re};
        equation.grid.held[1][k] = {first_minus.re - minus.im, first_minus.im + minus.re};
    }

    // 𝒩 of tracer j at (kx, ±ky), kx ≥ 0, into grid.line[0] and [1]; `grid` is the equation's.
    void receive(Grid<Layout>& grid, int pair, int j) {
        grid.rows_from_grid(pair, 1 + j);
        const Number y = equation.ky[pair] * (scale / 2);
        for (int k = 0; k < modes; ++k) {
            const T x = equation.kx[k] * (scale / 2);
            const int mirror = k ? flow.nx - k : 0;
            const Complex<V> plus = grid.line[0][k], minus = grid.line[1][k];
            const Complex<V> other_plus = grid.line[1][mirror], other_minus = grid.line[0][mirror];  // at −k
            grid.line[0][k] = {(plus.im - other_plus.im) * x - (plus.re - other_plus.re) * y,
                               -((plus.re + other_plus.re) * x) - (plus.im + other_plus.im) * y};
            grid.line[1][k] = {(minus.im - other_minus.im) * x + (minus.re - other_minus.re) * y,
                               (minus.im + other_minus.im) * y - (minus.re + other_minus.re) * x};
        }
        if (graded) descend(grid, pair, flow.gradients[j]);
    }

  private:
    // −G·u, where û = i ky ω̂/k² and v̂ = −i kx ω̂/k²; the mean wind carries the mean gradient, too.
    void descend(Grid<Layout>& grid, int pair, Gradient gradient) {
        const T gx = T(gradient.x), gy = T(gradient.y);
        const Complex<V>*plus = vorticity + size_t(pair) * 2 * modes, *minus = plus + modes;
        for (int k = 0; k < modes; ++k) {
            const Number east = equation.along[k] * gy, north = equation.across[k] * gx;
            const Number up = east - north, down = east + north;
            grid.line[0][k] = {grid.line[0][k].re - plus[k].im * up, grid.line[0][k].im + plus[k].re * up};
            grid.line[1][k] = {grid.line[1][k].re - minus[k].im * down, grid.line[1][k].im + minus[k].re * down};
        }
        if (pair == 0) {
            const Complex<V> wind = equation.mean;
            for (auto* line : grid.line) line[0].re = line[0].re - (wind.re * gx + wind.im * gy);
        }
    }
};

}  // namespace lanes::LANES_ISA
