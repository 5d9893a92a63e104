"""Hooks: what agents say of their sessions as they go, through commands that they run at certain moments."""
