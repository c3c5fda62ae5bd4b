/* Heat on a periodic square, uₜ = ν Δu, by an explicit scheme on slabs of rows, streamed to a pdebench trainer.
 *
 *     cc -O2 -I pdebench/stream docs/stream_example.c -o heat -lm                    alone
 *     mpicc -O2 -DUSE_MPI -I pdebench/stream docs/stream_example.c -o heat -lm       on ranks
 *     PDEBENCH_STREAM_TOKEN=… ./heat HOST:PORT FRAME_STEP LENGTH
 *
 * It starts from cos(k x) with k = 2π / LENGTH, so that frame f is cos(k x) exp(-ν k² f FRAME_STEP) up to its error.
 */
#include "pdebench_stream.h"
#include <math.h>
#ifdef USE_MPI
#include <mpi.h>
#endif

static int rank = 0, size = 1;

static void tell(void *data, int bytes) {
#ifdef USE_MPI
    MPI_Bcast(data, bytes, MPI_BYTE, 0, MPI_COMM_WORLD);
#else
    (void)data, (void)bytes;
#endif
}

/* One step on rows low … high - 1; the rows around them come from the neighbours. */
static void step(double *u, double *next, long rows, long n, double c) {
#ifdef USE_MPI
    int up = (rank + size - 1) % size, down = (rank + 1) % size;
    MPI_Sendrecv(u + n, (int)n, MPI_DOUBLE, up, 0, u + (rows + 1) * n, (int)n, MPI_DOUBLE, down, 0, MPI_COMM_WORLD,
                 MPI_STATUS_IGNORE);
    MPI_Sendrecv(u + rows * n, (int)n, MPI_DOUBLE, down, 1, u, (int)n, MPI_DOUBLE, up, 1, MPI_COMM_WORLD,
                 MPI_STATUS_IGNORE);
#else
    memcpy(u, u + rows * n, (size_t)n * sizeof *u);
    memcpy(u + (rows + 1) * n, u + n, (size_t)n * sizeof *u);
#endif
    for (long i = 1; i <= rows; i++)
        for (long j = 0; j < n; j++) {
            double here = u[i * n + j], west = u[i * n + (j + n - 1) % n], east = u[i * n + (j + 1) % n];
            next[i * n + j] = here + c * (u[(i - 1) * n + j] + u[(i + 1) * n + j] + west + east - 4 * here);
        }
}

/* The whole square on rank 0, in single precision. */
static void gather(const double *u, float *mine, float *whole, long rows, long n) {
    for (long i = 0; i < rows * n; i++) mine[i] = (float)u[n + i];
#ifdef USE_MPI
    MPI_Gather(mine, (int)(rows * n), MPI_FLOAT, whole, (int)(rows * n), MPI_FLOAT, 0, MPI_COMM_WORLD);
#else
    memcpy(whole, mine, (size_t)(rows * n) * sizeof *whole);
#endif
}

int main(int argc, char **argv) {
#ifdef USE_MPI
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
#endif
    if (argc != 4) return fprintf(stderr, "usage: %s HOST:PORT FRAME_STEP LENGTH\n", argv[0]), 2;
    double frame_step = atof(argv[2]), length = atof(argv[3]), job[4] = {0, 0, 0, 0}; /* go on, ν, n, frames */
    pds_stream *s = rank ? NULL : pds_init(argv[1], getenv("PDEBENCH_STREAM_TOKEN"));
    if (!rank && !s) fprintf(stderr, "%s\n", pds_error());
    for (;;) {
        if (s && (job[0] = pds_next(s))) {
            job[1] = pds_parameter(s, "viscosity");
            job[2] = (double)pds_extent(s, 1);
            job[3] = pds_frames(s);
        }
        tell(job, sizeof job);
        if (!job[0]) break;
        long n = (long)job[2], rows = n / size;
        double h = length / (double)n, k = 2 * acos(-1.0) / length;
        int steps = (int)ceil(frame_step * job[1] / (0.2 * h * h));
        double c = job[1] * frame_step / steps / (h * h);
        double *u = calloc((size_t)((rows + 2) * n), sizeof *u), *next = calloc((size_t)((rows + 2) * n), sizeof *u);
        float *mine = malloc((size_t)(rows * n) * sizeof *mine), *whole = malloc((size_t)(n * n) * sizeof *whole);
        for (long i = 0; i < rows * n; i++) u[n + i] = cos(k * h * (double)(i % n));
        int fine = 1;
        for (int frame = 0; fine && frame < (int)job[3]; frame++) {
            for (int i = 0; frame && i < steps; i++) {
                step(u, next, rows, n, c);
                double *swap = u;
                u = next, next = swap;
            }
            gather(u, mine, whole, rows, n);
            if (s) fine = pds_send(s, frame, whole);
            tell(&fine, sizeof fine);
        }
        free(u), free(next), free(mine), free(whole);
    }
    int failed = !rank && (!s || pds_error()[0]);
    if (s && failed) fprintf(stderr, "%s\n", pds_error());
    if (s) pds_finalize(s);
#ifdef USE_MPI
    MPI_Finalize();
#endif
    return failed;
}
