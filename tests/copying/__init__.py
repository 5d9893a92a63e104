"""Tests of copies of one book into another."""
