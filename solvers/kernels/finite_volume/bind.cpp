// The Python side: arguments in, blocks over threads, arrays out.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

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

template <class T> py::tuple run(const Kernel& kernel, const Box& box, const py::array& given, std::vector<Member> members, int threads) {
    using States = py::array_t<T, py::array::c_style | py::array::forcecast>;
    const States states(given);
    std::vector<py::ssize_t> shape(states.shape(), states.shape() + states.ndim());
    States results(shape);
    const size_t size = members.empty() ? 0 : size_t(states.size()) / members.size();
    T* target = results.mutable_data();
    for (size_t i = 0; i < members.size(); ++i) {
        members[i].state = states.data() + i * size;
        members[i].result = target + i * size;
    }
    const size_t lanes = size_t(kernel.lanes), blocks = (members.size() + lanes - 1) / lanes;
    {
        py::gil_scoped_release released;
        run_tasks(blocks, threads, kernel.memory(box), [&](size_t i, void* memory) {
            const size_t first = i * lanes;
            kernel.advance(box, members.data() + first, int(std::min(lanes, members.size() - first)), memory);
        });
    }
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

py::tuple advance(const py::array& states, const std::string& system, const Reals& parameter, const std::vector<double>& spacing,
                  const Sides& sides, const std::string& limiter, const std::string& flux, double dry, double length,
                  double cfl, long max_steps, int threads, const std::string& isa) {
    const int axes = int(spacing.size());
    const System law = called<System>(system, {"shallow_water", "euler"}, "system");
    const int variables = axes + (law == System::euler ? 2 : 1);
    if (threads < 1) throw py::value_error("threads must be at least 1");
    if (axes < 1 || axes > 3 || int(sides.size()) != axes || states.ndim() != axes + 2 || states.shape(1) != variables) {
        throw py::value_error("states must have the shape (members, " + std::to_string(variables) +
                              ", *cells), with a spacing and a pair of sides per axis");
    }
    if (parameter.ndim() != 1 || parameter.size() != states.shape(0)) {
        throw py::value_error("the parameter must have one entry per member");
    }
    if (!(cfl > 0) || !(length >= 0)) throw py::value_error("cfl must be positive, and the interval not negative");
    Box box{{1, 1, 1}, {1, 1, 1}, {}, called<Limiter>(limiter, {"none", "minmod", "van_leer", "mc"}, "limiter"),
            called<Flux>(flux, {"rusanov", "hll", "hllc"}, "flux"), dry, length, cfl, max_steps};
    const std::vector<std::string> names = {"periodic", "outflow", "reflecting", "no_slip"};
    for (int axis = 0; axis < axes; ++axis) {  // given slowest first
        const int given = axes - 1 - axis;
        box.cells[axis] = int(states.shape(2 + given));
        box.spacing[axis] = spacing[given];
        box.sides[axis][0] = called<Side>(sides[given].first, names, "side");
        box.sides[axis][1] = called<Side>(sides[given].second, names, "side");
        if (box.cells[axis] < 2) throw py::value_error("at least 2 cells along each axis");
    }
    std::vector<Member> members;
    for (py::ssize_t i = 0; i < parameter.size(); ++i) members.push_back({nullptr, nullptr, parameter.at(i), 0, 0, 0});
    if (py::dtype::of<float>().is(states.dtype())) return run<float>(kernel_for(law, axes, true, isa), box, states, std::move(members), threads);
    return run<double>(kernel_for(law, axes, false, isa), box, states, std::move(members), threads);
}

}  // namespace

void bind_finite_volume(py::module_& module) {
    using py::arg;
    module.def("finite_volume_instruction_sets", instruction_sets, "What this processor can run, best first.");
    module.def("finite_volume_advance", advance, arg("states"), py::kw_only(), arg("system"), arg("parameter"), arg("spacing"),
               arg("sides"), arg("limiter"), arg("flux"), arg("dry"), arg("length"), arg("cfl"), arg("max_steps"),
               arg("threads") = 1, arg("isa") = "",
               "States one interval later, the times reached, steps taken, and how often positivity was helped.");
}
