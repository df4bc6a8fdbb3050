CLASS_ENCODED: int
FILTER_NONE: int
FILTER_DEFLATE: int
FILTER_SHUFFLE: int
FILTER_FLETCHER32: int
FILTER_SZIP: int
FILTER_NBIT: int
FILTER_SCALEOFFSET: int
FILTER_LZF: int
FILTER_CONFIG_ENCODE_ENABLED: int
FILTER_CONFIG_DECODE_ENABLED: int
FLAG_MANDATORY: int
FLAG_OPTIONAL: int
SO_INT: int
SO_INT_MINBITS_DEFAULT: int
SO_FLOAT_DSCALE: int
SO_FLOAT_ESCALE: int

def filter_avail(filter_code: int) -> bool: ...
def get_filter_info(filter_code: int) -> int: ...
def register_filter(cls_pointer_address: int) -> bool: ...
