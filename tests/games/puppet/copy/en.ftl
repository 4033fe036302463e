host-stopped = Stopped.
