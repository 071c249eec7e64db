"""Every network that can be built, by name, without what a method (:mod:`gen.methods`) makes random."""

from gen.ir import Input, Join, Layer, Network


__all__ = ["NETWORKS", "lenet", "levels_of_pixels", "m5", "mlp", "resnet", "unet", "vgg"]


#: What leaves the layers of a residual network: values in fixed point of 8 bits, from -8 to 7.9375.
VALUES = {"output_bits": 8, "fraction": 4}


def levels_of_pixels(bits: int) -> tuple[int, ...]:
    """Return the thresholds that round a pixel, over 255, to the nearest of ``2 ** bits`` levels."""
    most = 2**bits - 1
    return tuple(-(-255 * (2 * level - 1) // (2 * most)) for level in range(1, most + 1))


def lenet(name: str, channels: tuple[int, int, int, int], thresholds: tuple[int, ...], *, bits: int = 1,
          low: int = -1) -> Network:
    """LeNet-5 for 28 x 28 pixels and ten classes, without padding.

    ``channels`` are those of the two convolutions and of the two hidden fully connected layers. All maps
    have levels of ``bits`` bits, of which the lowest stands for ``low``.
    """
    first, second, third, fourth = channels
    pixels = Input(28, 28, thresholds, bits)
    every = {"input_bits": bits, "input_low": low, "output_bits": bits, "output_low": low}
    return Network(name, pixels, (
        Layer("conv1", 28, 28, pixels.channels, (5, 5), first, pool=2, **every),
        Layer("conv2", 12, 12, first, (5, 5), second, pool=2, **every),
        Layer("fc1", 4, 4, second, (4, 4), third, **every),
        Layer("fc2", 1, 1, third, (1, 1), fourth, **every),
        Layer("fc3", 1, 1, fourth, (1, 1), 10, **every),
    ))


def mlp(name: str, hidden: tuple[int, ...]) -> Network:
    """A multilayer perceptron for black and white images of 28 x 28 pixels and ten classes, with as many
    neurons as ``hidden`` in its hidden layers."""
    first, *others = hidden
    return Network(name, Input(28, 28, (128,)), (
        Layer("fc1", 28, 28, 1, (28, 28), first),
        *(Layer(f"fc{number}", 1, 1, entering, (1, 1), leaving) for number, (entering, leaving) in
          enumerate(zip(hidden, (*others, 10), strict=True), 2)),
    ))


def resnet(name: str, channels: tuple[int, ...], convolutions: int, *, pixels: int = 32) -> Network:
    """A residual network for images of ``pixels`` rows and columns of three colours and ten classes, binary
    throughout, with a skip around each convolution (Z. Liu et al., Bi-Real Net, 2018).

    Behind the first layer, the stem, come stages of ``channels`` channels, each of as many
    ``convolutions``. Each convolution takes the signs of the values that enter it, and is added to these
    values. The first one of a stage but the first halves height and width, and so does a convolution of
    2 x 2 beside it, which chooses nothing. The last layer is fully connected, and takes all signs of the
    map: in place of a global average pool it has weights for each position.
    """
    entering = channels[0]
    layers = [Layer("stem", pixels, pixels, 3, (3, 3), entering, padding=1, input_bits=8, dropout=0.2,
                    **VALUES)]
    joins, source, side = [], "stem", pixels
    for stage, leaving in enumerate(channels, 1):
        for number in range(1, convolutions + 1):
            halved = stage > 1 and number == 1
            place  = f"{stage}_{number}"
            layers.append(Layer(f"conv{place}", side, side, entering, (3, 3), leaving, padding=1,
                                stride=1 + halved, dropout=0.2, source=source, **VALUES))
            if halved:
                layers.append(Layer(f"skip{place}", side, side, entering, (2, 2), leaving, stride=2,
                                    source=source, **VALUES))
                side //= 2
            joins.append(Join(f"sum{place}", f"conv{place}", f"skip{place}" if halved else source))
            source, entering = f"sum{place}", leaving
    return Network(name, Input(pixels, pixels, (), bits=8, colours=3), (
        *layers, Layer("fc", side, side, entering, (side, side), 10, dropout=0.2, source=source),
    ), data="cifar10", joins=tuple(joins))


def vgg(name: str, channels: tuple[int, int, int], hidden: int) -> Network:
    """VGG-small for 32 x 32 pixels of three colours and ten classes: binary weights meet the 8 bits of each
    colour as they are.

    ``channels`` are those of each two convolutions that a pool follows, ``hidden`` those of the two hidden
    fully connected layers.
    """
    layers, entering, side = [], 3, 32
    for leaving in channels:
        for pool in (1, 2):
            layers.append(Layer(f"conv{len(layers) + 1}", side, side, entering, (3, 3), leaving, pool=pool,
                                padding=1, input_bits=1 if layers else 8))
            entering = leaving
        side //= 2
    return Network(name, Input(32, 32, (), bits=8, colours=3), (
        *layers,
        Layer("fc1", side, side, entering, (side, side), hidden),
        Layer("fc2", 1, 1, hidden, (1, 1), hidden),
        Layer("fc3", 1, 1, hidden, (1, 1), 10),
    ), data="cifar10")


def unet(name: str, channels: tuple[int, int, int]) -> Network:
    """A small U-Net (O. Ronneberger et al., U-Net, 2015) of two levels for grey images of 32 x 32 pixels,
    each of which is of one of two classes.

    ``channels`` are those of the maps of full, half and quarter height and width. A max-pool of 2 x 2 ends
    each level on the way down; on the way up the map of the level below becomes as large, by nearest
    neighbours, and has the channels of the level beside its own.
    """
    first, second, third = channels
    return Network(name, Input(32, 32, (64, 128, 192)), (
        Layer("enter", 32, 32, 3, (3, 3), first, padding=1, dropout=0.2),
        Layer("down1", 32, 32, first, (3, 3), second, padding=1, pool=2, dropout=0.2),
        Layer("down2", 16, 16, second, (3, 3), third, padding=1, pool=2, dropout=0.2),
        Layer("below", 8, 8, third, (3, 3), third, padding=1, resize=2, dropout=0.2),
        Layer("up2", 16, 16, second + third, (3, 3), second, padding=1, resize=2, source="beside2",
              dropout=0.2),
        Layer("up1", 32, 32, first + second, (3, 3), first, padding=1, source="beside1", dropout=0.2),
        Layer("out", 32, 32, first, (1, 1), 2, dropout=0.2),
    ), data="clutter", joins=(
        Join("beside2", "below", "down1", "concat"), Join("beside1", "up2", "enter", "concat")))


def m5(name: str, channels: tuple[int, int, int]) -> Network:
    """A small M5 (W. Dai et al., Very Deep Convolutional Neural Networks for Raw Waveforms, 2017) for
    series of 150 values of 8 bits, which are images of one row, and two classes.

    ``channels`` are those of the three convolutions along the row, each followed by a max-pool of four, the
    last of which is that of all that is left.
    """
    first, second, third = channels
    return Network(name, Input(1, 150, (), bits=8), (
        Layer("conv1", 1, 150, 1, (1, 16), first, stride=(1, 2), pool=(1, 4), input_bits=8),
        Layer("conv2", 1, 17, first, (1, 3), second, padding=(0, 1), pool=(1, 4)),
        Layer("conv3", 1, 4, second, (1, 3), third, padding=(0, 1), pool=(1, 4)),
        Layer("fc1", 1, 1, third, (1, 1), 2),
    ), data="gunpoint")


NETWORKS = {network.name: network for network in (
    lenet("lenet5", (6, 16, 120, 84), thresholds=(64, 128, 192)),
    lenet("lenet5_wide", (20, 50, 500, 84), thresholds=(128,)),
    lenet("lenet5_4bit", (6, 16, 120, 84), thresholds=levels_of_pixels(4), bits=4, low=0),
    mlp("mlp", (256, 256)),
    resnet("resnet20", (16, 32, 64), 6),
    resnet("resnet18", (64, 128, 256, 512), 4),
    vgg("vgg_small", (128, 256, 512), 1024),
    m5("m5", (16, 32, 32)),
    unet("unet", (8, 16, 24)),
)}
