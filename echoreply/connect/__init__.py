"""
Connecting to a server, for the client and the load tester: their common options, endpoints, and error messages.

    options              options such as HOST, PORT, --tls and --udp
    target               the endpoint that options name
    udp                  an endpoint for UDP
    datagram_transport   a UDP socket with the interface of a connection
    failures             messages for connections that fail or are lost
    run                  runs the reactor until a command has ended
"""
