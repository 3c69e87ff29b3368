"""The cases of make_layers.py."""

INF, NAN = float("inf"), float("nan")
FINITE = [0.0, -0.0, 1e-30, -1e-30, 1e-7, -1e-7, 1e-3, -1e-3, 0.5, -0.5, 1.0, -1.0, 2.5, -2.5, 5.5, 6.0, 6.5, -6.0, 9.0, -9.0,
          20.0, -20.0, 80.0, -80.0, 89.0, -89.0, 100.0, -100.0, 110.0, -110.0, 1e4, -1e4, 1e15, -1e15, 3e38, -3e38]
ACTIVATIONS = [("relu", {}), ("leaky_relu", {}), ("leaky_relu", {"slope": 0.25}), ("leaky_relu", {"slope": 0.0}), ("relu6", {}),
               ("gelu", {}), ("gelu", {"tanh_form": True}), ("silu", {}), ("sigmoid", {}), ("tanh", {})]


def conv(out, kernel, **more):
    h, w = kernel if isinstance(kernel, tuple) else (kernel, kernel)
    fields = {"kind": "conv2d", "out_channels": out, "kernel_h": h, "kernel_w": w}
    for key, value in more.items():
        if key in ("stride", "padding", "dilation"):
            fields[key + "_h"], fields[key + "_w"] = value if isinstance(value, tuple) else (value, value)
        else:
            fields[key] = value
    return fields


def pool(kind, kernel, **more):
    fields = conv(0, kernel, **more)
    del fields["out_channels"]
    return dict(fields, kind=kind + "_pool2d")


def node(kind, name=None, inputs=None, **more):
    fields = dict(more, kind=kind)
    if name is not None:
        fields["name"] = name
    if inputs is not None:
        fields["inputs"] = inputs
    return fields


def convolutions(case):
    case("conv 3x3", conv(5, 3), (2, 3, 6, 7))
    case("conv 3x3 same", conv(5, 3, same_padding=True), (2, 3, 5, 7))
    case("conv no bias", conv(5, 3, use_bias=False, padding=1), (2, 3, 5, 5))
    case("conv 1x1, 16 to 33", conv(33, 1), (2, 16, 3, 2))
    case("conv 1x1, stride 2", conv(16, 1, stride=2), (2, 5, 5, 5))
    case("conv one channel in and out, batch 1", conv(1, 3, padding=1), (1, 1, 5, 5))
    case("conv one pixel", conv(3, 1), (1, 5, 1, 1))
    case("conv kernel as large as the picture", conv(4, (5, 3)), (2, 3, 5, 3))
    case("conv stride 2, padding 1, odd sizes", conv(17, 3, stride=2, padding=1), (2, 3, 7, 9))
    case("conv stride 2, last pixels unread", conv(5, 3, stride=2), (2, 3, 8, 6))
    case("conv stride larger than the kernel", conv(5, 2, stride=3), (2, 3, 9, 8))
    case("conv 1x1, stride 4", conv(3, 1, stride=4), (2, 3, 9, 10))
    case("conv rectangular", conv(5, (1, 5), padding=(0, 2)), (2, 3, 4, 6))
    case("conv rectangular stride and padding", conv(5, (3, 2), stride=(1, 3), padding=(2, 1)), (2, 3, 5, 7))
    case("conv padding wider than the kernel", conv(3, 2, padding=3), (1, 3, 3, 3))
    case("conv even kernel", conv(5, 4, padding=2), (1, 3, 5, 5))
    case("conv 5x5", conv(9, 5, padding=2), (2, 3, 5, 5))
    case("conv 7x7, stride 2", conv(5, 7, stride=2, padding=3), (1, 3, 9, 9))
    case("conv dilation 2", conv(5, 3, dilation=2, padding=2), (2, 3, 7, 6))
    case("conv dilation 2x3 with stride 2x1", conv(5, 3, dilation=(2, 3), stride=(2, 1), padding=(2, 3)), (2, 3, 8, 7))
    case("conv dilation 3, stride 2", conv(5, 2, dilation=3, stride=2), (2, 3, 8, 9))
    case("conv dilation 2, same", conv(5, 3, dilation=2, same_padding=True), (1, 3, 5, 6))
    case("conv stride equal to the dilation", conv(5, 3, dilation=2, stride=2, padding=1), (1, 3, 9, 8))
    case("conv 2 groups", conv(6, 3, groups=2, padding=1), (2, 4, 5, 5))
    case("conv 3 groups, stride 2, no bias", conv(6, 3, groups=3, stride=2, use_bias=False), (2, 9, 5, 7))
    case("conv 5 groups, dilation 2", conv(10, 3, groups=5, dilation=2, padding=2), (1, 5, 5, 5))
    case("depthwise", conv(17, 3, groups=17, padding=1), (2, 17, 4, 4))
    case("depthwise, stride 2", conv(16, 3, groups=16, padding=1, stride=2), (1, 16, 5, 5))
    case("depthwise, two results a channel", conv(6, 3, groups=3, padding=1), (1, 3, 4, 5))
    case("depthwise 5x1, dilation 2", conv(5, (5, 1), groups=5, padding=(4, 0), dilation=(2, 1)), (1, 5, 6, 3))
    case("conv 17 to 16", conv(16, 2, padding=1), (1, 17, 4, 3))
    case("conv 33 to 17", conv(17, 2), (1, 33, 3, 3))
    case("conv 5 to 33", conv(33, 2), (1, 5, 4, 4))
    case("conv 9 to 64, whole vectors", conv(64, 1), (1, 9, 2, 2))
    case("conv, a batch of 17", conv(2, 3), (17, 1, 4, 4))
    case("conv, inference", conv(16, 3, padding=1), (2, 5, 5, 5), training=False)


def linears(case):
    for n, i, o in [(1, 1, 1), (3, 5, 17), (2, 33, 16), (7, 16, 33), (1, 130, 3), (2, 3, 70), (17, 5, 1)]:
        case("linear %d to %d, batch %d" % (i, o, n), node("linear", out_features=o), (n, i))
    case("linear no bias", node("linear", out_features=10, use_bias=False), (3, 20))
    case("linear, inference", node("linear", out_features=10), (3, 20), training=False)


def norms(case):
    for kind, shape in (("batch_norm2d", (3, 5, 4, 3)), ("batch_norm1d", (6, 17))):
        case(kind + ", 3 steps", node(kind), shape, steps=3)
        case(kind + ", inference", node(kind), shape, training=False)
        case(kind + ", no scale", node(kind, use_scale=False), shape)
        case(kind + ", no bias", node(kind, use_bias=False), shape)
        case(kind + ", neither", node(kind, use_scale=False, use_bias=False), shape, steps=2)
        case(kind + ", neither, inference", node(kind, use_scale=False, use_bias=False), shape, training=False)
        case(kind + ", momentum and epsilon", node(kind, momentum=0.75, epsilon=0.01), shape, steps=3)
        case(kind + ", momentum 0", node(kind, momentum=0.0), shape)
        case(kind + ", momentum 1", node(kind, momentum=1.0), shape)
        case(kind + ", frozen", node(kind), shape, frozen=True)
    case("batch norm, one channel", node("batch_norm2d"), (2, 1, 3, 5), steps=2)
    case("batch norm, batch 1", node("batch_norm2d"), (1, 33, 2, 3))
    case("batch norm, two values", node("batch_norm1d", epsilon=0.5), (2, 3))
    case("batch norm, large mean", node("batch_norm2d"), (4, 3, 5, 5), offset=16.0)


def pools(case):
    sizes = [("2", 2, {}, (2, 3, 6, 4)), ("2, odd sizes", 2, {}, (2, 3, 5, 7)), ("3, stride 1", 3, {"stride": 1}, (2, 3, 5, 5)),
             ("3, stride 2, padding 1", 3, {"stride": 2, "padding": 1}, (2, 5, 7, 6)),
             ("3, stride 2", 3, {"stride": 2}, (1, 17, 7, 5)), ("2, stride 3", 2, {"stride": 3}, (2, 3, 8, 7)),
             ("3x2, stride 2x1, padding 1x0", (3, 2), {"stride": (2, 1), "padding": (1, 0)}, (1, 3, 6, 5)),
             ("2, ceil", 2, {"ceil_mode": True}, (2, 3, 5, 7)),
             ("3, stride 2, padding 1, ceil", 3, {"stride": 2, "padding": 1, "ceil_mode": True}, (2, 3, 6, 8)),
             ("2, stride 3, padding 1, ceil", 2, {"stride": 3, "padding": 1, "ceil_mode": True}, (1, 3, 6, 5)),
             ("3, stride 4, padding 1, ceil", 3, {"stride": 4, "padding": 1, "ceil_mode": True}, (1, 3, 8, 9)),
             ("4, padding 2, small picture", 4, {"stride": 1, "padding": 2}, (1, 1, 1, 2)), ("1", 1, {}, (1, 3, 2, 2)),
             ("5, whole picture", 5, {}, (1, 16, 5, 5))]
    for name, kernel, more, shape in sizes:
        case("max pool " + name, pool("max", kernel, **more), shape)
        case("avg pool " + name, pool("avg", kernel, **more), shape)
        if "padding" in more or "ceil_mode" in more:
            case("avg pool " + name + ", padding uncounted", pool("avg", kernel, count_include_pad=False, **more), shape)
    case("max pool, equal values", pool("max", 3, stride=2, padding=1), (2, 5, 7, 7), ties=True)
    case("max pool, inference", pool("max", 2), (2, 3, 5, 5), training=False)
    case("avg pool, inference", pool("avg", 3, stride=2), (2, 3, 5, 5), training=False)
    holes = [1.0, 2.0, -INF, -INF, 3.0, 4.0, NAN, -INF, -INF, INF, 5.0, 5.0, -1.0, INF, 0.0, -INF]
    case("max pool, not finite", pool("max", 2), (1, 1, 4, 4), given=holes)
    for h, w, shape in [(1, 1, (2, 3, 4, 5)), (2, 3, (2, 3, 5, 7)), (3, 3, (1, 5, 4, 4)), (5, 7, (1, 3, 3, 2)), (4, 4, (1, 2, 4, 4)),
                        (1, 2, (1, 17, 3, 3))]:
        for kind in ("avg", "max"):
            case("adaptive %s pool %dx%d" % (kind, h, w), node("adaptive_%s_pool2d" % kind, out_h=h, out_w=w), shape)
    for kind in ("avg", "max"):
        case("global %s pool" % kind, node("global_%s_pool2d" % kind), (2, 5, 5, 3))
        case("global %s pool, one pixel" % kind, node("global_%s_pool2d" % kind), (2, 3, 1, 1))
    case("global max pool, equal values", node("global_max_pool2d"), (2, 3, 4, 4), ties=True)


def activations(case):
    for kind, more in ACTIVATIONS:
        name = " ".join([kind] + ["%s=%s" % item for item in more.items()])
        case(name, node(kind, **more), (2, 3, 3, 5), scale=3.0)
        case(name + ", extremes", node(kind, **more), (1, len(FINITE)), given=FINITE)
        case(name + ", not finite", node(kind, **more), (1, 5), given=[INF, -INF, NAN, 1.0, -NAN])
    case("relu, inference", node("relu"), (2, 3, 3, 5), training=False)
    for name, shape in [("of channels", (2, 5, 3, 2)), ("of features", (3, 17)), ("of one channel", (2, 1, 2, 2)),
                        ("of 33 features", (2, 33))]:
        case("softmax " + name, node("softmax"), shape, scale=4.0)
    case("softmax, extremes", node("softmax"), (4, 4), given=[1e4, -1e4, 0, 1e4, 3e38, 0, -3e38, 1, -3e38, -3e38, -3e38, -3e38, 88, 89, 90, 91])
    case("softmax, not finite", node("softmax"), (4, 3), given=[-INF, 0, 1, NAN, 0, 1, INF, 0, 1, -INF, -INF, -INF])


def networks(case):
    case("flatten", node("flatten"), (2, 5, 3, 4))
    case("flatten of one channel", node("flatten"), (2, 1, 3, 4))
    case("flatten of features", [node("relu"), node("flatten"), node("tanh")], (2, 7))
    case("flatten, linear", [node("flatten"), node("linear", out_features=5)], (2, 3, 3, 2))
    case("dropout of 0", [node("dropout", p=0.0), node("tanh")], (2, 3, 2, 2))
    case("dropout, inference", [node("tanh"), node("dropout", p=0.5)], (2, 3, 2, 2), training=False)
    case("dropout alone, inference", node("dropout", p=0.5), (2, 3, 2, 2), training=False)
    case("conv, relu", [conv(17, 3, padding=1), node("relu")], (2, 5, 4, 5))
    case("conv, relu, inference", [conv(17, 3, padding=1), node("relu")], (2, 5, 4, 5), training=False)
    case("conv, relu, not finite", [conv(3, 1), node("relu")], (1, 1, 2, 3), given=[NAN, 1.0, INF, -1.0, -INF, 2.0])
    case("conv, relu, max pool", [conv(16, 3, padding=1), node("relu"), pool("max", 2)], (2, 3, 6, 6))
    case("conv, max pool, relu", [conv(5, 3), pool("max", 2), node("relu")], (2, 3, 6, 6))
    case("conv, batch norm, relu", [conv(16, 3, padding=1), node("batch_norm2d"), node("relu")], (2, 3, 5, 5), steps=2)
    case("conv, batch norm, relu, max pool",
         [conv(17, 3, padding=1), node("batch_norm2d"), node("relu"), pool("max", 2)], (2, 3, 6, 7))
    case("conv, batch norm, relu, inference",
         [conv(16, 3, padding=1, use_bias=False), node("batch_norm2d"), node("relu")], (2, 3, 5, 5), training=False)
    case("conv, batch norm, leaky relu, average",
         [conv(5, 3, padding=1), node("batch_norm2d"), node("leaky_relu"), pool("avg", 2)], (2, 3, 6, 6))
    case("depthwise, batch norm, relu6, 1x1",
         [conv(5, 3, groups=5, padding=1), node("batch_norm2d"), node("relu6"), conv(3, 1)], (2, 5, 4, 4))
    case("two convs with relu", [conv(5, 3), node("relu"), conv(3, 3), node("relu")], (2, 3, 6, 6))
    case("linear, relu, linear", [node("linear", out_features=17), node("relu"), node("linear", out_features=3)], (4, 9))
    case("linear, batch norm, relu", [node("linear", out_features=17), node("batch_norm1d"), node("relu")], (4, 9))
    case("in place: sigmoid, tanh, relu6, relu", [conv(3, 1), node("sigmoid"), node("tanh"), node("relu6"), node("relu")], (2, 3, 3, 3))
    case("picture to classes", [conv(8, 3, padding=1), node("relu"), pool("max", 2), node("flatten"), node("linear", out_features=10),
                                node("softmax")], (2, 3, 6, 6))
    case("conv, global average, flatten, linear",
         [conv(8, 3), node("gelu"), node("global_avg_pool2d"), node("flatten"), node("linear", out_features=3)], (2, 3, 5, 5))
    case("add", [node("tanh", "a", ["input"]), node("add", "b", ["input", "a"])], (2, 3, 3, 3))
    case("add the same twice", [node("tanh", "a"), node("add", "b", ["a", "a"])], (2, 3, 3, 3))
    case("add three features", [node("linear", "a", out_features=5), node("relu", "b"), node("sigmoid", "c", ["a"]),
                                node("add", "d", ["a", "b", "c"])], (3, 5))
    case("concat", [node("relu", "a"), node("tanh", "b", ["input"]), node("concat", "c", ["a", "input", "b"])], (2, 3, 3, 2))
    case("concat the same twice", [node("tanh", "a"), node("concat", "b", ["a", "a"])], (2, 5, 2, 3))
    case("concat of unequal channels", [conv(1, 1, name="a", inputs=["input"]), conv(17, 1, name="b", inputs=["input"]),
                                        node("concat", "c", ["b", "a", "input"])], (2, 3, 3, 2))
    case("concat of features", [node("linear", "a", out_features=4), node("concat", "b", ["a", "input"])], (3, 7))
    block = [conv(5, 3, padding=1, name="c1"), node("batch_norm2d", "n1"), node("relu", "r1"), conv(5, 3, padding=1, name="c2"),
             node("batch_norm2d", "n2"), node("add", "sum", ["n2", "r1"]), node("relu", "r2")]
    case("residual block", block, (2, 3, 5, 4), steps=2)
    case("residual block, inference", block, (2, 3, 5, 4), training=False)
    case("residual block with a projection",
         [conv(6, 3, stride=2, padding=1, name="c1"), node("relu", "r1"), conv(6, 3, padding=1, name="c2"),
          conv(6, 1, stride=2, name="p", inputs=["input"]), node("add", "sum", ["p", "c2"]), node("relu", "r2"),
          node("concat", "j", ["r2", "r1", "sum"])], (2, 3, 6, 5))
    case("inception", [conv(3, 1, name="a"), node("relu", "ar"), conv(4, 3, padding=1, name="b", inputs=["ar"]),
                       dict(pool("max", 3, stride=1, padding=1), name="m", inputs=["ar"]),
                       dict(pool("avg", 3, stride=1, padding=1), name="v", inputs=["ar"]),
                       node("concat", "j", ["ar", "b", "m", "v"]), conv(5, 1)], (2, 5, 4, 4))


def upper_paddings(case):
    for name, c, o, kernel, more, size in [
            ("stride 2, even sizes", 3, 5, 3, {"stride": 2}, (6, 8)), ("stride 2, odd sizes", 3, 17, 3, {"stride": 2}, (7, 5)),
            ("7x7, stride 2", 3, 5, 7, {"stride": 2}, (8, 10)), ("even kernel", 3, 5, (4, 2), {}, (5, 6)),
            ("stride 2x3, dilation 2x1", 5, 16, 3, {"stride": (2, 3), "dilation": (2, 1)}, (8, 9)),
            ("stride larger than the kernel", 3, 5, 1, {"stride": 3}, (7, 8)), ("stride 1", 3, 5, 3, {}, (4, 5)),
            ("kernel larger than the picture", 3, 5, 5, {"stride": 2}, (2, 2)), ("2 groups", 4, 6, 3, {"stride": 2, "groups": 2}, (6, 6)),
            ("depthwise, stride 2", 17, 17, 3, {"stride": 2, "groups": 17}, (8, 10)),
            ("depthwise 5x5, stride 2", 5, 5, 5, {"stride": 2, "groups": 5}, (8, 14)),
            ("depthwise 5x5, stride 2, odd sizes", 5, 5, 5, {"stride": 2, "groups": 5}, (7, 9)),
            ("depthwise 4x4, stride 3, dilation 2", 5, 5, 4, {"stride": 3, "groups": 5, "dilation": 2}, (8, 9))]:
        case("conv same upper, " + name, conv(o, kernel, same_upper_padding=True, **more), (2, c) + size)
    case("conv same upper, small pictures, many channels", conv(128, 3, stride=2, same_upper_padding=True, use_bias=False), (16, 128, 2, 2),
         training=False)


def make(case):
    for cases in (convolutions, linears, norms, pools, activations, networks, upper_paddings):
        cases(case)
