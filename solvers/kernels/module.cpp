// The extension module; each part binds itself, in `<part>/bind.cpp`.
#include <pybind11/pybind11.h>

#include "plan.hpp"

void bind_family(pybind11::module_&);
void bind_multigrid(pybind11::module_&);
void bind_krylov(pybind11::module_&);
void bind_elements(pybind11::module_&);
void bind_finite_volume(pybind11::module_&);
void bind_navier_stokes_2d(pybind11::module_&);
void bind_navier_stokes_3d(pybind11::module_&);

PYBIND11_MODULE(_compiled, module) {
    module.doc() = "The hot loops, compiled; see solvers/kernels/README.md.";
    module.def("can_transform", lanes::can_transform, pybind11::arg("size"),
               "Whether the passes can take so many points.");
    bind_family(module);
    bind_multigrid(module);
    bind_krylov(module);
    bind_elements(module);
    bind_finite_volume(module);
    bind_navier_stokes_2d(module);
    bind_navier_stokes_3d(module);
}
