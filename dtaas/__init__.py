"""DTaaS: moves tables from SQL Server to S3, exactly once, and shows it happen."""

__version__ = "0.1.0"
