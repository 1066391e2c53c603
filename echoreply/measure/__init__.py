"""
C{echoreply-measure}: measures the latency and throughput of any server that replies to each line with a line.

It sends a message at intervals, as ping does, or runs a load test, and compares every reply with the expected one.

    command         the command line
    session         a run for the user: reactor, output, files, exit status
    plan            the parameters of a run, made from the options
    run             makes the connections, starts and ends sending
    load            sends due messages on free connections
    connection      one connection: sends messages, compares replies
    messages        the messages, and the expected replies
    schedule        when messages are due
    precise_timer   a timer finer than the reactor's
    measurements    counts and latencies while a run sends
    result          the result, and its JSON file
    report          the result as text
    chart           the result as a picture
    progress        a progress bar
"""
