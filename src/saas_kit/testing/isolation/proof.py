"""What a host says about itself where the prover cannot infer it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

_PARAMETER = re.compile(r"\{[^}]*\}")


@dataclass(frozen=True)
class IsolationProof:
    """
    What is to be proved, and what has to be known for it. Routes are named ``"POST /api/v1/notes/{id}/"``, the
    method and the path as in the OpenAPI document; what the parameters are called does not matter.

    Attributes:
        urlconf: The dotted path of the URL configuration; None for ``ROOT_URLCONF``.
        factories: By the label of a model, what makes and saves a row of it: ``make(organization, **related)``,
            where ``related`` has the rows that its foreign keys are to point at, by the names of the fields.
        unexercised: By route, or by the label of a model of which no row can be made, the reason why it need not
            be exercised.
        prefix: Routes whose path begins with it are probed.
        bodies: By route, what returns a body that is accepted: ``body(side)``, where ``side`` has the
            ``organization``, its ``account``, its ``people`` and its ``rows`` by model.
        prepare: By route, what has to be done first so that the request is accepted: ``prepare(side)``. It is done
            for both organizations, and undone after each request.
    """

    urlconf: str | None = None
    factories: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
    unexercised: Mapping[str, str] = field(default_factory=dict)
    prefix: str = "/api/"
    bodies: Mapping[str, Callable[[Any], Any]] = field(default_factory=dict)
    prepare: Mapping[str, Callable[[Any], Any]] = field(default_factory=dict)


def same_route(name: str) -> str:
    """Return what two names of one route have in common: parameters count by their place."""
    return _PARAMETER.sub("{}", " ".join(name.split()))


def by_route(named: Mapping[str, Any], route: str) -> Any:
    """Return what is given for a route; None where nothing is."""
    wanted = same_route(route)
    return next((value for name, value in named.items() if same_route(name) == wanted), None)
