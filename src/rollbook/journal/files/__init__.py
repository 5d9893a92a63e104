"""Journals in a folder: one log of JSON lines for each session, for many processes of one machine at once.

A step is one line. It is acknowledged when the line is on the disk.
"""
