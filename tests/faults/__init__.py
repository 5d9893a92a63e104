"""Faults: killed processes, power loss, bad disks, locks, forks. Each is made to happen, none is imitated."""
