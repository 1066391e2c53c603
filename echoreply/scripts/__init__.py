"""
Reply scripts: TOML files that say what the server sends, on connect, to each message, and when it closes.

C{source} parses one, C{script} holds what it says, C{template} renders a reply, C{responder} chooses and renders the
reply to a message, and C{conversation} has a whole conversation by it. Import these only when there is a script: Jinja
and RE2 take fourteen megabytes.
"""
