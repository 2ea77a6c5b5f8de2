"""What makes the generated pages: one module for each, named as its page is.

Belongs here: turning cases, packs, registries and definitions into Markdown or SVG, the
same bytes every time. Does not belong here: prose of its own beyond a page's
introduction, and any fact that the code or `data/` already states.
"""
