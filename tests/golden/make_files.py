#!/usr/bin/env python3
"""safetensors files by the format's own library: files/. Needs safetensors, torch. `make_files.py read FILE` reads one of ours."""
import os
import sys
import torch
from safetensors import safe_open
from safetensors.torch import save_file

here = os.path.join(os.path.dirname(os.path.abspath(__file__)), "files")
if len(sys.argv) == 3 and sys.argv[1] == "read":
    with safe_open(sys.argv[2], "pt") as f:
        for name in f.keys():
            t = f.get_tensor(name)
            print(name, t.dtype, tuple(t.shape), t.double().sum().item())
        print(sorted((f.metadata() or {}).keys()))
    sys.exit(0)
os.makedirs(here, exist_ok=True)
ramp = torch.arange(24, dtype=torch.float32).reshape(2, 3, 4)
save_file({
    "f32": ramp / 8, "f16": (ramp / 8).half(), "bf16": (ramp / 8).bfloat16(), "f64": ramp.double() / 8, "u8": ramp.byte(),
    "i32": ramp.int() - 12, "i64": ramp.long() * 10**10, "scalar": torch.tensor(2.5), "empty": torch.zeros(0, 3),
}, os.path.join(here, "theirs.safetensors"), metadata={"made by": "safetensors", "uni\u00e9": "\u4e2d\"\\"})
