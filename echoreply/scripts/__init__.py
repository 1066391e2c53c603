"""
Reply scripts: what else a server may answer, as a person has written it down.

C{source} reads one, C{script} decides which reply a message gets, C{template} makes it, and C{conversation} has a whole
conversation by it. To be imported only when there is a script: what templates are made of takes fourteen megabytes.
"""
