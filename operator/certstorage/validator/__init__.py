"""The validator. Its values are named tuples: dataclasses would take 25 ms of every start, a third of it."""
