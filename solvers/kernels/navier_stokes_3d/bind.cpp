// The Python side: a plan that knows the box and one rank's share of it, and runs sweeps over buffers that NumPy holds.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <array>

#include "../choice.hpp"
#include "../cpu.hpp"
#include "../plan.hpp"
#include "../workers.hpp"
#include "kernel.hpp"

namespace py = pybind11;
using namespace lanes;
using namespace lanes::navier_stokes_3d;
using lanes::navier_stokes_3d::Kernel;
using lanes::navier_stokes_3d::KernelList;

namespace lanes::navier_stokes_3d {

inline std::string name_of(const KernelList& set, const Kernel& kernel) {
    return std::string(set.isa) + "/" + std::to_string(kernel.lanes);
}

}  // namespace lanes::navier_stokes_3d

namespace {

// Those that this processor has, best first.
const std::vector<KernelList>& machine() {
    static const std::vector<KernelList> sets = [] {
        std::vector<KernelList> found;
#ifdef __x86_64__
        if (has_avx512()) found.push_back(lanes::navier_stokes_3d::kernels_avx512());
        if (has_avx2()) found.push_back(lanes::navier_stokes_3d::kernels_avx2());
#endif
        found.push_back(lanes::navier_stokes_3d::kernels_baseline());
        return found;
    }();
    return sets;
}

std::vector<std::string> own_kernels(const std::string& precision) { return kernel_names(machine(), precision); }

class Sweeps {
    Precision precision;
    const Kernel& kernel;
    std::vector<PassLists> passes;
    std::vector<int> first_row;
    Box box;
    Share share;

  public:
    Sweeps(const Sweeps&) = delete;  // `share` points into it
    Sweeps& operator=(const Sweeps&) = delete;
    Sweeps(std::array<int, 3> shape, std::array<double, 3> lengths, const std::string& precise, int planes,
           const std::vector<int>& rows, int own, const std::string& name)
        : precision(precision_called(precise)),
          kernel(kernel_called(machine(), name.empty() ? own_kernels(precise).front() : name, precision)),
          first_row(rows) {
        passes.reserve(3);
        for (int axis = 0; axis < 3; ++axis) {
            if (!can_transform(shape[axis])) throw py::value_error(advice(shape[axis]));
            passes.emplace_back(shape[axis]);
            box.points[axis] = shape[axis];
            box.lengths[axis] = lengths[axis];
            box.plans[axis] = passes[axis].plans();
        }
        const bool sound = first_row.size() >= 2 && first_row.front() == 0 && first_row.back() == box.rows(1) &&
                           std::is_sorted(first_row.begin(), first_row.end()) && own >= 0 &&
                           own + 1 < int(first_row.size()) && planes >= 0 && planes <= shape[0];
        if (!sound) {
            throw py::value_error("first_row must rise from 0 to the number of kept rows, and own be one of its slabs");
        }
        share = {planes, int(first_row.size()) - 1, own, first_row.data()};
    }

    int lane_count() const { return kernel.lanes; }

    double planes(const py::array& velocity, py::array& products, bool measured, int threads) const {
        PlaneJob all{};
        all.velocity = memory(velocity, grid_size(3), real_bytes(), "velocity");
        all.products = memory(products, grid_size(5), real_bytes(), "products");
        const int count = share.planes, parts = std::max(1, std::min(threads, count));
        std::vector<double> rates(parts, 0.0);
        {
            py::gil_scoped_release released;
            run_tasks(parts, threads, kernel.plane_memory(box), [&](size_t i, void* workspace) {
                PlaneJob job = all;
                job.first = int(count * i / parts);
                job.last = int(count * (i + 1) / parts);
                job.rate = measured ? &rates[i] : nullptr;
                kernel.planes(box, share, job, workspace);
            });
        }
        return *std::max_element(rates.begin(), rates.end());
    }

    void lines(int stage, py::array& velocity, const py::array& products, py::array& state, py::array& sum, bool onward,
               double viscosity, double step, int threads) const {
        if (stage < begin || stage > collect) throw py::value_error("stage must be 0 (begin), 1 … 4 or 5 (collect)");
        LineJob all{};
        all.velocity = memory(velocity, line_size(3), real_bytes(), "velocity");
        all.products = memory(products, line_size(5), real_bytes(), "products");
        const size_t own = size_t(share.rows(share.own)) * blocks() * box.rows(0) * 3;
        const int state_bytes = precision == Precision::float32 ? 4 : 8;
        all.state = memory(state, own, state_bytes, "state");
        all.sum = memory(sum, own, state_bytes, "sum");
        all.stage = stage;
        all.onward = onward;
        all.viscosity = viscosity;
        all.step = step;
        const int count = share.rows(share.own), parts = std::max(1, std::min(threads, count));
        py::gil_scoped_release released;
        run_tasks(parts, threads, kernel.line_memory(box), [&](size_t i, void* workspace) {
            LineJob job = all;
            job.first = int(count * i / parts);
            job.last = int(count * (i + 1) / parts);
            kernel.lines(box, share, job, workspace);
        });
    }

  private:
    int real_bytes() const { return precision == Precision::float64 ? 8 : 4; }
    int blocks() const { return (box.modes() + kernel.lanes - 1) / kernel.lanes; }
    size_t grid_size(int slots) const { return size_t(share.planes) * slots * box.rows(1) * blocks(); }
    size_t line_size(int slots) const { return size_t(box.points[0]) * slots * share.rows(share.own) * blocks(); }

    // The memory of a buffer of so many complex vectors.
    void* memory(const py::array& array, size_t vectors, int bytes, const char* name) const {
        const bool sound = array.itemsize() == bytes && array.dtype().kind() == 'f' && array.writeable() &&
                           (array.flags() & py::array::c_style) && size_t(array.size()) == vectors * 2 * kernel.lanes;
        void* start = const_cast<void*>(array.data());
        if (!sound || reinterpret_cast<size_t>(start) % 64) {
            throw py::value_error(std::string(name) + " must hold " + std::to_string(vectors * 2 * kernel.lanes) +
                                  " numbers of " + std::to_string(bytes) + " bytes, contiguous, on a 64-byte boundary");
        }
        return start;
    }
};

}  // namespace

void bind_navier_stokes_3d(py::module_& module) {
    using py::arg;
    module.def("navier_stokes_3d_kernels", own_kernels, arg("precision"),
               "Names of the kernels that this processor can run, best first.");
    py::class_<Sweeps>(module, "NavierStokes3DSweeps", "The sweeps of a time step over one rank's share of a box.")
        .def(py::init<std::array<int, 3>, std::array<double, 3>, const std::string&, int, const std::vector<int>&, int,
                      const std::string&>(),
             arg("shape"), arg("lengths"), arg("precision"), py::kw_only(), arg("planes"), arg("first_row"), arg("own"),
             arg("kernel") = "")
        .def_property_readonly("lanes", &Sweeps::lane_count)
        .def("planes", &Sweeps::planes, arg("velocity"), arg("products"), py::kw_only(), arg("measured"),
             arg("threads") = 1, "Velocities to products, plane by plane; gives the advection rate if measured.")
        .def("lines", &Sweeps::lines, arg("stage"), arg("velocity"), arg("products"), arg("state"), arg("sum"),
             py::kw_only(), arg("onward"), arg("viscosity"), arg("step"), arg("threads") = 1,
             "Products to the stage's update and the next velocities, line by line.");
}
