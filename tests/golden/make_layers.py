#!/usr/bin/env python3
"""Writes layers.inc (the cases) and layers.f32 (the numbers) into this folder: every layer kind with many options, run
by PyTorch in double.

A case is a model in the library's own JSON form; run() below gives each kind PyTorch's meaning. Inputs, parameters and
output gradients come from number(), which tests/golden.h repeats in C; only results are stored, as little-endian floats:
output, and in training the input's gradient, each parameter's and the state after the last step. Made with PyTorch 2.15.
"""
import json
import math
import os
import struct
import torch
import torch.nn.functional as F
from common import number, text

here = os.path.dirname(os.path.abspath(__file__))
rows, values = [], []


def tensor(stream, shape, scale=1.0, offset=0.0):
    n = math.prod(shape)
    return torch.tensor([number(stream, i) * scale + offset for i in range(n)]).float().double().reshape(shape)


class Parameters:
    """In graph order: tensor k is number(100 + k, i), halved for weights and biases; variances are made positive."""

    def __init__(self, frozen):
        self.all, self.states, self.frozen = [], [], frozen

    def get(self, shape, kind, at):
        if at == len(self.all):
            scale, offset = {"weight": (0.5, 0.0), "scale": (1.0, 0.0), "mean": (1.0, 0.0), "variance": (1.0, 2.5)}[kind]
            t = tensor(100 + at, shape, scale, offset)
            state = kind in ("mean", "variance")
            self.all.append(t.requires_grad_(not state and not self.frozen))
            self.states.append(state)
        return self.all[at]


def pair(f, name, default):
    return (f.get(name + "_h", default), f.get(name + "_w", default))


def conv2d(f, x, p, at, training):
    x = x[0]
    g, o = f.get("groups", 1), f["out_channels"]
    k, d = pair(f, "kernel", None), pair(f, "dilation", 1)
    pad = tuple(d[i] * (k[i] - 1) // 2 for i in (0, 1)) if f.get("same_padding") else pair(f, "padding", 0)
    s = pair(f, "stride", 1)
    if f.get("same_upper_padding"):  # TensorFlow's SAME, as in its documentation
        n = x.shape[2:]
        t = [max((-(-n[i] // s[i]) - 1) * s[i] + d[i] * (k[i] - 1) + 1 - n[i], 0) for i in (0, 1)]
        x = F.pad(x, (t[1] // 2, t[1] - t[1] // 2, t[0] // 2, t[0] - t[0] // 2))
    w = p.get((o, x.shape[1] // g) + k, "weight", at)
    b = p.get((o,), "weight", at + 1) if f.get("use_bias", True) else None
    return F.conv2d(x, w, b, s, pad, d, g), at + 1 + (b is not None)


def linear(f, x, p, at, training):
    w = p.get((f["out_features"], x[0].shape[1]), "weight", at)
    b = p.get((f["out_features"],), "weight", at + 1) if f.get("use_bias", True) else None
    return F.linear(x[0], w, b), at + 1 + (b is not None)


def batch_norm(f, x, p, at, training):
    c = (x[0].shape[1],)
    w = b = None
    if f.get("use_scale", True):
        w, at = p.get(c, "scale", at), at + 1
    if f.get("use_bias", True):
        b, at = p.get(c, "weight", at), at + 1
    mean, var = p.get(c, "mean", at), p.get(c, "variance", at + 1)
    return F.batch_norm(x[0], mean, var, w, b, training and not p.frozen, f.get("momentum", 0.1), f.get("epsilon", 1e-5)), at + 2


def max_pool(f, x):
    k = pair(f, "kernel", None)
    s = tuple(a or b for a, b in zip(pair(f, "stride", 0), k))
    return F.max_pool2d(x, k, s, pair(f, "padding", 0), 1, f.get("ceil_mode", False))


def avg_pool(f, x):
    k = pair(f, "kernel", None)
    s = tuple(a or b for a, b in zip(pair(f, "stride", 0), k))
    return F.avg_pool2d(x, k, s, pair(f, "padding", 0), f.get("ceil_mode", False), f.get("count_include_pad", True))


plain = {
    "max_pool2d": max_pool,
    "avg_pool2d": avg_pool,
    "adaptive_avg_pool2d": lambda f, x: F.adaptive_avg_pool2d(x, (f["out_h"], f["out_w"])),
    "adaptive_max_pool2d": lambda f, x: F.adaptive_max_pool2d(x, (f["out_h"], f["out_w"])),
    "global_avg_pool2d": lambda f, x: F.adaptive_avg_pool2d(x, 1),
    "global_max_pool2d": lambda f, x: F.adaptive_max_pool2d(x, 1),
    "relu": lambda f, x: F.relu(x),
    "leaky_relu": lambda f, x: F.leaky_relu(x, f.get("slope", 0.01)),
    "relu6": lambda f, x: F.relu6(x),
    "gelu": lambda f, x: F.gelu(x, approximate="tanh" if f.get("tanh_form") else "none"),
    "silu": lambda f, x: F.silu(x),
    "sigmoid": lambda f, x: torch.sigmoid(x),
    "tanh": lambda f, x: torch.tanh(x),
    "softmax": lambda f, x: F.softmax(x, 1),
    "flatten": lambda f, x: x.flatten(1),
    "dropout": lambda f, x: x,  # p is 0, or the plan is for inference
}
joint = {"add": lambda x: sum(x[1:], x[0]), "concat": lambda x: torch.cat(x, 1)}
with_parameters = {"conv2d": conv2d, "linear": linear, "batch_norm1d": batch_norm, "batch_norm2d": batch_norm}


def run(layers, x, p, training):
    made, last, at = {"input": x}, x, 0
    for f in layers:
        inputs = [made[name] for name in f["inputs"]] if "inputs" in f else [last]
        if f["kind"] in with_parameters:
            last, at = with_parameters[f["kind"]](f, inputs, p, at, training)
        elif f["kind"] in joint:
            last = joint[f["kind"]](inputs)
        else:
            last = plain[f["kind"]](f, inputs[0])
        made[f.get("name")] = last
    return last


def put(t):
    values.extend(t.detach().flatten().tolist())


def case(name, layers, shape, training=True, steps=1, scale=1.0, offset=0.0, ties=False, given=None, frozen=False):
    """`given`: input values, stored. `ties`: inputs rounded down, so that many are equal."""
    layers = layers if isinstance(layers, list) else [layers]
    start = len(values)
    p = Parameters(frozen)
    for s in range(steps):
        x = tensor(1 + s, shape, scale, offset)
        if ties:
            x = x.floor()
        if given is not None:
            x = torch.tensor(given, dtype=torch.float32).double().reshape(shape)
            put(x)
        x.requires_grad_(training)
        for t in p.all:
            t.grad = None
        y = run(layers, x, p, training)
        if training:
            y.backward(tensor(51 + s, y.shape))
    put(y)
    if training:
        put(x.grad)
        for t, state in zip(p.all, p.states):
            if not state and not frozen:
                put(t.grad)
        for t, state in zip(p.all, p.states):
            if state:
                put(t)
    model = json.dumps({"format": "nnopt-model", "version": 1, "input": list(shape[1:]), "layers": layers}, separators=(",", ":"))
    rows.append('{ "%s", "%s", %d, %d, %d, %s, %s, %d, %d, %d, %d },' % (
        name, model.replace('"', '\\"'), shape[0], training, steps, text(scale), text(offset), ties, given is not None, frozen,
        len(values) - start))


if __name__ == "__main__":
    import layer_cases
    layer_cases.make(case)
    with open(os.path.join(here, "layers.inc"), "w") as f:
        f.write("/* layers.inc - made by make_layers.py.\n"
                " * { name, model, batch, training, steps, scale, offset, ties, given, frozen, numbers } */\n" + "\n".join(rows) + "\n")
    with open(os.path.join(here, "layers.f32"), "wb") as f:
        f.write(struct.pack("<%df" % len(values), *[float(torch.tensor(v, dtype=torch.float32)) for v in values]))
    print(len(rows), "cases,", len(values), "numbers")
