"""A face finder: a small dense detector on an offline backbone, from frames with face boxes to a bundle."""
