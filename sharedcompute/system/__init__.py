"""What the operating system gives and takes: cores, memory, signals, processes that may be lost."""
