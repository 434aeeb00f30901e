"""Retraining: what people confirmed becomes labels, labels a challenger, and the gate says whether it may serve."""
