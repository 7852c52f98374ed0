"""A page links to http and https only: what a stranger wrote into a label must not run, nor look like another."""

from __future__ import annotations

import pytest
from flask import Flask, render_template_string

from alertsync.web import links

LINKED = [
    "http://alertmanager.example:9093/#/silences/6f0c",
    "https://irm.example/a/grafana-oncall-app/alert-groups/I1?x=1&y=%20#z",
    "HTTPS://irm.example",
    "https://[2001:db8::1]:8443/path",
    "https://münchen.example/täglich",
]
TEXT = [
    "",
    "irm.example/path",
    "//irm.example/path",
    "/path",
    "javascript:alert(1)",
    "JavaScript:alert(1)//https://irm.example",
    "java\tscript:alert(1)",
    " https://irm.example",
    "\x01https://irm.example",
    "https://irm.example\n",
    "https://irm.example/a b",
    "data:text/html,<script>alert(1)</script>",
    "vbscript:msgbox(1)",
    "file:///etc/passwd",
    "ftp://irm.example",
    "https:irm.example",
    "https:/irm.example",
    "https:///irm.example",
    "https:\\\\irm.example",
    "https://irm.example\\@evil.example",
    "https://irm.example@evil.example/",
    "https://user:password@irm.example/",
    "https://irm.example/\u202egpj.exe",
    "https://irm.example:port/",
    "https://[half/",
    'https://irm.example/" onmouseover="alert(1)',
    f"https://irm.example/{'x' * 2048}",
    "https://?query",
    "https://:80/",
]


@pytest.mark.parametrize("address", LINKED)
def test_addresses_of_the_web_become_links_as_they_are(address: str) -> None:
    assert links.safe_link(address) == address


@pytest.mark.parametrize("address", [*TEXT, None, 7], ids=repr)
def test_anything_else_stays_text(address: object) -> None:
    assert links.safe_link(address) == ""


def test_templates_ask_the_same_question() -> None:
    app = Flask(__name__)
    links.register(app)
    template = "{% for one in them %}{% if one|safe_link %}<a href='{{ one|safe_link }}'></a>{% else %}-{% endif %}{% endfor %}"
    with app.app_context():
        shown = render_template_string(template, them=["https://irm.example/?a='b", "javascript:alert(1)"])
    assert shown == "<a href='https://irm.example/?a=&#39;b'></a>-"
