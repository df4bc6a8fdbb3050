from numba.core.config import config as config
