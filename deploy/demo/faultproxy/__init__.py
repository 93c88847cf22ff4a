"""Faults between the application and S3, switched while everything runs."""
