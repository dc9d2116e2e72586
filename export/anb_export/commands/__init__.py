"""The commands of ``anb-export``, one module each.

A module whose name has no leading underscore is a command of that name (less a trailing underscore,
which `import` needs, being a word of Python). It offers ``HELP`` (one
line), ``add_arguments(parser)`` and ``run(arguments) -> int`` (the exit code), and imports what is
slow to import inside ``run``.
"""
