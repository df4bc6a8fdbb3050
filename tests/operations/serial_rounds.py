"""Rounds in one process: blocks in any order, and the fixed tree over their numbers."""

import numpy as np

from sharedcompute.operations.parameters import bind
from sharedcompute.operations.specs import ArraySpec


def algorithm_for(fit, x, **params):
    return fit.algorithm(bind(fit.name, fit.parameters, params), ArraySpec(x.shape, x.dtype))


def zeros(specs):
    return {name: np.zeros(spec.shape, spec.dtype) for name, spec in specs.items()}


def run_rounds(fit, x, *, block=40, strip=16, order=None, **params):
    """The results, and what each round said."""
    rounds = algorithm_for(fit, x, **params)
    x = np.ascontiguousarray(x)
    x.flags.writeable = False
    model = zeros(rounds.model)
    rounds.begin(model, lambda start, stop: x[start:stop])
    states = [zeros(rounds.state) for _ in range(0, len(x), block)]
    steps = []
    while not steps or not steps[-1].done:
        one_round(rounds, x, model, states, order or range(len(states)), block, strip)
        steps.append(rounds.update(model, states[0]))
        assert set(steps[-1].values) == set(fit.watched)
    results = rounds.results(model, None)
    assert set(results) == set(fit.gives)
    return results, steps


def one_round(rounds, x, model, states, order, block, strip):
    for number in order:
        rounds.reset(states[number])
        stop = min((number + 1) * block, len(x))
        for start in range(number * block, stop, strip):
            end = min(start + strip, stop)
            rounds.add(x[start:end], start, number, model, states[number])
    step = 1
    while step < len(states):
        for at in range(0, len(states) - step, 2 * step):
            rounds.combine(states[at], states[at + step])
        step *= 2
