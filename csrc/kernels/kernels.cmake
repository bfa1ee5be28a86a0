# Compiles every kernel source once per ISA level, each level with its own flags and its own namespace
# (pycore::kernels::PYCORE_ISA). Sets PYCORE_KERNEL_OBJECTS (targets to link) and PYCORE_ISA_DEFINITIONS (which levels
# exist, for core/cpu).

if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64|amd64")
  set(PYCORE_ISA_LEVELS baseline avx2 avx512)
  # For processors of before 2013: it must be there and right, and not make the wheel larger than need be.
  set(PYCORE_ISA_FLAGS_baseline "")
  set(PYCORE_ISA_OPTIMIZE_baseline -O2)
  set(PYCORE_ISA_FLAGS_avx2 -mavx2 -mfma -mf16c -mbmi2)
  set(PYCORE_ISA_FLAGS_avx512
      -mavx2 -mfma -mf16c -mbmi2 -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512cd -mprefer-vector-width=512)
  # The levels above with more instructions for some sources only (pycore_add_kernel_extension).
  set(PYCORE_ISA_FLAGS_avx512_bf16 ${PYCORE_ISA_FLAGS_avx512} -mavx512bf16 -mavx512vnni)
  # Tile instructions stand in assembly. Without avx512_bf16's flags the rest, and the model of the instructions that
  # tests run, work wherever AVX-512 is.
  set(PYCORE_ISA_FLAGS_amx ${PYCORE_ISA_FLAGS_avx512})
  set(PYCORE_ISA_OPTIMIZE_amx -O2) # what counts is written in vectors and tiles
else()
  # aarch64: NEON is part of the baseline.
  set(PYCORE_ISA_LEVELS baseline)
  set(PYCORE_ISA_FLAGS_baseline "")
endif()

# pycore_kernels_<isa>: the given sources, compiled for one level.
function(pycore_add_kernel_level isa)
  add_library(pycore_kernels_${isa} OBJECT ${ARGN})
  target_link_libraries(pycore_kernels_${isa} PRIVATE pycore_options)
  target_compile_definitions(pycore_kernels_${isa} PRIVATE PYCORE_ISA=${isa})
  set(optimize -O3)
  # What counts is written in vectors and templates: of what GCC's -O3 adds, only these two show in times, while the
  # rest (cloned functions, eager inlining, loops written twice) makes the library a sixth larger.
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    set(optimize -O2 -fvect-cost-model=dynamic -fpeel-loops)
  endif()
  if(PYCORE_ISA_OPTIMIZE_${isa})
    set(optimize ${PYCORE_ISA_OPTIMIZE_${isa}})
  endif()
  # No exceptions, no errno and no traps to keep: kernels are loops. Not -ffast-math: NaN, inf and order matter.
  target_compile_options(
    pycore_kernels_${isa} PRIVATE ${PYCORE_ISA_FLAGS_${isa}} "$<$<CONFIG:Release>:${optimize}>" -fno-exceptions -fno-rtti
                                  -fno-math-errno -fno-trapping-math -ffp-contract=fast)
endfunction()

function(pycore_add_kernels)
  set(objects)
  set(definitions)
  foreach(isa IN LISTS PYCORE_ISA_LEVELS)
    pycore_add_kernel_level(${isa} ${ARGN})
    list(APPEND objects pycore_kernels_${isa})
    list(APPEND definitions PYCORE_HAS_ISA_${isa})
  endforeach()
  set(PYCORE_KERNEL_OBJECTS ${objects} PARENT_SCOPE)
  set(PYCORE_ISA_DEFINITIONS ${definitions} PARENT_SCOPE)
endfunction()

# Sources of a level that takes everything else from a lower one; call after pycore_add_kernels.
function(pycore_add_kernel_extension isa)
  if(NOT DEFINED PYCORE_ISA_FLAGS_${isa})
    return()
  endif()
  pycore_add_kernel_level(${isa} ${ARGN})
  list(APPEND PYCORE_KERNEL_OBJECTS pycore_kernels_${isa})
  list(APPEND PYCORE_ISA_DEFINITIONS PYCORE_HAS_ISA_${isa})
  set(PYCORE_KERNEL_OBJECTS ${PYCORE_KERNEL_OBJECTS} PARENT_SCOPE)
  set(PYCORE_ISA_DEFINITIONS ${PYCORE_ISA_DEFINITIONS} PARENT_SCOPE)
endfunction()
