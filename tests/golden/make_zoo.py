#!/usr/bin/env python3
"""Writes zoo_counts.inc and zoo_logits.inc into this folder: what the named networks are in PyTorch.

Networks that torchvision has are its own; the others are defined in zoo_networks.py after the implementations that
include/nnopt/zoo.h names. Counted are parameters, multiply-accumulates of convolutions and linear layers from their shapes,
and a hash of the names and shapes in the state dict. Logits are of weights that number() makes from each tensor's name,
which tests/zoo/zoo_forward.c repeats; in double, in inference. Made with PyTorch 2.15, torchvision 0.29.
"""
import math
import os
import numpy
import torch
import torch.nn as nn
import zoo_networks
from common import number, text

here = os.path.dirname(os.path.abspath(__file__))


def state(net):
    return {name: t for name, t in net.state_dict().items() if not name.endswith("num_batches_tracked")}


def fnv(data, offset, prime, mask):
    for byte in data.encode():
        offset = (offset ^ byte) * prime & mask
    return offset


def hash32(data):
    return fnv(data, 0x811c9dc5, 0x01000193, 0xffffffff)


def names_hash(net):
    lines = sorted("%s:%s\n" % (name, "x".join(str(n) for n in t.shape)) for name, t in state(net).items())
    return fnv("".join(lines), 0xcbf29ce484222325, 0x100000001b3, 0xffffffffffffffff)


def macs(net, picture):
    total = [0]

    def count(module, inputs, output):
        total[0] += module.weight.numel() * (output[0, 0].numel() if isinstance(module, nn.Conv2d) else 1)

    hooks = [m.register_forward_hook(count) for m in net.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    net.eval()(torch.empty(1, 3, picture, picture, device="meta"))
    for hook in hooks:
        hook.remove()
    return total[0]


def numbers(stream, n):
    i = numpy.arange(n, dtype=numpy.uint64)
    mask = numpy.uint64(0xffffffff)
    h = (numpy.uint64(stream * 2654435761 & 0xffffffff) + i * numpy.uint64(2246822519) + numpy.uint64(12345)) & mask
    h = ((h ^ (h >> numpy.uint64(15))) * numpy.uint64(2654435761)) & mask
    h = ((h ^ (h >> numpy.uint64(13))) * numpy.uint64(3266489917)) & mask
    return ((h ^ (h >> numpy.uint64(16))) >> numpy.uint64(8)).astype(numpy.float64) / 4194304.0 - 2.0


def set_values(net):
    for name, t in state(net).items():
        x = numbers(hash32(name), t.numel())
        if t.dim() > 1:
            x = x / math.sqrt(t[0].numel())
        elif name.endswith("running_var"):
            x = 1.0 + 0.4 * x
        elif name.endswith("weight"):
            x = 1.0 + 0.25 * x
        else:
            x = 0.25 * x
        t.copy_(torch.from_numpy(x.astype(numpy.float32)).reshape(t.shape))


def logits(net, picture):
    net.double().eval()
    with torch.no_grad():
        set_values(net)
        x = torch.from_numpy(numbers(1, 2 * 3 * picture * picture)).reshape(2, 3, picture, picture)
        return net(x).flatten().tolist()


if __name__ == "__main__":
    assert all(abs(number(7, i) - v) == 0 for i, v in enumerate(numbers(7, 100)))
    with open(os.path.join(here, "zoo_counts.inc"), "w") as f:
        f.write("/* zoo_counts.inc - made by make_zoo.py.\n * { name, picture, classes, parameters, MACs, hash of names and shapes } */\n")
        for name, picture, classes, make in zoo_networks.named():
            with torch.device("meta"):
                net = make()
            count = sum(p.numel() for p in net.parameters())
            f.write('{ "%s", %d, %d, %d, %d, UINT64_C(0x%016x) },\n' % (name, picture, classes, count, macs(net, picture), names_hash(net)))
    with open(os.path.join(here, "zoo_logits.inc"), "w") as f:
        f.write("/* zoo_logits.inc - made by make_zoo.py.\n * { network, side of its two pictures, 2 x 5 logits } */\n")
        for name, picture, make in zoo_networks.small():
            f.write('{ "%s", %d, { %s } },\n' % (name, picture, ", ".join(text(v) for v in logits(make(), picture))))
