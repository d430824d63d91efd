"""
A process that writes messages into the outbox, some of them in changes that are rolled back.

``python -m tests.email.outbox_writer NUMBER PREFIX FILE`` writes as many messages, in transactions of up to 20, and
appends a line with the address and the ``Message-ID`` to the file for each that was committed. It waits while many are
waiting to be sent.
"""

from __future__ import annotations

import random
import sys
import time
from pathlib import Path

import django
from django.db import transaction

_MOST_IN_ONE = 20
_MOST_WAITING = 400
_ROLLED_BACK = 0.1


def main(number: int, prefix: str, path: Path) -> None:
    """Write as many messages, to addresses that begin with the prefix."""
    written = 0
    with path.open("a", buffering=1) as committed:
        while written < number:
            if _waiting() > _MOST_WAITING:
                time.sleep(0.05)
                continue
            count = min(random.randint(1, _MOST_IN_ONE), number - written)
            is_rolled_back = random.random() < _ROLLED_BACK
            name = "gone" if is_rolled_back else prefix
            rows = _write([f"{name}{written + index}@example.com" for index in range(count)], is_rolled_back)
            if not is_rolled_back:
                written += count
                committed.write("".join(f"{row}\n" for row in rows))


def _waiting() -> int:
    from saas_kit.email.models import OutboxMessage

    return OutboxMessage.objects.due().count()


def _write(addresses: list[str], is_rolled_back: bool) -> list[str]:
    from saas_kit.auth.messages import VerifyEmail
    from saas_kit.email.services import send

    rows = []
    with transaction.atomic():
        for address in addresses:
            key = send(VerifyEmail(token=f"token of {address}", link=""), to=address)
            rows.append(f"{address} {key}")
        transaction.set_rollback(is_rolled_back)
    return rows


if __name__ == "__main__":
    django.setup()
    main(int(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
