"""Turn one spec into a sprint's tasks.md and the infrastructure files that it talks about."""

__version__ = "0.1.0"
