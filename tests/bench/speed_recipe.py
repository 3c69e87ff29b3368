#!/usr/bin/env python3
"""The CIFAR speed recipe of examples/ladder.h against the same recipe in PyTorch, epoch by epoch.

usage: speed_recipe.py --pictures DIR [--ladder PATH] [--samples N] [--epochs N] [--seeds N] [--precision f32|bf16] [--threads N]

Both train the network of K. Jordan's airbench94 ("94% on CIFAR-10 in 3.29 seconds on a single GPU", 2024) on the same pictures (of
each class the first ones) with seeds of their own. What agrees within the spread of the seeds is the same recipe: a wrong rate,
decay, initialisation or average shows in the first epochs. The PyTorch side is written from the paper's description and shares
nothing with the library. --ladder none: PyTorch alone."""
import argparse
import contextlib
import os
import re
import statistics
import subprocess
import tempfile
import time
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from PIL import Image

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--pictures", required=True)
parser.add_argument("--ladder", default="build/examples/accuracy_ladder")
parser.add_argument("--samples", type=int, default=5000)
parser.add_argument("--epochs", type=int, default=10)
parser.add_argument("--seeds", type=int, default=2)
parser.add_argument("--precision", choices=["f32", "bf16"], default="f32")
parser.add_argument("--threads", type=int, default=2)
options = parser.parse_args()
torch.set_num_threads(options.threads)

BATCH, MOMENTUM, SMOOTHING = 1024, 0.85, 0.2
PER_STEP = 1024 * (1 + 1 / (1 - MOMENTUM))  # what the paper's rate and decay are told in
LR, DECAY, BIAS_SCALE, BIAS_EPOCHS = 11.5 / PER_STEP, 0.0153 * BATCH / PER_STEP, 64, 3


def read(part):
    pictures, labels = [], []
    for label, name in enumerate(sorted(os.listdir(os.path.join(options.pictures, part)))):
        folder = os.path.join(options.pictures, part, name)
        for file in sorted(os.listdir(folder))[:options.samples // 10]:
            pictures.append(np.asarray(Image.open(os.path.join(folder, file)).convert("RGB")))
            labels.append(label)
    return torch.tensor(np.stack(pictures)).permute(0, 3, 1, 2).float() / 255, torch.tensor(labels)


class Conv(nn.Conv2d):
    """3 x 3; the first filters pass their channel on, the others have PyTorch's first values."""

    def __init__(self, cin, cout):
        super().__init__(cin, cout, 3, padding=1, bias=False)
        nn.init.dirac_(self.weight.data[:cin])


def norm(channels):
    made = nn.BatchNorm2d(channels, eps=1e-12, momentum=0.4)
    made.weight.requires_grad = False
    return made


def group(cin, cout):
    return [Conv(cin, cout), nn.MaxPool2d(2), norm(cout), nn.GELU(), Conv(cout, cout), norm(cout), nn.GELU()]


class Net(nn.Module):
    def __init__(self, pictures):
        super().__init__()
        self.whiten = nn.Conv2d(3, 24, 2)
        self.rest = nn.Sequential(nn.GELU(), *group(24, 64), *group(64, 256), *group(256, 256), nn.MaxPool2d(3), nn.Flatten(),
                                  nn.Linear(256, 10, bias=False))
        patches = F.unfold(pictures, 2).transpose(1, 2).reshape(-1, 12).double()
        values, vectors = torch.linalg.eigh(patches.T @ patches / len(patches))
        filters = ((vectors / torch.sqrt(values + 5e-4)).T.flip(0)).reshape(12, 3, 2, 2).float()
        self.whiten.weight.data.copy_(torch.cat((filters, -filters)))
        self.whiten.weight.requires_grad = False
        self.whiten.bias.data.zero_()

    def forward(self, x):
        return self.rest(self.whiten(x)) / 9


def augmented(pictures, mirrored, epoch, generator):
    """Mirrored in every second epoch from a random one on, then shifted by up to two pixels over their mirror image."""
    mirrored = mirrored ^ (epoch % 2 == 1)
    pictures = torch.where(mirrored[:, None, None, None], pictures.flip(3), pictures)
    wide, out = F.pad(pictures, (2, 2, 2, 2), mode="reflect"), torch.empty_like(pictures)
    places = torch.randint(0, 5, (2, len(pictures)), generator=generator)
    for y in range(5):
        for x in range(5):
            here = (places[0] == y) & (places[1] == x)
            out[here] = wide[here, :, y:y + 32, x:x + 32]
    return out


def triangle(step, steps):
    return float(np.interp(step, [0, int(0.23 * steps), steps], [0.2, 1, 0.07]))


def evaluate(net, weights, test, cast):
    """Loss and accuracy with the averaged weights in the place of the network's."""
    own = {name: value.clone() for name, value in net.state_dict().items()}
    net.load_state_dict(weights)
    net.eval()
    with torch.inference_mode(), cast():
        logits = torch.cat([net(x) for x in test[0].split(1000)]).float()
    net.load_state_dict(own)
    return (logits.argmax(1) == test[1]).float().mean().item()


def torch_run(seed, train, test):
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    cast = (lambda: torch.autocast("cpu", torch.bfloat16)) if options.precision == "bf16" else contextlib.nullcontext
    order = torch.randperm(len(train[0]), generator=generator)
    net = Net(train[0][order[:5000]]).to(memory_format=torch.channels_last)
    biases = [p for n, p in net.named_parameters() if n.startswith("rest") and n.endswith("bias")]
    others = [p for n, p in net.named_parameters() if p.requires_grad and not (n.startswith("rest") and n.endswith("bias"))]
    groups = [{"params": biases, "lr": LR * BIAS_SCALE, "weight_decay": DECAY / LR / BIAS_SCALE},
              {"params": others, "lr": LR, "weight_decay": DECAY / LR}]
    bases, sgd = [g["lr"] for g in groups], torch.optim.SGD(groups, momentum=MOMENTUM, nesterov=True)
    loss_of = nn.CrossEntropyLoss(label_smoothing=SMOOTHING, reduction="sum")
    slow = {name: value.clone() for name, value in net.state_dict().items()}
    mirrored = torch.rand(len(train[0]), generator=generator) < 0.5
    per_epoch, lines = len(train[0]) // BATCH, []
    steps, step = per_epoch * options.epochs, 0
    for epoch in range(options.epochs):
        pictures = augmented(train[0], mirrored, epoch, generator)
        order, net.whiten.bias.requires_grad, loss_sum = torch.randperm(len(pictures), generator=generator), epoch < BIAS_EPOCHS, 0.0
        net.train()
        for i in range(per_epoch):
            chosen = order[i * BATCH:(i + 1) * BATCH]
            for g, base in zip(sgd.param_groups, bases):
                g["lr"] = base * triangle(step, steps)
            sgd.zero_grad(set_to_none=True)
            with cast():
                logits = net(pictures[chosen].contiguous(memory_format=torch.channels_last))
            loss = loss_of(logits.float(), train[1][chosen])
            loss.backward()
            sgd.step()
            step, loss_sum = step + 1, loss_sum + loss.item() / BATCH
            if step % 5 == 0:
                decay = 0.95**5 * (step / steps)**3
                for name, value in net.state_dict().items():
                    if value.dtype == torch.float32:
                        slow[name].lerp_(value, 1 - decay)
                        value.copy_(slow[name])
        lines.append((loss_sum / per_epoch, evaluate(net, slow, test, cast)))
    return lines


def our_runs():
    """What the ladder's progress lines say, a list an epoch for each seed."""
    with tempfile.TemporaryDirectory() as directory:
        command = [options.ladder, "--data", options.pictures, "--rungs", "speed", "--seeds", str(options.seeds), "--epochs",
                   str(options.epochs), "--samples", str(options.samples), "--precision", options.precision, "--threads",
                   str(options.threads), "--out", directory]
        text = subprocess.run(command, check=True, capture_output=True, text=True).stderr
    found = [(int(e), float(loss), float(right) / 100)
             for e, loss, right in re.findall(r"epoch (\d+)/\d+  loss ([\d.]+) .*?val acc ([\d.]+)%", text)]
    runs = []
    for epoch, loss, right in found:
        runs += [[]] if epoch == 1 else []
        runs[-1].append((loss, right))
    return [run for run in runs if len(run) == options.epochs]


def show(runs, epoch):
    text = ""
    for values, scale in ((sorted(run[epoch][0] for run in runs), 1), (sorted(run[epoch][1] for run in runs), 100)):
        text += f"  {scale * statistics.mean(values):7.3f} ({scale * values[0]:.3f} to {scale * values[-1]:.3f})"
    return text


train_pictures, test_pictures = read("train"), read("test")
mean, deviation = train_pictures[0].mean((0, 2, 3), keepdim=True), train_pictures[0].std((0, 2, 3), keepdim=True)
train_set, test_set = [((x - mean) / deviation, y) for x, y in (train_pictures, test_pictures)]
begun = time.perf_counter()
theirs = [torch_run(seed, train_set, test_set) for seed in range(options.seeds)]
print(f"{len(train_set[0])} pictures, {options.epochs} epochs, {options.precision}, {options.seeds} seeds each: mean (least to most)")
print(f"PyTorch: {(time.perf_counter() - begun) / options.seeds:.1f} s a run")
mine = our_runs() if options.ladder != "none" else []
for e in range(options.epochs):
    print(f"epoch {e + 1:2d}  PyTorch: loss, test accuracy %{show(theirs, e)}")
    if mine:
        print(f"          ours:                      {show(mine, e)}")
