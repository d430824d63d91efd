"""Providers that tell what became of messages, each in its own way and with its own proof."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from django.test import Client

SECRET = "webhooks:a long password"
MAILGUN_KEY = "mailgun-signing-key"
_SENDGRID_KEY = ec.generate_private_key(ec.SECP256R1())
_SENDGRID_PUBLIC = _SENDGRID_KEY.public_key().public_bytes(
    serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
)
ANYMAIL = {
    "WEBHOOK_SECRET": SECRET,
    "MAILGUN_WEBHOOK_SIGNING_KEY": MAILGUN_KEY,
    "SENDGRID_TRACKING_WEBHOOK_VERIFICATION_KEY": base64.b64encode(_SENDGRID_PUBLIC).decode(),
}


def post(provider: str, body: Any, *, secret: str = SECRET, **headers: str) -> Any:
    """Post what a provider tells to the host's server; no test client raises what the server does."""
    client = Client(raise_request_exception=False)
    if secret:
        headers["authorization"] = "Basic " + base64.b64encode(secret.encode()).decode()
    content = body if isinstance(body, str) else json.dumps(body)
    return client.post(
        f"/email/{provider}/tracking/", content, content_type="application/json", headers=headers
    )


def mailgun(event: dict[str, Any], *, key: str = MAILGUN_KEY) -> dict[str, Any]:
    """Sign an event as Mailgun does: its time and a token, not what it says."""
    stamp, token = str(int(time.time())), "0123456789abcdef"
    signature = hmac.new(key.encode(), f"{stamp}{token}".encode(), hashlib.sha256).hexdigest()
    return {"signature": {"timestamp": stamp, "token": token, "signature": signature}, "event-data": event}


def sendgrid(events: list[dict[str, Any]]) -> tuple[str, dict[str, str]]:
    """Return the body of a webhook of SendGrid's and the headers that sign it."""
    body, stamp = json.dumps(events), str(int(time.time()))
    signature = _SENDGRID_KEY.sign(f"{stamp}{body}".encode(), ec.ECDSA(hashes.SHA256()))
    return body, {
        "X-Twilio-Email-Event-Webhook-Timestamp": stamp,
        "X-Twilio-Email-Event-Webhook-Signature": base64.b64encode(signature).decode(),
    }


def amazon(event: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """Return a notification of Amazon SNS with an event of SES, and the headers that go with it."""
    message = {"Type": "Notification", "MessageId": "sns-1", "Message": json.dumps(event)}
    return message, {"x-amz-sns-message-type": "Notification", "x-amz-sns-message-id": "sns-1"}


def postmark(record: str, row: Any, **values: Any) -> dict[str, Any]:
    """Return what Postmark tells of a message of the outbox."""
    address = "Recipient" if record in {"Delivery", "Open", "Click"} else "Email"
    known = {"RecordType": record, "MessageID": "p-1", "Metadata": {"outbox": str(row.pk)}}
    return {**known, address: row.recipient, **values}
