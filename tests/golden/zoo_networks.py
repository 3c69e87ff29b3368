"""The networks of make_zoo.py, each under the name that the zoo has for it."""
import math
import torch
import torch.nn as nn
import torch.nn.functional as F
import torchvision.models as tv
from torchvision.models.mobilenetv2 import InvertedResidual


def conv(cin, cout, kernel, stride=1, groups=1, bias=False):
    return nn.Conv2d(cin, cout, kernel, stride, kernel // 2, groups=groups, bias=bias)


class PlainCNN(nn.Module):
    def __init__(self, classes, depth=2, channels=32, hidden=512, norm=False, side=32):
        super().__init__()
        self.depth, self.norm, cin = depth, norm, 3
        for i in range(depth):
            self.add_module("conv%d" % (i + 1), conv(cin, channels << i, 3, bias=not norm))
            if norm:
                self.add_module("bn%d" % (i + 1), nn.BatchNorm2d(channels << i))
            cin = channels << i
        self.fc1 = nn.Linear(cin * (side >> depth) ** 2, hidden)
        self.fc2 = nn.Linear(hidden, classes)

    def forward(self, x):
        for i in range(self.depth):
            x = getattr(self, "conv%d" % (i + 1))(x)
            if self.norm:
                x = getattr(self, "bn%d" % (i + 1))(x)
            x = F.max_pool2d(F.relu(x), 2)
        return self.fc2(F.relu(self.fc1(x.flatten(1))))


VGG = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}


class CifarVGG(nn.Module):
    def __init__(self, classes, depth, norm, widths=(64, 128, 256, 512, 512)):
        super().__init__()
        layers, cin = [], 3
        for width, count in zip(widths, VGG[depth]):
            for _ in range(count):
                layers += [conv(cin, width, 3, bias=not norm)] + [nn.BatchNorm2d(width)] * norm + [nn.ReLU()]
                cin = width
            layers.append(nn.MaxPool2d(2))
        self.features, self.classifier = nn.Sequential(*layers), nn.Linear(cin, classes)

    def forward(self, x):
        return self.classifier(self.features(x).mean((2, 3)))


def vgg_with_hidden(net, hidden, classes):
    net.classifier[0], net.classifier[3] = nn.Linear(25088, hidden), nn.Linear(hidden, hidden)
    net.classifier[6] = nn.Linear(hidden, classes)
    return net


def cifar_resnet_of_torchvision(net):
    net.conv1, net.maxpool = conv(3, 64, 3), nn.Identity()
    return net


def cifar_mobilenet_v2(classes, width=1.0):
    net = tv.mobilenet_v2(num_classes=classes, width_mult=width)
    net.features[0][0].stride = (1, 1)
    net.features[2].conv[1][0].stride = (1, 1)
    assert isinstance(net.features[2], InvertedResidual) and not net.features[2].use_res_connect
    return net


class CifarBlock(nn.Module):
    def __init__(self, cin, cout, stride):
        super().__init__()
        self.conv1, self.bn1 = conv(cin, cout, 3, stride), nn.BatchNorm2d(cout)
        self.conv2, self.bn2 = conv(cout, cout, 3), nn.BatchNorm2d(cout)
        self.shortcut = nn.Sequential(conv(cin, cout, 1, stride), nn.BatchNorm2d(cout)) if stride != 1 else nn.Sequential()

    def forward(self, x):
        return F.relu(self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))) + self.shortcut(x))


class CifarResNet(nn.Module):
    def __init__(self, classes, depth):
        super().__init__()
        self.conv1, self.bn1, cin = conv(3, 16, 3), nn.BatchNorm2d(16), 16
        for stage, cout in enumerate((16, 32, 64)):
            blocks = []
            for i in range((depth - 2) // 6):
                blocks.append(CifarBlock(cin, cout, 2 if stage and i == 0 else 1))
                cin = cout
            self.add_module("layer%d" % (stage + 1), nn.Sequential(*blocks))
        self.linear = nn.Linear(64, classes)

    def forward(self, x):
        x = self.layer3(self.layer2(self.layer1(F.relu(self.bn1(self.conv1(x))))))
        return self.linear(x.mean((2, 3)))


class PreActBlock(nn.Module):
    expansion = 1

    def __init__(self, cin, planes, stride):
        super().__init__()
        self.bn1, self.conv1 = nn.BatchNorm2d(cin), conv(cin, planes, 3, stride)
        self.bn2, self.conv2 = nn.BatchNorm2d(planes), conv(planes, planes, 3)
        if stride != 1 or cin != planes:
            self.shortcut = nn.Sequential(conv(cin, planes, 1, stride))

    def forward(self, x):
        out = F.relu(self.bn1(x))
        shortcut = self.shortcut(out) if hasattr(self, "shortcut") else x
        return self.conv2(F.relu(self.bn2(self.conv1(out)))) + shortcut


class PreActBottleneck(nn.Module):
    expansion = 4

    def __init__(self, cin, planes, stride):
        super().__init__()
        self.bn1, self.conv1 = nn.BatchNorm2d(cin), conv(cin, planes, 1)
        self.bn2, self.conv2 = nn.BatchNorm2d(planes), conv(planes, planes, 3, stride)
        self.bn3, self.conv3 = nn.BatchNorm2d(planes), conv(planes, 4 * planes, 1)
        if stride != 1 or cin != 4 * planes:
            self.shortcut = nn.Sequential(conv(cin, 4 * planes, 1, stride))

    def forward(self, x):
        out = F.relu(self.bn1(x))
        shortcut = self.shortcut(out) if hasattr(self, "shortcut") else x
        out = self.conv2(F.relu(self.bn2(self.conv1(out))))
        return self.conv3(F.relu(self.bn3(out))) + shortcut


class PreActResNet(nn.Module):
    def __init__(self, classes, depth, base=64, norm=True):
        super().__init__()
        block = PreActBlock if depth < 50 else PreActBottleneck
        count = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3)}[depth]
        self.conv1, cin = conv(3, base, 3), base
        for stage in range(4):
            blocks = []
            for i in range(count[stage]):
                blocks.append(block(cin, base << stage, 2 if stage and i == 0 else 1))
                cin = (base << stage) * block.expansion
            self.add_module("layer%d" % (stage + 1), nn.Sequential(*blocks))
        if norm:
            self.bn = nn.BatchNorm2d(cin)
        self.linear = nn.Linear(cin, classes)

    def forward(self, x):
        x = self.layer4(self.layer3(self.layer2(self.layer1(self.conv1(x)))))
        x = F.relu(self.bn(x)) if hasattr(self, "bn") else x
        return self.linear(x.mean((2, 3)))


class WideBlock(nn.Module):
    def __init__(self, cin, cout, stride):
        super().__init__()
        self.bn1, self.conv1 = nn.BatchNorm2d(cin), conv(cin, cout, 3, stride)
        self.bn2, self.conv2 = nn.BatchNorm2d(cout), conv(cout, cout, 3)
        self.equal = cin == cout
        if not self.equal:
            self.convShortcut = conv(cin, cout, 1, stride)

    def forward(self, x):
        out = F.relu(self.bn1(x))
        x = x if self.equal else out
        out = self.conv2(F.relu(self.bn2(self.conv1(out))))
        return out + (x if self.equal else self.convShortcut(x))


class WideStage(nn.Module):
    def __init__(self, blocks):
        super().__init__()
        self.layer = nn.Sequential(*blocks)

    def forward(self, x):
        return self.layer(x)


class WideResNet(nn.Module):
    def __init__(self, classes, depth, widen):
        super().__init__()
        self.conv1, cin = conv(3, 16, 3), 16
        for stage in range(3):
            blocks, cout = [], (16 << stage) * widen
            for i in range((depth - 4) // 6):
                blocks.append(WideBlock(cin, cout, 2 if stage and i == 0 else 1))
                cin = cout
            self.add_module("block%d" % (stage + 1), WideStage(blocks))
        self.bn1, self.fc = nn.BatchNorm2d(cin), nn.Linear(cin, classes)

    def forward(self, x):
        x = self.block3(self.block2(self.block1(self.conv1(x))))
        return self.fc(F.relu(self.bn1(x)).mean((2, 3)))


class SeparableBlock(nn.Module):
    def __init__(self, cin, cout, stride):
        super().__init__()
        self.conv1, self.bn1 = conv(cin, cin, 3, stride, cin), nn.BatchNorm2d(cin)
        self.conv2, self.bn2 = conv(cin, cout, 1), nn.BatchNorm2d(cout)

    def forward(self, x):
        return F.relu(self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))))


class MobileNetV1(nn.Module):
    def __init__(self, classes, small, width=1.0):
        super().__init__()
        cin, blocks = int(32 * width), []
        self.conv1, self.bn1 = conv(3, cin, 3, 1 if small else 2), nn.BatchNorm2d(cin)
        for cout, stride in [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)] + [(512, 1)] * 5 + [(1024, 2), (1024, 1)]:
            blocks.append(SeparableBlock(cin, int(cout * width), stride))
            cin = int(cout * width)
        self.layers, self.linear = nn.Sequential(*blocks), nn.Linear(cin, classes)

    def forward(self, x):
        return self.linear(self.layers(F.relu(self.bn1(self.conv1(x)))).mean((2, 3)))


class SameConv(nn.Conv2d):
    """Padded as TensorFlow's SAME, for the size that comes in."""

    def __init__(self, cin, cout, kernel, stride=1, groups=1):
        super().__init__(cin, cout, kernel, stride, groups=groups, bias=False)

    def forward(self, x):
        pads = []
        for n in (x.shape[3], x.shape[2]):
            all = max((math.ceil(n / self.stride[0]) - 1) * self.stride[0] + self.kernel_size[0] - n, 0)
            pads += [all // 2, all - all // 2]
        return F.conv2d(F.pad(x, pads), self.weight, None, self.stride, 0, 1, self.groups)


def lite_norm(channels):
    return nn.BatchNorm2d(channels, 1e-3, 0.01)


class LiteBlock(nn.Module):
    def __init__(self, cin, cout, kernel, stride, expansion):
        super().__init__()
        wide, self.adds = cin * expansion, stride == 1 and cin == cout
        if expansion != 1:
            self._expand_conv, self._bn0 = SameConv(cin, wide, 1), lite_norm(wide)
        self._depthwise_conv, self._bn1 = SameConv(wide, wide, kernel, stride, wide), lite_norm(wide)
        self._project_conv, self._bn2 = SameConv(wide, cout, 1), lite_norm(cout)

    def forward(self, x):
        out = F.relu6(self._bn0(self._expand_conv(x))) if hasattr(self, "_expand_conv") else x
        out = self._bn2(self._project_conv(F.relu6(self._bn1(self._depthwise_conv(out)))))
        return out + x if self.adds else out


class EfficientNetLite(nn.Module):
    """After R. Liu's builder: widths rounded to multiples of 8, never by more than a tenth down; depths rounded up."""

    def __init__(self, classes, variant, small=False):
        super().__init__()
        width, depth = ((1.0, 1.0), (1.0, 1.1), (1.1, 1.2), (1.2, 1.4), (1.4, 1.8))[variant]
        stages = [(1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80), (3, 5, 1, 6, 112), (4, 5, 2, 6, 192), (1, 3, 1, 6, 320)]
        self._conv_stem, self._bn0 = SameConv(3, 32, 3, 1 if small else 2), lite_norm(32)
        blocks, cin = [], 32
        for number, (count, kernel, stride, expansion, channels) in enumerate(stages):
            cout = max(8, int(channels * width + 4) // 8 * 8)
            cout += 8 if cout < 0.9 * channels * width else 0
            count = count if number in (0, 6) else math.ceil(depth * count)
            for i in range(count):
                blocks.append(LiteBlock(cin, cout, kernel, 1 if i or small and number == 1 else stride, expansion))
                cin = cout
        self._blocks = nn.Sequential(*blocks)
        self._conv_head, self._bn1 = SameConv(cin, 1280, 1), lite_norm(1280)
        self._fc = nn.Linear(1280, classes)

    def forward(self, x):
        x = self._blocks(F.relu6(self._bn0(self._conv_stem(x))))
        return self._fc(F.relu6(self._bn1(self._conv_head(x))).mean((2, 3)))


def named():
    """(name, side of the pictures, classes, how to make it): what the zoo makes by name."""
    yield "plain_cnn", 32, 10, lambda: PlainCNN(10)
    for depth in VGG:
        for norm in (False, True):
            name = "vgg%d" % depth + "_bn" * norm
            yield name, 224, 1000, getattr(tv, name)
            yield name, 32, 10, lambda: CifarVGG(10, depth, norm)
    for name in ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "resnext50_32x4d", "wide_resnet50_2"):
        yield name, 224, 1000, getattr(tv, name)
        yield name, 32, 10, lambda: cifar_resnet_of_torchvision(getattr(tv, name)(num_classes=10))
    for depth in (20, 32, 44, 56, 110):
        yield "resnet%d" % depth, 32, 10, lambda: CifarResNet(10, depth)
    for depth in (18, 34, 50):
        yield "preact_resnet%d" % depth, 32, 10, lambda: PreActResNet(10, depth)
    yield "wrn_16_4", 32, 10, lambda: WideResNet(10, 16, 4)
    yield "wrn_28_10", 32, 10, lambda: WideResNet(10, 28, 10)
    yield "mobilenet_v1", 224, 1000, lambda: MobileNetV1(1000, False)
    yield "mobilenet_v1", 32, 10, lambda: MobileNetV1(10, True)
    yield "mobilenet_v2", 224, 1000, tv.mobilenet_v2
    yield "mobilenet_v2", 32, 10, lambda: cifar_mobilenet_v2(10)
    for variant, side in enumerate((224, 240, 260, 280, 300)):
        yield "efficientnet_lite%d" % variant, side, 1000, lambda: EfficientNetLite(1000, variant)
        yield "efficientnet_lite%d" % variant, 32, 10, lambda: EfficientNetLite(10, variant, True)


def small():
    """(name in tests/zoo/zoo_forward.c, side of the pictures, how to make it): of five classes."""
    yield "plain_cnn, three deep, 24 wide, norm", 20, lambda: PlainCNN(5, 3, 24, 40, True, 20)
    yield "vgg11, hidden 32", 64, lambda: vgg_with_hidden(tv.vgg11(init_weights=False), 32, 5)
    yield "vgg13_bn, hidden 32", 40, lambda: vgg_with_hidden(tv.vgg13_bn(init_weights=False), 32, 5)
    yield "vgg11_bn, cifar", 32, lambda: CifarVGG(5, 11, True)
    yield "vgg16, cifar, quarter", 32, lambda: CifarVGG(5, 16, False, (16, 32, 64, 128, 128))
    yield "resnet18", 64, lambda: tv.resnet18(num_classes=5)
    yield "resnet18, cifar", 32, lambda: cifar_resnet_of_torchvision(tv.resnet18(num_classes=5))
    yield "resnet50", 50, lambda: tv.resnet50(num_classes=5)
    yield "resnext50_32x4d", 40, lambda: tv.resnext50_32x4d(num_classes=5)
    yield "resnet20", 32, lambda: CifarResNet(5, 20)
    yield "preact_resnet18, quarter", 32, lambda: PreActResNet(5, 18, 16)
    yield "preact_resnet50, quarter, no final norm", 32, lambda: PreActResNet(5, 50, 16, False)
    yield "wrn_16_2", 32, lambda: WideResNet(5, 16, 2)
    yield "wrn_10_1", 20, lambda: WideResNet(5, 10, 1)
    yield "mobilenet_v1, half", 64, lambda: MobileNetV1(5, False, 0.5)
    yield "mobilenet_v2, quarter", 64, lambda: tv.mobilenet_v2(num_classes=5, width_mult=0.25)
    yield "mobilenet_v2, cifar, half", 32, lambda: cifar_mobilenet_v2(5, 0.5)
    yield "efficientnet_lite0", 64, lambda: EfficientNetLite(5, 0)
    yield "efficientnet_lite0, odd size", 75, lambda: EfficientNetLite(5, 0)
    yield "efficientnet_lite2, cifar", 32, lambda: EfficientNetLite(5, 2, True)
