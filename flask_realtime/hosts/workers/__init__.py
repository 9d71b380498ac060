"""The workers of one host as one server: connections move to the worker of their session."""
