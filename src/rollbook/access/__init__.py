"""Who may ask for what: keys, grants of datasets, and users that stand under others."""
