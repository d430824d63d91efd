"""Failures of one network, by the name of a limit."""

from __future__ import annotations

import pytest

from saas_kit.core import context
from saas_kit.core.exceptions import Conflict, NotFound, RateLimited
from saas_kit.ratelimit import LimitTable

TABLE = LimitTable("tests", {"token": "2/h"}, dict)


@pytest.fixture(params=["192.0.2.1", None], ids=["a network", "no network"])
def is_known(request):
    """Have the work at hand come from somewhere, or from where nobody knows; tell which."""
    token = context.ip_address.set(request.param)
    yield request.param is not None
    context.ip_address.reset(token)


def fail(error):
    with pytest.raises(error), TABLE.counting_failures("token", NotFound):
        raise error


def test_failures_are_counted_where_the_network_is_known(is_known):
    """Where it is not, all clients would be one, and each could lock all others out."""
    fail(NotFound)
    fail(NotFound)

    if is_known:
        with pytest.raises(RateLimited), TABLE.counting_failures("token", NotFound):
            pytest.fail("the block was run")
    else:
        fail(NotFound)


def test_what_ends_otherwise_is_taken_back(is_known):
    """Neither what is right nor what fails for another reason is counted."""
    for _ in range(3):
        fail(Conflict)
        with TABLE.counting_failures("token", NotFound):
            pass

    fail(NotFound)
    fail(NotFound)
