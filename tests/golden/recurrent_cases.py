"""The cases of make_recurrent.py."""
from layer_cases import conv, node

ROWS, COLUMNS, PIXELS = 0, 1, 2
LAST, ALL = 0, 1


def both_kinds(case):
    def add(name, shape, hidden, training=True, scale=0.5, frozen=False, **options):
        for kind in ("lstm", "gru"):
            case("%s %s" % (kind, name), node(kind, hidden_size=hidden, **options), shape, training=training, scale=scale, frozen=frozen)
    return add


def recurrents(case):
    add = both_kinds(case)
    for sequence, name in ((ROWS, "rows"), (COLUMNS, "columns"), (PIXELS, "pixels")):
        for output, what in ((LAST, "last"), (ALL, "all")):
            for bidirectional in (False, True):
                add("%s, %s%s" % (name, what, ", both directions" if bidirectional else ""), (2, 3, 4, 5), 5, sequence=sequence,
                    output=output, bidirectional=bidirectional)
    add("of one unit", (3, 2, 3, 1), 1, output=ALL)
    add("of one step", (2, 3, 1, 4), 6, bidirectional=True)
    add("of one step, all", (2, 3, 1, 4), 6, output=ALL)
    add("of one feature", (2, 1, 7, 1), 4, bidirectional=True, output=ALL)
    add("of one sample", (1, 3, 6, 2), 9, output=ALL)
    add("of whole vectors", (3, 4, 5, 4), 32)
    add("17 samples, 17 units", (17, 3, 4, 2), 17, output=ALL)
    add("of 70 features, both directions", (9, 7, 3, 10), 11, bidirectional=True)
    add("of 66 units", (2, 1, 3, 2), 66)
    add("of 20 steps", (2, 3, 1, 20), 8, sequence=COLUMNS, output=ALL, bidirectional=True)
    add("of 24 steps of pixels", (2, 6, 4, 6), 7, sequence=PIXELS)
    add("without bias", (2, 3, 4, 5), 5, use_bias=False)
    add("without bias, both directions", (2, 3, 4, 5), 5, use_bias=False, bidirectional=True, output=ALL)
    add("of large inputs", (2, 3, 5, 4), 6, scale=8.0, bidirectional=True)
    add("frozen", (2, 3, 4, 5), 5, frozen=True, bidirectional=True)
    add("inference", (2, 3, 4, 5), 5, training=False)
    add("inference, all, both directions", (16, 3, 4, 5), 18, training=False, output=ALL, bidirectional=True)
    for kind in ("lstm", "gru"):
        case("stacked " + kind, [node(kind, hidden_size=6, output=ALL), node(kind, hidden_size=5)], (3, 2, 5, 3), scale=0.5)
        case("stacked %s, both directions" % kind,
             [node(kind, hidden_size=6, output=ALL, bidirectional=True, sequence=PIXELS),
              node(kind, hidden_size=5, output=ALL, bidirectional=True, sequence=PIXELS)], (2, 2, 3, 3), scale=0.5)
    case("rows, then columns", [node("gru", hidden_size=5, output=ALL, sequence=ROWS), node("flatten"), node("linear", out_features=3)],
         (2, 3, 4, 5), scale=0.5)


def sums(case):
    def three(name, shape, **options):
        case("weighted sum " + name, [node("tanh", "a"), node("sigmoid", "b", ["input"]), node("weighted_sum", "s", ["a", "b", "input"], **options)],
             shape)
    for name, shape in (("of pictures", (2, 3, 3, 5)), ("of features", (3, 17))):
        three(name, shape)
        three(name + ", given", shape, weight_count=3, weight0=1.0, weight1=0.5, weight2=2.5)
        three(name + ", given as they are", shape, weight_count=3, weight0=1.0, weight1=-0.5, weight2=2.5, normalise=False)
        three(name + ", learned", shape, learned=True)
        three(name + ", learned as they are", shape, learned=True, normalise=False)
    case("weighted sum of the same", [node("tanh", "a"), node("weighted_sum", "s", ["a", "a"], learned=True)], (2, 5, 3, 2))
    case("weighted sum of the input alone", node("weighted_sum", "s", ["input", "input"], learned=True), (3, 7))
    case("weighted sum of eight", [node("tanh", "a"), node("weighted_sum", "s", ["a", "input"] * 4, learned=True)], (2, 5, 3, 2))
    case("weighted sum of many", [node("tanh", "a"), node("weighted_sum", "s", ["a", "input"], learned=True)], (2, 3, 33, 37))
    case("weighted sum, inference", [node("tanh", "a"), node("weighted_sum", "s", ["a", "input"], learned=True)], (2, 5, 3, 2), training=False)
    case("weighted sum, frozen", [node("tanh", "a"), node("weighted_sum", "s", ["a", "input"], learned=True)], (2, 5, 3, 2), frozen=True)


def fusions(case):
    stem = [conv(6, 3, padding=1, name="stem"), node("relu", "features")]
    pooled = [node("global_avg_pool2d", "pool", ["features"]), node("flatten", "pooled")]
    for kind in ("lstm", "gru"):
        case("features of a CNN and %s" % kind,
             stem + pooled + [node(kind, "rows", ["features"], hidden_size=5, bidirectional=True),
                              node("concat", "joined", ["pooled", "rows"]), node("linear", out_features=4)], (3, 2, 4, 5), scale=0.5)
        case("decisions of a CNN and %s" % kind,
             stem + pooled + [node("linear", "first", out_features=4), node(kind, "rows", ["features"], hidden_size=5, sequence=PIXELS),
                              node("linear", "second", out_features=4),
                              node("weighted_sum", "vote", ["first", "second"], learned=True)], (3, 2, 4, 5), scale=0.5)
    case("probabilities of two heads", [node("linear", "a", out_features=5), node("softmax", "p"), node("linear", "b", ["input"], out_features=5),
                                        node("softmax", "q"), node("weighted_sum", "vote", ["p", "q"], weight_count=2, weight0=3.0, weight1=1.0)],
         (3, 7))


def make(case):
    for cases in (recurrents, sums, fusions):
        cases(case)
