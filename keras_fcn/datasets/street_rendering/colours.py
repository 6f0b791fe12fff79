"""Colours as RGB in 0 to 255: chosen, moved a little, darkened."""

from keras_fcn.datasets.street_rendering.sampling import choose


def jitter(rng, colour, spread):
    """Moves a colour: all channels together by `spread`, each by a third of it."""
    common, *own = (spread * rng.standard_normal(4)).tolist()
    return (
        max(4.0, colour[0] + common + own[0] / 3),
        max(4.0, colour[1] + common + own[1] / 3),
        max(4.0, colour[2] + common + own[2] / 3),
    )


def darken(colour, factor):
    """The colour with every channel multiplied by `factor`; may exceed 255."""
    return colour[0] * factor, colour[1] * factor, colour[2] * factor


def pick(rng, colours, spread=8):
    """One of `colours`, moved a little."""
    return jitter(rng, choose(rng, colours), spread)
