"""Messages that are looked at before anybody gets them: by a command, and by staff in the admin."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Permission
from django.core.management import CommandError, call_command
from django.urls import reverse

from saas_kit.email.messages import message_kinds
from saas_kit.email.models import OutboxMessage

KIND = "saas_kit_auth.verify_email"
LIST = "admin:saas_kit_email_messages"
ONE = "admin:saas_kit_email_message"
HTML = "admin:saas_kit_email_message_html"


@pytest.fixture
def preview(capsys):
    """Call the command, and return what it prints."""

    def call(*arguments, **options):
        call_command("saas_kit_preview_mail", *arguments, **options)
        return capsys.readouterr().out

    return call


class TestCommand:
    def test_lists_all(self, preview):
        lines = [line.split(maxsplit=1) for line in preview().splitlines()]

        assert [kind for kind, _ in lines] == message_kinds()
        assert dict(lines)[KIND] == "Confirm your address for saas_kit"

    @pytest.mark.hosts("full")
    def test_knows_those_of_apps_that_nothing_imports(self, preview):
        assert preview("widgets.widget_made", format="text") == "It is name.\n"

    def test_prints_one(self, preview):
        printed = preview(KIND)

        assert printed.startswith("Confirm your address for saas_kit\n====")
        assert "https://app.example.com/#token=sample-of-a-token" in printed

    def test_prints_another_sample_in_another_language(self, preview):
        printed = preview(KIND, language="de", sample=2)

        assert "Ihr Code: sample-of-a-token" in printed
        assert "https://" not in printed

    def test_prints_html_alone(self, preview):
        assert preview(KIND, format="html").startswith("<!DOCTYPE html>")
        assert preview(KIND, format="text").startswith("Hello,")

    def test_writes_files(self, preview, tmp_path):
        printed = preview(KIND, language="fr", output=tmp_path / "new")

        assert printed.startswith("2 messages written to ")
        assert sorted(path.name for path in (tmp_path / "new").iterdir()) == [
            f"{KIND}.fr.{number}.{suffix}" for number in (1, 2) for suffix in ("html", "txt")
        ]
        assert "Bonjour," in (tmp_path / "new" / f"{KIND}.fr.1.txt").read_text(encoding="utf-8")

    def test_writes_files_of_one_format_only(self, preview, tmp_path):
        preview(KIND, sample=1, format="text", output=tmp_path)

        assert [path.name for path in tmp_path.iterdir()] == [f"{KIND}.en-us.1.txt"]

    def test_sends_one(self, db, preview, mailoutbox):
        printed = preview(KIND, to="ada@example.com", language="de")

        [sent] = mailoutbox
        assert printed == f"{KIND} was sent to ada@example.com.\n"
        assert (sent.to, sent.subject) == (["ada@example.com"], "Bestätigen Sie Ihre Adresse für saas_kit")
        assert "Guten Tag!" in sent.alternatives[0][0]
        assert not OutboxMessage.objects.exists()

    @pytest.mark.parametrize(
        ("arguments", "options", "said"),
        [
            (["verify_email"], {}, f"Did you mean {KIND}?"),
            (["saas_kit_auth.verify_mail"], {}, f"Did you mean {KIND}?"),
            (["nonsense"], {}, "without a KIND for a list"),
            ([KIND], {"language": "tlh"}, "'tlh' is none of the languages in LANGUAGES."),
            ([KIND], {"sample": 3}, f"There is no sample 3 of {KIND}."),
            ([KIND], {"to": "ada"}, "'ada' is no e-mail address."),
            ([], {"to": "ada@example.com"}, "Say which message to send"),
        ],
    )
    def test_says_what_is_wrong(self, preview, mailoutbox, arguments, options, said):
        with pytest.raises(CommandError, match=said.replace("?", r"\?")):
            preview(*arguments, **options)

        assert not mailoutbox


@pytest.mark.hosts("full")
class TestPages:
    def test_list_shows_all(self, admin_client):
        answer = admin_client.get(reverse(LIST), {"language": "de"})

        assert answer.status_code == 200
        for kind in message_kinds():
            assert reverse(ONE, args=[kind]) in answer.text
        assert "Willkommen bei saas_kit" in answer.text

    def test_list_is_linked_from_the_outbox(self, admin_client):
        admin_client.post(reverse("admin:saas_kit_tenancy_choose_organization"), {"organization": "*"})

        answer = admin_client.get(reverse("admin:saas_kit_email_outboxmessage_changelist"))

        assert reverse(LIST) in answer.text
        assert "All organizations" in answer.text

    def test_message_is_shown_in_its_frames(self, admin_client):
        answer = admin_client.get(reverse(ONE, args=[KIND]), {"language": "de", "sample": "2"})

        address = f"{reverse(HTML, args=[KIND])}?language=de&amp;sample=2"
        assert answer.status_code == 200
        assert answer.text.count(f'sandbox src="{address}"') == 2
        assert "Ihr Code: sample-of-a-token" in answer.text

    def test_values_are_escaped(self, admin_client):
        answer = admin_client.get(reverse(ONE, args=["saas_kit_auth.passkey_added"]), {"sample": "2"})

        assert "&lt;home&gt;" in answer.text
        assert "<home>" not in answer.text

    def test_html_may_only_show_itself(self, admin_client):
        answer = admin_client.get(reverse(HTML, args=[KIND]), {"language": "de"})

        policy = answer["Content-Security-Policy"].split("; ")
        assert answer.text.startswith("<!DOCTYPE html>")
        assert "Guten Tag!" in answer.text
        assert answer["X-Frame-Options"] == "SAMEORIGIN"
        assert {"default-src 'none'", "sandbox", "frame-ancestors 'self'"} <= set(policy)
        assert not any(each.startswith("script-src") for each in policy)

    @pytest.mark.parametrize("name", [ONE, HTML])
    @pytest.mark.parametrize(
        ("kind", "query"),
        [
            ("saas_kit_auth.nothing", {}),
            (KIND, {"language": "tlh"}),
            (KIND, {"sample": "3"}),
            (KIND, {"sample": "x\x00"}),
        ],
    )
    def test_nothing_else_is_found(self, admin_client, name, kind, query):
        assert admin_client.get(reverse(name, args=[KIND])).status_code == 200
        assert admin_client.get(reverse(name, args=[kind]), query).status_code == 404

    @pytest.mark.parametrize(("name", "arguments"), [(LIST, []), (ONE, [KIND]), (HTML, [KIND])])
    def test_are_for_staff_who_may_see_the_outbox(self, client, make_user, name, arguments):
        address = reverse(name, args=arguments)
        assert client.get(address).status_code == 302

        client.force_login(make_user())
        assert client.get(address).status_code == 302

        staff = make_user(is_staff=True)
        client.force_login(staff)
        assert client.get(address).status_code == 403

        staff.user_permissions.add(Permission.objects.get(codename="view_outboxmessage"))
        assert client.get(address).status_code == 200
