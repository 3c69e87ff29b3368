#!/usr/bin/env python3
"""Files by torch.save(): torch/. Needs torch. Values are ramps that tests/file/torch_files.c computes anew."""
import collections
import io
import os
import pickle
import zipfile
import torch

here = os.path.join(os.path.dirname(os.path.abspath(__file__)), "torch")
os.makedirs(here, exist_ok=True)
ramp = torch.arange(24, dtype=torch.float32).reshape(2, 3, 4)
four = torch.arange(120, dtype=torch.float32).reshape(2, 3, 4, 5)
flat = torch.arange(40, dtype=torch.float32)


def tensors():
    d = collections.OrderedDict()
    d["f32"], d["f16"], d["bf16"], d["f64"] = ramp / 8, (ramp / 8).half(), (ramp / 8).bfloat16(), ramp.double() / 8
    d["u8"], d["i32"], d["i64"], d["i16"] = ramp.byte(), ramp.int() - 12, ramp.long() * 10**10, ramp.short()
    d["bool"] = ramp.int() % 3 == 0
    d["scalar"], d["empty"] = torch.tensor(2.5), torch.zeros(0, 3)
    d["channels_last"] = four.clone().contiguous(memory_format=torch.channels_last)
    d["transposed"] = ramp[0].clone().t()
    d["every_other"] = flat[3:33:3]
    d["shared_a"], d["shared_b"] = flat[:10], flat[10:30].view(4, 5)
    d["half_transposed"] = ramp[0].half().t()
    d["double_transposed"] = ramp[0].double().t()
    d["parameter"] = torch.nn.Parameter(ramp[1].clone())
    d["bn.num_batches_tracked"] = torch.tensor(7)
    d._metadata = collections.OrderedDict([("", {"version": 1})])
    return d


def save(name, what, legacy=False):
    torch.save(what, os.path.join(here, name), _use_new_zipfile_serialization=not legacy)


def repack(source, name, method, edit=lambda n, b: b):
    with zipfile.ZipFile(os.path.join(here, source)) as a, zipfile.ZipFile(os.path.join(here, name), "w", method) as b:
        for entry in a.infolist():
            b.writestr(entry.filename, edit(entry.filename, a.read(entry)))


save("all.pth", tensors())
save("all_legacy.pth", tensors(), legacy=True)
small = {"w": ramp[0].clone(), "b": torch.tensor([1.0, -2.0, 3.0])}
save("nested.pth", {"epoch": 3, "best": 0.5, "done": True, "args": None, "name": "run",
                    "state_dict": {"module." + k: v for k, v in small.items()},
                    "optimizer": {"state": {0: {"exp_avg": torch.ones(2)}}, "param_groups": [{"lr": 0.1, "params": [0]}]},
                    "ema": {"model": {k: v + 1 for k, v in small.items()}}})
save("nested_legacy.pth", {"model": small, "step": 2**40}, legacy=True)
save("list.pth", [ramp[0], {"x": (torch.tensor([1, 2]), torch.Size([3]))}])
save("small.pth", small)
save("small_legacy.pth", small, legacy=True)
repack("all.pth", "deflated.pth", zipfile.ZIP_DEFLATED)


def swapped(name, data):
    if name.endswith("byteorder"):
        return b"big"
    if "/data/" not in name:
        return data
    return b"".join(data[i:i + 4][::-1] for i in range(0, len(data), 4))


repack("small.pth", "big_endian.pth", zipfile.ZIP_STORED, swapped)
torch.serialization.set_crc32_options(False)
save("no_crc.pth", small)
torch.serialization.set_crc32_options(True)


# Files that want to run something. They are read by no Python here.
class Runs:
    def __init__(self, function, *args):
        self.call = (function, args)

    def __reduce__(self):
        return self.call


save("runs_system.pth", {"w": ramp[0], "x": Runs(os.system, "exit 1")})
save("runs_eval.pth", {"w": ramp[0], "x": Runs(eval, "1")}, legacy=True)
save("module.pth", torch.nn.Linear(2, 2))


# A network whose logits tests/model/load_weights.c compares: each layout of weights that a model has.
class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(2, 6, 3, padding=1)
        self.bn = torch.nn.BatchNorm2d(6)
        self.deep = torch.nn.Conv2d(6, 6, (3, 2), groups=3, bias=False)
        self.fc = torch.nn.Linear(6 * 3 * 4, 5)

    def forward(self, x):
        return self.fc(self.deep(torch.relu(self.bn(self.conv(x)))).flatten(1))


torch.manual_seed(1)
net = Net()
with torch.no_grad():
    net.bn.running_mean.uniform_(-0.5, 0.5)
    net.bn.running_var.uniform_(0.5, 1.5)
    net.bn.weight.uniform_(0.5, 1.5)
    net.bn.bias.uniform_(-0.5, 0.5)
net.eval()
x = torch.tensor([(i * 37 % 101 - 50) / 64 for i in range(2 * 2 * 5 * 5)]).reshape(2, 2, 5, 5)
with torch.no_grad():
    y = net(x)
save("net.pth", {"epoch": 1, "state_dict": {"module." + k: v for k, v in net.to(memory_format=torch.channels_last).state_dict().items()}})
save("net_legacy.pth", net.state_dict(), legacy=True)
with open(os.path.join(here, "net_logits.inc"), "w") as f:
    f.write("/* By make_torch_files.py: the logits of torch/net.pth. */\n")
    f.write("\n".join("%.9g," % v for v in y.flatten().tolist()) + "\n")
