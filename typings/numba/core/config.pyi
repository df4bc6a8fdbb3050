class _Config:
    DISABLE_JIT: int
    NUMBA_NUM_THREADS: int
    def reload_config(self) -> None: ...

config: _Config
