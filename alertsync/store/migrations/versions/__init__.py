"""One module a step, named after its revision and what it does."""
