"""numba kernels: functions of arrays and scalars only. This package imports nothing of ours."""
