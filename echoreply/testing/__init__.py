"""
A reply server for the tests of others: a far end for a client that is to be tested, which tells what it has received.

- Under pytest it is the fixture C{echoreply_server}, a L{ThreadedServer <echoreply.testing.threaded.ThreadedServer>},
  for tests that need to know nothing of Twisted.
- Under trial it is what L{serve <echoreply.testing.server.serve>} gives, on the reactor that runs the test.

This package is imported wherever pytest runs, so it imports nothing itself.
"""
