"""How people come into an organization by invitation, as HTTP against a running server, with the mail that it sent."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from projects.demo import PASSWORD as DEMO_PASSWORD

PASSWORD = "analytical engine 1843"


@pytest.fixture
def sign_in(strict_server):
    """Return a function that signs one of the demo's people in."""
    nobody, _ = strict_server

    def sign_in(email: str) -> Any:
        person = type(nobody)(nobody.send)
        person.sign_in(email, DEMO_PASSWORD)
        return person

    return sign_in


@pytest.fixture
def alan(sign_in):
    """The admin of Acme Berlin."""
    return sign_in("alan@acme.example")


@pytest.fixture
def berlin(alan) -> str:
    """The path of Acme Berlin."""
    (found,) = alan.ask("GET", "/organizations/?slug=acme-berlin").body["results"]
    return f"/organizations/{found['id']}"


@pytest.fixture
def invite(alan, berlin, strict_server):
    """Return a function that lets Alan invite an address, and returns the invitation and the token in the mail."""
    _, mailbox = strict_server

    def invite(email: str, **more: Any) -> tuple[dict[str, Any], str]:
        made = alan.make(f"{berlin}/invitations/", email=email, role="member", **more)
        mail = mailbox.wait_for("invited to join Acme Berlin", to=email)
        token = mailbox.link_in(mail, "invitation")
        assert token not in str(made)
        return made, token

    return invite


def new_address() -> str:
    return f"grace-{uuid4().hex[:8]}@example.com"


def refusal(answer: Any) -> tuple[int, str]:
    return answer.status, answer.body["code"]


def test_somebody_new(strict_server, alan, berlin, invite):
    """Invited, and a member of the organization and the team by one step, without an account of their own."""
    nobody, mailbox = strict_server
    email = new_address()
    (team,) = alan.ask("GET", "/teams/?search=Engineering").body["results"]
    made, token = invite(email, teams=[team["id"]], message="Come and help with the engine.")
    assert (made["status"], made["teams"]) == ("pending", [team["id"]])

    # Whoever opens the link sees what it is about, and nothing happens.
    preview = nobody.ask("GET", f"/invitations/{token}/").body
    assert (preview["organization_name"], preview["inviter_name"]) == ("Acme Berlin", "Alan Turing")
    assert email not in str(preview)
    assert alan.ask("GET", f"{berlin}/invitations/{made['id']}/").body["status"] == "pending"

    # She signs up. Her address is proved by the token, and she is signed in.
    registration = {"email": email, "password": PASSWORD, "first_name": "Grace", "invitation_token": token}
    wrong = nobody.ask("POST", "/auth/register/", {**registration, "email": new_address()})
    assert refusal(wrong) == (403, "email_mismatch")
    answer = nobody.ask("POST", "/auth/register/", registration)
    assert answer.status == 201, answer
    grace = type(nobody)(nobody.send, answer.body["access"])
    me = grace.ask("GET", "/auth/me/").body
    assert (me["email_verified"], me["accounts"]) == (True, [])
    assert [(each["slug"], each["role"]) for each in me["memberships"]] == [("acme-berlin", "member")]
    members = grace.ask("GET", f"/teams/{team['id']}/members/").body["results"]
    assert me["id"] in {each["user"]["id"] for each in members}

    # Alan is told. The link is of no use any more.
    assert email in mailbox.text_of(mailbox.wait_for("Grace joined Acme Berlin", to="alan@acme.example"))
    assert mailbox.wait_for("Welcome", to=email)
    assert alan.ask("GET", f"{berlin}/invitations/{made['id']}/").body["status"] == "accepted"
    assert refusal(nobody.ask("POST", "/auth/register/", registration)) == (409, "already_accepted")


def test_somebody_with_an_account(strict_server, berlin, sign_in, invite):
    """They find it in their own list and accept it; nobody else can, not even with the link."""
    nobody, mailbox = strict_server
    made, token = invite("tim@example.com")
    registration = {"email": "tim@example.com", "password": PASSWORD, "invitation_token": token}
    assert nobody.ask("POST", "/auth/register/", registration).errors == {"email": "email_taken"}
    assert nobody.ask("POST", f"/invitations/{token}/accept/").status == 401

    barbara = sign_in("barbara@acme.example")
    assert refusal(barbara.ask("POST", f"/invitations/{token}/accept/")) == (403, "email_mismatch")
    assert barbara.ask("POST", f"/invitations/{made['id']}/accept/").status == 404

    tim = sign_in("tim@example.com")
    (found,) = tim.ask("GET", "/invitations/").body["results"]
    assert found["id"] == made["id"]
    assert token not in str(found)
    accepted = tim.ask("POST", f"/invitations/{token}/accept/")
    assert (accepted.status, accepted.body["role"]) == (200, "member")
    assert refusal(tim.ask("POST", f"/invitations/{token}/accept/")) == (409, "already_accepted")
    assert "acme-berlin" in {each["slug"] for each in tim.ask("GET", "/auth/me/").body["memberships"]}
    assert mailbox.wait_for("Tim Berners-Lee joined", to="alan@acme.example")
    assert tim.ask("POST", f"{berlin}/leave/").status == 204


def test_ends_of_an_invitation(strict_server, alan, berlin, sign_in, invite):
    """It expires, is declined, taken back, or sent once more with another link; each old link is 410."""
    nobody, mailbox = strict_server

    def sign_up(email: str, token: str) -> Any:
        body = {"email": email, "password": PASSWORD, "invitation_token": token}
        return nobody.ask("POST", "/auth/register/", body)

    # Nobody answers in time.
    email, end = new_address(), datetime.now(UTC) + timedelta(seconds=3)
    made, token = invite(email, expires_at=end.isoformat())
    time.sleep(max(0.0, (end - datetime.now(UTC)).total_seconds()) + 0.1)
    assert refusal(sign_up(email, token)) == (410, "invitation_expired")
    assert alan.ask("GET", f"{berlin}/invitations/{made['id']}/").body["status"] == "expired"

    # It is sent once more, with another link, for as long again.
    assert alan.ask("POST", f"{berlin}/invitations/{made['id']}/resend/").status == 200
    newer = token
    for _ in range(50):
        newer = mailbox.link_in(mailbox.wait_for("invited to join", to=email), "invitation")
        if newer != token:
            break
        time.sleep(0.05)
    assert refusal(sign_up(email, token)) == (410, "invitation_revoked")
    assert nobody.ask("GET", f"/invitations/{newer}/").status == 200

    # Hedy declines, which only she can.
    _, token = invite("hedy@globex.example")
    assert nobody.ask("POST", f"/invitations/{token}/decline/").status == 401
    assert sign_in("tim@example.com").ask("POST", f"/invitations/{token}/decline/").status == 403
    hedy = sign_in("hedy@globex.example")
    assert hedy.ask("POST", f"/invitations/{token}/decline/").status == 204
    assert refusal(hedy.ask("POST", f"/invitations/{token}/accept/")) == (410, "invitation_declined")

    # Alan takes one back.
    email = new_address()
    made, token = invite(email)
    assert alan.ask("DELETE", f"{berlin}/invitations/{made['id']}/").status == 204
    assert refusal(sign_up(email, token)) == (410, "invitation_revoked")
    assert nobody.ask("POST", "/auth/login/", {"email": email, "password": PASSWORD}).status == 401
