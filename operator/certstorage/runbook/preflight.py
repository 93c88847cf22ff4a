"""What stands in the way of a flip, found long before an outage, one small check each; the first hit is the reason."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from certstorage.api.env import FlagState
from certstorage.api.observed import Observation, Problem, Target
from certstorage.api.policy import EnvNames, Mode, Policy
from certstorage.api.reasons import Reason

REFUSED_BY: Mapping[Mode, Reason] = {
    Mode.OBSERVE: Reason.MODE_OBSERVE,
    Mode.PROTECT_ONLY: Reason.MODE_PROTECT_ONLY,
}
"""By mode, why nothing but the flip to local reads is done."""


def problems(policy: Policy, seen: Observation, target: Target) -> Iterator[Problem]:
    """Everything that refuses the flip to local reads, the most telling first."""
    yield from seen.problems
    if seen.neighbours.same_target:
        other = seen.neighbours.same_target
        yield Problem(Reason.TARGET_SHARED, f"policy {other} is older and already cares for this Deployment")
    yield from target.problems
    for check in CHECKS:
        problem = check(policy.spec.env, target)
        if problem is not None:
            yield problem


def _flags_are_literal(env: EnvNames, target: Target) -> Problem | None:
    for name in (env.read_primary, env.dual_write):
        found = target.env.get(name)
        if found is not None and found.state is FlagState.VALUE_FROM:
            text = f"{name} of container {target.container} comes from valueFrom: write it as a literal value"
            return Problem(Reason.FLAG_FROM_REFERENCE, text)
    return None


def _flags_stand_once(env: EnvNames, target: Target) -> Problem | None:
    for name in (env.read_primary, env.dual_write):
        found = target.env.get(name)
        if found is not None and found.state is FlagState.DUPLICATED:
            text = f"{name} stands more than once in the env of container {target.container}: keep one entry"
            return Problem(Reason.FLAG_DUPLICATED, text)
    return None


def _read_flag_has_a_value(env: EnvNames, target: Target) -> Problem | None:
    found = target.env.get(env.read_primary)
    if found is None or found.state is not FlagState.EMPTY:
        return None
    text = f"{env.read_primary} of container {target.container} is empty: write true or false, or remove the entry"
    return Problem(Reason.FLAG_EMPTY, text)


def _not_recreate(_: EnvNames, target: Target) -> Problem | None:
    if not target.recreate:
        return None
    text = "the Deployment's strategy is Recreate: a flip would stop every Pod at once; use RollingUpdate"
    return Problem(Reason.STRATEGY_RECREATE, text)


def _not_paused(_: EnvNames, target: Target) -> Problem | None:
    if not target.paused:
        return None
    return Problem(Reason.ROLLOUT_PAUSED, "the Deployment is paused: resume it with `kubectl rollout resume`")


CHECKS: tuple[Callable[[EnvNames, Target], Problem | None], ...] = (
    _flags_are_literal,
    _flags_stand_once,
    _read_flag_has_a_value,
    _not_recreate,
    _not_paused,
)
