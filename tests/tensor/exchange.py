#!/usr/bin/env python3
"""DLPack and .npy against NumPy and PyTorch themselves: exchange.py LIBRARY DIR. Exits with 77 where they are missing."""
import ctypes
import os
import sys

try:
    import numpy as np
    import torch
except ImportError:
    sys.exit(77)

lib = ctypes.CDLL(sys.argv[1])
lib.nnopt_last_error.restype = ctypes.c_char_p
lib.nnopt_tensor_data.restype = ctypes.c_void_p
lib.nnopt_tensor_count.restype = ctypes.c_int64
P = ctypes.c_void_p
DTYPES = {0: np.float32, 1: np.float16, 3: np.uint8, 4: np.int32, 5: np.int64}
new_capsule = ctypes.pythonapi.PyCapsule_New
new_capsule.restype, new_capsule.argtypes = ctypes.py_object, [P, ctypes.c_char_p, P]
pointer_of = ctypes.pythonapi.PyCapsule_GetPointer
pointer_of.restype, pointer_of.argtypes = P, [ctypes.py_object, ctypes.c_char_p]
rename = ctypes.pythonapi.PyCapsule_SetName
rename.argtypes = [ctypes.py_object, ctypes.c_char_p]


def ok(status):
    assert status == 0, lib.nnopt_last_error().decode()


class Lent:
    """What the array API wants of a producer."""

    def __init__(self, tensor):
        self.tensor = tensor

    def __dlpack_device__(self):
        return (1, 0)

    def __dlpack__(self, **_):
        managed = P()
        ok(lib.nnopt_tensor_to_dlpack(self.tensor, ctypes.byref(managed)))
        return new_capsule(managed, b"dltensor_versioned", None)


ctx = P()
ok(lib.nnopt_context_create(ctypes.byref(ctx), None))
shape = (ctypes.c_int64 * 4)(2, 3, 4, 5)
for dtype, kind in DTYPES.items():
    for layout in (0, 1):
        t = P()
        ok(lib.nnopt_tensor_create(ctypes.byref(t), ctx, dtype, 4, shape, layout))
        values = np.arange(120).astype(kind).reshape(2, 3, 4, 5)
        ok(lib.nnopt_tensor_copy_in(t, values.ctypes.data_as(P), ctypes.c_size_t(values.nbytes), dtype, 0))
        for consumer in (np.from_dlpack, lambda x: torch.from_dlpack(x).numpy()):
            got = consumer(Lent(t))
            assert got.shape == (2, 3, 4, 5) and (got == values).all(), (dtype, layout)
        path = os.path.join(sys.argv[2], "exchange.npy").encode()
        ok(lib.nnopt_tensor_save_npy(t, path))
        assert (np.load(path) == values).all() and np.load(path).dtype == kind
        for source in (values, values.astype(values.dtype.newbyteorder(">")), values.reshape(-1), values[:0], values[0, 0, 0, 1]):
            back = P()
            np.save(path.decode(), source)
            ok(lib.nnopt_tensor_load_npy(ctypes.byref(back), ctx, path))
            assert (np.from_dlpack(Lent(back)) == source).all()
            lib.nnopt_tensor_destroy(back)
        lib.nnopt_tensor_destroy(t)

for theirs in (torch.arange(24.0).reshape(2, 3, 4), torch.arange(120).reshape(2, 3, 4, 5).to(memory_format=torch.channels_last),
               torch.arange(8, dtype=torch.bfloat16)):
    capsule = theirs.__dlpack__(max_version=(1, 0))
    t = P()
    ok(lib.nnopt_tensor_from_dlpack(ctypes.byref(t), ctx, P(pointer_of(capsule, b"dltensor_versioned"))))
    rename(capsule, b"used_dltensor_versioned")
    assert lib.nnopt_tensor_data(t) == theirs.data_ptr() and lib.nnopt_tensor_count(t) == theirs.numel()
    assert (torch.from_dlpack(Lent(t)) == theirs).all()
    lib.nnopt_tensor_destroy(t)
lib.nnopt_context_destroy(ctx)
