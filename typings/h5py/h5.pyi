INDEX_NAME: int
INDEX_CRT_ORDER: int
ITER_INC: int
ITER_NATIVE: int

def get_libversion() -> tuple[int, int, int]: ...
