"""Where in a TOML document something is."""

from twisted.trial.unittest import SynchronousTestCase

from echoreply.core.toml import Path, line_of, parse_toml


class TomlTests(SynchronousTestCase):
    def test_a_value_begins_in_the_line_of_its_key(self) -> None:
        text = '# c\na = 1\n\nb = [\n  1,\n  2,\n]\nc = """\nd = 1\n"""\nd = 2\n[[t]]\nx = 1\n[[t]]\ny = 1\n'
        parse_toml(text, "x")
        places: list[tuple[Path, int]] = [
            (["a"], 2),
            (["b"], 4),
            (["c"], 8),
            (["d"], 11),
            (["t", 1], 14),
            (["t", 1, "y"], 15),
        ]
        for path, line in places:
            self.assertEqual(line_of(text, path), line)
            self.assertEqual(line_of(text.replace("\n", "\r\n"), path), line)

    def test_a_mistake_has_its_line(self) -> None:
        for text, said in (
            ("a = 1\nb = \n", "name, line 2, column 5: Invalid value"),
            ("a = 1\nb = [", "name, line 2: "),
            ("a = 1\nb = 2\na = 3\n", "name, line 3, column 6: Cannot overwrite a value: a is set twice"),
            ("a = []\na = [\n'b=1',\n]\n", "name, line 4, column 2: Cannot overwrite a value: a is set twice"),
            ('"a b" = 1\n"a b" = 2\n', 'name, line 2, column 10: Cannot overwrite a value: "a b" is set twice'),
            ("a = " + "[" * 9999, "name: nested too deeply"),
        ):
            with self.assertRaises(ValueError) as caught:
                parse_toml(text, "name")
            self.assertTrue(str(caught.exception).startswith(said), str(caught.exception))
