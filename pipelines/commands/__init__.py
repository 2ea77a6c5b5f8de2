"""The commands of `sus-pricing` that have commands of their own, a module each.

Belongs here: options and what is printed. Does not belong here: the work.
"""
