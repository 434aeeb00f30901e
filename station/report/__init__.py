"""The census for people and for other programs: one page, and every figure of it as CSV and JSON."""
