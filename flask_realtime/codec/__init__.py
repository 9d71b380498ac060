"""Bytes and text to packets and back: no gevent, no clock, no socket."""
