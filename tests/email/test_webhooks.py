"""What providers tell of messages: who is believed, what is made of it, in whichever order it comes."""

from __future__ import annotations

from importlib.util import find_spec

import pytest
from anymail.signals import tracking
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from saas_kit.email import signals
from saas_kit.email.models import OutboxMessage, State, Suppression, SuppressionReason
from saas_kit.email.services import cancel_message, requeue
from tests.email.messages import Digest, Key
from tests.email.webhooks import ANYMAIL, SECRET, amazon, mailgun, post, postmark, sendgrid

pytestmark = [
    pytest.mark.hosts("full"),
    pytest.mark.django_db,
    pytest.mark.filterwarnings("ignore:django-anymail has dropped official support for SendGrid"),
]

needs_boto = pytest.mark.skipif(find_spec("boto3") is None, reason="Anymail's view for Amazon needs boto3")

BOUNCE = {"Type": "HardBounce", "Description": "The server was unable to deliver your message."}


@pytest.fixture(autouse=True)
def _providers(settings):
    settings.SAAS_KIT_EMAIL_PROVIDERS = ("postmark", "mailgun", "sendgrid", "amazon_ses", "resend", "brevo")
    settings.ANYMAIL = ANYMAIL


@pytest.fixture
def sent(make_message, deliver):
    """A message that was sent."""
    return deliver(make_message())


@pytest.fixture
def told():
    """The names of the signals that were sent, in their order."""
    names = []
    receivers = []
    for name in (
        "message_delivered",
        "message_bounced",
        "message_complained",
        "message_opened",
        "message_given_up",
    ):

        def receiver(message, name=name, **kwargs):
            names.append((name, message.state))

        getattr(signals, name).connect(receiver)
        receivers.append((name, receiver))
    yield names
    for name, receiver in receivers:
        getattr(signals, name).disconnect(receiver)


def state_of(row):
    row.refresh_from_db()
    return row.state


class TestProof:
    def test_right_password_is_believed(self, sent):
        assert post("postmark", postmark("Delivery", sent)).status_code == 200
        assert state_of(sent) == State.DELIVERED

    @pytest.mark.parametrize(
        ("secret", "status"), [("", 401), ("webhooks:wrong", 403), ("webhooks", 403), (f"{SECRET}x", 403)]
    )
    def test_wrong_one_is_not(self, sent, secret, status):
        response = post("postmark", postmark("Delivery", sent), secret=secret)

        assert response.status_code == status
        assert response.headers["Content-Type"] == "application/problem+json"
        assert ("WWW-Authenticate" in response.headers) == (status == 401)
        assert state_of(sent) == State.SENT

    def test_right_signature_of_mailgun_is_believed(self, sent):
        event = {
            "event": "delivered",
            "recipient": sent.recipient,
            "user-variables": {"outbox": str(sent.pk)},
        }
        event["timestamp"] = 1700000000.0

        assert post("mailgun", mailgun(event)).status_code == 200
        assert state_of(sent) == State.DELIVERED

    def test_wrong_one_of_mailgun_is_not(self, sent):
        event = {
            "event": "delivered",
            "recipient": sent.recipient,
            "user-variables": {"outbox": str(sent.pk)},
        }

        assert post("mailgun", mailgun(event, key="guessed")).status_code == 403
        assert post("mailgun", {"event-data": event}).status_code == 403
        assert state_of(sent) == State.SENT

    def test_right_signature_of_sendgrid_is_believed(self, sent):
        body, headers = sendgrid([{"event": "delivered", "email": sent.recipient, "outbox": str(sent.pk)}])

        assert post("sendgrid", body, **headers).status_code == 200
        assert state_of(sent) == State.DELIVERED

    def test_changed_body_of_sendgrid_is_not(self, sent):
        body, headers = sendgrid([{"event": "delivered", "email": sent.recipient, "outbox": str(sent.pk)}])

        assert post("sendgrid", body.replace("delivered", "bounce"), **headers).status_code == 403
        assert post("sendgrid", body).status_code == 403
        assert state_of(sent) == State.SENT

    @needs_boto
    def test_amazon_is_asked_for_its_password(self, sent):
        """SNS sends it at a 401 only."""
        event = {
            "eventType": "Delivery",
            "mail": {"headers": []},
            "delivery": {"recipients": [sent.recipient]},
        }
        event["mail"]["headers"] = [{"name": "X-Metadata", "value": f'{{"outbox": "{sent.pk}"}}'}]
        message, headers = amazon(event)

        first = post("amazon_ses", message, secret="", **headers)
        assert (first.status_code, first.headers["WWW-Authenticate"][:5]) == (401, "Basic")
        assert post("amazon_ses", message, **headers).status_code == 200
        assert state_of(sent) == State.DELIVERED

    @pytest.mark.filterwarnings("ignore:Your Anymail webhooks are insecure")
    @pytest.mark.parametrize("provider", ["postmark", "amazon_ses", "resend", "brevo", "mailgun"])
    def test_without_a_secret_nobody_is_believed(self, settings, sent, provider):
        settings.ANYMAIL = {}

        assert post(provider, postmark("Delivery", sent), secret="").status_code == 403
        assert state_of(sent) == State.SENT

    @pytest.mark.parametrize("provider", ["mailjet", "sparkpost", "nobody", "postmark-inbound"])
    def test_provider_that_is_not_in_use_has_no_webhook(self, sent, provider):
        assert post(provider, postmark("Delivery", sent)).status_code == 404

    def test_provider_that_mail_is_sent_by_has_one(self, settings, use_backend, sent):
        settings.SAAS_KIT_EMAIL_PROVIDERS = ()
        assert post("postmark", postmark("Delivery", sent)).status_code == 404

        use_backend("anymail.backends.postmark.EmailBackend", WEBHOOK_SECRET=SECRET)

        assert post("postmark", postmark("Delivery", sent)).status_code == 200
        assert post("brevo", {}).status_code == 404

    def test_other_methods_are_not_allowed(self):
        assert Client().get("/email/postmark/tracking/").status_code == 405
        assert Client().head("/email/postmark/tracking/").status_code == 200

    @pytest.mark.parametrize(
        "body", ["", "{", "[]", "null", "7", '"x"', "{}", '[{"event": {}}]', '{"Metadata": 7}']
    )
    @pytest.mark.parametrize("provider", ["postmark", "mailgun", "sendgrid", "amazon_ses", "resend", "brevo"])
    def test_nonsense_is_no_fault_of_the_server(self, provider, body):
        assert post(provider, body).status_code in {200, 400, 403}

    def test_nonsense_of_somebody_who_is_believed_is_400(self):
        body, headers = sendgrid([{"no": "event"}])

        response = post("sendgrid", body, **headers)

        assert (response.status_code, response.json()["code"]) == (400, "invalid")


class TestStates:
    @pytest.mark.parametrize(
        ("record", "values", "state", "signal"),
        [
            ("Delivery", {}, State.DELIVERED, "message_delivered"),
            ("Bounce", BOUNCE, State.BOUNCED, "message_bounced"),
            ("Bounce", {"Type": "SoftBounce"}, State.BOUNCED, "message_bounced"),
            ("Bounce", {"Type": "BadEmailAddress"}, State.BOUNCED, "message_bounced"),
            ("Bounce", {"Type": "SMTPApiError"}, State.DEAD, "message_given_up"),
            ("SpamComplaint", {"Type": "SpamComplaint"}, State.COMPLAINED, "message_complained"),
        ],
        ids=lambda value: value.get("Type", "") if isinstance(value, dict) else str(value),
    )
    def test_event_sets_the_state_and_tells_of_it_once(
        self, sent, told, on_commit, record, values, state, signal
    ):
        for _ in range(2):
            with on_commit():
                assert post("postmark", postmark(record, sent, **values)).status_code == 200

        assert state_of(sent) == state
        assert told == [(signal, state)]

    def test_opening_is_arriving(self, sent, told, on_commit):
        with on_commit():
            post("postmark", postmark("Open", sent))
        first = OutboxMessage.objects.get(pk=sent.pk)
        with on_commit():
            post("postmark", postmark("Click", sent))

        assert (state_of(sent), sent.opened_at) == (State.DELIVERED, first.opened_at)
        assert first.opened_at is not None
        assert [name for name, _ in told] == ["message_delivered", "message_opened"]

    def test_delay_is_written_down(self, sent):
        post("postmark", postmark("Bounce", sent, Type="Transient", Details="451 try again later"))

        assert (state_of(sent), sent.last_error) == (State.SENT, "451 try again later")

    @pytest.mark.parametrize(
        ("records", "state"),
        [
            (("Bounce", "Delivery"), State.BOUNCED),
            (("Delivery", "Bounce"), State.BOUNCED),
            (("SpamComplaint", "Delivery", "Open"), State.COMPLAINED),
            (("SpamComplaint", "Bounce"), State.COMPLAINED),
            (("Open", "Delivery"), State.DELIVERED),
        ],
    )
    def test_order_does_not_matter(self, sent, records, state):
        for record in records:
            post("postmark", postmark(record, sent, Type="HardBounce" if record == "Bounce" else record))

        assert state_of(sent) == state

    def test_message_is_known_by_what_the_provider_calls_it(self, use_backend, make_message, deliver):
        """Where a provider has no metadata, or dropped them."""
        use_backend("anymail.backends.test.EmailBackend", WEBHOOK_SECRET=SECRET)
        row = deliver(make_message())

        post("postmark", postmark("Delivery", row, Metadata={}, MessageID="0"))

        assert state_of(row) == State.DELIVERED

    @pytest.mark.parametrize(
        "values",
        [
            {"Metadata": {}},
            {"Metadata": {"outbox": "0c9b6915-656b-4a8b-a326-efc3972cff56"}},
            {"Metadata": {"outbox": "not an id"}},
            {"Metadata": {"outbox": 7}},
            {"Metadata": None},
            {"Email": "grace@example.com"},
        ],
        ids=str,
    )
    def test_what_is_of_another_message_or_address_is_left_alone(self, sent, values):
        """A provider may serve several systems; it must not try again for ever what is none of ours."""
        assert post("postmark", postmark("Bounce", sent, **BOUNCE, **values)).status_code in {200, 400}

        assert state_of(sent) == State.SENT
        assert not Suppression.objects.exists()

    def test_address_may_be_written_otherwise(self, sent):
        post("postmark", postmark("Bounce", sent, **BOUNCE, Email="ADA@Example.COM"))

        assert state_of(sent) == State.BOUNCED

    def test_error_of_a_receiver_is_told_to_the_provider(self, sent):
        """It then repeats the event, which is not lost."""

        def fail(**kwargs):
            raise ZeroDivisionError

        tracking.connect(fail)
        try:
            assert post("postmark", postmark("Delivery", sent)).status_code == 500
        finally:
            tracking.disconnect(fail)
        assert post("postmark", postmark("Delivery", sent)).status_code == 200

    def test_several_events_come_in_one_call(self, make_message, deliver):
        rows = [deliver(make_message(to=f"{name}@example.com")) for name in "abc"]
        body, headers = sendgrid(
            [{"event": "open", "email": row.recipient, "outbox": str(row.pk)} for row in rows]
        )

        assert post("sendgrid", body, **headers).status_code == 200

        assert [state_of(row) for row in rows] == [State.DELIVERED] * 3

    def test_number_of_statements_is_small(self, sent):
        with CaptureQueriesContext(
            connection,
        ) as queries:
            post("postmark", postmark("Bounce", sent, **BOUNCE))

        own = [each for each in queries if "SAVEPOINT" not in each["sql"]]
        assert len(own) <= 8, own


class TestEarlyEvents:
    """A provider may tell of a message before its answer was written down, or when that never came."""

    def test_message_being_sent_keeps_what_was_told(self, use_backend, make_message, deliver):
        from anymail.signals import post_send

        use_backend("anymail.backends.test.EmailBackend", WEBHOOK_SECRET=SECRET)
        row = make_message(Key(token="canary"))

        def at_once(**kwargs):
            assert post("postmark", postmark("Delivery", row)).status_code == 200

        post_send.connect(at_once)
        try:
            deliver(row)
        finally:
            post_send.disconnect(at_once)

        assert (row.state, row.provider_id, row.lease, row.secrets) == (State.DELIVERED, "0", None, "")
        assert row.sent_at is not None

    def test_message_whose_answer_was_lost_is_not_sent_again(self, make_message, deliver):
        row = make_message(Key(token="canary"))

        post("postmark", postmark("Delivery", row))
        deliver(row)

        assert (row.state, row.attempts, row.secrets) == (State.DELIVERED, 0, "")

    def test_message_that_was_given_up_did_arrive(self, make_message):
        row = make_message()
        OutboxMessage.objects.filter(pk=row.pk).update(state=State.DEAD)

        post("postmark", postmark("Delivery", row))

        assert state_of(row) == State.DELIVERED

    def test_message_that_was_cancelled_too_late_did_arrive(self, make_message):
        row = make_message()
        cancel_message(row.pk)

        post("postmark", postmark("Delivery", row))

        assert state_of(row) == State.DELIVERED

    def test_message_that_is_sent_again_on_purpose_is(self, sent, deliver):
        """What is told of the first time does not stop the second."""
        requeue(sent)

        post("postmark", postmark("Delivery", sent))

        assert state_of(sent) == State.QUEUED
        assert deliver(sent).state == State.SENT


class TestSuppression:
    def test_hard_bounce_stops_all_mail(self, sent, make_message, deliver):
        post("postmark", postmark("Bounce", sent, **BOUNCE))

        [found] = Suppression.objects.all()
        assert (found.email, found.topic, found.reason) == ("ada@example.com", "", SuppressionReason.BOUNCED)
        assert found.detail == BOUNCE["Description"]
        assert deliver(make_message()).state == State.SUPPRESSED
        assert deliver(make_message(to="grace@example.com")).state == State.SENT

    def test_complaint_stops_all_mail(self, sent):
        post("postmark", postmark("SpamComplaint", sent, Type="SpamComplaint"))

        [found] = Suppression.objects.all()
        assert (found.topic, found.reason) == ("", SuppressionReason.COMPLAINED)

    @pytest.mark.parametrize(
        "kind", ["SoftBounce", "Transient", "Blocked", "VirusNotification", "AutoResponder"]
    )
    def test_soft_bounce_stops_none(self, sent, kind):
        post("postmark", postmark("Bounce", sent, Type=kind))

        assert not Suppression.objects.exists()

    @needs_boto
    @pytest.mark.parametrize(
        ("kind", "is_stopped"), [("Permanent", True), ("Transient", False), ("Undetermined", False)]
    )
    def test_amazon_says_in_words_which_is_which(self, sent, kind, is_stopped):
        event = {
            "eventType": "Bounce",
            "mail": {"headers": [{"name": "X-Metadata", "value": f'{{"outbox": "{sent.pk}"}}'}]},
            "bounce": {
                "bounceType": kind,
                "bounceSubType": "General",
                "bouncedRecipients": [{"emailAddress": sent.recipient}],
            },
        }
        message, headers = amazon(event)

        assert post("amazon_ses", message, **headers).status_code == 200

        assert state_of(sent) == State.BOUNCED
        assert Suppression.objects.exists() == is_stopped

    @pytest.mark.parametrize(("kind", "is_stopped"), [("bounce", True), ("blocked", False)])
    def test_sendgrid_has_a_type_for_it(self, sent, kind, is_stopped):
        event = {"event": "bounce", "type": kind, "email": sent.recipient, "outbox": str(sent.pk)}
        body, headers = sendgrid([event])

        post("sendgrid", body, **headers)

        assert Suppression.objects.exists() == is_stopped

    @pytest.mark.parametrize(("reason", "is_stopped"), [("Bounced Address", True), ("Blocked", False)])
    def test_what_a_provider_does_not_send_any_more_is_as_the_bounce_before(self, sent, reason, is_stopped):
        event = {"event": "dropped", "reason": reason, "email": sent.recipient, "outbox": str(sent.pk)}
        body, headers = sendgrid([event])

        post("sendgrid", body, **headers)

        assert state_of(sent) == State.BOUNCED
        assert Suppression.objects.exists() == is_stopped

    def test_mailgun_tells_permanent_ones(self, sent):
        event = {
            "event": "failed",
            "severity": "permanent",
            "reason": "bounce",
            "recipient": sent.recipient,
            "timestamp": 1700000000.0,
            "user-variables": {"outbox": str(sent.pk)},
        }

        post("mailgun", mailgun({**event, "severity": "temporary"}))
        assert not Suppression.objects.exists()
        post("mailgun", mailgun(event))
        assert Suppression.objects.exists()

    def test_unsubscribing_stops_the_topic(self, make_message, deliver):
        row = deliver(make_message(Digest()))

        post(
            "postmark",
            postmark("SubscriptionChange", row, SuppressSending=True, SuppressionReason="ManualSuppression"),
        )

        assert [each.topic for each in Suppression.objects.all()] == ["digests"]
        assert deliver(make_message(Digest())).state == State.SUPPRESSED
        assert deliver(make_message()).state == State.SENT

    def test_unsubscribing_from_what_people_need_stops_all_topics(self, sent, make_message, deliver):
        post(
            "postmark",
            postmark("SubscriptionChange", sent, SuppressSending=True, SuppressionReason="ManualSuppression"),
        )

        assert "" not in {each.topic for each in Suppression.objects.all()}
        assert deliver(make_message(Digest())).state == State.SUPPRESSED
        assert deliver(make_message()).state == State.SENT


class TestServersOfProviders:
    """Mail that went to a provider's SMTP server: it was told nothing of the outbox, and its answer names nothing."""

    @pytest.fixture
    def sent(self, sent):
        assert sent.provider_id == ""
        return sent

    def test_sendgrid_tells_the_message_id(self, sent):
        event = {"event": "bounce", "type": "bounce", "email": sent.recipient, "smtp-id": sent.message_id}
        body, headers = sendgrid([event])

        assert post("sendgrid", body, **headers).status_code == 200
        assert state_of(sent) == State.BOUNCED
        assert Suppression.objects.get().email == sent.recipient

    @pytest.mark.parametrize("marks", ["<>", ""])
    def test_mailgun_and_brevo_do(self, sent, marks):
        """Some leave out the marks around it."""
        name = sent.message_id if marks else sent.message_id.strip("<>")
        event = {"event": "delivered", "recipient": sent.recipient, "timestamp": 1700000000.0}

        post("mailgun", mailgun({**event, "message": {"headers": {"message-id": name}}}))
        assert state_of(sent) == State.DELIVERED
        post(
            "brevo", {"event": "spam", "email": sent.recipient, "message-id": name, "ts_epoch": 1700000000000}
        )
        assert state_of(sent) == State.COMPLAINED

    @needs_boto
    def test_amazon_tells_it_among_the_headers(self, sent):
        """What it calls the message is its own."""
        event = {
            "eventType": "Delivery",
            "mail": {"messageId": "0100", "headers": [], "commonHeaders": {"messageId": sent.message_id}},
            "delivery": {"recipients": [sent.recipient]},
        }
        message, headers = amazon(event)

        post("amazon_ses", message, **headers)
        assert state_of(sent) == State.DELIVERED

    def test_postmark_tells_it_nowhere(self, sent):
        """Its metadata is what it was told by headers, if it was."""
        post("postmark", {**postmark("Delivery", sent), "Metadata": {}})
        assert state_of(sent) == State.SENT

        post("postmark", postmark("Delivery", sent))
        assert state_of(sent) == State.DELIVERED

    @pytest.mark.parametrize(
        "change",
        [
            lambda name: name.replace("@", "@other."),
            lambda name: name.partition("@")[0],
            lambda name: f"<{{{name[1:33]}}}{name[33:]}",
            lambda name: f"<x{name[1:]}",
            lambda name: "<@>",
        ],
        ids=["domain", "no-domain", "spelling", "no-id", "empty"],
    )
    def test_another_message_id_is_nobody_s(self, sent, change):
        """Only the whole of it counts, as it was given."""
        event = {"event": "delivered", "email": sent.recipient, "smtp-id": change(sent.message_id)}
        body, headers = sendgrid([event])

        assert post("sendgrid", body, **headers).status_code == 200
        assert state_of(sent) == State.SENT

    def test_another_address_is_not_heard_of(self, sent):
        event = {"event": "delivered", "email": "grace@example.com", "smtp-id": sent.message_id}
        body, headers = sendgrid([event])

        post("sendgrid", body, **headers)
        assert state_of(sent) == State.SENT


@pytest.mark.parametrize("mark", ["\x00", "\ud800"], ids=["nul", "surrogate"])
def test_what_no_database_stores_is_left_out(sent, mark):
    """Servers of receivers write whatever they like, and a provider repeats what was answered 500."""
    event = {
        "event": "failed",
        "severity": "permanent",
        "reason": "bounce",
        "recipient": sent.recipient,
        "timestamp": 1700000000.0,
        "user-variables": {"outbox": str(sent.pk)},
        "message": {"headers": {"message-id": f"m{mark}"}},
        "delivery-status": {"code": 550, "message": f"Nobody {mark}of this name"},
    }

    assert post("mailgun", mailgun(event)).status_code == 200

    assert state_of(sent) == State.BOUNCED
    assert "of this name" in sent.last_error
    assert mark not in sent.last_error
    assert mark not in Suppression.objects.get().detail


@pytest.mark.parametrize("mark", ["\x00", "\ud800"], ids=["nul", "surrogate"])
def test_names_that_no_database_stores_are_nobody_s(sent, mark):
    event = {
        "event": "delivered",
        "recipient": f"{mark}{sent.recipient}",
        "timestamp": 1700000000.0,
        "message": {"headers": {"message-id": f"m{mark}"}},
    }

    assert post("mailgun", mailgun(event)).status_code == 200
    assert state_of(sent) == State.SENT
