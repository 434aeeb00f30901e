"""A Camtrap DP 1.0.2 package of what the station saw: tables, descriptor, and the check before it is handed over."""
