#!/usr/bin/env python3
"""Writes grad_cam.inc: Grad-CAM of a small network of PyTorch's, in double, by hooks on its modules (Selvaraju et al. 2017).

Usage: make_grad_cam.py > grad_cam.inc
"""
import torch
from torch import nn

from common import number, text

N, C, SIDE, CLASSES = 3, 3, 8, 4
net = nn.Sequential(nn.Conv2d(C, 5, 3, padding=1), nn.BatchNorm2d(5), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.5),
                    nn.Conv2d(5, 6, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, CLASSES))
net.double().eval()


def fill(tensor, stream, scale, shift=0.0):
    with torch.no_grad():
        tensor.copy_(torch.tensor([number(stream, i) * scale + shift for i in range(tensor.numel())]).view(tensor.shape))


for stream, name, scale, shift in [(80, "0.weight", 0.25, 0), (81, "0.bias", 0.25, 0), (82, "1.weight", 0.25, 1), (83, "1.bias", 0.25, 0),
                                   (84, "1.running_mean", 0.125, 0), (85, "1.running_var", 0.25, 1), (86, "5.weight", 0.25, 0),
                                   (87, "5.bias", 0.25, 0), (88, "9.weight", 0.5, 0), (89, "9.bias", 0.25, 0)]:
    fill(net.state_dict()[name], stream, scale, shift)
images = torch.tensor([number(90, i) for i in range(N * C * SIDE * SIDE)], dtype=torch.float64).view(N, C, SIDE, SIDE)


def grad_cam(module, classes):
    seen = {}

    def hook(_, __, out):
        out.retain_grad()
        seen["maps"] = out

    handle = module.register_forward_hook(hook)
    scores = net(images)
    handle.remove()
    top = scores.topk(2, 1)[0]
    assert (top[:, 0] - top[:, 1]).min() > 1e-2  # floats choose the same class
    classes = scores.argmax(1) if classes is None else torch.tensor(classes)
    scores[torch.arange(N), classes].sum().backward()
    weights = seen["maps"].grad.mean((2, 3), keepdim=True)
    return (weights * seen["maps"]).sum(1).clamp(min=0)


print("/* grad_cam.inc - made by make_grad_cam.py. { layer, classes, height and width, maps } */")
for name, module, classes in [("relu2", 6, [2, 0, 3]), ("relu2", 6, None), ("max_pool2d1", 3, [0, 1, 2]),
                              ("batch_norm2d1", 1, [3, 3, 1]), ("conv2d1", 0, [1, 2, 0])]:
    maps = grad_cam(net[module], classes)
    assert (maps > 0).any(), (name, classes, maps)
    given = "NULL" if classes is None else "(const int64_t[]){ %s }" % ", ".join(map(str, classes))
    print('{ "%s", %s, %d, (const float[]){' % (name, given, maps.shape[1]))
    values = [text(v) for v in maps.flatten().tolist()]
    for i in range(0, len(values), 8):
        print("\t%s," % ", ".join(v if "." in v or "e" in v or v == "0" else v + ".0" for v in values[i:i + 8]))
    print("} },")
