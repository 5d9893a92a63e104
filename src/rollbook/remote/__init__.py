"""A book on a server, as a machine that pushes to it has one; and the form in which both speak of it."""
