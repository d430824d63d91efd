"""
The isolation prover: it tries to reach, on every route of a host, what belongs to another organization.

``assert_api_isolated()`` in a test, or ``manage.py saas_kit_prove_isolation``.
"""

from saas_kit.testing.isolation.proof import IsolationProof
from saas_kit.testing.isolation.proving import assert_api_isolated, prove
from saas_kit.testing.isolation.report import Leak, Report, Unexercised

__all__ = ["IsolationProof", "Leak", "Report", "Unexercised", "assert_api_isolated", "prove"]
