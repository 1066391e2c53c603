"""The connections of a port."""

from twisted.trial.unittest import SynchronousTestCase

from echoreply.native.connections import Connections


class Leaving:
    """A connection that leaves the others while it shuts down."""

    def __init__(self, connections: Connections) -> None:
        self.connections = connections
        self.ends = 0
        connections.connections.add(self)

    def shut_down(self) -> None:
        self.ends += 1
        self.connections.connections.discard(self)


class ConnectionsTests(SynchronousTestCase):
    def test_connections_share_one_buffer_of_each_size(self) -> None:
        connections = Connections()
        small, large = connections.read_buffer(10), connections.read_buffer(20)
        self.assertEqual((len(small), len(large)), (10, 20))
        self.assertIs(connections.read_buffer(10), small)

    def test_all_are_shut_down_though_each_leaves_the_others(self) -> None:
        connections = Connections()
        leaving = [Leaving(connections) for _ in range(3)]
        connections.shut_down()
        self.assertEqual([each.ends for each in leaving], [1, 1, 1])
        self.assertEqual(connections.connections, set())
