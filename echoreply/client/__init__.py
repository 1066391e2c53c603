"""
C{echoreply-client}: a client for any TCP, TLS, UNIX socket or UDP server that speaks in lines.

It sends standard input and writes out replies, in a pipeline or at a terminal. The C{ClientFactory} and the protocol
for C{stdio.StandardIO} are in L{echoreply.client.bridge}.

    command         the command line
    pipes           a run for pipes, files and plain terminals
    bridge          the protocols of the socket, and of standard input and output
    outcome         exit statuses and messages
    terminal        a run with the line editor
    interactive     sends the editor's lines over one connection after another
    states          the states of interactive and bridge, and their transitions
    editor_link     the editor's end of one connection
    line_queue      lines that could not be sent yet
    backoff         delays between attempts to connect
    round_trips     which reply belongs to which line, and its time
    display         rows for the terminal
    editor          the line editor
    editing_keys    the keys that edit a line
    history         lines of earlier runs, in a file
    transcript      all that was sent and received, in a file
"""
