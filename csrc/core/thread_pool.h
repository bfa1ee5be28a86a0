// Threads that help a caller with its tasks and sleep in between. Must not know tensors or kernels.
#pragma once

#include <stdint.h>

namespace pycore {

// Calls body(arg, task) for task = 0 .. tasks-1 on the calling thread and at most `helpers` others;
// returns when all are done and rethrows the first exception. The caller works too and waits only
// for helpers that have begun a task, so a helper that the system does not schedule costs nothing.
// When another thread is being helped, the caller works alone.
void run_with_helpers(int helpers, int64_t tasks, void (*body)(void*, int64_t), void* arg);

}  // namespace pycore
