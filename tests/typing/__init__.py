"""Code as applications write it, for type checkers: it is checked, and never run."""
