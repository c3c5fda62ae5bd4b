// The Python side: arguments in, blocks over threads, arrays out.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <array>
#include <numeric>

#include "../cpu.hpp"
#include "../workers.hpp"
#include "kernel.hpp"

namespace py = pybind11;
using namespace lanes;
using namespace lanes::finite_volume;

namespace {

using Reals = py::array_t<double, py::array::c_style | py::array::forcecast>;
using Sides = std::vector<std::pair<std::string, std::string>>;

// Instruction sets that this processor has, best first.
const std::vector<KernelList>& machine() {
    static const std::vector<KernelList> sets = [] {
        std::vector<KernelList> found;
#ifdef __x86_64__
        if (has_avx512()) found.push_back(finite_volume::kernels_avx512());
        if (has_avx2()) found.push_back(finite_volume::kernels_avx2());
#endif
        found.push_back(finite_volume::kernels_baseline());
        return found;
    }();
    return sets;
}

template <class Enum> Enum called(const std::string& name, const std::vector<std::string>& names, const char* what) {
    const auto found = std::find(names.begin(), names.end(), name);
    if (found == names.end()) throw py::value_error("no " + std::string(what) + " " + name);
    return Enum(found - names.begin());
}

std::vector<std::string> instruction_sets() {
    std::vector<std::string> names;
    for (const KernelList& set : machine()) names.push_back(set.isa);
    return names;
}

const Kernel& kernel_for(System system, int dimensions, bool single, const std::string& isa) {
    for (const KernelList& set : machine()) {
        if (!isa.empty() && isa != set.isa) continue;
        for (int i = 0; i < set.count; ++i) {
            const Kernel& one = set.first[i];
            if (one.system == system && one.dimensions == dimensions && one.single == single) return one;
        }
    }
    throw py::value_error("no such kernel on this machine: " + std::to_string(dimensions) + " axes, " +
                          (isa.empty() ? "any instruction set" : isa));
}

enum class Layout { best, samples, lines };

// Both layouts give the same bits. Lanes of samples want to be full, and their block to stay in the second-level cache.
bool lines_are_better(const Kernel& kernel, const Box& box, py::ssize_t count) {
    constexpr size_t cache = size_t(1) << 20;
    const bool lines = box.cells[1] * long(box.cells[2]) > 1;
    return lines && (count < kernel.lanes || kernel.memory(box) > cache);
}

template <class T> using Dense = py::array_t<T, py::array::c_style | py::array::forcecast>;

// Where the members' states come from and go to.
template <class T> Dense<T> results_of(const Dense<T>& states, std::vector<Member>& members) {
    Dense<T> results(std::vector<py::ssize_t>(states.shape(), states.shape() + states.ndim()));
    const size_t size = members.empty() ? 0 : size_t(states.size()) / members.size();
    T* target = results.mutable_data();
    for (size_t i = 0; i < members.size(); ++i) {
        members[i].state = states.data() + i * size;
        members[i].result = target + i * size;
    }
    return results;
}

py::tuple told(const py::array& results, const std::vector<Member>& members) {
    const py::ssize_t count = py::ssize_t(members.size());
    py::array_t<double> times(count);
    py::array_t<long> steps(count), limited(count);
    for (py::ssize_t i = 0; i < count; ++i) {
        times.mutable_at(i) = members[i].time;
        steps.mutable_at(i) = members[i].steps;
        limited.mutable_at(i) = members[i].limited;
    }
    return py::make_tuple(results, times, steps, limited);
}

std::vector<size_t> counted(size_t count) {
    std::vector<size_t> numbers(count);
    std::iota(numbers.begin(), numbers.end(), size_t(0));
    return numbers;
}

// Members in the order of their rates, fastest first, and so of how many steps they take.
std::vector<size_t> by_rate(const Kernel& kernel, const Box& box, const std::vector<Member>& members) {
    const long row = box.cells[0], plane = row * box.cells[1];
    std::vector<double> rates;
    std::vector<char> memory(kernel.line_memory(box) + 64);
    void* start = memory.data() + (64 - reinterpret_cast<uintptr_t>(memory.data()) % 64);
    for (const Member& one : members) {
        const double* own = one.parameters;
        Part whole{const_cast<void*>(one.state), box.count(), {1, row, plane}, {own[0], own[1], own[2]}, 0, -1, true, 0, true, 0};
        kernel.sweep(box, whole, start);
        rates.push_back(whole.good ? whole.rate : 0);
    }
    std::vector<size_t> order = counted(members.size());
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return rates[a] > rates[b]; });
    return order;
}

// A block is done when its last lane is. Along one axis a lane that is done takes who waits, the longest runs first; else
// members that take alike many steps share a block.
void in_lanes(const Kernel& kernel, const Box& box, std::vector<Member>& members, int threads) {
    const size_t lanes = size_t(kernel.lanes), blocks = (members.size() + lanes - 1) / lanes;
    const bool queue = kernel.dimensions == 1;
    const size_t tasks = queue ? std::min(blocks, size_t(threads)) : blocks;
    std::vector<std::vector<size_t>> groups(tasks);
    const std::vector<size_t> order = blocks > 1 ? by_rate(kernel, box, members) : counted(members.size());
    for (size_t i = 0; i < order.size(); ++i) groups[queue ? i % tasks : i / lanes].push_back(order[i]);
    run_tasks(tasks, threads, kernel.memory(box), [&](size_t task, void* memory) {
        std::vector<Member> some;
        for (size_t one : groups[task]) some.push_back(members[one]);
        kernel.advance(box, some.data(), int(some.size()), memory);
        for (size_t i = 0; i < some.size(); ++i) members[groups[task][i]] = some[i];
    });
}

template <class T> py::tuple run(const Kernel& kernel, const Box& box, const py::array& given, std::vector<Member> members, int threads, bool alone) {
    const Dense<T> states(given);
    const Dense<T> results = results_of(states, members);
    if (alone) {
        py::gil_scoped_release released;
        run_tasks(members.size(), threads, kernel.alone_memory(box), [&](size_t i, void* memory) {
            kernel.alone(box, members[i], memory);
        });
    } else {
        py::gil_scoped_release released;
        in_lanes(kernel, box, members, threads);
    }
    return told(results, members);
}

// What is common to all samples of a box; `cells` slowest first, as `spacing` and `sides` are.
Box box_of(const std::string& system, const std::vector<long>& cells, const std::vector<double>& spacing, const Sides& sides, const std::string& limiter,
           const std::string& flux, double dry) {
    Box box{{1, 1, 1}, {1, 1, 1}, {}, called<Limiter>(limiter, {"none", "minmod", "van_leer", "mc"}, "limiter"),
            called<Flux>(flux, {"rusanov", "hll", "hllc"}, "flux"), dry, false, false, false, 0, 0, 1, 0};
    const std::vector<std::string> names = {"periodic", "outflow", "reflecting", "no_slip", "inner"};
    const int axes = int(spacing.size());
    for (int axis = 0; axis < axes; ++axis) {
        const int given = axes - 1 - axis;
        box.cells[axis] = int(cells[given]);
        box.spacing[axis] = spacing[given];
        box.sides[axis][0] = called<Side>(sides[given].first, names, "side");
        box.sides[axis][1] = called<Side>(sides[given].second, names, "side");
        if (box.cells[axis] < 2) throw py::value_error("at least 2 cells along each axis");
    }
    return box;
}

System law_called(const std::string& system) {
    return called<System>(system, {"shallow_water", "euler", "advection", "burgers"}, "system");
}

int variables_of(System law, int axes) { return law >= System::advection ? 1 : axes + (law == System::euler ? 2 : 1); }

// Members without their states; `parameters` holds three numbers of each.
std::vector<Member> members_of(const py::array& states, const Reals& parameters) {
    if (parameters.ndim() != 2 || parameters.shape(0) != states.shape(0) || parameters.shape(1) != 3) {
        throw py::value_error("the parameters must have one entry per member, of three numbers");
    }
    std::vector<Member> members;
    const auto number = parameters.unchecked<2>();
    for (py::ssize_t i = 0; i < states.shape(0); ++i) {
        members.push_back({nullptr, nullptr, nullptr, {number(i, 0), number(i, 1), number(i, 2)}, 0, 0, 0});
    }
    return members;
}

bool is_rough(const std::vector<Member>& members, System law) {
    return law == System::shallow_water && std::any_of(members.begin(), members.end(), [](const Member& one) { return one.parameters[1] != 0; });
}

void expect(const py::array& states, const System law, const std::vector<double>& spacing, const Sides& sides, double length, double cfl, int threads) {
    const int axes = int(spacing.size()), variables = variables_of(law, axes);
    if (threads < 1) throw py::value_error("threads must be at least 1");
    if (axes < 1 || axes > 3 || int(sides.size()) != axes || states.ndim() != axes + 2 || states.shape(1) != variables) {
        throw py::value_error("states must have the shape (members, " + std::to_string(variables) +
                              ", *cells), with a spacing and a pair of sides per axis");
    }
    if (!(cfl > 0) || !(length >= 0)) throw py::value_error("cfl must be positive, and the interval not negative");
}

bool has_inner(const Box& box) {
    return std::any_of(box.sides, box.sides + 3, [](const auto& pair) { return pair[0] == Side::inner || pair[1] == Side::inner; });
}

py::tuple advance(const py::array& states, const std::string& system, const Reals& parameters, const std::vector<double>& spacing,
                  const Sides& sides, const std::string& limiter, const std::string& flux, double dry, double length,
                  double cfl, long max_steps, int threads, const std::string& isa, const std::string& layout) {
    const int axes = int(spacing.size());
    const System law = law_called(system);
    expect(states, law, spacing, sides, length, cfl, threads);
    std::vector<Member> members = members_of(states, parameters);
    Box box = box_of(system, std::vector<long>(states.shape() + 2, states.shape() + states.ndim()), spacing, sides, limiter, flux, dry);
    box.length = length, box.cfl = cfl, box.max_steps = max_steps, box.rough = is_rough(members, law);
    if (has_inner(box)) throw py::value_error("inner sides are for sweeps");
    const bool single = py::dtype::of<float>().is(states.dtype());
    const Kernel& kernel = kernel_for(law, axes, single, isa);
    const bool alone = called<Layout>(layout, {"", "samples", "lines"}, "layout") == Layout::lines ||
                       (layout.empty() && lines_are_better(kernel, box, states.shape(0)));
    if (single) return run<float>(kernel, box, states, std::move(members), threads, alone);
    return run<double>(kernel, box, states, std::move(members), threads, alone);
}

// Bytes of workspace: of a block of samples, of one sample by sweeps, and by stages.
size_t memory(const std::string& system, const std::vector<long>& cells, const std::string& layout, bool uneven, bool viscous, bool single, const std::string& isa) {
    const std::vector<double> spacing(cells.size(), 1.0);
    Box box = box_of(system, cells, spacing, Sides(cells.size(), {"outflow", "outflow"}), "mc", "hll", 0);
    box.uneven = uneven, box.viscous = viscous;
    const Kernel& kernel = kernel_for(law_called(system), int(cells.size()), single, isa);
    if (layout == "samples") return kernel.memory(box);
    if (layout == "lines") return kernel.alone_memory(box);
    if (layout == "stages" && kernel.stages) return kernel.stage_memory(box);
    throw py::value_error("no layout " + layout + " of " + system);
}

// One axis of one sample's box for a whole step, in place; with axis −1 nothing moves, and its rate is found.
py::tuple sweep(py::array block, const std::string& system, const std::array<double, 3>& parameters, const std::vector<double>& spacing, const Sides& sides,
                const std::string& limiter, const std::string& flux, double dry, int ghosts, int axis, double step, bool last,
                const std::string& isa) {
    const int axes = int(spacing.size());
    const System law = law_called(system);
    const int variables = variables_of(law, axes);
    const py::ssize_t item = block.itemsize();
    const bool single = py::dtype::of<float>().is(block.dtype());
    if (axes < 1 || axes > 3 || int(sides.size()) != axes || block.ndim() != axes + 1 || block.shape(0) != variables) {
        throw py::value_error("the block must have the shape (" + std::to_string(variables) +
                              ", *cells), with a spacing and a pair of sides per axis");
    }
    if (!single && !py::dtype::of<double>().is(block.dtype())) throw py::value_error("the block must be float64 or float32");
    if (!block.writeable() || block.strides(axes) != item) {
        throw py::value_error("the block must be writable, its rows without gaps");
    }
    if (ghosts < 0 || axis < -1 || axis >= axes) throw py::value_error("no such axis, or fewer ghosts than none");
    std::vector<long> cells;
    Part part{block.mutable_data(), long(block.strides(0) / item), {1, 0, 0}, {parameters[0], parameters[1], parameters[2]}, step, axis < 0 ? -1 : axes - 1 - axis,
              last || axis < 0, 0, true, 0};
    py::ssize_t first = 0;
    for (int a = 0; a < axes; ++a) {
        cells.push_back(long(block.shape(1 + a)) - 2 * ghosts);
        part.stride[axes - 1 - a] = long(block.strides(1 + a) / item);
        first += ghosts * block.strides(1 + a);
    }
    part.state = static_cast<char*>(part.state) + first;
    Box box = box_of(system, cells, spacing, sides, limiter, flux, dry);
    box.rough = law == System::shallow_water && parameters[1] != 0;
    if (ghosts < 2 && has_inner(box)) throw py::value_error("an inner side needs 2 ghost cells in the block");
    const Kernel& kernel = kernel_for(law, axes, single, isa);
    {
        py::gil_scoped_release released;
        run_tasks(1, 1, kernel.line_memory(box), [&](size_t, void* memory) { kernel.sweep(box, part, memory); });
    }
    return py::make_tuple(part.rate, part.limited, part.good);
}

// What a rank does between two exchanges with the others is theirs to say, in Python.
struct Callbacks {
    py::object exchange, largest;
    py::dtype kind;
    std::vector<py::ssize_t> padded;  // cells with their ghosts, slowest first

    static void refresh(void* context, void* first, int planes, const long* step, long plane, int axis) {
        const Callbacks& own = *static_cast<Callbacks*>(context);
        const int axes = int(own.padded.size());
        const py::ssize_t item = own.kind.itemsize();
        std::vector<py::ssize_t> shape{planes, 1}, strides{plane * item, plane * item};
        char* corner = static_cast<char*>(first);
        for (int a = 0; a < axes; ++a) {
            shape.push_back(own.padded[a]);
            strides.push_back(step[axes - 1 - a] * item);
            corner -= 2 * strides.back();
        }
        own.exchange(py::array(own.kind, shape, strides, corner, py::capsule(corner, [](void*) {})), axes - 1 - axis);
    }
    static double greatest(void* context, double one) { return static_cast<Callbacks*>(context)->largest(one).cast<double>(); }
};

template <class T> py::tuple run_stages(const Kernel& kernel, const Box& box, const py::array& given, const py::object& heights, std::vector<Member> members, int threads,
                                        const py::object& exchange, const py::object& largest) {
    const Dense<T> states(given);
    const Dense<T> results = results_of(states, members);
    const Dense<T> height = box.uneven ? Dense<T>(heights) : Dense<T>(0);
    if (box.uneven && height.size() != py::ssize_t(members.size()) * box.count()) throw py::value_error("the bed must have one value per cell of each member");
    for (size_t i = 0; i < members.size(); ++i) members[i].height = height.data() + (box.uneven ? i * size_t(box.count()) : 0);
    if (exchange.is_none()) {
        const Neighbours none{};
        py::gil_scoped_release released;
        run_tasks(members.size(), threads, kernel.stage_memory(box), [&](size_t i, void* memory) { kernel.stages(box, members[i], none, memory); });
    } else {
        Callbacks own{exchange, largest, py::dtype::of<T>(), {}};
        for (py::ssize_t axis = 2; axis < states.ndim(); ++axis) own.padded.push_back(states.shape(axis) + 4);
        const Neighbours others{&own, Callbacks::refresh, Callbacks::greatest};
        run_tasks(members.size(), 1, kernel.stage_memory(box), [&](size_t i, void* memory) { kernel.stages(box, members[i], others, memory); });
    }
    return told(results, members);
}

py::tuple stages(const py::array& states, const py::object& height, const std::string& system, const Reals& parameters, const std::vector<double>& spacing, const Sides& sides,
                 const std::string& limiter, const std::string& flux, double dry, double length, double cfl, long max_steps, int count, bool viscous, int threads,
                 const std::string& isa, const py::object& exchange, const py::object& largest) {
    const System law = law_called(system);
    expect(states, law, spacing, sides, length, cfl, threads);
    std::vector<Member> members = members_of(states, parameters);
    Box box = box_of(system, std::vector<long>(states.shape() + 2, states.shape() + states.ndim()), spacing, sides, limiter, flux, dry);
    box.length = length, box.cfl = cfl, box.max_steps = max_steps, box.stages = count, box.viscous = viscous;
    box.rough = is_rough(members, law), box.uneven = !height.is_none();
    if (count != 2 && count != 3) throw py::value_error("2 or 3 stages, not " + std::to_string(count));
    if (has_inner(box) && exchange.is_none()) throw py::value_error("inner sides need an exchange");
    const bool single = py::dtype::of<float>().is(states.dtype());
    const Kernel& kernel = kernel_for(law, int(spacing.size()), single, isa);
    if (!kernel.stages) throw py::value_error("no stages for " + system);
    if (single) return run_stages<float>(kernel, box, states, height, std::move(members), threads, exchange, largest);
    return run_stages<double>(kernel, box, states, height, std::move(members), threads, exchange, largest);
}

}  // namespace

void bind_finite_volume(py::module_& module) {
    using py::arg;
    module.def("finite_volume_instruction_sets", instruction_sets, "What this processor can run, best first.");
    module.def("finite_volume_advance", advance, arg("states"), py::kw_only(), arg("system"), arg("parameters"), arg("spacing"),
               arg("sides"), arg("limiter"), arg("flux"), arg("dry"), arg("length"), arg("cfl"), arg("max_steps"),
               arg("threads") = 1, arg("isa") = "", arg("layout") = "",
               "States one interval later, the times reached, steps taken, and how often positivity was helped.");
    module.def("finite_volume_memory", memory, arg("system"), arg("cells"), py::kw_only(), arg("layout"), arg("uneven") = false, arg("viscous") = false,
               arg("single") = false, arg("isa") = "", "Bytes that a block of samples, or one sample by sweeps or stages, works in.");
    module.def("finite_volume_stages", stages, arg("states"), arg("height"), py::kw_only(), arg("system"), arg("parameters"), arg("spacing"), arg("sides"),
               arg("limiter"), arg("flux"), arg("dry"), arg("length"), arg("cfl"), arg("max_steps"), arg("stages"), arg("viscous") = false,
               arg("threads") = 1, arg("isa") = "", arg("exchange") = py::none(), arg("largest") = py::none(),
               "As `finite_volume_advance` by Runge-Kutta stages, over a bed or in a potential `height` if there is one.");
    module.def("finite_volume_sweep", sweep, arg("block"), py::kw_only(), arg("system"), arg("parameters"), arg("spacing"),
               arg("sides"), arg("limiter"), arg("flux"), arg("dry"), arg("ghosts"), arg("axis"), arg("step"),
               arg("last"), arg("isa") = "",
               "One axis of one sample for a whole step, in place: its rate, how often positivity was helped, and whether all is physical.");
}
