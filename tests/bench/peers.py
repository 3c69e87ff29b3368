"""What this library is compared with: the benchmark's networks in PyTorch, eager and compiled, and in ONNX Runtime; torchvision's
loader; and PyTorch processes started anew, for which this file is a program as well (see the end)."""
import contextlib
import json
import os
import sys
import time
import torch
import torch.nn as nn

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def conv(cin, cout, kernel=3, stride=1, groups=1):
    return nn.Conv2d(cin, cout, kernel, stride, (kernel - 1) // 2, groups=groups, bias=False)


def baseline():
    return nn.Sequential(nn.Conv2d(3, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(),
                         nn.MaxPool2d(2), nn.Flatten(), nn.Linear(4096, 512), nn.ReLU(), nn.Dropout(0.5), nn.Linear(512, 10))


class CnnLstm(nn.Module):
    def __init__(self):
        super().__init__()
        self.map = nn.Sequential(conv(3, 32), nn.ReLU(), nn.MaxPool2d(2), conv(32, 64), nn.ReLU(), nn.MaxPool2d(2))
        self.rows, self.classes = nn.LSTM(512, 128, batch_first=True), nn.Linear(64 + 128, 10)

    def forward(self, x):
        features = self.map(x)
        _, (hidden, _) = self.rows(features.permute(0, 2, 3, 1).flatten(2))
        return self.classes(torch.cat((features.mean((2, 3)), hidden[0]), 1))


class Gate(nn.Module):
    def __init__(self, channels, squeeze):
        super().__init__()
        self.factors = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(channels, channels // squeeze, 1), nn.ReLU(),
                                     nn.Conv2d(channels // squeeze, channels, 1), nn.Sigmoid())

    def forward(self, x):
        return x * self.factors(x)


def group_norm(channels):
    return nn.GroupNorm(8, channels)


class Block(nn.Module):
    def __init__(self, cin, cout, stride, squeeze=0, norm=nn.BatchNorm2d):
        super().__init__()
        gate = [Gate(cout, squeeze)] if squeeze else []
        self.inner = nn.Sequential(conv(cin, cout, 3, stride), norm(cout), nn.ReLU(), conv(cout, cout), norm(cout), *gate)
        self.skip = nn.Sequential() if stride == 1 else nn.Sequential(conv(cin, cout, 1, stride), norm(cout))

    def forward(self, x):
        return torch.relu(self.inner(x) + self.skip(x))


def head(channels):
    return [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 10)]


def residual(widths, blocks, squeeze=0, norm=nn.BatchNorm2d):
    layers, channels = [conv(3, widths[0]), norm(widths[0]), nn.ReLU()], widths[0]
    for stage, width in enumerate(widths):
        for block in range(blocks):
            layers.append(Block(channels, width, 2 if stage > 0 and block == 0 else 1, squeeze, norm))
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


class ChannelNorm(nn.LayerNorm):
    def forward(self, x):
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class NextBlock(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.inner = nn.Sequential(conv(width, width, 7, 1, width), ChannelNorm(width), conv(width, 4 * width, 1), nn.SiLU(),
                                   conv(4 * width, width, 1))

    def forward(self, x):
        return x + self.inner(x)


def convnext():
    layers = [conv(3, 48, 3, 2), ChannelNorm(48)]
    for width in (48, 96, 192):
        layers += [] if width == 48 else [ChannelNorm(width // 2), conv(width // 2, width, 3, 2)]
        layers += [NextBlock(width), NextBlock(width)]
    return nn.Sequential(*layers, ChannelNorm(192), *head(192))


NETWORKS = {"baseline": (baseline, 64), "cnn_lstm": (CnnLstm, 64), "resnet20": (lambda: residual((16, 32, 64), 3), 128),
            "resnet18": (lambda: residual((64, 128, 256, 512), 2), 128), "vgg11_bn": (vgg11, 128), "mobilenetv2": (mobilenet2, 128),
            "seresnet20": (lambda: residual((16, 32, 64), 3, squeeze=4), 128),
            "resnet20_gn": (lambda: residual((16, 32, 64), 3, norm=group_norm), 128), "convnext": (convnext, 128)}


class TorchPeer:
    """A network in PyTorch. Compiled, it also gets the fused optimizer: the fastest form that needs no change of the network."""

    def __init__(self, network, batch, training, layout, precision, compiled=False, warm_up=2):
        self.batch, self.training = batch, training
        self.name = f"torch {'compile ' if compiled else ''}{layout}"
        memory_format = torch.channels_last if layout == "NHWC" else torch.contiguous_format
        self.net = NETWORKS[network][0]().to(memory_format=memory_format).train(training)
        self.run = torch.compile(self.net) if compiled else self.net
        self.x = torch.sin(torch.arange(batch * 3072.0) % 10007).reshape(batch, 3, 32, 32).contiguous(memory_format=memory_format)
        self.y = torch.arange(batch) % 10
        self.adam, self.loss = torch.optim.Adam(self.net.parameters(), 1e-3, fused=compiled or None), nn.CrossEntropyLoss()
        self.cast = (lambda: torch.autocast("cpu", torch.bfloat16)) if precision == "bf16" else contextlib.nullcontext
        for _ in range(warm_up):
            self.step()

    def step(self):
        if not self.training:
            with torch.inference_mode(), self.cast():
                return self.run(self.x)
        self.adam.zero_grad(set_to_none=True)
        with self.cast():
            loss = self.loss(self.run(self.x), self.y)
        loss.backward()
        self.adam.step()

    def rate(self, seconds):
        begun, done = time.perf_counter(), 0
        while time.perf_counter() - begun < seconds:
            self.step()
            done += 1
        return done * self.batch / (time.perf_counter() - begun)


class RuntimePeer(TorchPeer):
    """A network in ONNX Runtime, inference in f32."""

    def __init__(self, network, batch, threads, path):
        import onnxruntime
        self.name, self.batch = "onnxruntime", batch
        net, x = NETWORKS[network][0]().eval(), torch.sin(torch.arange(batch * 3072.0) % 10007).reshape(batch, 3, 32, 32)
        with contextlib.redirect_stdout(sys.stderr):
            torch.onnx.export(net, (x,), path, input_names=["x"], dynamo=True, verbose=False)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self.feed = {"x": x.numpy()}
        self.step()

    def step(self):
        self.session.run(None, self.feed)


def picture_loader(directory, recipe, workers, every=1):
    import torchvision
    from torchvision import transforms as t
    before = {"plain": [], "augmented": [t.RandomHorizontalFlip(), t.RandomRotation(10)],
              "heavy": [t.RandomResizedCrop(32), t.RandomHorizontalFlip(), t.ColorJitter(0.4, 0.4, 0.4, 0.1), t.RandAugment()]}
    after = [t.RandomErasing()] if recipe == "heavy" else []
    data = torchvision.datasets.ImageFolder(directory, t.Compose([*before[recipe], t.ToTensor(), t.Normalize(MEAN, STD), *after]))
    part = torch.utils.data.Subset(data, range(0, len(data), every))
    return torch.utils.data.DataLoader(part, 64, shuffle=True, num_workers=workers, persistent_workers=workers > 0)


class LoaderPeer:
    """torchvision's image folder with the same transforms, on one thread."""
    name = "torchvision"

    def __init__(self, directory, recipe):
        self.loader = picture_loader(directory, recipe, 0, 5)
        self.rate(0.5)

    def rate(self, seconds):
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        done, begun = 0, time.perf_counter()
        for x, _ in self.loader:
            done += len(x)
            if time.perf_counter() - begun > seconds:
                break
        taken = time.perf_counter() - begun
        torch.set_num_threads(threads)
        return done / taken


def peak_mib():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024


# --- what a process started anew does ---


def first_step(network, batch):
    """The clock after the first step, and memory at its peak after ten."""
    peer = TorchPeer(network, int(batch), True, "NCHW", "f32", warm_up=0)
    peer.step()
    done = time.clock_gettime(time.CLOCK_MONOTONIC)
    for _ in range(9):
        peer.step()
    return {"done": done, "mib": peak_mib()}


def end_to_end(directory, epochs, workers):
    """The baseline trained on a picture folder, tested after each epoch: seconds, and the last accuracy."""
    train = picture_loader(os.path.join(directory, "train"), "augmented", int(workers))
    test = picture_loader(os.path.join(directory, "test"), "plain", int(workers))
    peer = TorchPeer("baseline", 64, True, "NHWC", "f32", warm_up=0)
    begun = time.perf_counter()
    for _ in range(int(epochs)):
        peer.net.train()
        for peer.x, peer.y in train:
            peer.x = peer.x.contiguous(memory_format=torch.channels_last)
            peer.step()
        peer.net.eval()
        with torch.inference_mode():
            right = sum((peer.net(x).argmax(1) == y).sum().item() for x, y in test)
    return {"seconds": time.perf_counter() - begun, "accuracy": right / len(test.dataset)}


if __name__ == "__main__":
    torch.set_num_threads(int(sys.argv[2]))
    print(json.dumps({"first-step": first_step, "end-to-end": end_to_end}[sys.argv[1]](*sys.argv[3:])))
