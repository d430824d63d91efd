"""
What became of messages; each is sent robustly, with ``message`` (an ``OutboxMessage``).

The sender is ``OutboxMessage``.
"""

from __future__ import annotations

from django.dispatch import Signal

message_sent = Signal()
"""The server, or the provider, took it."""
message_given_up = Signal()
"""It was refused for good, or tried too often."""
message_delivered = Signal()
"""The provider says that the receiver's server took it."""
message_bounced = Signal()
"""The provider says that the receiver's server refused it."""
message_complained = Signal()
"""The provider says that the receiver reported it as spam."""
message_opened = Signal()
"""The provider says that somebody opened it."""
