"""A `Table`'s columns to model space and back, and what conditions on them say there."""
