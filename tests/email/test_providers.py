"""Messages that go to a provider's API: what it is told of them, and what its answers mean."""

from __future__ import annotations

import json

import pytest
from anymail.exceptions import AnymailAPIError, AnymailCancelSend
from anymail.message import AnymailRecipientStatus
from anymail.signals import pre_send
from django.core import mail

from saas_kit.email.models import State
from saas_kit.email.services import deliver_due, requeue
from tests.email.messages import Key
from tests.email.provider_api import served

pytestmark = [pytest.mark.hosts("full"), pytest.mark.django_db]

ANYMAIL_TEST = "anymail.backends.test.EmailBackend"
TAKEN = {
    "postmark": {"ErrorCode": 0, "Message": "OK", "MessageID": "p-1", "To": "ada@example.com"},
    "resend": {"id": "r-1"},
    "mailgun": {"id": "<m-1@example.com>", "message": "Queued. Thank you."},
    "brevo": {"messageId": "<b-1@example.com>"},
    "mailersend": {},
}


@pytest.fixture
def api():
    with served() as api:
        yield api


@pytest.fixture
def use_provider(use_backend, api):
    """Let mail go to a provider whose API is on this machine; it takes everything until it is told otherwise."""

    def use(name):
        api.answers[:] = [(200, TAKEN[name])]
        use_backend(
            f"anymail.backends.{name}.EmailBackend",
            **{
                f"{name.upper()}_API_URL": api.url,
                f"{name.upper()}_API_KEY": "key",
                "POSTMARK_SERVER_TOKEN": "key",
                "MAILERSEND_API_TOKEN": "key",
                "MAILGUN_SENDER_DOMAIN": "example.com",
            },
        )

    return use


@pytest.fixture
def answer():
    """Let Anymail's test back end answer in a way of its own."""
    receivers = []

    def answer(response):
        def receiver(message, **kwargs):
            if isinstance(response, AnymailCancelSend):
                raise response
            message.anymail_test_response = response

        pre_send.connect(receiver)
        receivers.append(receiver)

    yield answer
    for each in receivers:
        pre_send.disconnect(each)


def amazon_error(status, code, text=""):
    """Return what Anymail raises over an error of Amazon's: the answer is the mapping that boto3 makes of it."""
    response = {"Error": {"Code": code, "Message": text}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return AnymailAPIError(code, esp_name="Amazon SES", response=response)


class TestAnyProvider:
    def test_knows_the_message(self, use_backend, make_message, deliver):
        """It is told the id of the row, which it says in what it tells later, and has an id of its own."""
        use_backend(ANYMAIL_TEST)

        row = deliver(make_message())

        [sent] = mail.outbox
        assert sent.anymail_test_params["metadata"] == {"outbox": str(row.pk)}
        assert sent.anymail_test_params["tags"] == ["tests.notice"]
        assert sent.anymail_test_params["extra_headers"]["Message-ID"] == row.message_id
        assert (row.state, row.provider_id) == (State.SENT, "0")

    def test_a_server_is_told_nothing_of_it(self, make_message, deliver):
        row = deliver(make_message())

        [sent] = mail.outbox
        assert not hasattr(sent, "metadata")
        assert not hasattr(sent, "tags")
        assert (row.state, row.provider_id) == (State.SENT, "")

    @pytest.mark.parametrize("status", ["invalid", "rejected"])
    def test_refused_address_is_given_up(self, use_backend, answer, make_message, deliver, status):
        use_backend(ANYMAIL_TEST)
        answer({"recipient_status": {"ada@example.com": AnymailRecipientStatus(None, status)}})

        row = deliver(make_message())

        assert (row.state, row.attempts) == (State.DEAD, 1)
        assert "AnymailRecipientsRefused" in row.last_error

    @pytest.mark.parametrize(
        "response",
        [
            {"recipient_status": {"ada@example.com": AnymailRecipientStatus("1", "failed")}},
            {"recipient_status": {"ada@example.com": AnymailRecipientStatus(None, "unknown")}},
            AnymailCancelSend(),
            AnymailAPIError("nobody there"),
        ],
        ids=["failed", "unknown", "cancelled", "unreachable"],
    )
    def test_what_was_not_taken_is_tried_again(self, use_backend, answer, make_message, deliver, response):
        use_backend(ANYMAIL_TEST)
        answer(response)

        row = deliver(make_message())

        assert (row.state, row.attempts, row.sent_at) == (State.QUEUED, 1, None)
        assert row.last_error

    def test_what_it_cannot_be_told_is_given_up(self, use_backend, settings, make_message, deliver):
        """A feature that a provider does not have is asked of it again in vain."""
        use_backend(ANYMAIL_TEST)
        settings.ANYMAIL = {"SEND_DEFAULTS": {"metadata": {}, "esp_extra": {}, "cc": ["not an address"]}}

        row = deliver(make_message())

        assert row.state == State.DEAD


class TestErrors:
    @pytest.mark.parametrize("provider", ["resend", "mailgun", "brevo"])
    @pytest.mark.parametrize(
        ("status", "state"),
        [
            (400, State.DEAD),
            (413, State.DEAD),
            (422, State.DEAD),
            (401, State.QUEUED),
            (403, State.QUEUED),
            (404, State.QUEUED),
            (429, State.QUEUED),
            (500, State.QUEUED),
            (503, State.QUEUED),
        ],
    )
    def test_faults_of_the_message_are_final(
        self, use_provider, api, make_message, deliver, provider, status, state
    ):
        """What is wrong with the key, the rate or the provider may be mended."""
        use_provider(provider)
        api.answers[:] = [(status, {"message": "no"})]

        row = deliver(make_message())

        assert (row.state, row.attempts) == (state, 1)
        assert str(status) in row.last_error

    @pytest.mark.parametrize(
        ("code", "state"),
        [
            (300, State.DEAD),
            (406, State.DEAD),
            (411, State.DEAD),
            (400, State.QUEUED),
            (405, State.QUEUED),
            (412, State.QUEUED),
        ],
    )
    def test_postmark_says_422_of_the_account_too(
        self, use_provider, api, make_message, deliver, code, state
    ):
        use_provider("postmark")
        message = "Found inactive addresses: ada@example.com. Inactive recipients are ones that have bounced."
        api.answers[:] = [(422, {"ErrorCode": code, "Message": message})]

        assert deliver(make_message()).state == state

    @pytest.mark.parametrize(
        ("status", "code", "text", "state"),
        [
            (400, "MessageRejected", "Content is not allowed.", State.DEAD),
            (400, "BadRequestException", "Local address contains control or whitespace", State.DEAD),
            (400, "MessageRejected", "Email address is not verified. The following failed", State.QUEUED),
            (400, "AccountSuspendedException", "", State.QUEUED),
            (400, "SendingPausedException", "", State.QUEUED),
            (400, "MailFromDomainNotVerifiedException", "", State.QUEUED),
            (400, "ThrottlingException", "Rate exceeded", State.QUEUED),
            (403, "InvalidSignatureException", "", State.QUEUED),
            (429, "TooManyRequestsException", "", State.QUEUED),
            (503, "ServiceUnavailable", "", State.QUEUED),
        ],
    )
    def test_amazon_says_in_words_what_is_wrong(
        self, use_backend, answer, make_message, deliver, status, code, text, state
    ):
        """It answers 400 to what is the account's or the rate's too."""
        use_backend(ANYMAIL_TEST)
        answer(amazon_error(status, code, text))

        row = deliver(make_message())

        assert (row.state, row.attempts) == (state, 1)

    @pytest.mark.parametrize(
        ("status", "code", "asked"),
        [
            (429, "TooManyRequestsException", 1),
            (400, "ThrottlingException", 1),
            (400, "Throttling", 1),
            (503, "ServiceUnavailable", 1),
            (400, "MessageRejected", 3),
            (403, "InvalidSignatureException", 3),
        ],
    )
    def test_amazon_is_left_alone_where_it_wants_to(
        self, use_backend, answer, make_message, status, code, asked
    ):
        use_backend(ANYMAIL_TEST)
        answer(amazon_error(status, code))
        for name in "abc":
            make_message(to=f"{name}@example.com")

        assert deliver_due() == asked

    @pytest.mark.parametrize("response", [{}, {"Error": None}, {"Error": {"Message": "?"}}])
    def test_amazon_that_says_nothing_is_asked_again(
        self, use_backend, answer, make_message, deliver, response
    ):
        use_backend(ANYMAIL_TEST)
        answer(AnymailAPIError("no", esp_name="Amazon SES", response=response))

        assert deliver(make_message()).state == State.QUEUED

    @pytest.mark.parametrize(("status", "asked"), [(429, 1), (503, 1), (401, 3), (422, 3)])
    def test_a_provider_that_wants_to_be_left_alone_is(self, use_provider, api, make_message, status, asked):
        """The other messages are free for later, without an attempt of theirs being counted."""
        use_provider("resend")
        api.answers[:] = [(status, {})]
        rows = [make_message(to=f"{name}@example.com") for name in "abc"]

        assert deliver_due() == asked

        assert len(api.requests) == asked
        for row in rows:
            row.refresh_from_db()
        assert sorted(row.attempts for row in rows) == sorted([1] * asked + [0] * (3 - asked))
        assert {row.lease for row in rows} == {None}

    def test_provider_that_is_not_there_is_asked_once(self, use_provider, api, make_message):
        use_provider("resend")
        use_down = make_message(), make_message()
        api.answers.clear()  # the handler breaks, so that the connection ends without an answer

        assert deliver_due() == 1

        for row in use_down:
            row.refresh_from_db()
        assert [row.state for row in use_down] == [State.QUEUED] * 2

    def test_no_secret_is_in_the_error_or_a_log(self, use_provider, api, make_message, deliver, caplog):
        use_provider("resend")
        api.answers[:] = [(500, {"message": "out of order"})]

        row = deliver(make_message(Key(token="canary-7")))

        assert "canary-7" in api.requests[0][1]
        assert "canary-7" not in f"{row.last_error} {caplog.text}"


class TestParticulars:
    def test_resend_takes_a_key_that_is_the_same_for_every_attempt(
        self, use_provider, api, make_message, deliver
    ):
        use_provider("resend")
        api.answers[:] = [(500, {}), (200, TAKEN["resend"])]
        row = make_message()

        deliver(row)
        row.__class__.objects.filter(pk=row.pk).update(due_at=row.created_at)
        deliver(row)

        assert (row.state, row.attempts, row.provider_id) == (State.SENT, 2, "r-1")
        assert [headers["Idempotency-Key"] for headers, _ in api.requests] == [str(row.pk)] * 2
        assert api.requests[0][1] == api.requests[1][1]

    def test_what_is_sent_again_on_purpose_has_another(self, use_provider, api, make_message, deliver):
        use_provider("resend")
        row = deliver(make_message())

        requeue(row)
        deliver(row)

        first, second = (headers["Idempotency-Key"] for headers, _ in api.requests)
        assert first != second

    def test_each_message_of_a_connection_has_its_own(self, use_provider, api, make_message):
        use_provider("resend")
        rows = [make_message(), make_message()]

        deliver_due()

        assert {headers["Idempotency-Key"] for headers, _ in api.requests} == {str(row.pk) for row in rows}

    def test_brevo_takes_it_among_the_headers_of_the_message(self, use_provider, api, make_message, deliver):
        use_provider("brevo")

        row = deliver(make_message())

        [(_, body)] = api.requests
        assert json.loads(body)["headers"]["idempotencyKey"] == str(row.pk)

    @pytest.mark.parametrize(
        ("provider", "status", "answer"),
        [
            ("brevo", 400, {"code": "duplicate_parameter", "message": "known"}),
            ("resend", 409, {"name": "invalid_idempotent_request", "statusCode": 409}),
        ],
    )
    def test_what_was_taken_before_is_sent(
        self, use_provider, api, make_message, deliver, provider, status, answer
    ):
        """An attempt whose answer was lost had arrived."""
        use_provider(provider)
        api.answers[:] = [(status, answer)]

        assert deliver(make_message()).state == State.SENT

    def test_resend_at_work_on_it_is_asked_again(self, use_provider, api, make_message, deliver):
        use_provider("resend")
        api.answers[:] = [(409, {"name": "concurrent_idempotent_requests"})]

        assert deliver(make_message()).state == State.QUEUED

    def test_mailersend_is_told_no_more_than_it_takes(self, use_provider, api, make_message, deliver):
        """It has no metadata, and takes headers from some of its customers only."""
        use_provider("mailersend")

        row = deliver(make_message())

        body = json.loads(api.requests[0][1])
        assert row.state == State.SENT
        assert "headers" not in body
        assert body["tags"] == ["tests.notice"]
