"""The outage story as an observer that is not the operator sees it: for the demo, the end-to-end tests, the bench."""
