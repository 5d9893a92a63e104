"""What sessions contain: the shipped contract on every place for journals, and the rules against a plain model."""
