"""What a study tells its readers: one page, and the same in tables.

Importing this package imports nothing; `training.report.page` brings matplotlib and jinja2, which a machine that only
trains need not have.
"""
