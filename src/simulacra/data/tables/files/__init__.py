"""Files and frames to a `Table` and back: what is written, what each column is, and how it was written."""
