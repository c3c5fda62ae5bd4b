// Complex transforms of any length 2^a 3^b 5^c, every lane its own, in place and without reordering.
//
// A way there (decimation in frequency) takes natural order to a scrambled one; the way back (decimation in time) runs
// the same passes backwards, scrambled to natural (Van Loan 1992, Computational Frameworks for the FFT, §1.9). What
// happens in between — squaring, or transforms along the other axis — does not care about the order.
//
// A pass of radix R cuts each of its `blocks` of n points into R, with m = n/R = `groups`:
//     there   y[p + k m] = w^(pk) Σ_j exp(+2πi jk/R) x[p + j m],      w = exp(2πi/n),  p < m
//     back    its conjugate transpose
// The first pass there may read and the last pass back may write through any function of the index: so the 2/3 rule and
// the strides of columns cost no sweep of their own. The innermost pass (m = 1) turns round in registers.
#pragma once

#include "butterfly.hpp"
#include "passes.hpp"

namespace lanes::LANES_ISA {

template <class V> struct Gather {
    const Complex<V>* source;
    const int* place;
    LANES_INLINE Complex<V> operator()(int i) const { return source[place[i]]; }
};

template <class V> struct Scatter {
    Complex<V>* target;
    const int* place;
    LANES_INLINE void operator()(int i, Complex<V> value) const { target[place[i]] = value; }
};

template <int Radix, class V> LANES_INLINE void multiply_roots(Complex<V>* a, const ScalarOf<V>* root, bool back) {
    for (int k = 1; k < Radix; ++k) {
        const ScalarOf<V> cosine = root[2 * k - 2], sine = root[2 * k - 1];
        a[k] = back ? times_root<-1>(a[k], cosine, sine) : times_root<+1>(a[k], cosine, sine);
    }
}

template <int Radix, class V, class Read> void first_there(const Pass<ScalarOf<V>>& pass, Read read, Complex<V>* out) {
    const int m = pass.groups;
    const ScalarOf<V>* root = pass.roots;
    for (int p = 0; p < m; ++p, root += 2 * (Radix - 1)) {
        Complex<V> a[Radix];
        for (int j = 0; j < Radix; ++j) a[j] = read(p + j * m);
        butterfly<Radix, +1>(a);
        multiply_roots<Radix>(a, root, false);
        for (int k = 0; k < Radix; ++k) out[p + k * m] = a[k];
    }
}

template <int Radix, class V, class Write>
void last_back(const Pass<ScalarOf<V>>& pass, const Complex<V>* in, Write write) {
    const int m = pass.groups;
    const ScalarOf<V>* root = pass.roots;
    for (int p = 0; p < m; ++p, root += 2 * (Radix - 1)) {
        Complex<V> a[Radix];
        for (int j = 0; j < Radix; ++j) a[j] = in[p + j * m];
        multiply_roots<Radix>(a, root, true);
        butterfly<Radix, -1>(a);
        for (int k = 0; k < Radix; ++k) write(p + k * m, a[k]);
    }
}

template <int Radix, bool Back, bool Roots, class V>
LANES_INLINE void middle_group(const Pass<ScalarOf<V>>& pass, Complex<V>* x, const ScalarOf<V>* root) {
    const int m = pass.groups;
    for (int block = 0; block < pass.blocks; ++block, x += Radix * m) {
        Complex<V> a[Radix];
        for (int j = 0; j < Radix; ++j) a[j] = x[j * m];
        if constexpr (Roots && Back) multiply_roots<Radix>(a, root, true);
        butterfly<Radix, Back ? -1 : +1>(a);
        if constexpr (Roots && !Back) multiply_roots<Radix>(a, root, false);
        for (int k = 0; k < Radix; ++k) x[k * m] = a[k];
    }
}

template <int Radix, bool Back, class V> void middle_pass(const Pass<ScalarOf<V>>& pass, Complex<V>* x) {
    middle_group<Radix, Back, false>(pass, x, pass.roots);  // p = 0: all roots are one
    for (int p = 1; p < pass.groups; ++p) {
        middle_group<Radix, Back, true>(pass, x + p, pass.roots + 2 * (Radix - 1) * p);
    }
}

// Butterflies `one` and `other`, if there is another, of the last pass back: points p of blocks of x that lie `stride`
// apart -> out, one after the other; and of the first pass there, the way back.
template <int Radix, class V>
void last_groups(const Pass<ScalarOf<V>>& pass, const Complex<V>* x, int stride, int one, int other, Complex<V>* out) {
    for (int p = one;; p = other, out += Radix) {
        Complex<V> a[Radix];
        for (int j = 0; j < Radix; ++j) a[j] = x[p + j * stride];
        multiply_roots<Radix>(a, pass.roots + 2 * (Radix - 1) * p, true);
        butterfly<Radix, -1>(a);
        for (int k = 0; k < Radix; ++k) out[k] = a[k];
        if (p == other) return;
    }
}
template <int Radix, class V>
void first_groups(const Pass<ScalarOf<V>>& pass, const Complex<V>* in, int one, int other, Complex<V>* x, int stride) {
    for (int p = one;; p = other, in += Radix) {
        Complex<V> a[Radix];
        for (int j = 0; j < Radix; ++j) a[j] = in[j];
        butterfly<Radix, +1>(a);
        multiply_roots<Radix>(a, pass.roots + 2 * (Radix - 1) * p, false);
        for (int k = 0; k < Radix; ++k) x[p + k * stride] = a[k];
        if (p == other) return;
    }
}

// Turns: what the innermost pass does with R neighbouring points. What a turn gathers, it gives back.
struct Arrive {
    template <int Radix, class V> LANES_INLINE void operator()(Complex<V>* a) { butterfly<Radix, +1>(a); }
};
struct Depart {
    template <int Radix, class V> LANES_INLINE void operator()(Complex<V>* a) { butterfly<Radix, -1>(a); }
};

template <int Radix, class V, class Turn> Turn innermost(const Pass<ScalarOf<V>>& pass, Complex<V>* x, Turn turn) {
    for (int block = 0; block < pass.blocks; ++block, x += Radix) {
        Complex<V> a[Radix];
        for (int j = 0; j < Radix; ++j) a[j] = x[j];
        turn.template operator()<Radix>(a);
        for (int k = 0; k < Radix; ++k) x[k] = a[k];
    }
    return turn;
}

template <int R> struct Chosen {
    static constexpr int radix = R;
};

// The radix is known at run time only: it picks one of the functions above.
template <class Call> LANES_INLINE void with_radix(int radix, Call call) {
    switch (radix) {
        case 2: return call(Chosen<2>{});
        case 3: return call(Chosen<3>{});
        case 4: return call(Chosen<4>{});
        case 5: return call(Chosen<5>{});
        case 8: return call(Chosen<8>{});
    }
}

// Natural order, through `read`, to the threshold of the innermost pass in x.
template <class V, class Read> void go_there(const Plan<ScalarOf<V>>& plan, Read read, Complex<V>* x) {
    const Pass<ScalarOf<V>>* pass = plan.passes;
    with_radix(pass->radix, [&](auto chosen) { first_there<chosen.radix, V>(*pass, read, x); });
    for (int i = 1; i < plan.count - 1; ++i) {
        ++pass;
        with_radix(pass->radix, [&](auto chosen) { middle_pass<chosen.radix, false>(*pass, x); });
    }
}

template <class V, class Turn> Turn turn_round(const Plan<ScalarOf<V>>& plan, Complex<V>* x, Turn turn) {
    const Pass<ScalarOf<V>>& pass = plan.passes[plan.count - 1];
    with_radix(pass.radix, [&](auto chosen) { turn = innermost<chosen.radix, V>(pass, x, turn); });
    return turn;
}

// What stands between the outermost pass and the innermost one, for the points of one of its blocks alone: 1/radix of
// the line, which so stays in the first-level cache.
template <bool Back, class V> void middle_passes(const Plan<ScalarOf<V>>& plan, Complex<V>* block) {
    for (int i = 1; i < plan.count - 1; ++i) {
        Pass<ScalarOf<V>> pass = plan.passes[Back ? plan.count - 1 - i : i];
        pass.blocks /= plan.passes[0].radix;
        with_radix(pass.radix, [&](auto chosen) { middle_pass<chosen.radix, Back>(pass, block); });
    }
}

// From the threshold of the innermost pass to natural order, through `write`. Overwrites x.
template <class V, class Write> void come_back(const Plan<ScalarOf<V>>& plan, Complex<V>* x, Write write) {
    const Pass<ScalarOf<V>>* pass = plan.passes + plan.count - 1;
    for (int i = plan.count - 2; i > 0; --i) {
        --pass;
        with_radix(pass->radix, [&](auto chosen) { middle_pass<chosen.radix, true>(*pass, x); });
    }
    --pass;
    with_radix(pass->radix, [&](auto chosen) { last_back<chosen.radix, V>(*pass, x, write); });
}

}  // namespace lanes::LANES_ISA
