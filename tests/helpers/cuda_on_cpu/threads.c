/* Runs a CUDA kernel compiled for this processor, block by block. Each thread of a block has its own stack and runs up to the
 * next barrier; then the next thread runs. */
#include <setjmp.h>
#include <stdlib.h>
#include <ucontext.h>

enum { MOST_THREADS = 1024, STACK = 1 << 16 };

static jmp_buf scheduler, threads[MOST_THREADS];
static char is_done[MOST_THREADS];
static int started, current;
static void (*run_kernel)(void **);
static void **arguments;

void barrier(void) {
    if (!_setjmp(threads[current])) _longjmp(scheduler, 1);
}

static void thread(void) {
    for (;;) { /* a kernel's run each time */
        run_kernel(arguments);
        is_done[current] = 1;
        barrier();
    }
}

static int start_thread(void) {
    static ucontext_t context;
    void *stack = malloc(STACK);
    if (!stack || getcontext(&context)) return -1;
    context.uc_stack.ss_sp = stack;
    context.uc_stack.ss_size = STACK;
    makecontext(&context, thread, 0);
    current = started++;
    if (!_setjmp(scheduler)) setcontext(&context);
    return 0;
}

/* `ids` are the kernel's threadIdx.x, blockIdx.x, .y and .z, and blockDim.x; `shared` is its shared memory, filled with NaN
 * before each block.
 * Returns 0, or -1 if some threads of a block end while others wait at a barrier, or memory is short. */
int launch(void (*kernel)(void **), void **values, int *ids, const int *grid, int block, int has_barriers, void **shared,
           const int *shared_numbers, int shared_count) {
    volatile int status = 0;
    run_kernel = kernel;
    arguments = values;
    ids[4] = block;
    for (ids[3] = 0; ids[3] < grid[2]; ids[3]++)
        for (ids[2] = 0; ids[2] < grid[1]; ids[2]++)
            for (ids[1] = 0; ids[1] < grid[0]; ids[1]++) {
                if (!has_barriers) {
                    for (ids[0] = 0; ids[0] < block; ids[0]++) kernel(values);
                    continue;
                }
                for (int s = 0; s < shared_count; s++)
                    for (int i = 0; i < shared_numbers[s]; i++) ((int *)shared[s])[i] = -1;
                for (volatile int t = 0; t < block; t++) is_done[t] = 0;
                for (volatile int ended = 0; ended < block;) {
                    if (ended) status = -1; /* the others wait at a barrier; they run to their end too */
                    for (volatile int t = 0; t < block; t++) {
                        if (is_done[t]) continue;
                        ids[0] = current = t;
                        if (t == started) {
                            if (start_thread()) return -1;
                        } else if (!_setjmp(scheduler)) _longjmp(threads[t], 1);
                        ended += is_done[t];
                    }
                }
            }
    return status;
}
