#!/usr/bin/env python3
"""Writes recurrent.inc (the cases) and recurrent.f32 (the numbers) into this folder: recurrent layers and weighted sums, run by
PyTorch in double; read as make_layers.py writes its own. Made with PyTorch 2.15."""
import os
import struct
import torch
import make_layers

here = os.path.dirname(os.path.abspath(__file__))
SEQUENCES = [lambda x: x.permute(0, 2, 3, 1).flatten(2), lambda x: x.permute(0, 3, 2, 1).flatten(2), lambda x: x.flatten(2).transpose(1, 2)]


def recurrent(f, x, p, at, training):
    (n, c, h, w), hidden, both, bias = x[0].shape, f["hidden_size"], f.get("bidirectional", False), f.get("use_bias", True)
    sequence = f.get("sequence", 0)
    steps = SEQUENCES[sequence](x[0])
    kind, gates = (torch.nn.LSTM, 4) if f["kind"] == "lstm" else (torch.nn.GRU, 3)
    layer = kind(steps.shape[2], hidden, bias=bias, batch_first=True, bidirectional=both).double()
    given = {}
    for suffix in ("", "_reverse")[:1 + both]:
        for name, shape in (("weight_ih", (gates * hidden, steps.shape[2])), ("weight_hh", (gates * hidden, hidden)),
                            ("bias_ih", (gates * hidden,)), ("bias_hh", (gates * hidden,)))[:4 if bias else 2]:
            given[name + "_l0" + suffix] = p.get(shape, "weight", at)
            at += 1
    assert set(given) == {name for name, _ in layer.named_parameters()}
    y, state = torch.func.functional_call(layer, given, (steps,))
    if f.get("output", 0) == 0:
        last = state[0] if f["kind"] == "lstm" else state
        return last.transpose(0, 1).flatten(1), at
    extents = ((h, 1), (1, w), (h, w))[sequence]
    return y.transpose(1, 2).reshape(n, -1, *extents), at


def weighted_sum(f, x, p, at, training):
    normalise = f.get("normalise", True)
    if f.get("learned", False):
        weights, at = p.get((len(x),), "scale", at), at + 1
        weights = torch.softmax(weights, 0) if normalise else weights
    else:
        weights = torch.tensor([f.get("weight%d" % k, 1.0) for k in range(f.get("weight_count", len(x)))]).double()
        weights = weights / weights.sum() if normalise else weights
    return sum(w * v for w, v in zip(weights, x)), at


if __name__ == "__main__":
    import recurrent_cases
    make_layers.with_parameters.update(lstm=recurrent, gru=recurrent, weighted_sum=weighted_sum)
    recurrent_cases.make(make_layers.case)
    rows, values = make_layers.rows, make_layers.values
    with open(os.path.join(here, "recurrent.inc"), "w") as f:
        f.write("/* recurrent.inc - made by make_recurrent.py; as layers.inc. */\n" + "\n".join(rows) + "\n")
    with open(os.path.join(here, "recurrent.f32"), "wb") as f:
        f.write(struct.pack("<%df" % len(values), *[float(torch.tensor(v, dtype=torch.float32)) for v in values]))
    print(len(rows), "cases,", len(values), "numbers")
