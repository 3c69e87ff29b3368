#!/usr/bin/env python3
"""This library against PyTorch, alternating in one run: compare_torch.py [--bench PATH] [--filter TEXT] [--rounds N] [--json]

For each case nnopt-bench and PyTorch (eager, 2 threads, NCHW and channels-last) take turns; each side's best round counts,
because others' work only ever adds time. The ratio is ours over the best of PyTorch's."""
import argparse
import json
import subprocess
import time
import torch
import torch.nn as nn

parser = argparse.ArgumentParser()
parser.add_argument("--bench", default="build/tests/bench/nnopt-bench")
parser.add_argument("--filter", default="")
parser.add_argument("--rounds", type=int, default=3)
parser.add_argument("--seconds", type=float, default=2.0)
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--json", action="store_true")
arguments = parser.parse_args()
torch.set_num_threads(arguments.threads)
torch.manual_seed(0)


def conv(cin, cout, kernel=3, stride=1, groups=1):
    return nn.Conv2d(cin, cout, kernel, stride, (kernel - 1) // 2, groups=groups, bias=False)


def baseline():
    return nn.Sequential(nn.Conv2d(3, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(),
                         nn.MaxPool2d(2), nn.Flatten(), nn.Linear(4096, 512), nn.ReLU(), nn.Dropout(0.5), nn.Linear(512, 10))


class Block(nn.Module):
    def __init__(self, cin, cout, stride):
        super().__init__()
        self.inner = nn.Sequential(conv(cin, cout, 3, stride), nn.BatchNorm2d(cout), nn.ReLU(), conv(cout, cout), nn.BatchNorm2d(cout))
        self.skip = nn.Sequential() if stride == 1 else nn.Sequential(conv(cin, cout, 1, stride), nn.BatchNorm2d(cout))

    def forward(self, x):
        return torch.relu(self.inner(x) + self.skip(x))


def head(channels):
    return [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 10)]


def residual(widths, blocks):
    layers, channels = [conv(3, widths[0]), nn.BatchNorm2d(widths[0]), nn.ReLU()], widths[0]
    for stage, width in enumerate(widths):
        for block in range(blocks):
            layers.append(Block(channels, width, 2 if stage > 0 and block == 0 else 1))
            channels = width
    return nn.Sequential(*layers, *head(channels))


def vgg11():
    layers, channels = [], 3
    for width in (64, 0, 128, 0, 256, 256, 0, 512, 512, 0, 512, 512, 0):
        layers += [nn.MaxPool2d(2)] if width == 0 else [conv(channels, width), nn.BatchNorm2d(width), nn.ReLU()]
        channels = width or channels
    return nn.Sequential(*layers, *head(channels))


class Inverted(nn.Module):
    def __init__(self, cin, cout, stride, expansion):
        super().__init__()
        wide, layers = cin * expansion, []
        if expansion != 1:
            layers = [conv(cin, wide, 1), nn.BatchNorm2d(wide), nn.ReLU6()]
        self.inner = nn.Sequential(*layers, conv(wide, wide, 3, stride, wide), nn.BatchNorm2d(wide), nn.ReLU6(), conv(wide, cout, 1),
                                   nn.BatchNorm2d(cout))
        self.adds = stride == 1 and cin == cout

    def forward(self, x):
        return self.inner(x) + x if self.adds else self.inner(x)


def mobilenet2():
    layers, channels = [conv(3, 32), nn.BatchNorm2d(32), nn.ReLU6()], 32
    for expansion, width, count, stride in ((1, 16, 1, 1), (6, 24, 2, 1), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)):
        for k in range(count):
            layers.append(Inverted(channels, width, stride if k == 0 else 1, expansion))
            channels = width
    return nn.Sequential(*layers, conv(channels, 1280, 1), nn.BatchNorm2d(1280), nn.ReLU6(), *head(1280))


NETWORKS = {"baseline": (baseline, 64), "resnet20": (lambda: residual((16, 32, 64), 3), 128),
            "resnet18": (lambda: residual((64, 128, 256, 512), 2), 128), "vgg11_bn": (vgg11, 128), "mobilenetv2": (mobilenet2, 128)}


class Peer:
    def __init__(self, build, batch, training, memory_format):
        self.net = build().to(memory_format=memory_format).train(training)
        self.x = torch.sin(torch.arange(batch * 3072.0) % 10007).reshape(batch, 3, 32, 32).contiguous(memory_format=memory_format)
        self.y = torch.arange(batch) % 10
        self.training, self.batch = training, batch
        self.adam, self.loss = torch.optim.Adam(self.net.parameters(), 1e-3), nn.CrossEntropyLoss()
        self.step()
        self.step()

    def step(self):
        if not self.training:
            with torch.inference_mode():
                self.net(self.x)
            return
        self.adam.zero_grad()
        self.loss(self.net(self.x), self.y).backward()
        self.adam.step()

    def rate(self):
        begun, done = time.perf_counter(), 0
        while done == 0 or time.perf_counter() - begun < arguments.seconds:
            self.step()
            done += 1
        return done * self.batch / (time.perf_counter() - begun)


def ours(case):
    command = [arguments.bench, "--json", "--filter", case, "--threads", str(arguments.threads), "--seconds", str(arguments.seconds)]
    lines = [json.loads(line) for line in subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()]
    return next(line["best"] for line in lines if line["case"] == case)


if not arguments.json:
    print(f"PyTorch {torch.__version__}, {arguments.threads} threads, f32")
for name, (build, train_batch) in NETWORKS.items():
    for kind, batch in (("train", train_batch), ("infer", 64), ("infer", 1)):
        case = f"{name}/{kind}/{batch}"
        if arguments.filter not in case:
            continue
        peers = {f: Peer(build, batch, kind == "train", f) for f in (torch.contiguous_format, torch.channels_last)}
        mine, theirs = 0.0, {f: 0.0 for f in peers}
        for _ in range(arguments.rounds):
            mine = max(mine, ours(case))
            for f, peer in peers.items():
                theirs[f] = max(theirs[f], peer.rate())
        best = max(theirs, key=theirs.get)
        layout = "channels-last" if best is torch.channels_last else "NCHW"
        if arguments.json:
            print(json.dumps({"case": case, "precision": "f32", "ours": mine, "peer": theirs[best], "peer_name": f"torch {layout}", "unit": "img/s",
                              "ratio": mine / theirs[best]}), flush=True)
        else:
            print(f"{case:24s} ours {mine:9.1f}  PyTorch {theirs[best]:9.1f} img/s ({layout})  ratio {mine / theirs[best]:.2f}", flush=True)
