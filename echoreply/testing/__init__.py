"""
A real reply server for tests of network clients. It records what it receives.

- For pytest there is the fixture C{echoreply_server}, a L{ThreadedServer
  <echoreply.testing.threaded.ThreadedServer>}. Tests need no knowledge of Twisted.
- For trial, L{serve <echoreply.testing.server.serve>} starts a server on the reactor that runs the test.

Every pytest session imports this package, so it imports nothing itself.
"""
