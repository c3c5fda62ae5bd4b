// Convection's matrix, and systems with one matrix and two right-hand sides; compiled once per instruction set.
#pragma once

#include <cmath>

#include "../vec.hpp"
#include "kernel.hpp"

namespace lanes::elements::LANES_ISA {

using namespace lanes::LANES_ISA;

constexpr int width = LANES_BYTES / sizeof(double);
using Wide = Vector<double, width>;
using Pair = Vector<double, 2>;  // the same row of both vectors
typedef double Loose __attribute__((vector_size(LANES_BYTES), aligned(8), may_alias));
typedef double LoosePair __attribute__((vector_size(16), aligned(8), may_alias));

LANES_INLINE Wide load(const double* at) { return *reinterpret_cast<const Loose*>(at); }
LANES_INLINE void store(double* at, Wide value) { *reinterpret_cast<Loose*>(at) = value; }
LANES_INLINE Pair load_pair(const double* at) { return *reinterpret_cast<const LoosePair*>(at); }
LANES_INLINE void store_pair(double* at, Pair value) { *reinterpret_cast<LoosePair*>(at) = value; }

inline Range range(const std::int32_t* numbers, std::ptrdiff_t count) {
    Range out = {numbers[0], numbers[0]};
    for (std::ptrdiff_t i = 0; i < count; ++i) {
        out.least = numbers[i] < out.least ? numbers[i] : out.least;
        out.most = numbers[i] > out.most ? numbers[i] : out.most;
    }
    return out;
}

// -- cells ------------------------------------------------------------------------------------------------------------

inline void transport(const Cells& cells, Velocity velocity, const double* reference, const std::int32_t* places,
                      double* values) {
    constexpr int registers = (36 + width - 1) / width;
    alignas(64) double table[18][registers * width] = {};
    for (int t = 0; t < 18; ++t) {
        for (int j = 0; j < 36; ++j) table[t][j] = reference[36 * t + j];
    }
    alignas(64) double local[registers * width];
    for (std::ptrdiff_t cell = 0; cell < cells.count; ++cell) {
        const double *slope_x = cells.slopes + 3 * cell, *slope_y = slope_x + 3 * cells.count;
        Wide sum[registers] = {};
        for (int k = 0; k < 6; ++k) {
            const std::int32_t unknown = cells.unknowns[6 * cell + k];
            for (int a = 0; a < 3; ++a) {
                const double along = velocity.x[unknown] * slope_x[a] + velocity.y[unknown] * slope_y[a];
                for (int r = 0; r < registers; ++r) sum[r] += load(table[3 * k + a] + r * width) * along;
            }
        }
        for (int r = 0; r < registers; ++r) store(local + r * width, sum[r]);
        for (int j = 0; j < 36; ++j) {
            const std::int32_t at = places[36 * cell + j];
            if (at >= 0) values[at] += local[j];
        }
    }
}

// NaN where any value is.
inline double courant(const Cells& cells, Velocity velocity) {
    constexpr int registers = (6 + width - 1) / width;
    alignas(64) double x[registers * width] = {}, y[registers * width] = {};
    Wide most = {}, sum = {};  // a comparison does not see NaN, a sum of sizes does
    for (std::ptrdiff_t cell = 0; cell < cells.count; ++cell) {
        for (int k = 0; k < 6; ++k) {
            const std::int32_t at = cells.unknowns[6 * cell + k];
            x[k] = velocity.x[at];
            y[k] = velocity.y[at];
        }
        const double *along = cells.slopes + 3 * cell, *up = along + 3 * cells.count;
        for (int r = 0; r < registers; ++r) {
            for (int a = 0; a < 3; ++a) {
                const Wide value = absolute(load(x + r * width) * along[a] + load(y + r * width) * up[a]);
                most = larger(value, most);
                sum += value;
            }
        }
    }
    double greatest = 0;
    for (int i = 0; i < width; ++i) {
        if (sum[i] != sum[i]) return sum[i];
        greatest = most[i] > greatest ? most[i] : greatest;
    }
    return greatest;
}

// -- products ---------------------------------------------------------------------------------------------------------

// Calls done(row, A x of that row), x interleaved: each entry of the matrix serves both vectors.
template <class Done> LANES_INLINE void rows(const Matrix& matrix, const double* x, Done done) {
    for (std::ptrdiff_t i = 0; i < matrix.rows; ++i) {
        Pair even = {}, odd = {};
        std::int32_t k = matrix.starts[i];
        const std::int32_t end = matrix.starts[i + 1];
        for (; k + 1 < end; k += 2) {
            even += load_pair(x + 2 * std::ptrdiff_t(matrix.columns[k])) * matrix.values[k];
            odd += load_pair(x + 2 * std::ptrdiff_t(matrix.columns[k + 1])) * matrix.values[k + 1];
        }
        if (k < end) even += load_pair(x + 2 * std::ptrdiff_t(matrix.columns[k])) * matrix.values[k];
        done(i, even + odd);
    }
}

// Four sums, as each of them waits for itself.
LANES_INLINE double row(const Matrix& matrix, std::ptrdiff_t i, const double* x) {
    double sum[4] = {};
    std::int32_t k = matrix.starts[i];
    const std::int32_t end = matrix.starts[i + 1];
    for (; k + 3 < end; k += 4) {
        for (int j = 0; j < 4; ++j) sum[j] += matrix.values[k + j] * x[matrix.columns[k + j]];
    }
    for (; k < end; ++k) sum[0] += matrix.values[k] * x[matrix.columns[k]];
    return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

inline void multiply(const Matrix& matrix, const double* x, int vectors, double* product) {
    if (vectors == 1) {
        for (std::ptrdiff_t i = 0; i < matrix.rows; ++i) product[i] = row(matrix, i, x);
        return;
    }
    for (std::ptrdiff_t i = 0; i < matrix.rows; ++i) {
        product[i] = row(matrix, i, x);
        product[matrix.rows + i] = row(matrix, i, x + matrix.width);
    }
}

// -- BiCGStab ---------------------------------------------------------------------------------------------------------

LANES_INLINE Wide both(const double* pair) {
    Wide out;
    for (int i = 0; i < width; ++i) out[i] = pair[i % 2];
    return out;
}

LANES_INLINE void fold(Wide sum, double* pair) {
    pair[0] = pair[1] = 0;
    for (int i = 0; i < width; ++i) pair[i % 2] += sum[i];
}

// van der Vorst (1992), SIAM J. Sci. Stat. Comput. 13, 631, preconditioned from the right by the diagonal, so that the
// residual is the true one up to round-off. Both vectors go through each sweep together, with numbers of their own; one
// that has arrived, or whose method broke down, stays where it is. Restarted from the residual computed from x.
inline Outcome bicgstab(const Matrix& matrix, const double* b, double rtol, int limit, double* x, double* memory) {
    const std::ptrdiff_t n = matrix.rows, size = padded(n);
    double *inverse = memory, *r = inverse + size, *shadow = r + size, *p = shadow + size, *v = p + size,
           *t = v + size, *scaled = t + size, *y = scaled + size;
    for (std::ptrdiff_t i = 0; i < size; ++i) y[i] = 0;
    for (int part = 0; part < 7; ++part) {
        for (std::ptrdiff_t i = 2 * n; i < size; ++i) memory[part * size + i] = 0;
    }
    Pair whole = {};
    for (std::ptrdiff_t i = 0; i < n; ++i) {
        std::int32_t k = matrix.starts[i];
        while (k < matrix.starts[i + 1] && matrix.columns[k] != i) ++k;
        const double diagonal = k < matrix.starts[i + 1] ? matrix.values[k] : 0;
        store_pair(inverse + 2 * i, Pair{1, 1} / diagonal);
        const Pair own = {b[i], b[n + i]};
        store_pair(r + 2 * i, own);
        whole += own * own;
    }
    const double target[2] = {rtol * rtol * whole[0], rtol * rtol * whole[1]};
    Outcome out = {{0, 0}, {0, 0}};
    for (int start = 0;; ++start) {
        Pair square = whole;
        if (start > 0) {  // b - A x, x = y / diagonal
            square = Pair{};
            for (std::ptrdiff_t i = 0; i < size; i += width) store(scaled + i, load(y + i) * load(inverse + i));
            rows(matrix, scaled, [&](std::ptrdiff_t i, Pair product) {
                const Pair left = Pair{b[i], b[n + i]} - product;
                store_pair(r + 2 * i, left);
                square += left * left;
            });
        }
        double rr[2] = {square[0], square[1]};
        bool active[2];
        for (int c = 0; c < 2; ++c) {
            active[c] = !(rr[c] <= target[c]) && std::isfinite(rr[c]) && out.iterations[c] < limit;
            out.residual[c] = whole[c] > 0 ? std::sqrt(rr[c] / whole[c]) : 0;
        }
        if (!(active[0] || active[1]) || start == 4) break;
        double rho[2] = {rr[0], rr[1]}, alpha[2] = {0, 0}, beta[2] = {0, 0}, omega[2] = {0, 0};
        for (std::ptrdiff_t i = 0; i < size; i += width) {
            store(shadow + i, load(r + i));
            store(p + i, Wide{});
            store(v + i, Wide{});
        }
        while (active[0] || active[1]) {
            {
                const Wide wide_beta = both(beta), wide_omega = both(omega);
                for (std::ptrdiff_t i = 0; i < size; i += width) {
                    const Wide next = load(r + i) + wide_beta * (load(p + i) - wide_omega * load(v + i));
                    store(p + i, next);
                    store(scaled + i, next * load(inverse + i));
                }
            }
            Pair along = {};
            rows(matrix, scaled, [&](std::ptrdiff_t i, Pair product) {
                store_pair(v + 2 * i, product);
                along += product * load_pair(shadow + 2 * i);
            });
            for (int c = 0; c < 2; ++c) {
                out.iterations[c] += active[c];
                alpha[c] = active[c] ? rho[c] / along[c] : 0;
                if (!std::isfinite(alpha[c])) active[c] = false, alpha[c] = 0;
            }
            const Wide wide_alpha = both(alpha);
            for (std::ptrdiff_t i = 0; i < size; i += width) {
                const Wide left = load(r + i) - wide_alpha * load(v + i);
                store(r + i, left);
                store(scaled + i, left * load(inverse + i));
            }
            Pair tr = {}, tt = {};
            rows(matrix, scaled, [&](std::ptrdiff_t i, Pair product) {
                store_pair(t + 2 * i, product);
                tr += product * load_pair(r + 2 * i);
                tt += product * product;
            });
            for (int c = 0; c < 2; ++c) omega[c] = active[c] && tt[c] > 0 ? tr[c] / tt[c] : 0;
            const Wide wide_omega = both(omega);
            Wide squares = {}, shadowed = {};
            for (std::ptrdiff_t i = 0; i < size; i += width) {
                const Wide before = load(r + i), left = before - wide_omega * load(t + i);
                store(y + i, load(y + i) + (wide_alpha * load(p + i) + wide_omega * before));
                store(r + i, left);
                squares += left * left;
                shadowed += left * load(shadow + i);
            }
            double after[2];
            fold(squares, rr);
            fold(shadowed, after);
            for (int c = 0; c < 2; ++c) {
                if (!active[c]) continue;
                beta[c] = after[c] / rho[c] * (alpha[c] / omega[c]);
                rho[c] = after[c];
                active[c] = rr[c] > target[c] && std::isfinite(beta[c]) && beta[c] != 0 && out.iterations[c] < limit;
                if (!active[c]) beta[c] = omega[c] = 0;
            }
        }
    }
    for (std::ptrdiff_t i = 0; i < n; ++i) {
        for (int c = 0; c < 2; ++c) x[c * n + i] = y[2 * i + c] * inverse[2 * i + c];
    }
    return out;
}

}  // namespace lanes::elements::LANES_ISA
