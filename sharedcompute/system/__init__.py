"""Resources of the operating system: cores, memory, signals, disposable processes."""
