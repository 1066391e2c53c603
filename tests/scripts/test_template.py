"""Templates: compiling, checking and rendering."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from jinja2.exceptions import SecurityError, UndefinedError
from twisted.trial.unittest import SynchronousTestCase

from echoreply.core.connection_info import ConnectionInfo, PortNumbers
from echoreply.scripts.template import BadTemplate, TemplateContext, bytes_of, condition, greeting, template, text_of
from tests.support.sample_scripts import BY_TCP, BY_TLS

NOW = datetime(2026, 11, 23, 4, 5, 6, 789000, UTC)


def context(connection_info: ConnectionInfo = BY_TCP, **known: Any) -> TemplateContext:  # noqa: ANN401
    defaults: dict[str, Any] = {"ports": PortNumbers(), "prefix": b">", "now": lambda: NOW}
    return TemplateContext(connection_info, **defaults | {"message": b"hello", "end": b"\r\n", "count": 2} | known)


def said(
    source: str,
    connection_info: ConnectionInfo = BY_TCP,
    *,
    groups: Collection[str] = (),
    **known: Any,  # noqa: ANN401
) -> bytes:
    return template(source, groups).render(context(connection_info, **known))


class FieldTests(SynchronousTestCase):
    def test_a_message_has_its_end_its_prefix_and_its_number(self) -> None:
        self.assertEqual(said("{{ prefix }}{{ message }}|{{ end }}{{ count }}"), b">hello|\r\n2")

    def test_the_ends_of_the_connection_have_hosts_and_ports(self) -> None:
        self.assertEqual(
            said("{{ connection }} {{ peer.host }} {{ peer.port }} {{ host.host }} {{ host['port'] }} {{ transport }}"),
            b"3 192.0.2.1 4000 192.0.2.9 8088 tcp",
        )

    def test_tls_has_what_the_handshake_led_to(self) -> None:
        source = "{{ tls.version }} {{ tls.cipher }} {{ tls.server_name }} {{ tls.alpn }} {{ tls.client }}"
        self.assertEqual(said(source, BY_TLS), b"TLSv1.3 TLS_AES_128_GCM_SHA256 server.test echo/1 CN=client")

    def test_without_tls_there_is_none(self) -> None:
        self.assertEqual(said("{{ tls is none }} {{ 'secret' if tls else 'plain' }}"), b"True plain")
        with self.assertRaises(UndefinedError):
            said("{{ tls.version }}")

    def test_ports_are_those_that_are_listened_on(self) -> None:
        ports = PortNumbers(tcp=8088, udp=9)
        self.assertEqual(said("{{ ports.tcp }} {{ ports.tls }} {{ ports.udp }}", ports=ports), b"8088 None 9")

    def test_ports_may_become_known_later(self) -> None:
        telling, ports = template("{{ ports.tcp }}"), PortNumbers()
        ports.tcp = 8088
        self.assertEqual(telling.render(context(ports=ports)), b"8088")

    def test_groups_are_those_that_have_matched(self) -> None:
        match: Mapping[str, str] = {"key": "k", "value": ""}
        self.assertEqual(said("{{ match.key }}={{ match['value'] }}", groups=["key", "value"], match=match), b"k=")

    def test_the_machine_and_the_process_are_known(self) -> None:
        self.assertEqual(said("{{ hostname }} {{ pid }}"), f"{socket.gethostname()} {os.getpid()}".encode())

    def test_variables_of_the_environment_are_empty_if_they_are_not_set(self) -> None:
        wanted = "'{{ env.ECHOREPLY_SET }}|{{ env.ECHOREPLY_UNSET }}|'"
        code = f"from tests.scripts.test_template import said; print(said({wanted}))"
        environment = {**os.environ, "ECHOREPLY_SET": "yes", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        environment.pop("ECHOREPLY_UNSET", None)
        result = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=True)
        self.assertEqual(result.stdout, b"b'yes||'\n")

    def test_now_is_the_time_in_utc(self) -> None:
        self.assertEqual(said("{{ now.isoformat() }} {{ now.year }}"), b"2026-11-23T04:05:06.789000+00:00 2026")

    def test_names_that_a_template_sets_are_its_own(self) -> None:
        self.assertEqual(said("{% set name = message | upper %}{{ name }}"), b"HELLO")
        self.assertEqual(said("{% if count > 1 %}{% set many = 'many' %}{% endif %}{{ many }}"), b"many")
        self.assertEqual(said("{% for word in ['a', 'b'] %}{{ loop.index }}{{ word }}{% endfor %}"), b"1a2b")
        self.assertEqual(said("{% set tls = {'mode': 'none'} %}{{ tls.mode }}", BY_TLS), b"none")


class BytesTests(SynchronousTestCase):
    @given(st.binary(), st.sampled_from([b"", b"\n", b"\r\n", b"\r\r\n"]), st.binary())
    def test_bytes_of_any_kind_come_out_as_they_went_in(self, message: bytes, end: bytes, prefix: bytes) -> None:
        for source in ("{{ prefix }}{{ message }}{{ end }}", "{{ prefix + message }}{{ end ~ '' }}"):
            self.assertEqual(said(source, message=message, end=end, prefix=prefix), prefix + message + end)

    @given(st.binary())
    def test_text_of_bytes_gives_them_back(self, data: bytes) -> None:
        self.assertEqual(bytes_of(text_of(data)), data)

    @given(st.text("a\r\n \u1680\u205f中", max_size=20))
    def test_the_ends_of_lines_stay_what_they_are(self, text: str) -> None:
        self.assertEqual(said(text), text.encode())
        self.assertEqual(said("{{ count }}" + text), b"2" + text.encode())
        self.assertEqual(said("{{ '" + text + "' }}"), text.encode())

    def test_they_are_stripped_as_other_space_is(self) -> None:
        self.assertEqual(said("a\r\n{%- if count -%}\r\n b\r\n{% endif %}"), b"ab\r\n")
        self.assertEqual(said("{{\r\n message\r\n}}\r\n"), b"hello\r\n")

    def test_escapes_within_an_expression_are_pythons(self) -> None:
        self.assertEqual(said(r"{{ 'a\r\n\x41' }}"), b"a\r\nA")

    def test_octets_are_counted_as_they_are_sent(self) -> None:
        self.assertEqual(said("{{ message | octets }}", message="中".encode() + b"\xff"), b"4")
        self.assertEqual(said("{{ message | length }}", message="中".encode() + b"\xff"), b"2")


class PartsTests(SynchronousTestCase):
    def test_what_is_only_put_together_is_known_by_its_parts(self) -> None:
        self.assertEqual(template("").parts, [])
        self.assertEqual(template("a\r\n{{ message }}{{ end }}").parts, [b"a\r\n", "message", "end"])

    def test_anything_else_has_none(self) -> None:
        for source in (
            "{{ count }}",
            "{{ message | upper }}",
            "{% if count %}a{% endif %}",
            "{% set message = 'mine' %}{{ message }}",
        ):
            self.assertIsNone(template(source).parts, source)


class ConditionTests(SynchronousTestCase):
    def test_it_is_empty_unless_the_expression_is_true(self) -> None:
        self.assertTrue(condition("transport == 'tcp' and match.x", ["x"]).render(context(match={"x": "1"})))
        self.assertFalse(condition("transport == 'udp'").render(context()))
        self.assertTrue(condition("count == 2\nor\ntls").render(context()))

    def test_a_bad_one_is_told_with_a_line_that_it_has(self) -> None:
        for expression, line in (("", 1), ("count ==", 1), ("a b", 1), ("count\nor nobody", 2), ("count\n==", 2)):
            with self.assertRaises(BadTemplate) as caught:
                condition(expression)
            self.assertEqual(caught.exception.line, line, expression)


class BadTemplateTests(SynchronousTestCase):
    def assert_bad(self, source: str, why: str, line: int = 1, groups: Collection[str] = ()) -> None:
        with self.assertRaises(BadTemplate) as caught:
            template(source, groups)
        self.assertIn(why, str(caught.exception))
        self.assertNotIn("\n", str(caught.exception))
        self.assertEqual(caught.exception.line, line)

    def test_an_unknown_field_is_told_with_those_there_are(self) -> None:
        self.assert_bad("a\n{{ mesage }}", "unknown field 'mesage'; known fields: connection, count, end, env, host", 2)

    def test_so_is_an_unknown_part_of_one(self) -> None:
        self.assert_bad("{{ peer.hots }}", "unknown field 'peer.hots'; known parts: host, port")
        self.assert_bad("{{ host['prot'] }}", "unknown field 'host.prot'; known parts: host, port")
        self.assert_bad("{% if tls and tls.sni %}{% endif %}", "unknown field 'tls.sni'; known parts: alpn, cipher")
        self.assert_bad("\r\n\r\n{{ ports.http }}", "unknown field 'ports.http'; known parts: tcp, tls, udp", 3)
        self.assert_bad("{{ match.x }}", "unknown field 'match.x'; known parts: none")
        self.assert_bad("{{ match.x }}", "unknown field 'match.x'; known parts: y", groups=["y"])

    def test_what_is_not_jinja_is_told(self) -> None:
        self.assert_bad("{{ message", "unexpected end of template")
        self.assert_bad("\n{% if %}", "Expected an expression", 2)
        self.assert_bad("{{ message | shout }}", "No filter named 'shout'")
        self.assert_bad("{{ message is loud }}", "No test named 'loud'")
        self.assert_bad("{# never ends", "Missing end of comment tag")

    def test_it_takes_in_no_others(self) -> None:
        for source in (
            "{% include 'a' %}",
            "{% import 'a' as b %}",
            "{% from 'a' import b %}",
            "{% extends 'a' %}",
        ):
            self.assert_bad(source, "a template can't include or import others")


class GreetingTests(SynchronousTestCase):
    def test_it_knows_who_comes(self) -> None:
        self.assertEqual(greeting("{{ peer.host }}\r\n").render(context()), b"192.0.2.1\r\n")

    def test_there_is_no_message_yet(self) -> None:
        for field in ("message", "end", "match"):
            with self.assertRaises(BadTemplate) as caught:
                greeting(f"{{{{ {field} }}}}")
            self.assertTrue(str(caught.exception).startswith(f"unknown field {field!r}; known fields: connection, "))


class RenderTests(SynchronousTestCase):
    def test_what_goes_wrong_only_then_is_raised_then(self) -> None:
        telling = template("{{ 6 // (count - 2) }}")
        with self.assertRaises(ZeroDivisionError):
            telling.render(context())
        self.assertEqual(telling.render(context(count=4)), b"3")

    def test_there_is_no_way_into_python(self) -> None:
        for source in (
            "{{ cycler.__init__.__globals__ }}",
            "{{ message.__class__.__mro__ }}",
            "{{ '{0.__class__}'.format(1) }}",
        ):
            with self.assertRaises(SecurityError):
                said(source)

    def test_nothing_of_one_rendering_is_left_to_the_next(self) -> None:
        telling = template("{% if count == 1 %}{% set name = message %}{% endif %}{{ name | default('nobody') }}")
        self.assertEqual(telling.render(context(count=1)), b"hello")
        self.assertEqual(telling.render(context(count=2)), b"nobody")


class JSONTests(SynchronousTestCase):
    def test_it_is_one_line_as_short_as_can_be(self) -> None:
        self.assertEqual(
            said("{{ {'a': [1, none, true], 'b': '中\n'} | tojson }}"), '{"a":[1,null,true],"b":"中\\n"}'.encode()
        )

    def test_it_knows_what_the_fields_are(self) -> None:
        self.assertEqual(said("{{ peer | tojson }}"), b'{"host":"192.0.2.1","port":4000}')
        self.assertEqual(said("{{ ports | tojson }}", ports=PortNumbers(tcp=1)), b'{"tcp":1,"tls":null,"udp":null}')
        self.assertEqual(said("{{ tls | tojson }}"), b"null")
        self.assertEqual(json.loads(said("{{ tls | tojson }}", BY_TLS))["cipher"], "TLS_AES_128_GCM_SHA256")
        self.assertEqual(said("{{ now | tojson }}"), b'"2026-11-23T04:05:06.789000+00:00"')
        with self.assertRaises(TypeError):
            said("{{ namespace | tojson }}")

    @given(st.binary())
    def test_bytes_of_any_kind_are_json_that_python_reads_back(self, message: bytes) -> None:
        text = said("{{ message | tojson }}", message=message).decode()
        self.assertTrue(text.isascii() or text.encode())
        self.assertEqual(len(text.split("\n")), 1)
        self.assertEqual(bytes_of(json.loads(text)), message)
