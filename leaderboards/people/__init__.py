"""What people say of a run's responses: a sample with known weights, labels, and the rates they lead to."""
