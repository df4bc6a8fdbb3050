"""What of a job is done and lasts: the journal, what earlier runs left, how a job is resumed."""
