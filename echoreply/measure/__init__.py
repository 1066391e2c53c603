"""
C{echoreply-measure}: how long a server takes to answer, how often it does, and whether it answers rightly.

    messages    what is asked, and what is to come                  bytes
    schedule    when messages are due                               numbers
    recording   what came of them, and how that is kept in a file   numbers
    alarm       a clock that rings in time                          the reactor
    load        one connection, and what all of them share          a transport
    run         many connections, and the end                       an endpoint, the reactor
    report      the result in words                                 text
    chart       the result as a picture                             matplotlib
    progress    a bar                                               rich
    command     the command line                                    the process
"""
