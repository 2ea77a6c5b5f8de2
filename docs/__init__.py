"""What people read of the project.

Belongs here: pages, the picture of the asset graph, and what generates those that are
generated. Does not belong here: anything the pipeline runs.
"""
