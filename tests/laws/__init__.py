"""The rules of the book as laws: each test is named after its rule and holds for every history that is tried."""
