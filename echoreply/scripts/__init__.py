"""
Reply scripts: TOML files that define the greeting, the replies, and when the server closes.

C{source} parses a script, C{script} is the parsed script, C{template} renders a reply, C{responder} chooses and renders
the reply to a message, C{conversation} answers one client, and C{rules} makes the server's rules. Import these only if
there is a script: Jinja and RE2 take fourteen megabytes.
"""
