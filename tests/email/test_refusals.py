"""Which refusals of a server are final, and which may be over once somebody has mended what is wrong."""

from __future__ import annotations

import pytest

from saas_kit.email.models import State
from saas_kit.email.services import deliver_due
from tests.email.smtp_sink import SmtpSink

pytestmark = pytest.mark.django_db

ADA = "ada@example.com"


@pytest.fixture
def sink(use_backend):
    with SmtpSink() as running:
        options = {"host": "127.0.0.1", "port": running.port, "timeout": 5}
        use_backend("django.core.mail.backends.smtp.EmailBackend", options)
        yield running


@pytest.mark.parametrize("at", ["recipient", "data"])
@pytest.mark.parametrize(
    ("answer", "state"),
    [
        ("550 5.1.1 Nobody of this name", State.DEAD),
        ("550 5.1.2 No such domain", State.DEAD),
        ("501 5.1.3 This is no address", State.DEAD),
        ("556 5.1.10 The domain takes no mail", State.DEAD),
        ("550 5.2.1 The mailbox is disabled", State.DEAD),
        ("552 5.2.2 The mailbox is full", State.DEAD),
        ("554 5.6.0 This cannot be read", State.DEAD),
        ("550 5.1.7 That is no address of a sender", State.QUEUED),
        ("550 5.1.8 The domain of the sender has no server", State.QUEUED),
        ("550 5.1.90 Your daily limit for recipients is reached", State.QUEUED),
        ("550 5.2.121 Your hourly limit for this recipient is reached", State.QUEUED),
        ("452 4.2.2 The mailbox is full for now", State.QUEUED),
        ("554 5.3.4 Too big for this system", State.QUEUED),
        ("550 5.4.5 Daily user sending limit exceeded", State.QUEUED),
        ("503 5.5.1 MAIL first", State.QUEUED),
        ("554 5.7.1 Relay access denied", State.QUEUED),
        ("550 5.7.26 The sender is not authenticated", State.QUEUED),
        ("550 4.7.1 Greylisted", State.QUEUED),
        ("530 5.7.0 Authentication required", State.QUEUED),
        ("530 5.1.1 Authentication required", State.QUEUED),
        ("534 5.1.1 The mechanism is too weak", State.QUEUED),
        ("535 5.1.1 The password is wrong", State.QUEUED),
        ("538 5.1.1 Not without encryption", State.QUEUED),
    ],
)
def test_a_server_s_enhanced_code_says_whose_fault_it_is(sink, make_message, deliver, at, answer, state):
    """I80, F11: the address's and the content's are final; a relay or an account that is set up wrongly is not."""
    answers = sink.recipient_answers if at == "recipient" else sink.data_answers
    answers[ADA] = answer

    row = deliver(make_message(to=ADA))

    assert (row.state, row.attempts) == (state, 1)
    assert answer[:3] in row.last_error


@pytest.mark.parametrize(
    ("at", "code", "state"),
    [
        ("recipient", 550, State.DEAD),
        ("recipient", 551, State.DEAD),
        ("recipient", 553, State.DEAD),
        ("recipient", 552, State.QUEUED),
        ("recipient", 554, State.QUEUED),
        ("recipient", 503, State.QUEUED),
        ("recipient", 450, State.QUEUED),
        ("data", 552, State.DEAD),
        ("data", 554, State.DEAD),
        ("data", 550, State.QUEUED),
        ("data", 451, State.QUEUED),
    ],
)
@pytest.mark.parametrize("text", ["No", "5.0.0 No", "No 5.1.1 nor 5.7.1"])
def test_without_one_the_code_and_its_place_do(sink, make_message, deliver, at, code, state, text):
    """I80: a code that says nothing more than "permanent" is none."""
    answers = sink.recipient_answers if at == "recipient" else sink.data_answers
    answers[ADA] = f"{code} {text}"

    assert deliver(make_message(to=ADA)).state == state


def test_a_relay_that_is_set_up_wrongly_costs_no_message(sink, make_message, deliver):
    """F11: all of them go out once it is mended."""
    rows = [make_message(to=f"person{number}@example.com") for number in range(3)]
    sink.recipient_answers = {row.recipient: "554 5.7.1 Relay access denied" for row in rows}
    assert deliver_due() == 3

    sink.recipient_answers = {}
    for row in rows:
        row.__class__.objects.filter(pk=row.pk).update(due_at=row.created_at)
    assert [deliver(row).state for row in rows] == [State.SENT] * 3
