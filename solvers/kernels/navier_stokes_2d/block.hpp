// A block of lanes from one output time to the next: load, march, store.
#pragma once

#include <math.h>

#include "step.hpp"
#include "tracers.hpp"

namespace lanes::LANES_ISA {

// S: the precision of the state, which may be finer than the layout's.
template <class Layout, class S> class Block {
    using T = typename Layout::Scalar;
    static constexpr int L = Layout::lanes;
    using V = Vector<T, L>;
    using State = std::conditional_t<sizeof(S) == sizeof(T), V, Twin<Vector<double, (L + 1) / 2>>>;

    const Flow& flow;
    Member* const members;
    const int count, pairs, modes;
    NavierStokes<Layout> equation;
    Tracers<Layout> tracers;
    Complex<State>*state, *sum;      // [field][pair][±][kx]
    Complex<V>* past[3];             // the same, of Adams–Bashforth steps
    State *decay_x, *decay_y, *hyper;  // exp(ℒh/2) of a field is the product of one of each; `hyper` [pair][kx] if any
    Step<State> step;
    V* arrived;  // the rate of what waits on the grid, squared, between two intervals
    V peak{}, last{};

    Block(const Flow& shared, Member* first, int size, Arena& arena)
        : flow(shared), members(first), count(size), pairs(Layout::pairs(flow.largest_ky())),
          modes(flow.largest_kx() + 1), equation(flow, arena), tracers(flow, equation, arena),
          state(arena.take<Complex<State>>(numbers())), sum(arena.take<Complex<State>>(numbers())) {
        for (auto*& old : past) old = arena.take<Complex<V>>(flow.bashforth ? numbers() : 0);
        decay_x = arena.take<State>(size_t(flow.fields()) * modes);
        decay_y = arena.take<State>(size_t(flow.fields()) * pairs);
        hyper = arena.take<State>(flow.hyper_power > 1 ? size_t(pairs) * modes : 0);
        arrived = arena.take<V>(1);
    }

    size_t numbers() const { return size_t(2) * flow.fields() * pairs * modes; }

  public:
    static size_t memory(const Flow& flow) {
        Arena arena{nullptr};
        Block(flow, nullptr, 0, arena);
        return arena.used;
    }

    static void advance(const Flow& flow, Member* members, int count, void* memory) {
        Arena arena{static_cast<char*>(memory)};
        Block block(flow, members, count, arena);
        block.load();
        block.template sweep<0>();
        *block.arrived = block.equation.template multiply<true>();
        block.march();
    }

    // From where `advance` or `resume` left the same members in the same memory.
    static void resume(const Flow& flow, Member* members, int count, void* memory) {
        Arena arena{static_cast<char*>(memory)};
        Block(flow, members, count, arena).march();
    }

    static void nonlinear(const Flow& flow, Member* members, int count, void* memory) {
        Arena arena{static_cast<char*>(memory)};
        Block block(flow, members, count, arena);
        block.load();
        block.template sweep<0>();
        block.last = block.equation.template multiply<true>();
        block.collect();
        block.store(block.sum);
        block.report_rates();
    }

  private:
    void march() {
        long longest = 0;
        for (int i = 0; i < count; ++i) longest = members[i].steps > longest ? members[i].steps : longest;
        tabulate_decay();
        V rate = *arrived;
        for (long done = 0; done < longest; ++done) {
            set_step(done);
            if (done > 0) rate = equation.template multiply<true>();
            peak = select(convert<V>(step.live), larger(rate, peak), peak);
            if (flow.bashforth && done >= 3) {
                sweep<adams>();
                continue;
            }
            sweep<1>();
            equation.template multiply<false>();
            sweep<2>();
            equation.template multiply<false>();
            sweep<3>();
            equation.template multiply<false>();
            sweep<4>();
        }
        if (longest > 0) rate = equation.template multiply<true>();
        *arrived = last = rate;
        store(state);
        report_rates();
    }

    static constexpr int adams = 5;  // after the four stages of Runge–Kutta; 0 only sends the state to the grid

    // 𝒩 of one stage, row by row straight into the next stage's argument and on to the grid: no copy of either exists.
    // Tracers come first, while the vorticity of their own stage is still known.
    template <int Stage> void sweep() {
        for (int pair = 0; pair < pairs; ++pair) {
            equation.enter(pair);
            for (int j = 0; j < flow.tracers; ++j) carry<Stage>(pair, j);
            if constexpr (Stage > 0) equation.receive(pair);
            update<Stage>(pair, 0, flow.hyper_power > 1 ? hyper + size_t(pair) * modes : nullptr,
                          [&, graded = tracers.graded](int k, Complex<V> plus, Complex<V> minus) {
                              if (graded) tracers.note(pair, k, plus, minus);
                              equation.put_velocity(k, plus, minus);
                          });
            equation.send(pair);
        }
    }

    template <int Stage> void carry(int pair, int j) {
        const bool first = j % 2 == 0, alone = first && j + 1 == flow.tracers;
        if constexpr (Stage > 0) tracers.receive(equation.grid, pair, j);
        update<Stage>(pair, 1 + j, nullptr, [&](int k, Complex<V> plus, Complex<V> minus) {
            if (first) tracers.hold(k, plus, minus);
            if (alone) tracers.put(k, Complex<V>{}, Complex<V>{});
            if (!first) tracers.put(k, plus, minus);
        });
        if (!first || alone) equation.grid.rows_to_grid(pair, 1 + j / 2);
    }

    // 𝒩 of a field at (kx, ±ky) waits in the grid's lines; calls put(k, plus, minus) with the next stage's argument.
    template <int Stage, class Put> LANES_INLINE void update(int pair, int which, const State* extra, Put put) {
        const size_t plus = row(which, pair, 0), minus = row(which, pair, 1);
        Complex<State>*u_plus = state + plus, *u_minus = state + minus;
        Complex<State>*sum_plus = sum + plus, *sum_minus = sum + minus;
        const State* along_x = decay_x + size_t(which) * modes;
        const State along_y = decay_y[size_t(which) * pairs + pair];
        const bool bashforth = flow.bashforth;
        for (int k = 0; k < modes; ++k) {
            Complex<State> next[2] = {u_plus[k], u_minus[k]};
            if constexpr (Stage > 0) {
                State decay = along_x[k] * along_y;
                if (extra) decay = decay * extra[k];
                const Complex<State> n[2] = {convert<State>(equation.grid.line[0][k]),
                                             convert<State>(equation.grid.line[1][k])};
                if constexpr (Stage == adams) {
                    next[0] = bashforth_step(u_plus[k], n[0], plus + k, decay);
                    next[1] = bashforth_step(u_minus[k], n[1], minus + k, decay);
                } else {
                    if (Stage == 1 && bashforth) {
                        remember(plus + k, n[0], decay);
                        remember(minus + k, n[1], decay);
                    }
                    next[0] = step.template stage<Stage>(u_plus[k], sum_plus[k], n[0], decay);
                    next[1] = step.template stage<Stage>(u_minus[k], sum_minus[k], n[1], decay);
                }
            }
            put(k, convert<V>(next[0]), convert<V>(next[1]));
        }
    }

    LANES_INLINE Complex<State> bashforth_step(Complex<State>& u, Complex<State> n, size_t at, State decay) {
        const Complex<State> older[3] = {convert<State>(past[0][at]), convert<State>(past[1][at]),
                                         convert<State>(past[2][at])};
        remember(at, n, decay);
        return step.bashforth(u, n, older[0], older[1], older[2], decay);
    }

    LANES_INLINE void remember(size_t at, Complex<State> n, State decay) {
        past[2][at] = convert<V>(convert<State>(past[1][at]) * decay * decay);
        past[1][at] = convert<V>(convert<State>(past[0][at]) * decay * decay);
        past[0][at] = convert<V>(n * decay * decay);
    }

    void collect() {
        for (int pair = 0; pair < pairs; ++pair) {
            equation.enter(pair);
            for (int which = 0; which < flow.fields(); ++which) {
                if (which == 0) equation.receive(pair);
                if (which > 0) tracers.receive(equation.grid, pair, which - 1);
                for (int k = 0; k < modes; ++k) {
                    sum[row(which, pair, 0) + k] = convert<State>(equation.grid.line[0][k]);
                    sum[row(which, pair, 1) + k] = convert<State>(equation.grid.line[1][k]);
                }
            }
        }
    }

    // Where row ±ky of a field begins.
    size_t row(int which, int pair, int sign) const { return ((size_t(which) * pairs + pair) * 2 + sign) * modes; }

    void tabulate_decay() {
        for (int i = 0; i < L; ++i) {
            const int own = Layout::member(i);
            const Member member = own < count ? members[own] : Member{};
            for (int which = 0; which < flow.fields(); ++which) {
                const double spread = which == 0 ? member.viscosity : own < count ? member.diffusivity[which - 1] : 0;
                tabulate_decay(i, which, member.step / 2, spread, which == 0 ? member.drag : 0);
            }
            if (flow.hyper_power > 1) tabulate_hyper(i, member.step / 2 * member.hyperviscosity);
        }
    }

    void tabulate_decay(int i, int which, double half, double spread, double drag) {
        const double unit_x = 2 * M_PI / flow.length_x, unit_y = 2 * M_PI / flow.length_y;
        for (int k = 0; k < modes; ++k) {
            lane<S>(decay_x[which * modes + k], i) = S(exp(-half * spread * (unit_x * k) * (unit_x * k)));
        }
        for (int pair = 0; pair < pairs; ++pair) {
            const double ky = unit_y * Layout::ky(pair, i);
            lane<S>(decay_y[which * pairs + pair], i) = S(exp(-half * (spread * ky * ky + drag)));
        }
    }

    void tabulate_hyper(int i, double half) {
        const double unit_x = 2 * M_PI / flow.length_x, unit_y = 2 * M_PI / flow.length_y;
        for (int pair = 0; pair < pairs; ++pair) {
            const double ky = unit_y * Layout::ky(pair, i);
            for (int k = 0; k < modes; ++k) {
                const double squared = unit_x * k * unit_x * k + ky * ky;
                double power = 1;
                for (int p = 0; p < flow.hyper_power; ++p) power *= squared;
                lane<S>(hyper[size_t(pair) * modes + k], i) = S(exp(-half * power));
            }
        }
    }

    void set_step(long done) {
        for (int i = 0; i < L; ++i) {
            const int own = Layout::member(i);
            const bool live = own < count && done < members[own].steps;
            const double h = live ? members[own].step : 0;
            lane<S>(step.whole, i) = S(h);
            lane<S>(step.half, i) = S(h / 2);
            lane<S>(step.third, i) = S(h / 3);
            lane<S>(step.sixth, i) = S(h / 6);
            constexpr double adams_bashforth[4] = {55, -59, 37, -9};
            for (int j = 0; j < 4; ++j) lane<S>(step.weights[j], i) = S(h * adams_bashforth[j] / 24);
            lane<S>(step.live, i) = live;
        }
    }

    // Calls visit(a lane's numbers in a row of `array`, its member, where that row lies in the member's rfft2 arrays).
    template <class Visit> void each_row(Complex<State>* array, Visit visit) {
        for (int which = 0; which < flow.fields(); ++which) {
            for (int pair = 0; pair < pairs; ++pair) {
                for (int sign = 0; sign < 2; ++sign) each_lane(array, which, pair, sign, visit);
            }
        }
    }

    template <class Visit> void each_lane(Complex<State>* array, int which, int pair, int sign, Visit visit) {
        for (int i = 0; i < L; ++i) {
            const int ky = Layout::ky(pair, i), own = Layout::member(i);
            if (ky > flow.largest_ky() || own >= count) continue;
            const int index = which * flow.ny + (sign && ky ? flow.ny - ky : ky);
            S* numbers = reinterpret_cast<S*>(array + row(which, pair, sign)) + i;
            visit(numbers, members[own], size_t(index) * (flow.nx / 2 + 1) * 2);
        }
    }

    void load() {
        for (size_t i = 0; i < numbers(); ++i) state[i] = Complex<State>{};
        each_row(state, [this](S* numbers, const Member& member, size_t offset) {
            const S* source = static_cast<const S*>(member.state) + offset;
            for (int j = 0; j < 2 * modes; ++j) numbers[j * L] = source[j];
        });
    }

    void store(Complex<State>* array) {
        each_row(array, [this](const S* numbers, const Member& member, size_t offset) {
            S* target = static_cast<S*>(member.result) + offset;
            for (int j = 0; j < 2 * modes; ++j) target[j] = numbers[j * L];
        });
    }

    void report_rates() {
        for (int i = 0; i < L; ++i) {
            const int own = Layout::member(i);
            if (own >= count) continue;
            Member& member = members[own];  // of several lanes where they are lines
            member.peak_rate = fmax(member.peak_rate, lane<T>(peak, i));
            member.last_rate = fmax(member.last_rate, lane<T>(last, i));
        }
    }
};

}  // namespace lanes::LANES_ISA
