// A block of lanes from one output time to the next: load, march, store.
#pragma once

#include <math.h>

#include "ifrk4.hpp"
#include "navier_stokes.hpp"

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
    Complex<State>*state, *sum;  // [pair][±][kx]
    State *decay_x, *decay_y;    // exp(ℒh/2) is the product of one of each
    Step<State> step;
    V peak{}, last{};

    Block(const Flow& shared, Member* first, int size, Arena& arena)
        : flow(shared), members(first), count(size), pairs(Layout::pairs(flow.largest_ky())),
          modes(flow.largest_kx() + 1), equation(flow, arena), state(arena.take<Complex<State>>(2 * pairs * modes)),
          sum(arena.take<Complex<State>>(2 * pairs * modes)), decay_x(arena.take<State>(modes)),
          decay_y(arena.take<State>(pairs)) {}

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
        block.march();
        block.store(block.state);
        block.report_rates();
    }

    static void nonlinear(const Flow& flow, Member* members, int count, void* memory) {
        Arena arena{static_cast<char*>(memory)};
        Block block(flow, members, count, arena);
        block.load();
        block.template sweep<0>();
        block.last = block.equation.template square<true>();
        block.collect();
        block.store(block.sum);
        block.report_rates();
    }

  private:
    void march() {
        long longest = 0;
        for (int i = 0; i < count; ++i) longest = members[i].steps > longest ? members[i].steps : longest;
        tabulate_decay();
        sweep<0>();
        for (long done = 0; done < longest; ++done) {
            set_step(done);
            const V rate = equation.template square<true>();
            peak = select(convert<V>(step.live), larger(rate, peak), peak);
            sweep<1>();
            equation.template square<false>();
            sweep<2>();
            equation.template square<false>();
            sweep<3>();
            equation.template square<false>();
            sweep<4>();
        }
        last = equation.template square<true>();
    }

    // 𝒩 of one stage, row by row straight into the next stage's argument and on to the grid: no copy of either exists.
    template <int Stage> void sweep() {
        for (int pair = 0; pair < pairs; ++pair) {
            equation.enter(pair);
            if constexpr (Stage > 0) equation.receive(pair);
            Complex<State>*plus = row(state, pair, 0), *minus = row(state, pair, 1);
            Complex<State>*sum_plus = row(sum, pair, 0), *sum_minus = row(sum, pair, 1);
            for (int k = 0; k < modes; ++k) {
                Complex<State> next[2] = {plus[k], minus[k]};
                if constexpr (Stage > 0) {
                    const State decay = decay_x[k] * decay_y[pair];
                    const Complex<State> n[2] = {convert<State>(equation.plus()[k]),
                                                 convert<State>(equation.minus()[k])};
                    next[0] = step.template stage<Stage>(plus[k], sum_plus[k], n[0], decay);
                    next[1] = step.template stage<Stage>(minus[k], sum_minus[k], n[1], decay);
                }
                equation.put_velocity(k, convert<V>(next[0]), convert<V>(next[1]));
            }
            equation.send(pair);
        }
    }

    void collect() {
        for (int pair = 0; pair < pairs; ++pair) {
            equation.enter(pair);
            equation.receive(pair);
            for (int k = 0; k < modes; ++k) {
                row(sum, pair, 0)[k] = convert<State>(equation.plus()[k]);
                row(sum, pair, 1)[k] = convert<State>(equation.minus()[k]);
            }
        }
    }

    Complex<State>* row(Complex<State>* array, int pair, int sign) const {
        return array + (size_t(pair) * 2 + sign) * modes;
    }

    void tabulate_decay() {
        const double unit_x = 2 * M_PI / flow.length_x, unit_y = 2 * M_PI / flow.length_y;
        for (int i = 0; i < L; ++i) {
            const int own = Layout::member(i);
            const Member member = own < count ? members[own] : Member{};
            const double half = member.step / 2;
            for (int k = 0; k < modes; ++k) {
                lane<S>(decay_x[k], i) = S(exp(-half * member.viscosity * (unit_x * k) * (unit_x * k)));
            }
            for (int pair = 0; pair < pairs; ++pair) {
                const double ky = unit_y * Layout::ky(pair, i);
                lane<S>(decay_y[pair], i) = S(exp(-half * (member.viscosity * ky * ky + member.drag)));
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
            lane<S>(step.live, i) = live;
        }
    }

    // Calls visit(a lane's numbers in a row of `array`, its member, where that row lies in the member's rfft2 array).
    template <class Visit> void each_row(Complex<State>* array, Visit visit) {
        for (int pair = 0; pair < pairs; ++pair) {
            for (int sign = 0; sign < 2; ++sign) {
                for (int i = 0; i < L; ++i) {
                    const int ky = Layout::ky(pair, i), own = Layout::member(i);
                    if (ky > flow.largest_ky() || own >= count) continue;
                    const int index = sign && ky ? flow.ny - ky : ky;
                    S* numbers = reinterpret_cast<S*>(row(array, pair, sign)) + i;
                    visit(numbers, members[own], size_t(index) * (flow.nx / 2 + 1) * 2);
                }
            }
        }
    }

    void load() {
        for (size_t i = 0; i < size_t(2) * pairs * modes; ++i) state[i] = Complex<State>{};
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
