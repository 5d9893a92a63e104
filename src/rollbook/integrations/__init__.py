"""Doors for agent frameworks: each module speaks one framework's own session interface and holds no rules.

A module is imported by its name, needs its framework (an extra of the same name installs it), and takes any open book.
"""
