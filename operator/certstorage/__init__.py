"""The CertStoragePolicy operator: the S3 storage runbook, run by itself."""

__version__ = "0.1.0"
