// The caches of this machine. Must not know what is kept in them.
#pragma once

#include <stdint.h>

namespace pycore {

// Bytes of the last cache before memory; a usual size where the system does not say.
int64_t last_level_cache();

}  // namespace pycore
