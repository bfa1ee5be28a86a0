// Whether this process may use the processor's tile registers (AMX). Must not know kernels.
#pragma once

namespace pycore {

// The processor has tiles that multiply bfloat16 and int8, and the system has given them to this
// process: Linux wants to be asked, once for all threads, since they are 8 KiB more to save.
bool may_use_tiles();

}  // namespace pycore
