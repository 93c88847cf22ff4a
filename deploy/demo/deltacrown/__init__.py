"""A small, honest stand-in for `deltacrown`: certificates on a shared volume and, a second time, in a bucket."""
