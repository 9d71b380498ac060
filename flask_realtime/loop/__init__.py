"""What runs on the gevent hub: its thread, deadlines, and queues of work in order."""
