"""Quick draws from short lists; `Generator.choice` takes ten times as long."""


def choose(rng, options):
    """One of `options`, all equally likely."""
    return options[int(rng.random() * len(options))]


def choose_by_share(rng, options, shares):
    """One of `options` with the probabilities `shares`, which sum to 1."""
    left = rng.random()
    for option, share in zip(options, shares, strict=True):
        left -= share
        if left < 0:
            return option
    return options[-1]
