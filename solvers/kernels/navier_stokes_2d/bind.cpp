// The Python side: arguments in, blocks over threads, arrays out.
#include <pybind11/complex.h>
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "../choice.hpp"
#include "../plan.hpp"
#include "../workers.hpp"
#include "held.hpp"

namespace py = pybind11;
using namespace lanes;

namespace {

using Reals = py::array_t<double, py::array::c_style | py::array::forcecast>;
using Counts = py::array_t<long, py::array::c_style | py::array::forcecast>;
using Shape = std::pair<int, int>;
using Pair = std::pair<double, double>;
using WaveTuple = std::tuple<int, int, std::complex<double>>;

const std::vector<KernelList>& machine() {
    static const std::vector<KernelList> sets = instruction_sets();
    return sets;
}

std::vector<std::string> own_kernels(const std::string& precision) { return kernel_names(machine(), precision); }

// The box and what acts in it, checked; owns what Flow points to.
class Box {
    PassLists y, x;
    std::vector<Wave> waves;
    std::vector<Gradient> gradients;

  public:
    Flow flow;

    Box(Shape shape, Pair lengths, Pair mean, const std::vector<WaveTuple>& forcing, const std::vector<Pair>& tracers,
        int hyper_power = 1, bool bashforth = false)
        : y(checked(shape.first)), x(checked(shape.second)) {
        for (const auto& [along_x, along_y] : tracers) gradients.push_back({along_x, along_y});
        flow = {shape.first, shape.second, lengths.first,    lengths.second,       mean.first,
                mean.second, nullptr,      0,                y.plans(),            x.plans(),
                hyper_power, gradients.data(), int(gradients.size()), bashforth};
        for (const auto& [ky, kx, value] : forcing) {
            if (std::abs(ky) > flow.largest_ky() || kx < 0 || kx > flow.largest_kx()) {
                throw py::value_error("forcing at (ky, kx) = (" + std::to_string(ky) + ", " + std::to_string(kx) +
                                      ") lies outside the modes that the 2/3 rule keeps");
            }
            waves.push_back({ky, kx, value.real(), value.imag()});
        }
        flow.waves = waves.data();
        flow.wave_count = int(waves.size());
    }

  private:
    static int checked(int size) {
        if (!can_transform(size)) throw py::value_error(advice(size));
        return size;
    }
};

using Run = void (*Kernel::*)(const Flow&, Member*, int, void*);

struct Request {
    Precision precision;
    std::string kernel;
    int threads;
    Held* held = nullptr;
    bool packed = false;  // the states given are those that `held` gave last
};

template <class S>
py::tuple run(Run action, const Flow& flow, const py::array& given, std::vector<Member> members,
              const Request& request) {
    using States = py::array_t<std::complex<S>, py::array::c_style | py::array::forcecast>;
    const States states(given);
    const int count = int(members.size()), fields = flow.fields(), row = flow.nx / 2 + 1;
    if (states.ndim() != 4 || states.shape(0) != count || states.shape(1) != fields || states.shape(2) != flow.ny ||
        states.shape(3) != row) {
        throw py::value_error("states must have the shape (members, 1 + tracers, ny, nx // 2 + 1) = (" +
                              std::to_string(count) + ", " + std::to_string(fields) + ", " + std::to_string(flow.ny) +
                              ", " + std::to_string(row) + ")");
    }
    States results({count, fields, flow.ny, row});
    py::array_t<double> peaks(count), lasts(count);
    const size_t size = size_t(fields) * flow.ny * row;
    std::complex<S>* target = results.mutable_data();
    for (int i = 0; i < count; ++i) {
        members[i].state = states.data() + i * size;
        members[i].result = target + i * size;
    }
    // Members that take equally many steps share a block.
    std::vector<int> order = by_steps(members);
    std::vector<Member> sorted = arranged(members, order);
    std::vector<Task> tasks = request.kernel.empty()
                                  ? schedule(machine()[0], request.precision, flow, sorted)
                                  : uniform(kernel_called(machine(), request.kernel, request.precision), count);
    const Hold hold(request.held);
    if (hold.held) hold.held->arrange(flow, request.precision, request.packed, members, order, sorted, tasks);
    {
        py::gil_scoped_release released;
        std::fill(target, target + count * size, std::complex<S>(0));
        size_t bytes = 0;
        for (const Task& task : tasks) bytes = std::max(bytes, task.kernel->memory(flow));
        run_tasks(tasks.size(), request.threads, bytes, [&](size_t i, void* memory) {
            Member* first = sorted.data() + tasks[i].first;
            void* own = hold.held ? hold.held->memory_of(i) : nullptr;
            const Run how = own && hold.held->resumes() ? &Kernel::resume : action;
            (tasks[i].kernel->*how)(flow, first, tasks[i].count, own ? own : memory);
        });
    }
    if (hold.held) hold.held->keep();
    for (int i = 0; i < count; ++i) {
        peaks.mutable_at(order[i]) = sorted[i].peak_rate;
        lasts.mutable_at(order[i]) = sorted[i].last_rate;
    }
    return py::make_tuple(results, peaks, lasts);
}

py::tuple dispatch(Run action, const Box& box, const py::array& states, std::vector<Member> members,
                   const Request& request) {
    if (request.threads < 1) throw py::value_error("threads must be at least 1");
    if (request.precision == Precision::float32)
        return run<float>(action, box.flow, states, std::move(members), request);
    return run<double>(action, box.flow, states, std::move(members), request);
}

py::tuple advance(const py::array& states, Shape shape, Pair lengths, const Reals& viscosity, const Reals& drag,
                  const Reals& hyperviscosity, const Reals& diffusivity, double length, const Counts& steps,
                  const std::vector<WaveTuple>& forcing, Pair mean, const std::vector<Pair>& gradients,
                  int hyper_power, bool bashforth, const std::string& precision, int threads,
                  const std::string& kernel, Held* held, bool packed) {
    const Box box(shape, lengths, mean, forcing, gradients, hyper_power, bashforth);
    for (const Reals* one : {&viscosity, &drag, &hyperviscosity}) {
        if (one->ndim() != 1 || steps.ndim() != 1 || one->size() != steps.size()) {
            throw py::value_error("viscosity, drag, hyperviscosity and steps must have one entry per member");
        }
    }
    if (diffusivity.ndim() != 2 || diffusivity.shape(0) != steps.size() || diffusivity.shape(1) != box.flow.tracers) {
        throw py::value_error("diffusivity must have one row per member and one column per tracer");
    }
    std::vector<Member> members;
    for (py::ssize_t i = 0; i < steps.size(); ++i) {
        const long count = steps.at(i);
        if (count < 0) throw py::value_error("steps must not be negative");
        members.push_back({nullptr, nullptr, viscosity.at(i), drag.at(i), hyperviscosity.at(i),
                           diffusivity.data() + i * box.flow.tracers, count ? length / double(count) : 0, count, 0, 0});
    }
    return dispatch(&Kernel::advance, box, states, std::move(members),
                    {precision_called(precision), kernel, threads, held, packed});
}

py::tuple nonlinear(const py::array& states, Shape shape, Pair lengths, const std::vector<WaveTuple>& forcing,
                    Pair mean, const std::vector<Pair>& gradients, const std::string& precision, int threads,
                    const std::string& kernel) {
    const Box box(shape, lengths, mean, forcing, gradients);
    if (states.ndim() != 4) {
        throw py::value_error("states must have four axes: (members, 1 + tracers, ny, nx // 2 + 1)");
    }
    std::vector<Member> members(states.shape(0), Member{});
    const py::tuple all = dispatch(&Kernel::nonlinear, box, states, std::move(members),
                                   {precision_called(precision), kernel, threads});
    return py::make_tuple(all[0], all[2]);
}

size_t memory(Shape shape, const std::string& precision, const std::string& kernel, int tracers, bool bashforth) {
    const Box box(shape, {1, 1}, {0, 0}, {}, std::vector<Pair>(tracers), 1, bashforth);
    return kernel_called(machine(), kernel, precision_called(precision)).memory(box.flow);
}

}  // namespace

void bind_navier_stokes_2d(py::module_& module) {
    using py::arg;
    py::class_<Held>(module, "NavierStokes2DHeld", "Blocks that stay packed from one interval to the next.")
        .def(py::init<>())
        .def_property_readonly("memory", &Held::memory, "Bytes that it holds.");
    module.def("navier_stokes_2d_kernels", own_kernels, arg("precision"),
               "Names of the kernels that this processor can run, best first.");
    module.def("navier_stokes_2d_memory", memory, arg("shape"), arg("precision"), arg("kernel"),
               arg("tracers") = 0, arg("bashforth") = false, "Bytes that one block of lanes works in.");
    module.def("navier_stokes_2d_advance", advance, arg("states"), py::kw_only(), arg("shape"), arg("lengths"),
               arg("viscosity"),
               arg("drag"), arg("hyperviscosity"), arg("diffusivity"), arg("length"), arg("steps"), arg("forcing"),
               arg("mean_velocity"), arg("gradients"), arg("hyper_power"), arg("bashforth"), arg("precision"),
               arg("threads") = 1, arg("kernel") = "", arg("held") = py::none(), arg("packed") = false,
               "States one interval later; each member's largest advection rate on the way, and that at the end.");
    module.def("navier_stokes_2d_nonlinear", nonlinear, arg("states"), py::kw_only(), arg("shape"), arg("lengths"),
               arg("forcing"),
               arg("mean_velocity"), arg("gradients"), arg("precision"), arg("threads") = 1, arg("kernel") = "",
               "The right-hand side without its linear part, and the advection rates.");
}
