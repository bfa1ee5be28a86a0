// Whether tensors made on this thread are inference tensors: they keep no version for autograd and
// never take part in it. A tensor remembers it for life (TensorImpl::inference). Must not know
// autograd.
#pragma once

namespace pycore {

#if defined(__GLIBC__)
extern __attribute__((tls_model("initial-exec"))) thread_local bool t_inference_mode;
#else
extern thread_local bool t_inference_mode;
#endif

}  // namespace pycore
