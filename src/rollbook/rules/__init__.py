"""The rules: pure functions over the model, with the clock passed in. No input or output, no SQL."""
