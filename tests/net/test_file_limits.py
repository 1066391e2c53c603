"""The limit on open files."""

import resource

from twisted.trial.unittest import SynchronousTestCase

from echoreply.net import file_limits as descriptors
from echoreply.net.file_limits import RESERVE, max_connections_for, set_limit


class LimitTests(SynchronousTestCase):
    """Change the limit of this process, and restore it."""

    def setUp(self) -> None:
        super().setUp()
        self.soft, self.hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (self.soft, self.hard))

    def test_the_soft_limit_is_raised_to_the_hard_one(self) -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (500, self.hard))
        self.assertEqual(set_limit(), (500, self.hard))
        self.assertEqual(resource.getrlimit(resource.RLIMIT_NOFILE), (self.hard, self.hard))

    def test_if_the_hard_limit_is_rejected_another_is_tried(self) -> None:
        asked: list[int] = []

        def refuse_the_hard_one(_what: int, limits: tuple[int, int]) -> None:
            asked.append(limits[0])
            if limits[0] == self.hard:
                raise ValueError

        self.patch(resource, "setrlimit", refuse_the_hard_one)
        set_limit()
        self.assertEqual(asked, [self.hard, max(self.soft, descriptors._OPEN_MAX)])

    def test_the_limit_is_lowered_only_on_request(self) -> None:
        limits = [(65536, resource.RLIM_INFINITY)]
        self.patch(resource, "getrlimit", lambda _what: limits[-1])

        def refuse_infinity(_what: int, wanted: tuple[int, int]) -> None:
            if wanted[0] == resource.RLIM_INFINITY:
                raise ValueError
            limits.append(wanted)

        self.patch(resource, "setrlimit", refuse_infinity)
        self.assertEqual(set_limit(), (65536, 65536))
        self.assertEqual(set_limit(100), (65536, 100))

    def test_the_reserve_takes_at_most_half_of_a_small_limit(self) -> None:
        self.assertEqual(max_connections_for(20_000), 20_000 - RESERVE)
        self.assertEqual(max_connections_for(100), 50)
