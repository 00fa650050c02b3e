"""How like real rows synthetic ones are: columns, pairs, a detector, a classifier."""
