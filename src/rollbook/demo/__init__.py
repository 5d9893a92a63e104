"""A made-up fleet for trying things out: everybody and everything in it is invented."""
