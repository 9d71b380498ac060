"""Everything that depends on the WSGI server around the application."""
