// Between a level and the one coarsened along one axis: `Transfer` of solvers/krylov/multigrid.py.
#pragma once

#include "grid.hpp"

namespace lanes::multigrid::LANES_ISA {

template <class S> struct Transfer {
    int axis;
    Grid fine, coarse;
    const S* own;   // split layout of the fine grid, ghosts of x filled
    S* values;      // fine layout: what comes down or goes up on the finer side; null where that is the level itself
    S* line;        // a natural coarse row with one ghost at each end
};

template <class S> LANES_INLINE void add_row(S* __restrict out, const S* own, const S* in, size_t n, bool mine) {
    if (mine) {
        for (size_t i = 0; i < n; ++i) out[i] += own[i] * in[i];
    } else {
        for (size_t i = 0; i < n; ++i) out[i] += (1 - own[i]) * in[i];
    }
}

// Residuals to the coarser grid, rows at a time (axes z and y).
template <class S> void down_rows(const Transfer<S>& t, const S* in, S* out) {
    const Grid &f = t.fine, &c = t.coarse;
    const int n = f.size[t.axis], pairs = c.size[t.axis];
    for (int z = 0; z < c.size[0]; ++z) {
        for (int y = 0; y < c.size[1]; ++y) {
            const int p = t.axis == 0 ? z : y;
            S* __restrict to = out + c.at(z, y);
            const auto from = [&](int i) { return t.axis == 0 ? f.at(i, y) : f.at(z, i); };
            const size_t first = from(2 * p);
            for (size_t i = 0; i < f.row; ++i) to[i] = t.own[first + i] * in[first + i];
            const auto add = [&](int i, bool mine) { add_row(to, t.own + from(i), in + from(i), f.row, mine); };
            if (2 * p + 1 < n) add(2 * p + 1, true);
            if (p > 0) add(2 * p - 1, false);
            if (p == 0 && f.wraps[t.axis] && n % 2 == 0) add(n - 1, false);
            if (2 * p + 2 < n) add(2 * p + 2, false);
            if (p == pairs - 1 && f.wraps[t.axis]) add(0, false);
        }
    }
}

// Along x: the partners of a pair lie in the two halves of the row.
template <class S> void down_x(const Transfer<S>& t, S* in, S* out) {
    const Grid &f = t.fine, &c = t.coarse;
    const int n = f.size[2], pairs = c.size[2];
    for (int z = 0; z < f.size[0]; ++z) {
        for (int y = 0; y < f.size[1]; ++y) {
            S *even = in + f.at(z, y), *odd = even + f.half;
            const S *we = t.own + f.at(z, y), *wo = we + f.half;
            odd[-1] = f.wraps[2] && n % 2 == 0 ? odd[n / 2 - 1] : S(0);
            even[(n + 1) / 2] = f.wraps[2] ? even[0] : S(0);
            if (n % 2) odd[n / 2] = 0;
            S* __restrict line = t.line + 1;
            for (int i = 0; i < pairs; ++i) {
                line[i] = we[i] * even[i] + wo[i] * odd[i] + (1 - wo[i - 1]) * odd[i - 1] + (1 - we[i + 1]) * even[i + 1];
            }
            odd[-1] = even[(n + 1) / 2] = 0;
            split(line, out + c.at(z, y), pairs, c.half);
        }
    }
}

template <class S> void down(const Transfer<S>& t, S* in, S* out) {
    if (t.axis == 2) {
        down_x(t, in, out);
    } else {
        down_rows(t, in, out);
    }
}

// Corrections to the finer grid, added where `onto`.
template <class S> void up_rows(const Transfer<S>& t, const S* in, S* out, bool onto) {
    const Grid &f = t.fine, &c = t.coarse;
    const int pairs = c.size[t.axis];
    for (int z = 0; z < f.size[0]; ++z) {
        for (int y = 0; y < f.size[1]; ++y) {
            const int i = t.axis == 0 ? z : y;
            int far = i / 2 + (i % 2 ? 1 : -1);  // −1 and `pairs` are ghost rows of zeros
            if (f.wraps[t.axis]) far = (far + pairs) % pairs;
            const auto from = [&](int p) { return in + (t.axis == 0 ? c.at(p, y) : c.at(z, p)); };
            const S *a = from(i / 2), *b = from(far), *w = t.own + f.at(z, y);
            S* __restrict to = out + f.at(z, y);
            if (onto) {
                for (size_t k = 0; k < f.row; ++k) to[k] += w[k] * a[k] + (1 - w[k]) * b[k];
            } else {
                for (size_t k = 0; k < f.row; ++k) to[k] = w[k] * a[k] + (1 - w[k]) * b[k];
            }
        }
    }
}

template <class S> void up_x(const Transfer<S>& t, const S* in, S* out, bool onto) {
    const Grid &f = t.fine, &c = t.coarse;
    const int pairs = c.size[2], evens = f.evens(), odds = f.odds();
    for (int z = 0; z < f.size[0]; ++z) {
        for (int y = 0; y < f.size[1]; ++y) {
            S* line = t.line + 1;
            unsplit(in + c.at(z, y), line, pairs, c.half);
            line[-1] = f.wraps[2] ? line[pairs - 1] : S(0);
            line[pairs] = f.wraps[2] ? line[0] : S(0);
            S *__restrict even = out + f.at(z, y), *__restrict odd = even + f.half;
            const S *we = t.own + f.at(z, y), *wo = we + f.half;
            const S keep = onto ? S(1) : S(0);
            for (int i = 0; i < evens; ++i) even[i] = keep * even[i] + we[i] * line[i] + (1 - we[i]) * line[i - 1];
            for (int i = 0; i < odds; ++i) odd[i] = keep * odd[i] + wo[i] * line[i] + (1 - wo[i]) * line[i + 1];
        }
    }
}

template <class S> void up(const Transfer<S>& t, const S* in, S* out, bool onto) {
    if (t.axis == 2) {
        up_x(t, in, out, onto);
    } else {
        up_rows(t, in, out, onto);
    }
}

}  // namespace lanes::multigrid::LANES_ISA
